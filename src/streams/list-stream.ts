/**
 * A stream of which things there are, as a user sees it: subscribers begin with the present list, then get a new one with each
 * that comes or goes. As with any state the present list is the one delivered last.
 *
 * Lists are made for those who listen. A state of lists would have one made for each change: with 5,000 connections that come at
 * once, 12 million items that nobody looks at.
 */
import type { Observable } from 'rxjs';
import { Audience } from './audience.js';
import type { Delivery } from './delivery.js';
import type { EventStreamOptions } from './event-stream.js';
import { GuardedObservable } from './guarded-observable.js';

/** The things there are, in the order in which they came. Its owner calls {@link ListStream.complete} once. */
export class ListStream<T> {
  /** The present list at once, then each change; it never errors, and completes after {@link ListStream.complete}. */
  readonly observable: Observable<readonly T[]>;
  readonly #delivery: Delivery;
  readonly #audience: Audience<readonly T[]>;
  readonly #delivered = new Set<T>();
  #isEnding = false;

  /** @param options - what runs the callbacks, and where their errors go */
  constructor(options: EventStreamOptions) {
    this.#delivery = options.delivery;
    this.#audience = new Audience(options.report);
    this.observable = new GuardedObservable<readonly T[]>(options.report, (subscriber) => {
      if (this.#audience.isCompleted) {
        subscriber.next(this.value);
        subscriber.complete();
        return undefined;
      }
      // Added before its first value: the callback for that one may change the list, and must hear of it.
      const remove = this.#audience.add(subscriber);
      subscriber.next(this.value);
      return remove;
    });
  }

  /** The list delivered last. */
  get value(): readonly T[] {
    return [...this.#delivered];
  }

  /** @param item - comes, unless it is there; ignored after `complete` */
  add(item: T): void {
    this.#change(() => this.#delivered.size < this.#delivered.add(item).size);
  }

  /** @param item - goes, if it is there; ignored after `complete` */
  delete(item: T): void {
    this.#change(() => this.#delivered.delete(item));
  }

  /** Completes the subscribers once all changes before this call have been delivered; later ones get the last list first. */
  complete(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#delivery.deliver(() => {
      this.#audience.complete();
    });
  }

  /** @param change - tells whether it is one */
  #change(change: () => boolean): void {
    if (this.#isEnding) return;
    this.#delivery.deliver(() => {
      if (change() && !this.#audience.isEmpty) this.#audience.next(this.value);
    });
  }
}
