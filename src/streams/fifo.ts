/**
 * A first-in-first-out queue whose `take` stays cheap at any length.
 *
 * `Array.prototype.shift` moves all that follows once an array has grown large (a flood of 100,000 events then takes
 * seconds): the head is an index here, and what was taken is cut off now and then.
 */

/** A queue: values leave in the order in which they came. It has no bound; its owner gives it one where it needs one. */
export class Fifo<T> {
  readonly #items: (T | undefined)[] = [];
  #head = 0;

  /** How many values wait. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** @param item - the value that waits behind all others */
  push(item: T): void {
    this.#items.push(item);
  }

  /**
   * Removes the value that has waited longest.
   *
   * @returns that value, or `undefined` if none waits
   */
  take(): T | undefined {
    if (this.#head === this.#items.length) {
      return undefined;
    }
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // what was taken must not be kept alive by the queue
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= MIN_CUT_ITEMS && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head); // at most half of the array moves: constant time per value, on average
      this.#head = 0;
    }
    return item;
  }

  /** Puts values that were taken back in front of all others. */
  putBack(items: readonly T[]): void {
    this.#items.splice(0, this.#head, ...items);
    this.#head = 0;
  }

  /** The value that has waited longest, `undefined` if none waits. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Removes all values. */
  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }
}

const MIN_CUT_ITEMS = 1024;
