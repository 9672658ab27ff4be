/**
 * A stream of the other side as its user holds it: a cold Observable whose subscribers cannot end the process, and an
 * AsyncIterable whose pace reaches the producer.
 */
import type { Observable, Subscriber, TeardownLogic } from 'rxjs';
import { eachValueFrom } from './each-value-from.js';
import { GuardedObservable } from './guarded-observable.js';
import { GuardedSubscriber } from './guarded-subscriber.js';
import { paceOf, paceTokenKey, type Pace } from './pace.js';
import type { StreamSink } from './stream-receiver.js';
import type { Report } from './user-callback.js';

/** Subscribes at the other side, for one subscriber here. */
export type OpenStream = (sink: StreamSink) => TeardownLogic;

/** Under this key a stream keeps how many of its values were dropped. */
const droppedKey = Symbol.for('tandem-rpc.dropped');

/** A stream of the other side. */
export class RemoteStream<T> extends GuardedObservable<T> implements AsyncIterable<T> {
  /** Subscribes for whoever counts drops and has a pace of its own. @internal */
  readonly open: OpenStream;
  /** By which whoever takes the values is told from others. */
  readonly [paceTokenKey] = {};
  /** Values dropped by the producer, over all subscriptions. */
  [droppedKey] = 0;

  /**
   * @param report - gets what no subscriber handles
   * @param open - called for each subscription
   */
  constructor(report: Report, open: OpenStream) {
    super(report, (subscriber) => start(subscriber, paceOf(this[paceTokenKey], subscriber)));
    const start = (subscriber: Subscriber<T>, pace: Pace | undefined): TeardownLogic => {
      const guarded = new GuardedSubscriber(subscriber, report);
      return open({
        // What comes is what the type of the remote member says; the other side alone knows.
        next: (value) => {
          guarded.next(value as T);
        },
        error: (error) => {
          guarded.error(error);
        },
        complete: () => {
          guarded.complete();
        },
        onDropped: (count) => {
          this[droppedKey] += count;
        },
        pace,
      });
    };
    this.open = open;
  }

  /** Asks for one value after the other; leaving the loop unsubscribes. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return eachValueFrom(this)[Symbol.asyncIterator]();
  }
}

/**
 * How many values of a remote stream were dropped by its producer because this side was slow: over all subscriptions of this
 * very stream object so far. With an overflow other than `"error"`, produced = delivered + dropped.
 *
 * @param stream$ - a stream of the other side, or operators on one
 * @throws TypeError for another Observable
 */
export function droppedCount(stream$: Observable<unknown>): number {
  let at: (Observable<unknown> & { readonly [droppedKey]?: number }) | undefined = stream$;
  while (at !== undefined) {
    const count = at[droppedKey];
    if (count !== undefined) return count;
    at = (at as { readonly source?: Observable<unknown> }).source;
  }
  throw new TypeError('a stream of the other side is needed');
}
