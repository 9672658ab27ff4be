/**
 * Many deadlines under one timer: adding and removing are constant time, whatever their number.
 *
 * Deadlines fall into buckets of one millisecond; a binary heap holds the times that have a bucket. Most deadlines are
 * removed long before their time. A bucket that is emptied stays where it is until half of them are empty, and then all
 * empty ones go at once: so neither space nor wake-ups are spent on what was removed.
 */

import { itemAt } from './bytes.js';
import { SparseMap } from './sparse.js';

/** Fewer empty buckets than this are not worth a sweep. */
const fewestSwept = 64;

/** A set of keys, each due at a time. */
export class Deadlines<Key> {
  readonly #buckets = new SparseMap<number, Set<Key>>();
  #heap: number[] = [];
  #emptyCount = 0;

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
    } else if (bucket.size === 0) {
      this.#emptyCount -= 1;
    }
    bucket.add(key);
    return timeMs;
  }

  /** Removes a key that was added with this time; has no effect when it was taken already. */
  remove(key: Key, timeMs: number): void {
    const bucket = this.#buckets.get(timeMs);
    if (bucket?.delete(key) !== true || bucket.size > 0) return;
    this.#emptyCount += 1;
    if (this.#emptyCount >= fewestSwept && this.#emptyCount * 2 > this.#heap.length) this.#sweep();
  }

  /** Takes every key that is due, the earliest first. */
  takeDue(nowMs: number): Key[] {
    const due: Key[] = [];
    for (let timeMs = this.#heap[0]; timeMs !== undefined && timeMs <= nowMs; timeMs = this.#heap[0]) {
      // Each time in the heap has its bucket.
      const bucket = this.#buckets.get(timeMs) as ReadonlySet<Key>;
      if (bucket.size === 0) this.#emptyCount -= 1;
      for (const key of bucket) due.push(key);
      this.#buckets.delete(timeMs);
      this.#pop();
    }
    return due;
  }

  #sweep(): void {
    for (const [timeMs, bucket] of this.#buckets) {
      if (bucket.size === 0) this.#buckets.delete(timeMs);
    }
    // What is sorted is a heap.
    this.#heap = [...this.#buckets.keys()].sort((left, right) => left - right);
    this.#emptyCount = 0;
  }

  #push(timeMs: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timeMs);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = itemAt(heap, parent);
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
