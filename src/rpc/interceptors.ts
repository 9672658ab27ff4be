/**
 * Interceptors: functions around every call, of both directions, in the shape of Angular's HttpInterceptorFn.
 */
import { from, isObservable, throwError, type Observable, type ObservableInput } from 'rxjs';
import { isStream } from '../streams/stream-source.js';
import { isThenable } from './thenable.js';

/** A call on its way, as interceptors see it; never changed, `with` makes another. */
export interface InterceptedCall {
  /** Whether this side makes it, or serves it. */
  readonly direction: 'outgoing' | 'incoming';
  /** A call, one without an answer, or a subscription to a stream. */
  readonly kind: 'call' | 'notify' | 'subscribe';
  /** The connection; `undefined` for a call that this side makes while it is not connected. */
  readonly connectionID: string | undefined;
  /** Who the other side is, as `authenticate` has said; `undefined` without it, and on a client. */
  readonly identity: unknown;
  /** The object's name; `"reference"` for what was lent: objects, callbacks, streams. */
  readonly object: string;
  /** The member's name; `""` for a callback, or a stream that was lent by itself. */
  readonly member: string;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** The call's metadata, `undefined` if none. */
  readonly metadata: unknown;
  /** Fires when nobody waits any more; `undefined` where that is not known. */
  readonly signal: AbortSignal | undefined;
  /** The same call with other arguments, or, on the calling side, other metadata. */
  with(changes: { readonly args?: readonly unknown[]; readonly metadata?: unknown }): InterceptedCall;
}

/** What handles a call: its result, or the values of its stream. */
export type RPCHandler = (call: InterceptedCall) => Observable<unknown>;

/**
 * Sees a call and hands it on by `next`, once, several times (to try again), or not at all (to answer by itself).
 *
 * The first value of what it returns is the result of a call, which is left then: `finalize` sees the end of every call,
 * the `complete` of `tap` only that of one without a value, whose result is `undefined`. Of a subscription all values count,
 * of a notification none. What `next` gives calls when it is subscribed to, again at each subscription; the interceptors
 * further in run once for each `next`, and so does a `$` method that is served. An interceptor that throws fails this one
 * call, as an Observable with that error would.
 */
export type RPCInterceptor = (call: InterceptedCall, next: RPCHandler) => Observable<unknown>;

/**
 * Checks the option.
 * @throws TypeError
 */
export function checkInterceptors(value: unknown): readonly RPCInterceptor[] {
  if (!Array.isArray(value)) throw new TypeError('interceptors must be an array of functions');
  for (const [at, each] of value.entries()) {
    if (typeof each !== 'function') throw new TypeError(`interceptors[${at}] is no function`);
  }
  return [...(value as readonly RPCInterceptor[])];
}

/**
 * One handler of many interceptors, the first the outermost. It never throws, nor does any `next`: the error is in the
 * Observable, where an interceptor further out can handle it.
 *
 * @param interceptors - checked
 * @param last - what the call comes to when all have handed it on
 */
export function compose(interceptors: readonly RPCInterceptor[], last: RPCHandler): RPCHandler {
  return interceptors.reduceRight<RPCHandler>(
    (next, interceptor, at) => throwing((call) => toObservable(interceptor(call, next), interceptor, at)),
    throwing(last),
  );
}

/** What a handler throws, as its Observable. */
function throwing(handler: RPCHandler): RPCHandler {
  return (call) => {
    try {
      return handler(call);
    } catch (error) {
      return throwError(() => error);
    }
  };
}

/** What an interceptor is likely to return instead is as good; anything else is told at once. */
function toObservable(value: unknown, interceptor: RPCInterceptor, at: number): Observable<unknown> {
  // As it is, not through `from`: a stream whose pace can be set keeps that.
  if (isObservable(value)) return value;
  if (isThenable(value)) {
    const promise = Promise.resolve(value);
    // The interceptor further out may never subscribe, and then nobody handles its rejection.
    promise.catch(() => undefined);
    return from(promise);
  }
  // The checks are rxjs's own.
  if (isStream(value) || isIterable(value)) return from(value as ObservableInput<unknown>);
  const name = interceptor.name === '' ? '' : ` (${interceptor.name})`;
  throw new TypeError(`interceptors[${at}]${name} returned no Observable`);
}

/** No text: each of its letters would be a value. */
function isIterable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}
