/**
 * Whether the main thread has a line, in memory that both threads see: taken or lost, whichever is said first, and then for good. So what
 * was given up as lost is never taken later, and the error of its caller stays true.
 */

/** One side's view of the state of a line. */
export class LineState {
  readonly #words: Int32Array;

  /** @param memory - that of the other side; without it, this is the first */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(memory);
  }

  /** What the other side needs for its view. */
  get memory(): SharedArrayBuffer {
    return this.#words.buffer as SharedArrayBuffer;
  }

  /** Says what became of the line; false if the other thing was said before. */
  take(state: 'taken' | 'lost'): boolean {
    const value = state === 'taken' ? TAKEN : LOST;
    const before = Atomics.compareExchange(this.#words, 0, UNKNOWN, value);
    return before === UNKNOWN || before === value;
  }

  /** The main thread listens: whoever asks need not say that nobody does. */
  hear(): void {
    Atomics.store(this.#words, 1, 1);
  }

  /** Whether the main thread is known to listen. */
  get isHeard(): boolean {
    return Atomics.load(this.#words, 1) === 1;
  }

  /** Whether the main thread has it. */
  get isTaken(): boolean {
    return Atomics.load(this.#words, 0) === TAKEN;
  }

  /** Whether the main thread will never have it. */
  get isLost(): boolean {
    return Atomics.load(this.#words, 0) === LOST;
  }
}

const UNKNOWN = 0;
const TAKEN = 1;
const LOST = 2;
