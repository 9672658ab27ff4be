/**
 * A stream of things that happen, as a user sees it: each is delivered to the hook and to the subscribers there are.
 *
 * Nothing is replayed. Values reach the callbacks through the Delivery alone, in one order with all other streams of the
 * same server or client.
 */
import type { Observable } from 'rxjs';
import { Audience } from './audience.js';
import type { Delivery } from './delivery.js';
import { GuardedObservable } from './guarded-observable.js';
import type { Report } from './user-callback.js';

/** What a stream of events needs. */
export interface EventStreamOptions {
  /** Runs the callbacks. */
  readonly delivery: Delivery;
  /** Gets what a hook or a subscriber throws or rejects with; must not throw. */
  readonly report: Report;
}

/** Events for a hook and for subscribers. Its owner calls {@link EventStream.complete} once, when no more will come. */
export class EventStream<T> {
  /** The events from now on; it never errors, and completes after {@link EventStream.complete}. */
  readonly observable: Observable<T>;
  readonly #delivery: Delivery;
  readonly #audience: Audience<T>;
  #isEnding = false;

  /** @param options - what runs the callbacks, and where their errors go */
  constructor(options: EventStreamOptions) {
    this.#delivery = options.delivery;
    this.#audience = new Audience(options.report);
    this.observable = new GuardedObservable<T>(options.report, (subscriber) =>
      this.#audience.add(subscriber),
    );
  }

  /** @param hook - called with each event before all subscribers; replaces an earlier hook */
  setHook(hook: (value: T) => unknown): void {
    this.#audience.setHook(hook);
  }

  /** @param value - delivered to the hook and the subscribers there are by then; ignored after `complete` */
  emit(value: T): void {
    if (!this.#isEnding) {
      this.#delivery.deliver(() => {
        this.#audience.next(value);
      });
    }
  }

  /** Completes the subscribers once all events before this call have been delivered; later subscribers complete at once. */
  complete(): void {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#delivery.deliver(() => {
        this.#audience.complete();
      });
    }
  }
}
