/**
 * What says that it waits for connections, and was asked for on one that took nothing new any more, or ended before it ran, is asked for
 * again on the next. PROTOCOL.md, "Drain".
 */
import type { TeardownLogic } from 'rxjs';
import { RPCError } from '../errors.js';
import type { CallOptions } from '../proxies/types.js';
import type { StreamSink } from '../streams/stream-receiver.js';
import { callTimeMs } from './call-time.js';

/** What asking again needs. */
export interface OnTheNextSettings {
  /** Whether the connection that it was asked for on has been left or lost, also for another. */
  readonly hasLeft: () => boolean;
  readonly now: () => number;
}

/**
 * Asks again for a call that surely did not run.
 * @param called - what came of it
 * @param again - makes it on the next connection, within what is left of its time
 * @param options - of the call
 * @param defaultMs - the time of a call that says nothing
 */
export async function callOnTheNext(
  called: Promise<unknown>,
  again: (left: CallOptions) => Promise<unknown>,
  options: CallOptions,
  defaultMs: number | undefined,
  { hasLeft, now }: OnTheNextSettings,
): Promise<unknown> {
  const leftOf = clockOf(options, defaultMs, now);
  try {
    return await called;
  } catch (error) {
    if (!isUnserved(error) || !hasLeft()) throw error;
    return again(leftOf());
  }
}

/**
 * Asks again for a stream that surely did not begin.
 * @param open - subscribes
 * @param again - subscribes on the next connection, within what is left of its time
 * @param options - of the subscription
 * @param sink - gets the values
 */
export function openOnTheNext(
  open: (sink: StreamSink) => TeardownLogic,
  again: (left: CallOptions, sink: StreamSink) => TeardownLogic,
  options: CallOptions,
  sink: StreamSink,
  { hasLeft, now }: OnTheNextSettings,
): () => void {
  const leftOf = clockOf(options, undefined, now);
  let isLeft = false;
  let next: TeardownLogic;
  const first = open({
    next: (value) => {
      sink.next(value);
    },
    complete: () => {
      sink.complete();
    },
    error: (error) => {
      if (!isLeft && isUnserved(error) && hasLeft()) next = again(leftOf(), sink);
      else sink.error(error);
    },
    onDropped: (count) => {
      sink.onDropped(count);
    },
    pace: sink.pace,
  });
  return () => {
    isLeft = true;
    for (const teardown of [first, next]) if (typeof teardown === 'function') teardown();
  };
}

/** Gives the options for what is left of the time from now on. */
function clockOf(options: CallOptions, defaultMs: number | undefined, now: () => number): () => CallOptions {
  const timeMs = callTimeMs(options, defaultMs);
  const fromMs = now();
  return () =>
    timeMs === undefined
      ? options
      : { ...options, timeoutInSeconds: Math.max(1, timeMs - (now() - fromMs)) / 1_000 };
}

/** Whether something failed because its connection took nothing new, or ended, and before it ran. */
function isUnserved(error: unknown): boolean {
  if (!(error instanceof RPCError) || error.executed !== 'no') return false;
  return error.code === 'not-connected' || error.code === 'connection-lost' || error.code === 'stream-lost';
}
