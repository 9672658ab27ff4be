/**
 * The result of a call out of the Observable that interceptors make of it.
 */
import { Observable, Subscription, take } from 'rxjs';
import { onceAborted } from '../streams/abort-listeners.js';
import { reportThrown, type Report } from '../streams/user-callback.js';

/**
 * Subscribes at once, takes the first value, and leaves.
 *
 * Whatever the Observable does, nothing is thrown, neither here nor at whoever emits or aborts, and no subscription stays.
 *
 * @param values$ - of a handler
 * @param report - gets what is thrown while the Observable is left, which concerns no result
 * @param signal - leaves before; where it is aborted already, nothing is subscribed to
 * @returns the first value, `undefined` where it completes without any; rejects with its error, or the signal's reason
 */
export function firstResult(
  values$: Observable<unknown>,
  report: Report,
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      // Whatever it is, it is passed on.
      reject(signal.reason as Error);
      return;
    }
    let subscription = Subscription.EMPTY;
    // In each callback, before rxjs does it: it would throw at whoever emits what the teardown throws.
    const leave = (): void => {
      unlisten?.();
      try {
        subscription.unsubscribe();
      } catch (error) {
        reportThrown(error, report);
      }
    };
    const unlisten =
      signal &&
      onceAborted(signal, () => {
        reject(signal.reason as Error);
        leave();
      });
    subscription = new Observable<unknown>((subscriber) => {
      // It may be left, or end, while it is being subscribed to.
      subscription = subscriber;
      subscriber.add(values$.pipe(take(1)).subscribe(subscriber));
    }).subscribe({
      next: resolve,
      error: (error: unknown) => {
        reject(error);
        leave();
      },
      complete: () => {
        // A result has come before, or there is none.
        resolve(undefined);
        leave();
      },
    });
  });
}
