/**
 * What lives on one session, the same at both ends: calls out, calls in, and who has registered what.
 *
 * A message enters here through one switch. Nothing a peer sends can throw out of `receive`: what is not as it must be
 * closes this connection. Knows neither sockets nor frames.
 */
import {
  ConnectionLostError,
  LimitExceededError,
  NotConnectedError,
  ProtocolError,
  RPCError,
  UnknownMethodError,
  UnknownObjectError,
} from '../errors.js';
import type { Connection, ConnectionEnd } from '../link/connection.js';
import type { Codec } from '../protocol/codec.js';
import type { Limits } from '../protocol/limits.js';
import {
  MessageType,
  type IdentifyMessage,
  type NotifyMessage,
  type RegisterMessage,
  type RequestMessage,
  type SessionMessage,
} from '../protocol/messages.js';
import type { Caller } from '../proxies/caller.js';
import type { ExposedObject } from '../proxies/exposure.js';
import type { CallOptions } from '../proxies/types.js';
import { ServedCall } from './current-call.js';
import { Invocations } from './invocations.js';
import { listMembers } from './member-list.js';
import { OutgoingCalls } from './outgoing-calls.js';
import { RemoteObjects } from './remote-objects.js';
import { refusalOf, type ErrorExposure } from './wire-errors.js';

/** The registered objects of this side. */
export type LocalObjects = ReadonlyMap<string, ExposedObject>;

/** What happens on a communicator. */
export interface CommunicatorSink {
  /** All objects that the peer had registered before are known: the connection counts as made. */
  onReady(): void;
  /** The peer registered an object, after `onReady`. */
  onRegistered(name: string): void;
  /** The peer unregistered an object. */
  onUnregistered(name: string): void;
  /** The peer told its identifier; absent on a client, whose server has none. */
  readonly onIdentified: ((identifier: string) => void) | undefined;
  /** Something went wrong that no caller hears of. */
  onError(error: unknown): void;
}

/** What a communicator needs. */
export interface CommunicatorSettings {
  readonly connectionID: string;
  readonly connection: Connection;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly localObjects: LocalObjects;
  readonly exposeErrors: ErrorExposure;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  readonly now: () => number;
  readonly sink: CommunicatorSink;
}

/** Open calls and waiting bytes of one connection, or of all. */
export interface Counts {
  /** Calls made by this side that are not answered. */
  readonly calls: number;
  /** Calls from the other side whose methods run. */
  readonly incomingCalls: number;
  /** Open value streams. */
  readonly streams: number;
  /** References lent and held. */
  readonly references: number;
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
}

/** The calls and registrations of one connection. Owned by a server or client, which tells it when the connection ends. */
export class RPCCommunicator implements Caller {
  readonly #settings: CommunicatorSettings;
  readonly #connection: Connection;
  readonly #outgoing: OutgoingCalls;
  readonly #invocations: Invocations;
  readonly #remote: RemoteObjects;
  #isReady = false;
  #isDraining = false;
  #end: ConnectionEnd | undefined;

  /** Made by the library, for an established connection. */
  constructor(settings: CommunicatorSettings) {
    const { connection, connectionID, codec, exposeErrors, limits, sink } = settings;
    this.#settings = settings;
    this.#connection = connection;
    this.#remote = new RemoteObjects(limits.maxRegisteredObjects);
    this.#outgoing = new OutgoingCalls({
      connectionID,
      connection,
      codec,
      maxArguments: limits.maxArguments,
      callTimeoutMs: settings.callTimeoutMs,
      now: settings.now,
      remote: this.#remote,
    });
    this.#invocations = new Invocations({
      codec,
      exposeErrors,
      send: (message) => {
        connection.send(message);
      },
      report: (error) => {
        sink.onError(error);
      },
    });
  }

  /** The id of the connection. */
  get connectionID(): string {
    return this.#settings.connectionID;
  }

  /** The names that the other side has registered. */
  get remoteNames(): string[] {
    return this.#remote.names;
  }

  /** What is open now. */
  get counts(): Counts {
    return {
      calls: this.#outgoing.size,
      incomingCalls: this.#invocations.size,
      streams: 0,
      references: 0,
      queuedBytes: this.#end === undefined ? this.#connection.queuedBytes : 0,
    };
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#outgoing.nextDeadlineMs;
  }

  /** Says who we are and what may be called here; the first thing on a session. */
  start(identifier: string): void {
    this.#guard(() => {
      if (identifier !== '') this.#connection.send([MessageType.identify, identifier]);
      const objects = [...this.#settings.localObjects].map(
        ([name, exposed]) => [name, membersOf(exposed)] as const,
      );
      this.#connection.send([MessageType.register, objects, true]);
    });
  }

  /** Tells the other side of an object registered now. */
  register(name: string, exposed: ExposedObject): void {
    this.#guard(() => this.#connection.send([MessageType.register, [[name, membersOf(exposed)]]]));
  }

  /** Tells the other side that an object may no longer be called. */
  unregister(name: string): void {
    this.#guard(() => this.#connection.send([MessageType.unregister, [name]]));
  }

  /** Tells the other side who this is. */
  identify(identifier: string): void {
    this.#guard(() => this.#connection.send([MessageType.identify, identifier]));
  }

  /** {@inheritDoc Caller.members} */
  members(object: string): readonly string[] | undefined {
    const members = this.#remote.members(object);
    return members === undefined ? undefined : [...members];
  }

  /** {@inheritDoc Caller.call} */
  call(object: string, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return this.#outgoing.call(object, member, args, options);
  }

  /** {@inheritDoc Caller.notify} */
  notify(object: string, member: string, args: readonly unknown[], options: CallOptions): void {
    this.#outgoing.notify(object, member, args, options);
  }

  /** Takes the messages that arrived together; after one that is not as it must be, no other. */
  receive(messages: readonly SessionMessage[]): void {
    this.#guard(() => {
      for (const message of messages) {
        if (this.#end !== undefined) return;
        this.#receive(message);
      }
    });
  }

  /** The time of a call is over. */
  handleDeadline(nowMs: number): void {
    this.#outgoing.handleDeadline(nowMs);
  }

  /** From now on calls of the other side are refused; calls back once those that run have ended, and their results left. */
  drain(onIdle: () => void): void {
    this.#isDraining = true;
    this.#invocations.whenIdle(() => {
      this.#connection.whenSent(onIdle);
    });
  }

  /** The connection has ended: every call on it ends now. */
  close(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#outgoing.close(end);
    this.#invocations.close(new ConnectionLostError(end.reason.message, { connectionID: this.connectionID }));
  }

  #receive(message: SessionMessage): void {
    if (!this.#isReady && message[0] !== MessageType.register && message[0] !== MessageType.identify) {
      throw new ProtocolError(`a message of type ${message[0]} before the objects at the start were told`);
    }
    switch (message[0]) {
      case MessageType.request:
        this.#receiveRequest(message);
        return;
      case MessageType.response:
        this.#outgoing.receive(message);
        return;
      case MessageType.notify:
        this.#receiveNotify(message);
        return;
      case MessageType.cancel:
        this.#invocations.cancel(message[1]);
        return;
      case MessageType.register:
        this.#receiveRegister(message);
        return;
      case MessageType.unregister:
        for (const name of message[1]) {
          this.#remote.remove(name);
          this.#settings.sink.onUnregistered(name);
        }
        return;
      case MessageType.identify:
        this.#receiveIdentify(message);
    }
  }

  #receiveRequest([, id, object, member, args, meta]: RequestMessage): void {
    if (this.#invocations.has(id)) throw new ProtocolError(`a call ${id} while a call of that id runs`);
    const found = this.#find(object, member, args);
    if (found instanceof RPCError) {
      this.#connection.send([MessageType.response, id, refusalOf(found, 'no')]);
      return;
    }
    const call = new ServedCall(this.connectionID, object, member, meta?.metadata);
    this.#invocations.start({ id, call, object: found.object, method: found.method, args });
  }

  #receiveNotify([, object, member, args, meta]: NotifyMessage): void {
    const found = this.#find(object, member, args);
    if (found instanceof RPCError) {
      this.#settings.sink.onError(found);
      return;
    }
    const call = new ServedCall(this.connectionID, object, member, meta?.metadata);
    this.#invocations.start({ id: 0, call, object: found.object, method: found.method, args });
  }

  #receiveRegister([, objects, isComplete]: RegisterMessage): void {
    for (const object of objects) {
      this.#remote.add(object);
      if (this.#isReady) this.#settings.sink.onRegistered(object[0]);
    }
    if (isComplete !== true) return;
    if (this.#isReady) throw new ProtocolError('the objects at the start were told twice');
    this.#isReady = true;
    this.#connection.markReady();
    this.#settings.sink.onReady();
  }

  #receiveIdentify([, identifier]: IdentifyMessage): void {
    const { onIdentified } = this.#settings.sink;
    if (onIdentified === undefined) throw new ProtocolError('a server has no identifier');
    onIdentified(identifier);
  }

  /** Finds what a peer wants to call, in Maps only: the object itself is not touched. */
  #find(object: string, member: string, args: readonly unknown[]): Found | RPCError {
    const exposed = this.#settings.localObjects.get(object);
    const method = exposed?.methods.get(member);
    const isAllowed = !this.#isDraining && args.length <= this.#settings.limits.maxArguments;
    if (exposed === undefined || method === undefined || !isAllowed) {
      return this.#refusal(object, member, args);
    }
    return { object: exposed.object, method };
  }

  #refusal(object: string, member: string, args: readonly unknown[]): RPCError {
    const details = { connectionID: this.connectionID, object, member };
    if (this.#isDraining)
      return new NotConnectedError('this side is stopping and takes no new calls', details);
    const exposed = this.#settings.localObjects.get(object);
    if (exposed === undefined)
      return new UnknownObjectError(`no object ${quote(object)} is registered`, details);
    if (!exposed.methods.has(member)) {
      const members = listMembers(exposed.methods.keys());
      return new UnknownMethodError(`${quote(object)} has no method ${quote(member)}: ${members}`, details);
    }
    const { maxArguments } = this.#settings.limits;
    return new LimitExceededError(
      `${args.length} arguments, where the other side allows ${maxArguments}`,
      details,
    );
  }

  /** What a peer did wrong, or what cannot be told to it, ends this connection and nothing else. */
  #guard(act: () => unknown): void {
    if (this.#end !== undefined) return;
    try {
      act();
    } catch (error) {
      // An error of ours is the reason of the end, and reported as such; any other would be lost.
      if (!(error instanceof RPCError)) this.#settings.sink.onError(error);
      const code = error instanceof LimitExceededError ? 'limit-exceeded' : 'protocol-error';
      this.#connection.close(
        code,
        error instanceof RPCError ? error.message : 'a message could not be handled',
      );
    }
  }
}

interface Found {
  readonly object: object;
  readonly method: ExposedObject['methods'] extends ReadonlyMap<string, infer Method> ? Method : never;
}

function membersOf(exposed: ExposedObject): readonly string[] {
  return [...exposed.methods.keys()];
}

/** A peer's name in our text: escaped, and not endless. */
function quote(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}
