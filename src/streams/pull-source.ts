/**
 * Observables out of what is asked for each value: async iterables, generators and other iterables. One value is asked for
 * at a time, and none before the taker is ready for it; rxjs's `from` would drain them without waiting.
 */
import type { Observable, Subscriber } from 'rxjs';
import { GuardedSubscriber } from './guarded-subscriber.js';
import { paceable, unbounded, type Pace } from './pace.js';
import { callUser, type Report } from './user-callback.js';

/** What a source needs besides its values. */
export interface PullSettings {
  /** Runs each piece of the iterator's code, in the context that it belongs to. */
  readonly enter: <Result>(run: () => Result) => Result;
  /** Gets what goes wrong while an iterator is left, which nobody waits for, and what a subscriber throws. */
  readonly report: Report;
  /** An iterator was left while its code may still run, until this promise is settled. */
  readonly onLeft?: (end: Promise<unknown>) => void;
}

/** An iterator of either kind: what it returns may be a promise. */
interface AnyIterator {
  next(): IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>;
  return?(): unknown;
}

/** What iterators are made of. */
export type AnyIterable = AsyncIterable<unknown> | Iterable<unknown>;

/** Makes the Observable of an iterable; each subscription asks for an iterator of its own. */
export function pullSource(iterable: AnyIterable, settings: PullSettings): Observable<unknown> {
  return paceable((subscriber, pace = unbounded) => {
    const iterator = settings.enter(() => iteratorOf(iterable));
    const puller = new Puller(iterator, subscriber, pace, settings);
    puller.run();
    return () => {
      puller.leave();
    };
  });
}

/** One iterator on its way through its values. */
class Puller {
  readonly #iterator: AnyIterator;
  readonly #subscriber: GuardedSubscriber<unknown>;
  readonly #pace: Pace;
  readonly #settings: PullSettings;
  /** Whether it has been asked and has not answered, or is being asked now. */
  #isAsked = false;
  #isOver = false;
  readonly #ask = (): void => {
    this.run();
  };

  constructor(iterator: AnyIterator, subscriber: Subscriber<unknown>, pace: Pace, settings: PullSettings) {
    this.#iterator = iterator;
    this.#subscriber = new GuardedSubscriber(subscriber, settings.report);
    this.#pace = pace;
    this.#settings = settings;
  }

  /** Asks for values as long as the taker is ready for them and they come at once. */
  run(): void {
    // A subscriber that has left while it was subscribing is told by nobody else.
    while (!this.#isOver && !this.#isAsked && !this.#subscriber.closed) {
      if (!this.#pace.isReady) {
        this.#pace.onReady(this.#ask);
        return;
      }
      this.#isAsked = true;
      try {
        const step = this.#settings.enter(() => this.#iterator.next());
        if (isThenable(step)) {
          this.#await(step);
          return;
        }
        this.#take(step);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  /** The taker leaves: so does the iterator, which may have something to put away. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { enter, report } = this.#settings;
    callUser(() => this.#watchEnd(enter(() => this.#iterator.return?.())), undefined, report);
  }

  /** A generator answers `return` when it has really ended, behind whatever it was asked before. */
  #watchEnd(end: unknown): unknown {
    if (!isThenable(end)) return end;
    const promise = Promise.resolve(end);
    this.#settings.onLeft?.(promise);
    return promise;
  }

  #await(step: PromiseLike<IteratorResult<unknown>>): void {
    // Whatever a foreign thenable does, only its first word counts.
    Promise.resolve(step).then(
      (result) => {
        try {
          this.#take(result);
        } catch (error) {
          this.#fail(error);
        }
        this.run();
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  #take(step: IteratorResult<unknown>): void {
    // As `for await` has it; any other nonsense is without an end.
    if (!isObject(step)) throw new TypeError('an iterator answered something that is no object');
    const { done, value } = step as { readonly done?: unknown; readonly value?: unknown };
    this.#isAsked = false;
    if (this.#isOver) return;
    if (done !== true) {
      this.#subscriber.next(value);
      return;
    }
    this.#isOver = true;
    this.#subscriber.complete();
  }

  /** An iterator that has thrown is not asked to leave. */
  #fail(error: unknown): void {
    // Nobody waits for what it was asked last before it was left; as a rule it says that it was aborted.
    if (this.#isOver) return;
    this.#isOver = true;
    this.#subscriber.error(error);
  }
}

function iteratorOf(iterable: AnyIterable): AnyIterator {
  return Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
