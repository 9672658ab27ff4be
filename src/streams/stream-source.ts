/**
 * The Observable of whatever a user offers as a stream: Observables of any copy of rxjs, async iterables, generators.
 */
import { from, isObservable, type Observable } from 'rxjs';
import { GuardedSubscriber } from './guarded-subscriber.js';
import { inPace, paceable, pacedAs } from './pace.js';
import { pullSource, type AnyIterable, type PullSettings } from './pull-source.js';
import type { Report } from './user-callback.js';

/**
 * Makes an Observable of a stream.
 *
 * @param value - what a `$` member holds or returns, or what was lent
 * @param settings - where its code runs, and where its errors go
 * @returns `undefined` if it is no stream
 */
export function streamSource(value: unknown, settings: PullSettings): Observable<unknown> | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  if (isObservable(value)) return entered(value, settings);
  if (isInterop(value)) return entered(from(value), settings);
  return Symbol.asyncIterator in value || Symbol.iterator in value
    ? pullSource(value as AnyIterable, settings)
    : undefined;
}

/** The stream that a promise gives; a source that can be paused still can. */
export function laterSource(
  promise: PromiseLike<unknown>,
  toSource: (value: unknown) => Observable<unknown>,
  report: Report,
): Observable<unknown> {
  return paceable((subscriber, pace) => {
    const guarded = new GuardedSubscriber(subscriber, report);
    Promise.resolve(promise).then(
      (value) => {
        if (subscriber.closed) return;
        try {
          const source$ = toSource(value);
          subscriber.add((pace === undefined ? source$ : inPace(source$, pace)).subscribe(guarded));
        } catch (error) {
          guarded.error(error);
        }
      },
      (error: unknown) => {
        guarded.error(error);
      },
    );
  });
}

/** Whether a value is an Observable, of this copy of rxjs or another. */
export function isStream(value: unknown): boolean {
  return isObservable(value) || isInterop(value);
}

/** What a source does at its subscription belongs to the call that subscribed. */
function entered(source$: Observable<unknown>, { enter }: PullSettings): Observable<unknown> {
  return pacedAs(source$, (values$, subscriber) => enter(() => values$.subscribe(subscriber)));
}

function isInterop(value: unknown): value is Observable<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const key = (Symbol as { readonly observable?: symbol }).observable ?? '@@observable';
  return typeof (value as Record<PropertyKey, unknown>)[key] === 'function';
}
