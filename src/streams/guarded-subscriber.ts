/**
 * The way of values into an Observable's subscriber from a place where nobody could catch: a promise's callback, the
 * reading of a connection. rxjs rethrows there what a subscriber's teardown throws (`finalize`), and the process would end.
 */
import type { Observer, Subscriber } from 'rxjs';
import { reportThrown, type Report } from './user-callback.js';

/** A subscriber whose failures are reported instead of thrown. */
export class GuardedSubscriber<T> implements Observer<T> {
  readonly #subscriber: Subscriber<T>;
  readonly #report: Report;

  /**
   * @param subscriber - gets what this gets
   * @param report - gets what it throws; must not throw
   */
  constructor(subscriber: Subscriber<T>, report: Report) {
    this.#subscriber = subscriber;
    this.#report = report;
  }

  /** Whether nobody listens any more. */
  get closed(): boolean {
    return this.#subscriber.closed;
  }

  /** A value. */
  next(value: T): void {
    try {
      this.#subscriber.next(value);
    } catch (error) {
      reportThrown(error, this.#report);
    }
  }

  /** The end by an error. */
  error(error: unknown): void {
    try {
      this.#subscriber.error(error);
    } catch (thrown) {
      reportThrown(thrown, this.#report);
    }
  }

  /** The end. */
  complete(): void {
    try {
      this.#subscriber.complete();
    } catch (error) {
      reportThrown(error, this.#report);
    }
  }
}
