/**
 * A stream of something that has a present value, as a user sees it: subscribers begin with that value, then get changes.
 *
 * The present value is the one delivered last, not the one set last: a late subscriber and an early one never disagree on
 * what came when. Whoever needs the truth ahead of its delivery keeps it elsewhere.
 */
import type { Observable } from 'rxjs';
import { Audience } from './audience.js';
import type { Delivery } from './delivery.js';
import { GuardedObservable } from './guarded-observable.js';
import type { Report } from './user-callback.js';

/** What a stream of a state needs. */
export interface StateStreamOptions<T> {
  /** Runs the callbacks. */
  readonly delivery: Delivery;
  /** Gets what a hook or a subscriber throws or rejects with; must not throw. */
  readonly report: Report;
  /** The value at the start; it counts as delivered. */
  readonly initial: T;
  /** Whether two values are the same, so that the later one is no change. Default: `===`. */
  readonly equal?: (left: T, right: T) => boolean;
}

/** A state for a hook and for subscribers. Its owner calls {@link StateStream.complete} once, when it changes no more. */
export class StateStream<T> {
  /** The present value at once, then each change; it never errors, and completes after {@link StateStream.complete}. */
  readonly observable: Observable<T>;
  readonly #delivery: Delivery;
  readonly #audience: Audience<T>;
  readonly #equal: (left: T, right: T) => boolean;
  #lastSet: T;
  #delivered: T;
  #isEnding = false;

  /** @param options - the value at the start, what runs the callbacks, and where their errors go */
  constructor(options: StateStreamOptions<T>) {
    this.#delivery = options.delivery;
    this.#audience = new Audience(options.report);
    this.#equal = options.equal ?? isSame;
    this.#lastSet = options.initial;
    this.#delivered = options.initial;
    this.observable = new GuardedObservable<T>(options.report, (subscriber) => {
      if (this.#audience.isCompleted) {
        subscriber.next(this.#delivered);
        subscriber.complete();
        return undefined;
      }
      // Added before its first value: the callback for that one may change the state, and must hear of it.
      const remove = this.#audience.add(subscriber);
      subscriber.next(this.#delivered);
      return remove;
    });
  }

  /** The value delivered last. */
  get value(): T {
    return this.#delivered;
  }

  /** @param hook - called with each change, not with the present value, before all subscribers; replaces an earlier hook */
  setHook(hook: (value: T) => unknown): void {
    this.#audience.setHook(hook);
  }

  /** @param value - delivered to the hook and the subscribers if it differs from the one set before; ignored after `complete` */
  set(value: T): void {
    if (this.#isEnding || this.#equal(this.#lastSet, value)) {
      return;
    }
    this.#lastSet = value;
    this.#delivery.deliver(() => {
      this.#delivered = value;
      this.#audience.next(value);
    });
  }

  /** Completes the subscribers once all changes before this call have been delivered; later ones get the last value first. */
  complete(): void {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#delivery.deliver(() => {
        this.#audience.complete();
      });
    }
  }
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right;
}
