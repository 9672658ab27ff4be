/**
 * What one connection may have open here at one time, and how often more was asked for. It holds for either side: a server may
 * be the one that asks for too much.
 *
 * Whoever counts knows how many are open; this only judges. PROTOCOL.md, "Limits".
 */
import { LimitExceededError } from '../errors.js';
import type { Line } from '../link/line.js';
import type { Limits } from '../protocol/limits.js';

/** Cancels are counted in stretches of this, in milliseconds. */
export const cancelStretchMs = 10_000;

/** How often a connection asked for more than it may have. */
export interface RefusedCounts {
  /** Calls and notifications of the other side that were refused since as many ran as may. */
  readonly refusedCalls: number;
  /** Subscriptions of the other side that were refused since as many streams were open as may be. */
  readonly refusedStreams: number;
  /** Messages that were refused, or not sent, since they would have lent more references than may be lent. */
  readonly refusedReferences: number;
  /** Cancels of running calls that the other side sent. */
  readonly cancels: number;
}

/** The quotas of one connection. */
export class Quotas implements RefusedCounts {
  readonly #limits: Limits;
  readonly #line: Pick<Line, 'countRefusal'>;
  #refusedCalls = 0;
  #refusedStreams = 0;
  #refusedReferences = 0;
  #cancels = 0;
  #isNotifyRefused = false;
  #stretchEndsMs = 0;
  #stretchCancels = 0;

  /**
   * @param limits - of this side
   * @param line - is told that the other side asked for what it may not have, or gave up a call that runs
   */
  constructor(limits: Limits, line: Pick<Line, 'countRefusal'>) {
    this.#limits = limits;
    this.#line = line;
  }

  /** {@inheritDoc RefusedCounts.refusedCalls} */
  get refusedCalls(): number {
    return this.#refusedCalls;
  }

  /** {@inheritDoc RefusedCounts.refusedStreams} */
  get refusedStreams(): number {
    return this.#refusedStreams;
  }

  /** {@inheritDoc RefusedCounts.refusedReferences} */
  get refusedReferences(): number {
    return this.#refusedReferences;
  }

  /** {@inheritDoc RefusedCounts.cancels} */
  get cancels(): number {
    return this.#cancels;
  }

  /**
   * The other side calls.
   * @param running - how many of its methods run
   * @throws LimitExceededError when that is as many as may
   */
  admitCall(running: number): void {
    if (running < this.#limits.maxIncomingCalls) return;
    this.#refusedCalls += 1;
    this.#line.countRefusal();
    throw exceeded(`${running} calls of this connection run already`, 'maxIncomingCalls');
  }

  /**
   * The other side notifies.
   * @param running - how many of its methods run
   * @returns whether it may; of those that may not the first is to be reported, by `onRefused`, until one may again: a peer
   *   that floods us is not to flood `errors$` as well
   */
  admitNotify(running: number, onRefused: (error: LimitExceededError) => void): boolean {
    if (running < this.#limits.maxIncomingCalls) {
      this.#isNotifyRefused = false;
      return true;
    }
    this.#refusedCalls += 1;
    this.#line.countRefusal();
    if (!this.#isNotifyRefused)
      onRefused(exceeded(`${running} calls of this connection run already`, 'maxIncomingCalls'));
    this.#isNotifyRefused = true;
    return false;
  }

  /**
   * The other side subscribes.
   * @param open - how many of its streams are open, or have not really ended
   * @throws LimitExceededError when that is as many as may be
   */
  admitStream(open: number): void {
    if (open < this.#limits.maxStreams) return;
    this.#refusedStreams += 1;
    this.#line.countRefusal();
    throw exceeded(`${open} streams of this connection are open already`, 'maxStreams');
  }

  /** How many references of one direction there may be. */
  get maxReferences(): number {
    return this.#limits.maxReferences;
  }

  /**
   * References are lent, in either direction.
   * @param count - how many there would be
   * @param executed - whether what they came with has run; `undefined` where this side would lend them
   * @throws LimitExceededError when that is more than may be
   */
  admitReferences(count: number, executed?: 'no' | 'yes'): void {
    if (count <= this.#limits.maxReferences) return;
    this.#refusedReferences += 1;
    if (executed !== undefined) this.#line.countRefusal();
    const text = `more than ${this.#limits.maxReferences} references of this connection would be lent and not given back`;
    throw exceeded(text, 'maxReferences', executed);
  }

  /**
   * The other side has cancelled a call that runs.
   * @returns why that is more than is borne, `undefined` while it is not
   */
  countCancel(nowMs: number): string | undefined {
    const { maxCancels } = this.#limits;
    this.#cancels += 1;
    this.#line.countRefusal();
    if (nowMs >= this.#stretchEndsMs) {
      this.#stretchEndsMs = nowMs + cancelStretchMs;
      this.#stretchCancels = 0;
    }
    this.#stretchCancels += 1;
    if (this.#stretchCancels <= maxCancels) return undefined;
    return `more than ${maxCancels} running calls were cancelled within ${cancelStretchMs / 1_000} s (limits.maxCancels changes the bound)`;
  }
}

function exceeded(text: string, limit: keyof Limits, executed?: 'no' | 'yes'): LimitExceededError {
  return new LimitExceededError(`${text} (limits.${limit} changes the bound)`, { executed });
}
