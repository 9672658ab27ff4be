/**
 * The calls that this side makes on one connection: checked, marshalled, sent, and entered among the pending ones; or
 * refused here, with `executed: "no"`, before anything was sent.
 */
import {
  LimitExceededError,
  RPCError,
  RPCTimeoutError,
  UnknownMethodError,
  UnknownObjectError,
} from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import { MessageType, type CallMeta, type ResponseMessage, type Target } from '../protocol/messages.js';
import type { CallOptions } from '../proxies/types.js';
import { callTimeMs, noTimeLeft } from './call-time.js';
import { listMembers } from './member-list.js';
import { PendingCalls } from './pending-calls.js';
import type { RemoteObjects } from './remote-objects.js';
import type { Sending } from './sending.js';
import { labelOf } from './targets.js';

/** What making calls needs. */
export interface OutgoingSettings {
  readonly sending: Sending;
  readonly maxArguments: number;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  readonly now: () => number;
  /** What the other side has registered. */
  readonly remote: RemoteObjects;
  /** The deadline of a call may be the next. */
  readonly deadlineChanged: () => void;
}

/** The outgoing calls of one connection. */
export class OutgoingCalls {
  readonly #settings: OutgoingSettings;
  readonly #sending: Sending;
  readonly #pending: PendingCalls;

  /** @param settings - of the connection */
  constructor(settings: OutgoingSettings) {
    const { sending } = settings;
    this.#settings = settings;
    this.#sending = sending;
    this.#pending = new PendingCalls(sending.connectionID, sending);
  }

  /** How many calls are not answered. */
  get size(): number {
    return this.#pending.size;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#pending.nextDeadlineMs;
  }

  /** Calls a method; every failure is a rejection. */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        // The reason is the user's, whatever it is.
        reject(signal.reason as Error);
        return;
      }
      // Taken first: reading the arguments may run code of theirs that makes another call.
      const id = this.#sending.takeID();
      const timeoutMs = this.timeoutMs(target, member, options, this.#settings.callTimeoutMs);
      const { sent, lent } = this.send(target, member, args, options, () => {
        const { codec } = this.#sending;
        const meta = this.meta(options, timeoutMs);
        // Marshalling keeps an array an array.
        const marshalled = codec.marshal(args, 'arguments') as readonly unknown[];
        return meta === undefined
          ? [MessageType.request, id, target, member, marshalled]
          : [MessageType.request, id, target, member, marshalled, meta];
      });
      this.#pending.add(
        {
          id,
          sent,
          lent,
          object: labelOf(target),
          member,
          timeoutMs,
          signal,
          resolve,
          reject,
          deadlineMs: undefined,
          unlisten: undefined,
        },
        timeoutMs === undefined ? 0 : this.#settings.now(),
      );
      if (timeoutMs !== undefined) this.#settings.deadlineChanged();
    });
  }

  /** Calls a method without waiting for an answer; throws when it was not sent. */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    if (options.signal?.aborted === true) return;
    this.send(target, member, args, options, () => {
      const meta = this.meta(options, undefined);
      const marshalled = this.#sending.codec.marshal(args, 'arguments') as readonly unknown[];
      return meta === undefined
        ? [MessageType.notify, target, member, marshalled]
        : [MessageType.notify, target, member, marshalled, meta];
    });
  }

  /** Whether a call waits for its answer. */
  has(id: number): boolean {
    return this.#pending.has(id);
  }

  /** Takes an answer. @returns whether a call waited for it */
  receive(message: ResponseMessage): boolean {
    return this.#pending.receive(message);
  }

  /** The answer of a call cannot be read: it is rejected. */
  reject(id: number, error: unknown): void {
    this.#pending.reject(id, error);
  }

  /** The time of a call is over. */
  handleDeadline(nowMs: number): void {
    this.#pending.handleDeadline(nowMs);
  }

  /** The connection has ended: so do all calls. */
  close(end: ConnectionEnd): void {
    this.#pending.close(end);
  }

  /** Sends a call or a subscription, or throws an error that says which one, without having sent anything. */
  send(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    makeMessage: Parameters<Sending['send']>[0],
  ): ReturnType<Sending['send']> {
    try {
      this.#sending.checkOpen(options);
      this.#checkTarget(target, member, args);
      return this.#sending.send(makeMessage);
    } catch (error) {
      throw this.#asCallError(error, target, member);
    }
  }

  /** What travels with a call besides its arguments. */
  meta({ metadata }: CallOptions, timeoutMs: number | undefined): CallMeta | undefined {
    if (metadata === undefined) return timeoutMs === undefined ? undefined : { timeoutMs };
    const marshalled = this.#sending.codec.marshal(metadata, 'metadata', 2);
    return timeoutMs === undefined ? { metadata: marshalled } : { metadata: marshalled, timeoutMs };
  }

  /**
   * How long a call may take, in milliseconds.
   * @throws RPCTimeoutError when nothing is left
   */
  timeoutMs(
    target: Target,
    member: string,
    options: CallOptions,
    defaultMs: number | undefined,
  ): number | undefined {
    const timeMs = callTimeMs(options, defaultMs);
    if (timeMs !== 0) return timeMs;
    throw this.#asCallError(new RPCTimeoutError(noTimeLeft), target, member);
  }

  #checkTarget(target: Target, member: string, args: readonly unknown[]): void {
    if (typeof target === 'string') this.#checkName(target, member);
    const { maxArguments } = this.#settings;
    if (args.length > maxArguments) {
      throw new LimitExceededError(
        `${args.length} arguments, where ${maxArguments} are allowed (limits.maxArguments changes the bound)`,
      );
    }
  }

  #checkName(object: string, member: string): void {
    const { remote } = this.#settings;
    const members = remote.members(object);
    if (members === undefined) throw new UnknownObjectError(`no object "${object}" is registered`);
    if (!members.has(member))
      throw new UnknownMethodError(
        `"${object}" has no method or stream "${member}": ${listMembers(members)}`,
      );
  }

  /** Says which call failed; it never ran. */
  #asCallError(error: unknown, target: Target, member: string): unknown {
    if (!(error instanceof RPCError)) return error;
    const Kind = error.constructor as new (message: string, details: object) => RPCError;
    const object = labelOf(target);
    const details = {
      executed: 'no',
      connectionID: this.#sending.connectionID,
      object,
      member,
      cause: error.cause,
    } as const;
    return new Kind(`cannot call ${describeCall(object, member)}: ${error.message}`, details);
  }
}

/** Names a call in messages. */
export function describeCall(object: string, member: string): string {
  return member === '' ? `a ${object}` : `${object}.${member}`;
}
