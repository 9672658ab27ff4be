/**
 * How a proxy sends: the small door through which this room reaches the connection, without knowing it.
 */
import type { Target } from '../protocol/messages.js';
import type { RemoteStream } from '../streams/remote-stream.js';
import type { Report } from '../streams/user-callback.js';
import type { CallOptions } from './types.js';

/** Sends calls to objects and references of the other side. */
export interface Caller {
  /** Gets what subscribers of streams and cold calls do not handle. */
  readonly report: Report;
  /**
   * Calls a method, or a function, whose member is `""`.
   * @returns its result; every failure is a rejection
   */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown>;
  /**
   * Calls a method without waiting for an answer.
   * @throws RPCError when it was not sent
   */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void;
  /** A stream, cold: each subscription is one at the other side, and every failure an error of it. */
  stream(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): RemoteStream<unknown>;
  /** The members that the object is known to have now, `undefined` while it is not registered. */
  members(target: Target): readonly string[] | undefined;
  /** Of those the streams that are no methods. */
  properties(target: Target): readonly string[] | undefined;
}
