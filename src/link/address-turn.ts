/**
 * Which of several addresses is dialled next: in turn, in the order in which they were given, those that asked for a pause
 * after the others. Pure: the time is an argument.
 */
import type { Address } from '../transports/transport.js';

/** The addresses of one client. */
export class AddressTurn {
  readonly #addresses: readonly Address[];
  /** Until when each is not to be dialled, in milliseconds. */
  readonly #notBeforeMs: number[];
  #present: Address;
  #at = 0;
  #failures = 0;

  /** @param addresses - one at least */
  constructor(addresses: readonly [Address, ...(readonly Address[])]) {
    this.#addresses = addresses;
    this.#notBeforeMs = addresses.map(() => 0);
    this.#present = addresses[0];
  }

  /** The one whose turn it is. */
  get present(): Address {
    return this.#present;
  }

  /** A connection was made to the present one. */
  made(): void {
    this.#failures = 0;
  }

  /**
   * The present one is of no use now: it is the turn of the next.
   * @param retryAfterMs - how long the present one asked to be left alone
   * @returns whether all of them have failed
   */
  pass(nowMs: number, retryAfterMs: number): boolean {
    this.#notBeforeMs[this.#at] = nowMs + retryAfterMs;
    this.#at = (this.#at + 1) % this.#addresses.length;
    this.#failures = (this.#failures + 1) % this.#addresses.length;
    return this.#failures === 0;
  }

  /**
   * Passes over those that asked for a pause.
   * @returns how long to wait for the one whose turn it is then, in milliseconds
   */
  choose(nowMs: number): number {
    const inTurn = this.#addresses.map((_, step) => (this.#at + step) % this.#addresses.length);
    const dueMs = (at: number): number => Math.max(nowMs, this.#notBeforeMs[at] ?? 0);
    const earliestMs = Math.min(...inTurn.map(dueMs));
    this.#at = inTurn.find((at) => dueMs(at) === earliestMs) ?? this.#at;
    this.#present = this.#addresses[this.#at] ?? this.#present;
    return earliestMs - nowMs;
  }
}
