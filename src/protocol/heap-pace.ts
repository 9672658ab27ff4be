/**
 * Keeps the garbage collector at its cheap collections while many bytes arrive.
 *
 * Byte arrays lie outside of JavaScript's heap. V8 collects young objects when their part of the heap is full, in half a
 * millisecond. But what lies outside hardly fills the heap; and when it has grown by some 16 MiB, V8 marks everything alive,
 * which takes 15 ms on all processors, to find that the arrays died young: many times a second where bytes are moved. Hence as
 * much is taken of the heap as outside, and dropped. It costs 50 microseconds for each MiB, and saves a millisecond.
 */

/** Items of an array of 32 KiB: V8 keeps much larger ones apart, which costs more. */
const arrayItems = 4_096;
const arrayBytes = 8 * arrayItems;

/** The most that is taken for one array: the young part of a heap is no larger, and is collected then. */
const mostBytes = 16 * 1024 * 1024;

/** Takes of the heap as much as is taken outside. */
export class HeapPace {
  #owedBytes = 0;
  // Kept until the next, since what nobody sees might not be allocated at all.
  #garbage: readonly undefined[] = [];

  /** How much of it was taken last and is still there, in bytes. */
  get takenBytes(): number {
    return this.#garbage.length * 8;
  }

  /** So many bytes were taken outside. */
  follow(bytes: number): void {
    this.#owedBytes += Math.min(bytes, mostBytes);
    while (this.#owedBytes >= arrayBytes) {
      this.#owedBytes -= arrayBytes;
      this.#garbage = new Array<undefined>(arrayItems);
    }
  }
}
