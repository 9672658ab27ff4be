/**
 * The word of shared memory by which a thread that waits for a call, and the main thread that runs it, agree on what becomes of it.
 *
 *   waiting ──take──► running ──answer──► answered
 *      └───────┬─────────┘
 *          giveUp ──► given up
 *
 * Both sides step by compare-and-exchange, so that exactly one of them wins: a call that was given up before it was taken never
 * runs, and a caller never misses an answer that was there in time. The word holds the number of the call as well, since a call
 * that was given up may still wait at the main thread when its thread makes the next one. Knows no messages.
 */

/** How waiting ended: with an answer, or given up before the call was taken, or while it ran. */
export type CallOutcome = 'answered' | 'not-taken' | 'not-ended';

/** Has the thread sleep until the word is woken, has another value, or the time is over: `Atomics.wait`. */
export type Sleep = (words: Int32Array, index: number, value: number, timeoutMs: number) => unknown;

/** One side's view of the word of a thread: a thread waits for one call at a time. */
export class CallWord {
  readonly #words: Int32Array;

  /** @param memory - that of the other side; without it, this is the first */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(memory);
  }

  /** What the other side needs for its view. */
  get memory(): SharedArrayBuffer {
    return this.#words.buffer as SharedArrayBuffer;
  }

  /**
   * The caller begins a call.
   * @param call - its number, 1 to {@link maxCallNumber}
   */
  begin(call: number): void {
    Atomics.store(this.#words, 0, call * PHASES + WAITING);
  }

  /** The main thread takes a call to run it; false if its caller has given it up. */
  take(call: number): boolean {
    return this.#step(call, WAITING, RUNNING);
  }

  /** Whether the caller still waits for the answer of a call that was taken. */
  isAwaited(call: number): boolean {
    return Atomics.load(this.#words, 0) === call * PHASES + RUNNING;
  }

  /** The main thread has sent the answer: the caller is woken. */
  answer(call: number): void {
    if (this.#step(call, RUNNING, ANSWERED)) Atomics.notify(this.#words, 0);
  }

  /**
   * The caller waits for a call that it has begun and sent, and gives it up when the time is over.
   *
   * @param call - its number
   * @param timeoutMs - how long, `Infinity` for as long as it takes
   * @param now - the time in milliseconds
   * @param sleep - how to wait
   */
  wait(call: number, timeoutMs: number, now: () => number, sleep: Sleep): CallOutcome {
    const endMs = now() + timeoutMs;
    for (;;) {
      const value = Atomics.load(this.#words, 0);
      if (value === call * PHASES + ANSWERED) return 'answered';
      const leftMs = endMs - now();
      // Woken for no reason, or too early: looked at again. Being taken wakes nobody.
      if (leftMs > 0) sleep(this.#words, 0, value, leftMs);
      else if (this.#step(call, WAITING, GIVEN_UP)) return 'not-taken';
      else if (this.#step(call, RUNNING, GIVEN_UP)) return 'not-ended';
    }
  }

  #step(call: number, from: number, to: number): boolean {
    const expected = call * PHASES + from;
    return Atomics.compareExchange(this.#words, 0, expected, call * PHASES + to) === expected;
  }
}

const WAITING = 0;
const RUNNING = 1;
const ANSWERED = 2;
const GIVEN_UP = 3;
const PHASES = 4;

/** The highest number of a call: with its phase it fills a signed 32-bit word. The one after it is 1 again. */
export const maxCallNumber = 2 ** 29 - 1;
