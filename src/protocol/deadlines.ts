/**
 * Many deadlines under one timer: adding and removing are constant time, whatever their number.
 *
 * Deadlines fall into buckets of one millisecond; a binary heap holds the times that have a bucket. A bucket emptied
 * before its time stays in the heap until its turn: at most one number for each millisecond ahead.
 */

/** A set of keys, each due at a time. */
export class Deadlines<Key> {
  readonly #buckets = new Map<number, Set<Key>>();
  readonly #heap: number[] = [];

  /** When the first is due, `Infinity` when there is none. May be early, when the one due then was removed. */
  get nextMs(): number {
    return this.#heap[0] ?? Infinity;
  }

  /**
   * Adds a key.
   * @param atMs - when it is due; rounded up to a whole millisecond
   * @returns the time to give to `remove`
   */
  add(key: Key, atMs: number): number {
    const timeMs = Math.ceil(atMs);
    let bucket = this.#buckets.get(timeMs);
    if (bucket === undefined) {
      bucket = new Set();
      this.#buckets.set(timeMs, bucket);
      this.#push(timeMs);
    }
    bucket.add(key);
    return timeMs;
  }

  /** Removes a key that was added with this time; has no effect when it was taken already. */
  remove(key: Key, timeMs: number): void {
    this.#buckets.get(timeMs)?.delete(key);
  }

  /** Takes every key that is due, the earliest first. */
  takeDue(nowMs: number): Key[] {
    const due: Key[] = [];
    for (let timeMs = this.#heap[0]; timeMs !== undefined && timeMs <= nowMs; timeMs = this.#heap[0]) {
      for (const key of this.#buckets.get(timeMs) ?? []) due.push(key);
      this.#buckets.delete(timeMs);
      this.#pop();
    }
    return due;
  }

  #push(timeMs: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timeMs);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] ?? -Infinity;
      if (above <= timeMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timeMs;
  }

  #pop(): void {
    const heap = this.#heap;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const leftMs = heap[left] ?? Infinity;
      const rightMs = heap[right] ?? Infinity;
      const [child, childMs] = leftMs <= rightMs ? [left, leftMs] : [right, rightMs];
      if (childMs >= moved) break;
      heap[at] = childMs;
      at = child;
    }
    heap[at] = moved;
  }
}
