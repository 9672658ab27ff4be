/**
 * What lives on one session, the same at both ends: calls out, calls in, and who has registered what.
 *
 * A message enters here through one switch. Nothing a peer sends can throw out of `receive`: what is not as it must be
 * closes this connection. Knows neither sockets nor frames.
 */
import type { SchedulerLike } from 'rxjs';
import {
  ConnectionLostError,
  LimitExceededError,
  ProtocolError,
  RPCError,
  StreamLostError,
} from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { Line } from '../link/line.js';
import type { Codec } from '../protocol/codec.js';
import type { Limits } from '../protocol/limits.js';
import {
  MessageType,
  type CreditMessage,
  type FailMessage,
  type IdentifyMessage,
  type ReceivedNextMessage,
  type RegisterMessage,
  type RegisteredObject,
  type ResponseMessage,
  type SessionMessage,
  type Target,
} from '../protocol/messages.js';
import type { Caller } from '../proxies/caller.js';
import type { ExposedObject } from '../proxies/exposure.js';
import type { CallOptions } from '../proxies/types.js';
import type { RemoteStream } from '../streams/remote-stream.js';
import { neverSubscribed } from '../streams/stream-senders.js';
import type { Report } from '../streams/user-callback.js';
import type { Authorization } from './authorization.js';
import { HeldBack } from './held-back.js';
import { noCounts, type Counts } from './counts.js';
import { DirectCaller } from './direct-caller.js';
import { IncomingRequests } from './incoming-requests.js';
import type { Interception } from './interception.js';
import { Invocations } from './invocations.js';
import { OutgoingCalls } from './outgoing-calls.js';
import { OutgoingStreams } from './outgoing-streams.js';
import { Quotas } from './quotas.js';
import { References } from './references.js';
import { RemoteObjects } from './remote-objects.js';
import { Sending } from './sending.js';
import { ServedStreams } from './served-streams.js';
import { SessionDrain } from './session-drain.js';
import { Targets, type LocalObjects } from './targets.js';
import type { ErrorExposure } from './wire-errors.js';

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
  readonly connection: Line;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly localObjects: LocalObjects;
  readonly exposeErrors: ErrorExposure;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  /** Runs the observers of streams. */
  readonly callbackScheduler: SchedulerLike;
  /** The interceptors, if there are any. */
  readonly interception: Interception | undefined;
  /** Says what the other side may call; `undefined`: everything. */
  readonly authorization: Authorization | undefined;
  /** Who the other side is. */
  readonly identity: unknown;
  /** The first number of a reference. */
  readonly firstReference: number;
  readonly now: () => number;
  readonly sink: CommunicatorSink;
}

/**
 * The calls, streams, references and registrations of one connection. Owned by a server or client, which tells it when
 * the connection ends. Most connections have no streams: the rooms for them are made when the first is opened.
 */
export class RPCCommunicator implements Caller {
  /** {@inheritDoc Caller.report} */
  readonly report: Report;
  readonly #settings: CommunicatorSettings;
  readonly #connection: Line;
  readonly #quotas: Quotas;
  readonly #sending: Sending;
  readonly #references: References;
  readonly #remote: RemoteObjects;
  readonly #calls: OutgoingCalls;
  readonly #deadlineChanged: () => void;
  readonly #invocations: Invocations;
  /** Made for the first request. */
  #requests: IncomingRequests | undefined;
  readonly #heldBack: HeldBack;
  #streams: OutgoingStreams | undefined;
  #served: ServedStreams | undefined;
  readonly #caller: Caller;
  /** Sends without the interceptors, which whoever picks the connection has run. @internal */
  readonly direct: Caller;
  #isReady = false;
  /** Present while nothing new is taken. */
  #drain: SessionDrain | undefined;
  #end: ConnectionEnd | undefined;

  /** Made by the library, for an established connection. */
  constructor(settings: CommunicatorSettings) {
    const { connection, connectionID, codec, exposeErrors, limits, sink, now, interception } = settings;
    this.#settings = settings;
    this.#quotas = new Quotas(limits, connection);
    this.#connection = connection;
    this.#heldBack = new HeldBack(connection);
    this.report = (error) => {
      sink.onError(error);
    };
    this.#remote = new RemoteObjects(limits.maxRegisteredObjects);
    this.direct = new DirectCaller({
      calls: () => this.#calls,
      streams: () => this.#subscribed,
      remote: this.#remote,
      report: this.report,
    });
    this.#caller =
      interception === undefined
        ? this.direct
        : interception.outgoing(this.direct, () => connectionID, settings.identity);
    this.#references = new References({
      connectionID,
      connection,
      codec,
      caller: this.#caller,
      report: this.report,
      firstNumber: settings.firstReference,
      quotas: this.#quotas,
    });
    const { exports } = this.#references;
    const deadlineChanged = (): void => {
      connection.deadlineChanged();
    };
    this.#deadlineChanged = deadlineChanged;
    const sending = new Sending({
      connectionID,
      connection,
      codec,
      exports,
      // What was emitted before a call or an answer does not come after it, as far as there is credit and room.
      beforeSend: () => {
        this.#references.tellAborts();
        if (this.#served?.hasReady === true) this.#served.pump(Math.min(causalBytes, connection.roomBytes));
        // What is sent may be the end of something.
        if (this.#drain !== undefined) connection.requestFlush();
      },
    });
    this.#sending = sending;
    this.#calls = new OutgoingCalls({
      sending,
      limits,
      callTimeoutMs: settings.callTimeoutMs,
      now,
      remote: this.#remote,
      deadlineChanged,
      onEnded: () => this.#drain?.consider(),
      report: this.report,
    });
    this.#invocations = new Invocations({
      codec,
      exposeErrors,
      interception,
      sending,
      report: this.report,
      deadlineChanged,
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
      ...noCounts,
      calls: this.#calls.size,
      waitingCalls: this.#calls.waitingCount,
      waitingBytes: this.#calls.waitingBytes,
      heldBack: this.#heldBack.size,
      unanswered: this.#invocations.unanswered,
      incomingCalls: this.#invocations.size,
      streams: (this.#streams?.size ?? 0) + (this.#served?.size ?? 0),
      references: this.#references.size,
      queuedBytes: this.#end === undefined ? this.#connection.queuedBytes : 0,
      refusedCalls: this.#quotas.refusedCalls,
      refusedStreams: this.#quotas.refusedStreams,
      refusedReferences: this.#quotas.refusedReferences,
      cancels: this.#quotas.cancels,
      yields: this.#connection.yields,
    };
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return Math.min(
      this.#calls.nextDeadlineMs,
      this.#invocations.nextDeadlineMs,
      this.#streams?.nextDeadlineMs ?? Infinity,
      this.#served?.nextDeadlineMs ?? Infinity,
    );
  }

  /** Says who we are and what may be called here; the first thing on a session. */
  start(identifier: string): void {
    this.#guard(() => {
      if (identifier !== '') this.#connection.send([MessageType.identify, identifier]);
      const objects = [...this.#settings.localObjects].map(describeObject);
      this.#connection.send([MessageType.register, objects, true]);
    });
  }

  /** Tells the other side of an object registered now. */
  register(name: string, exposed: ExposedObject): void {
    this.#guard(() => this.#connection.send([MessageType.register, [describeObject([name, exposed])]]));
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
  members(target: Target): readonly string[] | undefined {
    return this.direct.members(target);
  }

  /** {@inheritDoc Caller.properties} */
  properties(target: Target): readonly string[] | undefined {
    return this.direct.properties(target);
  }

  /** {@inheritDoc Caller.call} */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return this.#caller.call(target, member, args, options);
  }

  /** {@inheritDoc Caller.notify} */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    this.#caller.notify(target, member, args, options);
  }

  /** {@inheritDoc Caller.stream} */
  stream(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): RemoteStream<unknown> {
    return this.#caller.stream(target, member, args, options);
  }

  /** Takes the messages that arrived together; after one that is not as it must be, no other. */
  receive(messages: readonly SessionMessage[]): void {
    this.#guard(() => {
      for (const message of messages) {
        if (this.#end !== undefined || this.#connection.isClosing) return;
        this.#receive(message);
      }
      this.#drain?.consider();
    });
  }

  /** The time of calls or streams is over. */
  handleDeadline(nowMs: number): void {
    this.#calls.handleDeadline(nowMs);
    this.#streams?.handleDeadline(nowMs);
    this.#invocations.handleDeadline(nowMs);
    this.#served?.handleDeadline(nowMs);
    this.#drain?.consider();
  }

  /** What was sent is about to leave, and so much more may: stream values, and references given back. */
  flush(roomBytes: number): void {
    this.#guard(() => {
      this.#references.flush();
      this.#served?.pump(roomBytes);
      this.#drain?.consider();
    });
  }

  /** Less waits to be written: what waited for that goes on, and asks for more room if there is not enough. */
  onRoom(): void {
    this.#guard(() => {
      this.#invocations.proceed();
      this.#served?.proceed();
      this.#heldBack.proceed();
      if (this.#calls.waitingCount > 0) this.#calls.waiting.proceed();
      this.#drain?.consider();
    });
  }

  /**
   * From now on nothing new is taken from the other side, except what calls of this side may wait for.
   * @param retryAfterMs - what to tell the other side
   * @param onIdle - called whenever nothing is open and what was sent has left, possibly at once
   */
  drain(retryAfterMs: number | undefined, onIdle: () => void): void {
    this.#drain ??= new SessionDrain({
      connectionID: this.connectionID,
      line: this.#connection,
      retryAfterMs,
      isOpen: (id) => this.#calls.has(id) || this.#streams?.has(id) === true,
      isLentByOpen: (number) => this.#calls.hasLent(number) || this.#streams?.hasLent(number) === true,
      isServing: () => this.#invocations.size > 0,
      isWaiting: () => this.#calls.size > 0 || (this.#streams?.size ?? 0) + (this.#served?.size ?? 0) > 0,
      hasAnswered: () => this.#sending.hasAnswered,
      onIdle,
    });
    const drain = this.#drain;
    this.#invocations.whenIdle(() => {
      drain.consider();
    });
    drain.consider();
  }

  /** Whether it drains, nothing is open, and what was sent has left. */
  get isIdle(): boolean {
    return this.#drain?.isIdle === true;
  }

  /** The session has lost its connection. */
  lineLost(): void {
    this.#drain?.lineLost();
  }

  /** The time of the drain is over: the streams that are served end here, with an error that says so. */
  endStreams(): void {
    const text = 'the other side stops, and the time that it gave its streams to end is over';
    this.#guard(() => this.#served?.failAll(new StreamLostError(text, { connectionID: this.connectionID })));
  }

  /** A heartbeat was answered, on a connection that is all there is of its session. */
  noteHeartbeat(roundTripMs: number): void {
    this.#calls.noteHeartbeat(roundTripMs);
  }

  /** The other side takes nothing new. */
  noteGoAway(retryAfterMs: number | undefined): void {
    this.#sending.noteGoAway(retryAfterMs);
  }

  /** The connection has ended: every call on it ends now. */
  close(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#drain = undefined;
    this.#sending.close(end);
    this.#references.close(end.reason.message);
    this.#calls.close(end);
    this.#streams?.close(end);
    this.#served?.close();
    const { connectionID } = this;
    this.#invocations.close(() => new ConnectionLostError(end.reason.message, { connectionID }));
    this.#heldBack.close();
  }

  #receive(message: SessionMessage): void {
    if (!this.#isReady && message[0] !== MessageType.register && message[0] !== MessageType.identify) {
      throw new ProtocolError(`a message of type ${message[0]} before the objects at the start were told`);
    }
    switch (message[0]) {
      case MessageType.request:
        this.#incoming.receiveCall(message);
        return;
      case MessageType.response:
        this.#receiveResponse(message);
        return;
      case MessageType.notify:
        this.#incoming.receiveNotification(message);
        return;
      case MessageType.cancel:
        this.#receiveCancel(message[1]);
        return;
      case MessageType.subscribe:
        this.#incoming.receiveSubscription(message);
        return;
      case MessageType.next:
        // The inbox has counted its bytes.
        this.#receiveNext(message as ReceivedNextMessage);
        return;
      case MessageType.complete:
        this.#subscribed.complete(message);
        return;
      case MessageType.fail:
        this.#receiveFail(message);
        return;
      case MessageType.credit:
        this.#receiveCredit(message);
        return;
      case MessageType.release:
        this.#references.release(message[1]);
        return;
      case MessageType.abort:
        this.#references.abort(message);
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

  get #incoming(): IncomingRequests {
    this.#requests ??= new IncomingRequests({
      connectionID: this.connectionID,
      identity: this.#settings.identity,
      authorization: this.#settings.authorization,
      quotas: this.#quotas,
      targets: new Targets({
        connectionID: this.connectionID,
        localObjects: this.#settings.localObjects,
        exports: this.#references.exports,
        maxArguments: this.#settings.limits.maxArguments,
      }),
      references: this.#references,
      sending: this.#sending,
      invocations: this.#invocations,
      heldBack: this.#heldBack,
      served: () => this.#served,
      serving: () => this.#serving,
      drain: () => this.#drain,
      report: this.report,
      guard: (act) => {
        this.#guard(act);
      },
      now: this.#settings.now,
    });
    return this.#requests;
  }

  get #subscribed(): OutgoingStreams {
    this.#streams ??= new OutgoingStreams({
      sending: this.#sending,
      calls: this.#calls,
      callbackScheduler: this.#settings.callbackScheduler,
      maxStreamBytes: this.#settings.limits.maxStreamBytes,
      maxStreams: this.#settings.limits.maxStreams,
      now: this.#settings.now,
      deadlineChanged: this.#deadlineChanged,
    });
    return this.#streams;
  }

  get #serving(): ServedStreams {
    const { exposeErrors, interception } = this.#settings;
    this.#served ??= new ServedStreams({
      connection: this.#connection,
      sending: this.#sending,
      exposeErrors,
      interception,
      report: this.report,
      deadlineChanged: this.#deadlineChanged,
    });
    return this.#served;
  }

  #receiveResponse(message: ResponseMessage): void {
    const id = message[1];
    if (!this.#calls.has(id)) {
      // An answer may cross the word that nobody waits for it.
      if (!this.#sending.wasTaken(id))
        throw new ProtocolError(`an answer to call ${id}, which was never made`);
      this.#calls.receiveLate(id);
      this.#references.refuse(message);
      return;
    }
    const unreadable = this.#references.accept(message);
    if (unreadable === undefined) this.#calls.receive(message);
    else this.#calls.reject(id, unreadable);
  }

  #receiveFail(message: FailMessage): void {
    if (this.#references.accept(message) === undefined) {
      this.#subscribed.fail(message);
      return;
    }
    // What cannot be read is left out: that the stream failed matters more.
    const [type, id, error, dropped = 0] = message;
    this.#subscribed.fail([type, id, { ...error, data: undefined }, dropped]);
  }

  #receiveNext(message: ReceivedNextMessage): void {
    // What nobody wants any more is given back, not made into objects that wait for their collection.
    const unreadable = this.#streams?.has(message[1]) === true ? this.#references.accept(message) : undefined;
    if (!this.#subscribed.next(message)) this.#references.refuse(message);
    else if (unreadable !== undefined) this.#subscribed.abandon(message[1], unreadable);
  }

  #receiveCancel(id: number): void {
    // Its answer or end may have crossed this.
    if (!this.#invocations.cancel(id)) {
      this.#served?.cancel(id);
      return;
    }
    const reason = this.#quotas.countCancel(this.#settings.now());
    if (reason !== undefined) this.#connection.close('too-many-cancels', reason);
  }

  #receiveCredit([, id, items, bytes]: CreditMessage): void {
    // The end of a stream may cross a credit for it.
    if (this.#served?.receiveCredit(id, items, bytes) === true || id <= (this.#requests?.lastID ?? 0)) return;
    throw neverSubscribed(id);
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

/** Bytes of stream values that go before a message, so that it does not overtake them; the rest waits for its turn. */
const causalBytes = 64 * 1024;

function describeObject([name, { members, properties }]: readonly [string, ExposedObject]): RegisteredObject {
  return properties.length === 0 ? [name, members] : [name, members, properties];
}
