/**
 * How a client's proxies call: on the connection there is, or, where the call says so, on the next one.
 */
import type { TeardownLogic } from 'rxjs';
import { RPCError, RPCTimeoutError, type NotConnectedError } from '../errors.js';
import type { Target } from '../protocol/messages.js';
import type { Caller } from '../proxies/caller.js';
import type { CallOptions } from '../proxies/types.js';
import { RemoteStream } from '../streams/remote-stream.js';
import { onceAborted } from '../streams/abort-listeners.js';
import type { StreamSink } from '../streams/stream-receiver.js';
import type { Report } from '../streams/user-callback.js';
import { callAgain, subscribeAgain } from './again.js';
import { callTimeMs, noTimeLeft } from './call-time.js';
import type { RPCCommunicator } from './communicator.js';
import { callOnTheNext, openOnTheNext, type OnTheNextSettings } from './on-the-next.js';
import { describeCall, labelOf } from './targets.js';
import type { WaitOptions } from './waiting.js';

/** What a client's caller needs of its client. */
export interface ClientCallerSettings {
  /** The connection there is. */
  readonly connected: () => RPCCommunicator | undefined;
  /** Waits for a connection. */
  readonly whenConnected: (options: WaitOptions) => Promise<void>;
  /** The error of a call that there is no connection for. */
  readonly notConnected: (
    what: string,
    call: { readonly object: string; readonly member: string },
  ) => NotConnectedError;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  readonly now: () => number;
  readonly report: Report;
}

/** Sends the calls of a client's proxies. */
export class ClientCaller implements Caller {
  /** {@inheritDoc Caller.report} */
  readonly report: Report;
  readonly #settings: ClientCallerSettings;

  /** @param settings - of the client */
  constructor(settings: ClientCallerSettings) {
    this.#settings = settings;
    this.report = settings.report;
  }

  /** {@inheritDoc Caller.members} */
  members(target: Target): readonly string[] | undefined {
    return this.#settings.connected()?.members(target);
  }

  /** {@inheritDoc Caller.properties} */
  properties(target: Target): readonly string[] | undefined {
    return this.#settings.connected()?.properties(target);
  }

  /** {@inheritDoc Caller.call} */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    const once = (left: CallOptions): Promise<unknown> => this.#call(target, member, args, left);
    // What can be read once only would be empty the second time.
    if (options.idempotent !== true || args.some(isOneShot)) return once(options);
    return callAgain(once, options, this.#settings.callTimeoutMs, this.#settings);
  }

  #call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    const connected = this.#settings.connected();
    if (connected !== undefined) {
      const called = connected.direct.call(target, member, args, options);
      if (options.whenDisconnected !== 'wait') return called;
      const again = (left: CallOptions): Promise<unknown> => this.call(target, member, args, left);
      return callOnTheNext(called, again, options, this.#settings.callTimeoutMs, this.#next(connected));
    }
    if (options.whenDisconnected !== 'wait') return Promise.reject(this.#notConnected(target, member));
    return this.#wait(target, member, options, this.#settings.callTimeoutMs).then((left) =>
      this.#call(target, member, args, left),
    );
  }

  /** {@inheritDoc Caller.notify} */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    const connected = this.#settings.connected();
    if (connected !== undefined) {
      connected.direct.notify(target, member, args, options);
      return;
    }
    if (options.whenDisconnected !== 'wait') throw this.#notConnected(target, member, 'notify');
    this.#wait(target, member, options, this.#settings.callTimeoutMs)
      .then((left) => {
        this.notify(target, member, args, left);
      })
      .catch(this.report);
  }

  /** {@inheritDoc Caller.stream} */
  stream(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): RemoteStream<unknown> {
    const open = (left: CallOptions, sink: StreamSink): TeardownLogic =>
      this.#open(target, member, args, left, sink);
    const { resubscribe = false } = options;
    return new RemoteStream(this.report, (sink) =>
      resubscribe === false ? open(options, sink) : subscribeAgain(open, options, sink, this.#settings),
    );
  }

  #open(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    sink: StreamSink,
  ): TeardownLogic {
    const connected = this.#settings.connected();
    if (connected !== undefined) {
      const open = (to: StreamSink): TeardownLogic =>
        connected.direct.stream(target, member, args, options).open(to);
      if (options.whenDisconnected !== 'wait') return open(sink);
      const again = (left: CallOptions, to: StreamSink): TeardownLogic =>
        this.#open(target, member, args, left, to);
      return openOnTheNext(open, again, options, sink, this.#next(connected));
    }
    if (options.whenDisconnected === 'wait') return this.#openLater(target, member, args, options, sink);
    sink.error(this.#notConnected(target, member));
    return undefined;
  }

  #next(connected: RPCCommunicator): OnTheNextSettings {
    return { hasLeft: () => this.#settings.connected() !== connected, now: this.#settings.now };
  }

  #openLater(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    sink: StreamSink,
  ): () => void {
    const controller = new AbortController();
    let teardown: TeardownLogic;
    const { signal } = options;
    const onAbort = (): void => {
      controller.abort(signal?.reason);
    };
    const unlisten = signal && onceAborted(signal, onAbort);
    if (signal?.aborted === true) onAbort();
    let isLeft = false;
    this.#wait(target, member, { ...options, signal: controller.signal }, undefined).then(
      (left) => {
        if (!isLeft) teardown = this.#open(target, member, args, withSignal(left, signal), sink);
      },
      (error: unknown) => {
        if (!isLeft) sink.error(error);
      },
    );
    return () => {
      isLeft = true;
      unlisten?.();
      controller.abort();
      if (typeof teardown === 'function') teardown();
    };
  }

  /** Waits for a connection. @returns the options for what is left of the time, which is the call's */
  async #wait(
    target: Target,
    member: string,
    options: CallOptions,
    defaultMs: number | undefined,
  ): Promise<CallOptions> {
    const { whenConnected, now } = this.#settings;
    const { signal } = options;
    const timeMs = callTimeMs(options, defaultMs);
    const fromMs = now();
    try {
      if (timeMs === 0) throw new RPCTimeoutError(noTimeLeft);
      await whenConnected({
        ...(signal === undefined ? {} : { signal }),
        ...(timeMs === undefined ? {} : { timeoutInSeconds: timeMs / 1_000 }),
      });
    } catch (error) {
      throw error instanceof RPCError ? this.#asCallError(error, target, member) : error;
    }
    if (timeMs === undefined) return options;
    const leftInSeconds = Math.max(1, timeMs - (now() - fromMs)) / 1_000;
    return { ...options, timeoutInSeconds: leftInSeconds };
  }

  #asCallError(error: RPCError, target: Target, member: string): RPCError {
    const object = labelOf(target);
    const details = { executed: 'no', object, member, cause: error.cause } as const;
    const text = `cannot call ${describeCall(object, member)}: ${error.message}`;
    return error instanceof RPCTimeoutError
      ? new RPCTimeoutError(text, details)
      : this.#notConnected(target, member);
  }

  #notConnected(target: Target, member: string, verb = 'call'): NotConnectedError {
    const object = labelOf(target);
    return this.#settings.notConnected(`${verb} ${describeCall(object, member)}`, { object, member });
  }
}

/** Whether an argument is used up by a call: an iterator, of which there is but one. */
function isOneShot(argument: unknown): boolean {
  return typeof (argument as { next?: unknown } | null | undefined)?.next === 'function';
}

function withSignal(options: CallOptions, signal: AbortSignal | undefined): CallOptions {
  if (signal !== undefined) return { ...options, signal };
  return Object.fromEntries(Object.entries(options).filter(([name]) => name !== 'signal'));
}
