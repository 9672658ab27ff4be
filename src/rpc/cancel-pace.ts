/**
 * When this side tells the other that nobody waits for a call any more: at once, as long as that is not often. A peer
 * disconnects whoever cancels too much, and a batch that is given up as a whole is no attack; so what is more waits, and is
 * left out if the answer comes before.
 *
 * Half of what may be sent in a stretch: the stretches of both sides overlap anyhow. While the session is away there is but one
 * stretch, and for one more after that: what was sent meanwhile arrives all at once.
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
  readonly #isAway: () => boolean;
  #wasAway = false;

  /**
   * @param maxCancels - in a stretch, as this side itself bears it
   * @param send - tells the other side of one call
   * @param isAway - whether what is sent waits for another connection
   */
  constructor(maxCancels: number, send: (id: number) => void, isAway: () => boolean) {
    this.#most = Math.floor(maxCancels / 2);
    this.#send = send;
    this.#isAway = isAway;
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
    const isAway = this.#isAway();
    if (!isAway && !this.#wasAway) this.#sent = 0;
    this.#wasAway = isAway;
  }
}
