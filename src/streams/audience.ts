/**
 * Those who listen to one stream: a hook, and then the subscribers in the order of their subscribing.
 *
 * Not a Subject: there, what one subscriber throws keeps a value from all that follow. Knows nothing of when it is called.
 */
import type { Subscriber } from 'rxjs';
import { SparseSet } from '../protocol/sparse.js';
import { callUser, type Report } from './user-callback.js';

/** The subscribers of most streams of most connections. */
const nobody: readonly never[] = [];

/** The hook and the subscribers of a stream. */
export class Audience<T> {
  readonly #report: Report;
  readonly #subscribers = new SparseSet<Subscriber<T>>();
  /** The subscribers as a list, until they change: who comes while a value is given out does not get it. */
  #present: readonly Subscriber<T>[] | undefined = nobody;
  #hook: ((value: T) => unknown) | undefined = undefined;
  #isCompleted = false;

  /** @param report - gets the failures of those who listen; must not throw */
  constructor(report: Report) {
    this.#report = report;
  }

  /** Whether there is no subscriber; the hook does not count. */
  get isEmpty(): boolean {
    return this.#subscribers.size === 0;
  }

  /** Whether the stream has completed. */
  get isCompleted(): boolean {
    return this.#isCompleted;
  }

  /** @param hook - called with each value before every subscriber, from now on, in place of an earlier hook */
  setHook(hook: (value: T) => unknown): void {
    this.#hook = hook;
  }

  /**
   * Adds a subscriber, or completes it if the stream has completed.
   *
   * @param subscriber - who listens
   * @returns what removes it
   */
  add(subscriber: Subscriber<T>): () => void {
    if (this.#isCompleted) {
      subscriber.complete();
    } else {
      this.#subscribers.add(subscriber);
      this.#present = undefined;
    }
    return () => {
      this.#subscribers.delete(subscriber);
      this.#present = undefined;
    };
  }

  /** @param value - given to the hook and to all that have subscribed by now */
  next(value: T): void {
    this.#present ??= [...this.#subscribers];
    const present = this.#present; // read before the hook runs, which may subscribe
    if (this.#hook !== undefined) {
      callUser(this.#hook, value, this.#report);
    }
    for (const subscriber of present) {
      this.#tell(() => {
        subscriber.next(value);
      });
    }
  }

  /** Completes all subscribers, and those to come. */
  complete(): void {
    const present = [...this.#subscribers];
    this.#isCompleted = true;
    this.#subscribers.clear();
    this.#present = nobody;
    for (const subscriber of present) {
      this.#tell(() => {
        subscriber.complete();
      });
    }
  }

  /** A guarded subscriber throws only from a teardown (`finalize`) that runs as it ends, or if it is a user's own class. */
  #tell(notify: () => void): void {
    try {
      notify();
    } catch (error) {
      this.#report(error);
    }
  }
}
