/**
 * What becomes of the values of a source that cannot be paused while its reader is slow: the policies, how they are
 * declared, and the queue that obeys them. It counts what it drops, so that produced = delivered + dropped.
 */
import type { Observable } from 'rxjs';
import { StreamOverflowError } from '../errors.js';
import { Fifo } from './fifo.js';
import { pacedAs } from './pace.js';

/**
 * What happens to the value that finds the window full: `"error"` ends the stream with `StreamOverflowError`,
 * `"drop-oldest"` drops the value that has waited longest, `"drop-newest"` drops the new one, `"latest"` drops all that
 * wait and keeps the new one.
 */
export type Overflow = 'error' | 'drop-oldest' | 'drop-newest' | 'latest';

/** How much of a source may wait for its reader, and what happens beyond; each may be left out. */
export interface OverflowOptions {
  /** Values that may wait at the producer beyond those the reader has asked for: 1 to 1,000,000. Default 4,096; for `"latest"` 1. */
  readonly window?: number;
  /** What happens to one more. Default `"error"`. */
  readonly overflow?: Overflow;
}

/** The same, complete. */
export interface OverflowPolicy {
  readonly window: number;
  readonly overflow: Overflow;
}

/** What holds where nothing was declared. */
export const defaultPolicy: OverflowPolicy = { window: 4_096, overflow: 'error' };

const overflows: ReadonlySet<unknown> = new Set<Overflow>(['error', 'drop-oldest', 'drop-newest', 'latest']);
const maxWindow = 1_000_000;

/**
 * Of a reader's credit so much counts: what is asked for may wait here for bytes that the reader returns, and without a bound
 * a peer with much credit, which returns none, would have everything wait. More is never asked for by this library.
 */
const maxCreditCounted = 1_024;

/** A property, not a Map of observables: it is found again by the other copy of the package, ESM or CommonJS. */
const policyKey = Symbol.for('tandem-rpc.overflow');

/**
 * Checks and completes a declaration.
 *
 * @param options - what a user gave
 * @param what - what it was given for, such as `streams.balance$`
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
export function resolvePolicy(options: OverflowOptions, what: string): OverflowPolicy {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError(`${what} must be an object with "window" and "overflow"`);
  }
  for (const name of Object.keys(options)) {
    if (name !== 'window' && name !== 'overflow') {
      throw new TypeError(`${what} has no option "${name}", only "window" and "overflow"`);
    }
  }
  const { overflow = 'error' } = options;
  if (!overflows.has(overflow)) {
    const allowed = [...overflows].map((each) => JSON.stringify(each)).join(', ');
    throw new TypeError(`${what}.overflow is ${JSON.stringify(overflow)}; allowed are ${allowed}`);
  }
  const { window = overflow === 'latest' ? 1 : defaultPolicy.window } = options;
  if (!Number.isInteger(window) || window < 1 || window > maxWindow) {
    throw new RangeError(
      `${what}.window is ${String(window)}; allowed are whole numbers from 1 to ${maxWindow}`,
    );
  }
  return { window, overflow };
}

/**
 * Declares for an Observable in arguments or results what `streams` declares for a registered object's members.
 *
 * @param source$ - the values; subscribed to as often as the result is
 * @param options - the window, and what happens beyond
 * @returns the same values, which carry the declaration; further operators lose it, so declare last
 * @throws TypeError, RangeError for an option that cannot be
 */
export function withOverflow<T>(source$: Observable<T>, options: OverflowOptions): Observable<T> {
  const policy = resolvePolicy(options, 'withOverflow');
  const declared$ = pacedAs(source$, (values$, subscriber) => values$.subscribe(subscriber));
  return Object.defineProperty(declared$, policyKey, { value: policy });
}

/** The policy that a source carries, if `withOverflow` gave it one. */
export function declaredPolicy(source: object): OverflowPolicy | undefined {
  // Only withOverflow writes this key.
  return (source as Readonly<Record<symbol, OverflowPolicy | undefined>>)[policyKey];
}

/** The values of one stream that wait to be sent. */
export class WaitingValues {
  #policy: OverflowPolicy;
  readonly #values = new Fifo<unknown>();
  #dropped = 0;

  /** @param policy - of the stream */
  constructor(policy: OverflowPolicy) {
    this.#policy = policy;
  }

  /** What is declared is known only now. */
  declare(policy: OverflowPolicy): void {
    this.#policy = policy;
  }

  /** How many wait. */
  get length(): number {
    return this.#values.length;
  }

  /**
   * Takes one more value.
   *
   * @param value - by reference: it is read when it is sent
   * @param credit - how many values the reader has asked for and not got: these do not count against the window
   * @returns the error that ends the stream, if that is what was declared and it has come to it
   */
  push(value: unknown, credit: number): StreamOverflowError | undefined {
    const { window, overflow } = this.#policy;
    if (this.#values.length < Math.min(credit, maxCreditCounted) + window) {
      this.#values.push(value);
      return undefined;
    }
    switch (overflow) {
      case 'drop-oldest':
        this.#values.take();
        this.#values.push(value);
        this.#dropped += 1;
        return undefined;
      case 'drop-newest':
        this.#dropped += 1;
        return undefined;
      case 'latest':
        this.drop(0);
        this.#values.push(value);
        return undefined;
      case 'error':
        this.#dropped += 1;
        // What the reader has asked for it still gets.
        this.drop(credit);
        return new StreamOverflowError(
          `more than ${window} values waited because the reader is slow (declare another window or overflow for the stream)`,
        );
    }
  }

  /** Takes the oldest values, at most so many. */
  take(count: number): unknown[] {
    const values: unknown[] = [];
    while (values.length < count && this.#values.length > 0) values.push(this.#values.take());
    return values;
  }

  /** Puts values that were taken, and could not be sent together, back in front. */
  putBack(values: readonly unknown[]): void {
    this.#values.putBack(values);
  }

  /** Drops all but the oldest so many. */
  drop(kept: number): void {
    const values = this.take(kept);
    this.#dropped += this.#values.length;
    this.#values.clear();
    this.#values.putBack(values);
  }

  /** Counts values as dropped that were taken and could not be sent, or that were not told. */
  countDropped(count: number): void {
    this.#dropped += count;
  }

  /** How many were dropped since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
