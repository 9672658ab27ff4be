/**
 * Where calls meet interceptors: around what this side calls, and around what it serves.
 */
import { defer, EMPTY, Observable, of, Subscription } from 'rxjs';
import type { Caller } from '../proxies/caller.js';
import { coldCall } from '../proxies/cold-call.js';
import type { CallOptions } from '../proxies/types.js';
import { RemoteStream } from '../streams/remote-stream.js';
import { inPace } from '../streams/pace.js';
import { GuardedSubscriber } from '../streams/guarded-subscriber.js';
import { reportThrown, type Report } from '../streams/user-callback.js';
import type { Target } from '../protocol/messages.js';
import type { ServedCall } from './current-call.js';
import { firstResult } from './first-result.js';
import { compose, type InterceptedCall, type RPCHandler, type RPCInterceptor } from './interceptors.js';
import { labelOf } from './targets.js';
import { isThenable } from './thenable.js';

/** The interceptors of one server or client. */
export class Interception {
  readonly #interceptors: readonly RPCInterceptor[];
  readonly #report: Report;
  /** Notifications whose interceptors have not done. */
  readonly #notified = new Subscription();

  /**
   * The interception by some interceptors; `undefined` where there are none, so that nothing is paid for them.
   * @param interceptors - the first is the outermost
   * @param report - gets what goes wrong with a notification after it was made
   */
  static of(interceptors: readonly RPCInterceptor[], report: Report): Interception | undefined {
    return interceptors.length === 0 ? undefined : new Interception(interceptors, report);
  }

  /** Use `of`: without interceptors there is none. */
  constructor(interceptors: readonly RPCInterceptor[], report: Report) {
    this.#interceptors = interceptors;
    this.#report = report;
  }

  /** What was notified and has not left is not sent any more. */
  dispose(): void {
    try {
      this.#notified.unsubscribe();
    } catch (error) {
      reportThrown(error, this.#report);
    }
  }

  /** A caller whose calls all pass the interceptors. */
  outgoing(caller: Caller, connectionID: () => string | undefined, identity?: unknown): Caller {
    const call = (
      kind: InterceptedCall['kind'],
      target: Target,
      member: string,
      args: readonly unknown[],
      options: CallOptions,
    ): InterceptedCall =>
      makeCall({
        direction: 'outgoing',
        kind,
        connectionID: connectionID(),
        identity,
        object: labelOf(target),
        member,
        args,
        metadata: options.metadata,
        signal: options.signal,
      });
    return {
      report: caller.report,
      members: (target) => caller.members(target),
      properties: (target) => caller.properties(target),
      call: (target, member, args, options) => {
        const last: RPCHandler = (changed) =>
          coldCall(
            (signal) =>
              caller.call(target, member, changed.args, { ...options, metadata: changed.metadata, signal }),
            undefined,
            caller.report,
          );
        return this.#first(call('call', target, member, args, options), last, options.signal);
      },
      notify: (target, member, args, options) => {
        const last: RPCHandler = (changed) =>
          defer(() => {
            caller.notify(target, member, changed.args, { ...options, metadata: changed.metadata });
            return EMPTY;
          });
        this.#notify(call('notify', target, member, args, options), last);
      },
      stream: (target, member, args, options) =>
        new RemoteStream(caller.report, (sink) => {
          const last: RPCHandler = (changed) =>
            new RemoteStream(caller.report, (inner) => {
              const changedOptions = { ...options, metadata: changed.metadata };
              const { open } = caller.stream(target, member, changed.args, changedOptions);
              return open({
                next: (value) => {
                  inner.next(value);
                },
                error: (error) => {
                  inner.error(error);
                },
                complete: () => {
                  inner.complete();
                },
                onDropped: (count) => {
                  sink.onDropped(count);
                },
                pace: inner.pace,
              });
            });
          const values$ = this.#run(call('subscribe', target, member, args, options), last);
          return (sink.pace === undefined ? values$ : inPace(values$, sink.pace)).subscribe(sink);
        }),
    };
  }

  /**
   * Serves a call: the result of the interceptors around a method. They are left when nobody waits for it any more; a method
   * that they have entered goes on.
   */
  invoke(
    call: ServedCall,
    kind: 'call' | 'notify',
    args: readonly unknown[],
    run: (args: readonly unknown[]) => unknown,
  ): Promise<unknown> {
    const last: RPCHandler = (changed) =>
      defer(() => {
        const result = run(changed.args);
        return isThenable(result) ? later(result, this.#report) : of(result);
      });
    // A notification has nobody to wait for it, whose leaving would end it.
    return this.#first(incoming(call, kind, args), last, kind === 'call' ? call.signal : undefined);
  }

  /** Serves a stream: the values of the interceptors around a source. */
  stream(
    call: ServedCall,
    args: readonly unknown[],
    source: (args: readonly unknown[]) => Observable<unknown>,
  ): Observable<unknown> {
    return this.#run(incoming(call, 'subscribe', args), (changed) => source(changed.args));
  }

  #run(call: InterceptedCall, last: RPCHandler): Observable<unknown> {
    return compose(this.#interceptors, last)(call);
  }

  /** The first value, or `undefined` where there is none; leaves when the signal says so. */
  #first(call: InterceptedCall, last: RPCHandler, signal: AbortSignal | undefined): Promise<unknown> {
    return firstResult(
      defer(() => this.#run(call, last)),
      this.#report,
      signal,
    );
  }

  /** What fails at once is the notifier's to hear, what fails later is reported. */
  #notify(call: InterceptedCall, last: RPCHandler): void {
    let failure: { readonly error: unknown } | undefined = undefined as
      { readonly error: unknown } | undefined;
    let isOver = false;
    const notified = defer(() => this.#run(call, last)).subscribe({
      error: (error: unknown) => {
        if (isOver) this.#report(error);
        else failure = { error };
      },
    });
    isOver = true;
    this.#notified.add(notified);
    if (failure !== undefined) throw failure.error;
  }
}

function incoming(
  call: ServedCall,
  kind: InterceptedCall['kind'],
  args: readonly unknown[],
): InterceptedCall {
  const { connectionID, identity, object, member, metadata, signal } = call;
  return makeCall({
    direction: 'incoming',
    kind,
    connectionID,
    identity,
    object,
    member,
    args,
    metadata,
    signal,
  });
}

function makeCall(fields: Omit<InterceptedCall, 'with'>): InterceptedCall {
  return { ...fields, with: (changes) => makeCall({ ...fields, ...changes }) };
}

/** What a promise gives; rxjs's `from` would rethrow what a teardown throws where nobody could catch it. */
function later(promise: PromiseLike<unknown>, report: Report): Observable<unknown> {
  return new Observable((subscriber) => {
    const guarded = new GuardedSubscriber(subscriber, report);
    Promise.resolve(promise).then(
      (value) => {
        guarded.next(value);
        guarded.complete();
      },
      (error: unknown) => {
        guarded.error(error);
      },
    );
  });
}
