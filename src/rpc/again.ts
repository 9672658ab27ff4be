/**
 * What is done once more on a new session when its own is lost: calls that say that they may run twice, and streams that say that
 * a gap is better than an end.
 */
import type { TeardownLogic } from 'rxjs';
import { ConnectionLostError, RPCError, StreamLostError } from '../errors.js';
import type { CallOptions } from '../proxies/types.js';
import { onceAborted } from '../streams/abort-listeners.js';
import type { StreamSink } from '../streams/stream-receiver.js';
import { callUser, type Report } from '../streams/user-callback.js';
import { callTimeMs } from './call-time.js';
import type { WaitOptions } from './waiting.js';

/** What doing something again needs of the client. */
export interface AgainSettings {
  /** Waits for a connection. */
  readonly whenConnected: (options: WaitOptions) => Promise<void>;
  readonly now: () => number;
  /** Gets the gaps that nobody else is told of. */
  readonly report: Report;
}

/** A call that ends every server that runs it must not end them all: as many attempts as gRPC allows. */
const maxAttempts = 5;

/**
 * Calls until there is an answer, each time on another session.
 *
 * @param once - makes the call
 * @param options - of the call; its time is for all attempts together
 * @param defaultMs - the time of a call that says nothing
 */
export async function callAgain(
  once: (options: CallOptions) => Promise<unknown>,
  options: CallOptions,
  defaultMs: number | undefined,
  settings: AgainSettings,
): Promise<unknown> {
  const timeMs = callTimeMs(options, defaultMs);
  const endMs = timeMs === undefined ? undefined : settings.now() + timeMs;
  let left = options;
  let mayHaveRun = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(left);
    } catch (error) {
      const failure = mayHaveRun ? asDoubtful(error) : error;
      if (!(error instanceof ConnectionLostError) || attempt >= maxAttempts) throw failure;
      mayHaveRun ||= error.executed !== 'no';
      if (!(await hasConnected(restOf(options, endMs, settings.now()), settings)))
        throw signalled(options) ?? failure;
      const rest = restOf(options, endMs, settings.now());
      if (rest === undefined) throw failure;
      left = rest;
    }
  }
}

/**
 * Subscribes again when a stream is lost with its session; whoever reads it is told of the gap before the first new value.
 *
 * @param open - subscribes
 * @param options - of the subscription; its time is for all of them together
 * @param sink - gets the values of all of them
 */
export function subscribeAgain(
  open: (options: CallOptions, sink: StreamSink) => TeardownLogic,
  options: CallOptions,
  sink: StreamSink,
  settings: AgainSettings,
): () => void {
  const timeMs = callTimeMs(options, undefined);
  const endMs = timeMs === undefined ? undefined : settings.now() + timeMs;
  const leaving = new AbortController();
  const { signal } = options;
  const unlisten = signal && onceAborted(signal, () => leaving.abort(signal.reason));
  let teardown: TeardownLogic;
  const reopen = async (lost: StreamLostError): Promise<void> => {
    const waiting = restOf({ ...options, signal: leaving.signal }, endMs, settings.now());
    const isConnected = await hasConnected(waiting, settings);
    const rest = restOf(options, endMs, settings.now());
    if (!isConnected || rest === undefined) {
      if (signal?.aborted === true) sink.error(signal.reason);
      else if (!leaving.signal.aborted) sink.error(lost);
      return;
    }
    tellGap(lost, options, settings.report);
    if (!leaving.signal.aborted) teardown = open(rest, again);
  };
  const again: StreamSink = {
    next: (value) => {
      sink.next(value);
    },
    complete: () => {
      sink.complete();
    },
    error: (error) => {
      if (error instanceof StreamLostError) reopen(error).catch(settings.report);
      else sink.error(error);
    },
    onDropped: (count) => {
      sink.onDropped(count);
    },
    pace: sink.pace,
  };
  teardown = open(options, again);
  return () => {
    unlisten?.();
    leaving.abort();
    if (typeof teardown === 'function') teardown();
  };
}

function tellGap(lost: StreamLostError, { resubscribe }: CallOptions, report: Report): void {
  if (typeof resubscribe === 'function') callUser(resubscribe, lost, report);
  else report(lost);
}

/** The options for what is left of the time; `undefined`: nothing is. */
function restOf(options: CallOptions, endMs: number | undefined, nowMs: number): CallOptions | undefined {
  if (endMs === undefined) return options;
  return endMs <= nowMs ? undefined : { ...options, timeoutInSeconds: (endMs - nowMs) / 1_000 };
}

/** Waits for a connection for as long as these options allow; `undefined`: not at all. @returns whether there is one */
async function hasConnected(
  options: CallOptions | undefined,
  { whenConnected }: AgainSettings,
): Promise<boolean> {
  if (options === undefined) return false;
  const { signal, timeoutInSeconds } = options;
  try {
    await whenConnected({
      ...(signal === undefined ? {} : { signal }),
      ...(timeoutInSeconds === undefined || timeoutInSeconds === null ? {} : { timeoutInSeconds }),
    });
    return true;
  } catch {
    // What was lost before says more than that it did not come back.
    return false;
  }
}

function signalled({ signal }: CallOptions): unknown {
  return signal?.aborted === true ? signal.reason : undefined;
}

/** An attempt that surely did not run says nothing of those before it, which may have. */
function asDoubtful(error: unknown): unknown {
  if (error instanceof RPCError && error.executed === 'no') {
    // Made for this call, and seen by nobody yet.
    Object.assign(error, { executed: 'unknown', stage: 'sent' });
  }
  return error;
}
