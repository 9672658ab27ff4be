/**
 * The Observable that users of Tandem get: no callback of theirs can end the process.
 *
 * rxjs 7 rethrows what a subscriber's `next`, `error` or `complete` throws, and an error that no callback takes, on a
 * clean stack: an `uncaughtException`. Here both are reported, and the subscription goes on. The guard holds at the end of
 * `.pipe(…)` chains as well. It ends where an operator makes Observables of its own, out of our sight: the groups of
 * `groupBy`, the windows of `window`, and creation functions such as `merge(a$, b$)`.
 */
import {
  Observable,
  type Observer,
  type Operator,
  type Subscriber,
  type Subscription,
  type TeardownLogic,
} from 'rxjs';
import { callUser, type Report } from './user-callback.js';

/** The key of the report in a stream, and so in whatever inherits from it: the members of a remote proxy do. */
const reportKey = Symbol('report');

/** An Observable whose subscribers' failures are reported instead of thrown. */
export class GuardedObservable<T> extends Observable<T> {
  readonly [reportKey]: Report;

  /**
   * @param report - gets what a subscriber's callback throws (or rejects with, if it is `async`), and an error of the
   *   stream that a subscriber has no `error` callback for; must not throw
   * @param subscribe - as for rxjs's Observable
   */
  constructor(report: Report, subscribe?: (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic) {
    super(subscribe);
    this[reportKey] = report;
  }

  static {
    void Object.defineProperties(this.prototype, {
      // Made when it is asked for, with its report: rxjs's ConnectableObservable (`publish`, `multicast`) takes over the
      // `lift` of its source, and has none itself.
      lift: {
        get(this: GuardedObservable<unknown>) {
          return liftWith(this[reportKey]);
        },
        configurable: true,
      },
      subscribe: { value: guardedSubscribe, writable: true, configurable: true },
    });
  }
}

/** One of its overloads, so that it can be called on what inherits from an Observable. */
const plainSubscribe = Reflect.get(Observable.prototype, 'subscribe') as (
  this: unknown,
  observer: object,
) => Subscription;

function liftWith<T>(report: Report) {
  return function lift<R>(this: Observable<T>, operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(report);
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  };
}

/** As rxjs's `subscribe`, but what the callbacks throw is reported and does not end the subscription. */
function guardedSubscribe<T>(
  this: GuardedObservable<T>,
  observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
  error?: ((error: unknown) => void) | null,
  complete?: (() => void) | null,
): Subscription {
  // From an operator: the guard is at the end of its chain.
  if (isSubscriber(observerOrNext)) return plainSubscribe.call(this, observerOrNext);
  const callbacks: Callbacks<T> =
    typeof observerOrNext === 'object' && observerOrNext !== null
      ? observerOrNext
      : { next: observerOrNext, error, complete };
  return plainSubscribe.call(this, new GuardedObserver(callbacks, this[reportKey]));
}

/** The callbacks of a subscriber, each of which may be missing. */
interface Callbacks<T> {
  readonly next?: ((value: T) => void) | null | undefined;
  readonly error?: ((error: unknown) => unknown) | null | undefined;
  readonly complete?: (() => void) | null | undefined;
}

/** Calls the callbacks, as rxjs does as members of their observer and looked up anew each time. */
class GuardedObserver<T> implements Observer<T> {
  readonly #callbacks: Callbacks<T>;
  readonly #report: Report;

  constructor(callbacks: Callbacks<T>, report: Report) {
    this.#callbacks = callbacks;
    this.#report = report;
  }

  next(value: T): void {
    callUser((each: T): unknown => this.#callbacks.next?.(each), value, this.#report);
  }

  error(error: unknown): void {
    const tell = (each: unknown): unknown => {
      const { error: callback } = this.#callbacks;
      if (callback) return callback.call(this.#callbacks, each);
      this.#report(each);
      return undefined;
    };
    callUser(tell, error, this.#report);
  }

  complete(): void {
    callUser((): unknown => this.#callbacks.complete?.(), undefined, this.#report);
  }
}

/** Whether rxjs made this, possibly another copy of rxjs, for which `instanceof` lies: the same test as rxjs's own. */
function isSubscriber<T>(observer: unknown): observer is Subscriber<T> {
  if (typeof observer !== 'object' || observer === null || !('closed' in observer)) {
    return false;
  }
  const members = observer as Record<string, unknown>; // an object: any member may be asked for
  return SUBSCRIBER_METHODS.every((name) => typeof members[name] === 'function');
}

const SUBSCRIBER_METHODS = ['next', 'error', 'complete', 'add', 'remove', 'unsubscribe'];
