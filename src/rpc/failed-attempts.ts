/**
 * How often credentials from each address were refused: who fails often waits before he is heard again.
 *
 * Addresses of this machine do not count. All its programs share them, and any of them could lock out the others; what stands in
 * the way of guessing there is the pause after each failure.
 */
import { SparseMap } from '../protocol/sparse.js';
import { originOf } from './origin.js';

/** Failures in a row that cost an address nothing. */
const mostFailures = 10;

/** One of them is forgotten after so many milliseconds. */
const forgetMs = 6_000;

/** Addresses that are remembered; of more, the one that failed first is forgotten. */
const mostAddresses = 10_000;

interface Failures {
  /** How many, with those forgotten taken off as of then. */
  readonly count: number;
  readonly atMs: number;
}

/** The failures of one server. */
export class FailedAttempts {
  readonly #byAddress = new SparseMap<string, Failures>();

  /** How many addresses are remembered. */
  get size(): number {
    return this.#byAddress.size;
  }

  /** For how long an address is not heard, in milliseconds; 0: it is heard. */
  waitMs(host: string | undefined, nowMs: number): number {
    const address = originOf(host);
    const count = address === undefined ? 0 : this.#count(address, nowMs);
    return Math.ceil(Math.max(0, count - mostFailures + 1) * forgetMs);
  }

  /** Credentials from there were refused. */
  add(host: string | undefined, nowMs: number): void {
    const address = originOf(host);
    if (address === undefined) return;
    const count = this.#count(address, nowMs);
    this.#byAddress.delete(address);
    this.#byAddress.set(address, { count: Math.min(count, mostFailures) + 1, atMs: nowMs });
    if (this.#byAddress.size <= mostAddresses) return;
    for (const oldest of this.#byAddress.keys()) {
      this.#byAddress.delete(oldest);
      return;
    }
  }

  #count(address: string, nowMs: number): number {
    const failures = this.#byAddress.get(address);
    if (failures === undefined) return 0;
    const count = failures.count - (nowMs - failures.atMs) / forgetMs;
    if (count > 0) return count;
    this.#byAddress.delete(address);
    return 0;
  }
}
