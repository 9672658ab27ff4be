/**
 * How a proxy sends: the small door through which this room reaches the connection, without knowing it.
 */
import type { CallOptions } from './types.js';

/** Sends calls to objects of the other side. */
export interface Caller {
  /**
   * Calls a method.
   * @returns its result; every failure is a rejection
   */
  call(object: string, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown>;
  /**
   * Calls a method without waiting for an answer.
   * @throws RPCError when it was not sent
   */
  notify(object: string, member: string, args: readonly unknown[], options: CallOptions): void;
  /** The members that the object is known to have now, `undefined` while it is not registered. */
  members(object: string): readonly string[] | undefined;
}
