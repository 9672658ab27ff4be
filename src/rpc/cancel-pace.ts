/**
 * When this side tells the other that nobody waits for a call any more: at once, as long as that is not often. A peer
 * disconnects whoever cancels too much, and a batch that is given up as a whole is no attack; so what is more waits, and is
 * left out if the answer comes before.
 *
 * Half of what may be sent in a stretch: the stretches of both sides overlap anyhow.
 */
import { SparseSet } from '../protocol/sparse.js';
import { cancelStretchMs } from './quotas.js';

/** The cancels of one connection. */
export class CancelPace {
  readonly #most: number;
  readonly #send: (id: number) => void;
  readonly #waiting = new SparseSet<number>();
  #stretchEndsMs = 0;
  #sent = 0;

  /**
   * @param maxCancels - in a stretch, as this side itself bears it
   * @param send - tells the other side of one call
   */
  constructor(maxCancels: number, send: (id: number) => void) {
    this.#most = Math.floor(maxCancels / 2);
    this.#send = send;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#waiting.size === 0 ? Infinity : this.#stretchEndsMs;
  }

  /** Nobody waits for a call any more. @returns whether the other side was told; if not it is, with the next stretch */
  request(id: number, nowMs: number): boolean {
    if (nowMs >= this.#stretchEndsMs) this.#begin(nowMs);
    if (this.#sent >= this.#most) {
      this.#waiting.add(id);
      return false;
    }
    this.#sent += 1;
    this.#send(id);
    return true;
  }

  /** A call was answered: there is nothing to cancel. */
  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** A stretch is over. */
  handleDeadline(nowMs: number): void {
    if (nowMs < this.nextDeadlineMs) return;
    this.#begin(nowMs);
    for (const id of this.#waiting) {
      if (this.#sent >= this.#most) return;
      this.#waiting.delete(id);
      this.#sent += 1;
      this.#send(id);
    }
  }

  /** The connection has ended. */
  close(): void {
    this.#waiting.clear();
  }

  #begin(nowMs: number): void {
    this.#stretchEndsMs = nowMs + cancelStretchMs;
    this.#sent = 0;
  }
}
