/**
 * Interceptors: functions around every call, of both directions, in the shape of Angular's HttpInterceptorFn.
 */
import { from, type Observable } from 'rxjs';
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
 * Sees a call and hands it on by `next`, once, several times (to try again), or not at all (to answer by itself). The first
 * value of what it returns is the result of a call; of a subscription all values count, of a notification none.
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

/** One handler of many interceptors, the first the outermost. */
export function compose(interceptors: readonly RPCInterceptor[], last: RPCHandler): RPCHandler {
  return interceptors.reduceRight<RPCHandler>(
    (next, interceptor, at) => (call) => toObservable(interceptor(call, next), at),
    last,
  );
}

/** What an interceptor is likely to return instead is as good; anything else is told at once. */
function toObservable(value: unknown, at: number): Observable<unknown> {
  // The check is rxjs's own.
  if (isStream(value)) return value as Observable<unknown>;
  if (isThenable(value)) return from(value);
  throw new TypeError(`interceptors[${at}] returned no Observable`);
}
