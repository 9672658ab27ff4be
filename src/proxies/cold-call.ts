/**
 * A call as a cold Observable: made at each subscription, given up when that is left before the answer.
 */
import type { Observable } from 'rxjs';
import { onceAborted } from '../streams/abort-listeners.js';
import { GuardedObservable } from '../streams/guarded-observable.js';
import { GuardedSubscriber } from '../streams/guarded-subscriber.js';
import type { Report } from '../streams/user-callback.js';

/**
 * Makes the Observable of a call.
 *
 * @param call - makes it; the signal gives it up
 * @param signal - gives it up as well
 * @param report - gets what subscribers do not handle
 */
export function coldCall(
  call: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal | undefined,
  report: Report,
): Observable<unknown> {
  return new GuardedObservable<unknown>(report, (subscriber) => {
    const controller = new AbortController();
    const onAbort = (): void => {
      controller.abort(signal?.reason);
    };
    const unlisten = signal && onceAborted(signal, onAbort);
    if (signal?.aborted === true) onAbort();
    const answered = new GuardedSubscriber(subscriber, report);
    call(controller.signal).then(
      (result) => {
        answered.next(result);
        answered.complete();
      },
      (error: unknown) => {
        answered.error(error);
      },
    );
    return () => {
      unlisten?.();
      controller.abort();
    };
  });
}
