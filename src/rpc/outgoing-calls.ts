/**
 * The calls that this side makes on one connection: checked, marshalled, sent, and entered among the pending ones; or
 * refused here, with `executed: "no"`, before anything was sent.
 */
import {
  ConnectionLostError,
  LimitExceededError,
  ProtocolError,
  RPCError,
  UnknownMethodError,
  UnknownObjectError,
} from '../errors.js';
import type { Connection, ConnectionEnd } from '../link/connection.js';
import type { Codec } from '../protocol/codec.js';
import {
  MessageType,
  type CallMeta,
  type ResponseMessage,
  type SessionMessage,
} from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { CallOptions } from '../proxies/types.js';
import { listMembers } from './member-list.js';
import { PendingCalls } from './pending-calls.js';
import type { RemoteObjects } from './remote-objects.js';

/** What making calls needs. */
export interface OutgoingCallsSettings {
  readonly connectionID: string;
  readonly connection: Connection;
  readonly codec: Codec;
  readonly maxArguments: number;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  readonly now: () => number;
  /** What the other side has registered. */
  readonly remote: RemoteObjects;
}

/** The outgoing calls of one connection. */
export class OutgoingCalls {
  readonly #settings: OutgoingCallsSettings;
  readonly #connection: Connection;
  readonly #pending: PendingCalls;
  #lastID = 0;
  #end: ConnectionEnd | undefined;

  /** @param settings - of the connection */
  constructor(settings: OutgoingCallsSettings) {
    const { connection } = settings;
    this.#settings = settings;
    this.#connection = connection;
    this.#pending = new PendingCalls(settings.connectionID, {
      withdraw: (sent) => connection.withdraw(sent),
      isHandedOver: (sent) => connection.isHandedOver(sent),
      isBeyond: (sent, lastReceived) => connection.isBeyond(sent, lastReceived),
      cancel: (id) => {
        connection.send([MessageType.cancel, id]);
      },
    });
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
  call(object: string, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        // The reason is the user's, whatever it is.
        reject(signal.reason as Error);
        return;
      }
      const { now } = this.#settings;
      // Taken first: reading the arguments may run code of theirs that makes another call.
      this.#lastID += 1;
      const id = this.#lastID;
      const sent = this.#send(object, member, args, options, (marshalled, meta) =>
        meta === undefined
          ? [MessageType.request, id, object, member, marshalled]
          : [MessageType.request, id, object, member, marshalled, meta],
      );
      const timeoutMs = this.#timeoutMs(options);
      this.#pending.add(
        {
          id,
          sent,
          object,
          member,
          timeoutMs,
          signal,
          resolve,
          reject,
          deadlineMs: undefined,
        },
        timeoutMs === undefined ? 0 : now(),
      );
      if (timeoutMs !== undefined) this.#connection.deadlineChanged();
    });
  }

  /** Calls a method without waiting for an answer; throws when it was not sent. */
  notify(object: string, member: string, args: readonly unknown[], options: CallOptions): void {
    if (options.signal?.aborted === true) return;
    this.#send(object, member, args, options, (marshalled, meta) =>
      meta === undefined
        ? [MessageType.notify, object, member, marshalled]
        : [MessageType.notify, object, member, marshalled, meta],
    );
  }

  /**
   * Takes an answer.
   * @throws ProtocolError for one to a call that was never made
   */
  receive(message: ResponseMessage): void {
    if (this.#pending.receive(message) || message[1] <= this.#lastID) return;
    throw new ProtocolError(`an answer to call ${message[1]}, which was never made`);
  }

  /** The time of a call is over. */
  handleDeadline(nowMs: number): void {
    this.#pending.handleDeadline(nowMs);
  }

  /** The connection has ended: so do all calls. */
  close(end: ConnectionEnd): void {
    this.#end = end;
    this.#pending.close(end);
  }

  /** Marshals and sends a call, or throws without having sent anything. */
  #send(
    object: string,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    makeMessage: (args: readonly unknown[], meta: CallMeta | undefined) => SessionMessage,
  ): Sent {
    try {
      this.#checkTarget(object, member, args);
      const { codec } = this.#settings;
      const { metadata } = options;
      const meta = metadata === undefined ? undefined : { metadata: codec.marshal(metadata, 'metadata') };
      // Marshalling keeps an array an array.
      return this.#connection.send(makeMessage(codec.marshal(args, 'arguments') as readonly unknown[], meta));
    } catch (error) {
      throw this.#asCallError(error, object, member);
    }
  }

  #checkTarget(object: string, member: string, args: readonly unknown[]): void {
    if (this.#end !== undefined)
      throw new ConnectionLostError(`the connection has ended: ${this.#end.reason.message}`);
    const members = this.#settings.remote.members(object);
    if (members === undefined) throw new UnknownObjectError(`no object "${object}" is registered`);
    if (!members.has(member))
      throw new UnknownMethodError(`"${object}" has no method "${member}": ${listMembers(members)}`);
    const { maxArguments } = this.#settings;
    if (args.length > maxArguments) {
      throw new LimitExceededError(
        `${args.length} arguments, where ${maxArguments} are allowed (limits.maxArguments changes the bound)`,
      );
    }
  }

  /** Says which call failed; it never ran. */
  #asCallError(error: unknown, object: string, member: string): unknown {
    if (!(error instanceof RPCError)) return error;
    const Kind = error.constructor as new (message: string, details: object) => RPCError;
    const details = {
      executed: 'no',
      connectionID: this.#settings.connectionID,
      object,
      member,
      cause: error.cause,
    } as const;
    return new Kind(`cannot call ${object}.${member}: ${error.message}`, details);
  }

  #timeoutMs({ timeoutInSeconds }: CallOptions): number | undefined {
    if (timeoutInSeconds === null) return undefined;
    return timeoutInSeconds === undefined ? this.#settings.callTimeoutMs : timeoutInSeconds * 1_000;
  }
}
