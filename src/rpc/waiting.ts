/**
 * Promises for something that may come later: each ends, by the thing, by its timeout, by its signal, or by the word
 * that it will not come.
 */
import { Subscription, type SchedulerLike } from 'rxjs';
import { RPCTimeoutError } from '../errors.js';
import { SparseSet } from '../protocol/sparse.js';
import { onceAborted } from '../streams/abort-listeners.js';
import { checkDuration, checkNames } from './checks.js';

/** How long to wait, and how to give up. */
export interface WaitOptions {
  /** Aborting it rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Seconds until it rejects with `RPCTimeoutError`. Default: no bound. */
  readonly timeoutInSeconds?: number;
}

interface Waiter<Value> {
  readonly settle: () => void;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/** Those who wait for one kind of thing. */
export class Waiting<Value> {
  readonly #scheduler: SchedulerLike;
  readonly #waiters = new SparseSet<Waiter<Value>>();

  /** @param scheduler - for timeouts */
  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Waits.
   * @param what - what is waited for, with what is known of why it has not come, for the error of a timeout
   */
  wait(options: WaitOptions, what: () => string): Promise<Value> {
    return new Promise((resolve, reject) => {
      checkNames('waiting', options, ['signal', 'timeoutInSeconds']);
      const { signal, timeoutInSeconds } = options;
      const timeoutMs =
        timeoutInSeconds === undefined ? undefined : checkDuration('timeoutInSeconds', timeoutInSeconds);
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const timer = new Subscription();
      const unlisten =
        signal &&
        onceAborted(signal, () => {
          waiter.settle();
          reject(signal.reason as Error);
        });
      const waiter: Waiter<Value> = {
        resolve,
        reject,
        settle: () => {
          this.#waiters.delete(waiter);
          timer.unsubscribe();
          unlisten?.();
        },
      };
      this.#waiters.add(waiter);
      if (timeoutMs === undefined) return;
      timer.add(
        this.#scheduler.schedule(() => {
          waiter.settle();
          reject(new RPCTimeoutError(`no ${what()} within ${timeoutMs / 1_000} s`));
        }, timeoutMs),
      );
    });
  }

  /** It has come: everybody gets it. */
  resolve(value: Value): void {
    for (const waiter of [...this.#waiters]) {
      waiter.settle();
      waiter.resolve(value);
    }
  }

  /** It will not come. @param makeError - called for each who waits: errors cost a look at the stack */
  reject(makeError: () => Error): void {
    for (const waiter of [...this.#waiters]) {
      waiter.settle();
      waiter.reject(makeError());
    }
  }
}
