/**
 * One connection of a server or client from its transport to its end: makes the communicator once the handshake is
 * done, and reports to its owner what the owner must know.
 */
import type { SchedulerLike } from 'rxjs';
import { LimitExceededError, ProtocolError, type RPCError } from '../errors.js';
import { Connection, type ConnectionEnd, type ConnectionSink } from '../link/connection.js';
import { ResumableLine } from '../link/resumable-line.js';
import type { Turns } from '../link/turns.js';
import { CloseReason, type CloseCode } from '../protocol/close-reason.js';
import { Codec } from '../protocol/codec.js';
import type { SlabPool } from '../protocol/framing.js';
import type { ConnectionRole } from '../protocol/connection-settings.js';
import type { Limits } from '../protocol/limits.js';
import type { MessageCodec } from '../protocol/message-codec.js';
import type { Hello, ResumeGrant, ResumeOffer, SessionMessage } from '../protocol/messages.js';
import type { Transport } from '../transports/transport.js';
import type { Authorization } from './authorization.js';
import { RPCCommunicator, type CommunicatorSink } from './communicator.js';
import type { Interception } from './interception.js';
import type { LocalRegistry } from './local-registry.js';
import type { ErrorExposure } from './wire-errors.js';

/** What a server or client gives to each of its peers. */
export interface PeerSettings {
  readonly scheduler: SchedulerLike;
  /** The time of the scheduler. */
  readonly now: () => number;
  readonly limits: Limits;
  readonly codecs: readonly MessageCodec[];
  readonly slabs: SlabPool;
  /** Of all its connections. */
  readonly turns: Turns;
  readonly registry: LocalRegistry;
  readonly exposeErrors: ErrorExposure;
  readonly callTimeoutMs: number | undefined;
  readonly callbackScheduler: SchedulerLike;
  readonly interception: Interception | undefined;
  readonly random: () => number;
  readonly timeoutMs: number;
  /** How long the other side has waited to be looked at, in milliseconds: that is part of what its handshake may take. */
  readonly waitedMs?: number;
  readonly heartbeatIntervalMs: number | undefined;
  readonly unresponsiveAfterMs: number;
  readonly disconnectUnresponsive: boolean;
  /** Says what the other side may call; `undefined`: everything. */
  readonly authorization: Authorization | undefined;
  /** How long authentication may take, in milliseconds; `undefined`: there is none. */
  readonly authenticationTimeoutMs: number | undefined;
  /** How sessions outlive connections, where they may. */
  readonly resume: ResumeSettings | undefined;
}

/** How a session outlives its connections. */
export interface ResumeSettings {
  /** Milliseconds that it may be away. */
  readonly windowMs: number;
  /** Bytes that are kept until they are acknowledged. */
  readonly maxBytes: number;
}

/** What happens to a peer. */
export interface PeerSink extends CommunicatorSink {
  /** A client wants in; only on a server. */
  onHello(hello: Hello): void;
  /**
   * The handshake is done, under this id: a new session begins, not the one that was asked for, if one was.
   * @param refusal - why not, if the other side says so
   * @returns the identifier to tell
   */
  onEstablished(connectionID: string, refusal: string | undefined): string;
  /** An earlier session goes on by this connection: its peer is to `adopt` it; only on a client. */
  onContinued(grant: ResumeGrant): void;
  /** The connection is lost, and the session waits for another. */
  onAway(reason: CloseReason): void;
  /** What is kept of the session while it is away has changed; not to be acted on within this call. */
  onKept(): void;
  /** The session goes on by another connection. */
  onResumed(): void;
  /** The other side takes nothing new, and will end the connection with this code; told once. */
  onGoAway(code: CloseCode, retryAfterMs: number | undefined): void;
  /** The server continues on another port; only on a client. */
  onHandover(port: number, ticket: string): void;
  /** A ping was answered. */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void;
  /** The other side's main loop does not turn, or turns again; not told again at the end. */
  onUnresponsive(isUnresponsive: boolean): void;
  /** The end, once, after every open call has been settled. */
  onClosed(end: ConnectionEnd): void;
}

/** The most that a handshake may take, in milliseconds; less where the timeout is shorter (reliability rule R24). */
const maxHandshakeMs = 5_000;

/** References begin anywhere below this, so that a number from another connection means nothing; far below 2^53. */
const maxFirstReference = 2 ** 40;

/** What is left of that for somebody who has waited for it, at least, in milliseconds: what he has said meanwhile is read at once. */
const leastHandshakeMs = 500;

/** How long a handshake may take. */
export function handshakeTimeoutMs(timeoutMs: number): number {
  return Math.min(maxHandshakeMs, timeoutMs);
}

function handshakeTimeoutAfter(waitedMs: number, timeoutMs: number): number {
  const mostMs = handshakeTimeoutMs(timeoutMs);
  return Math.max(Math.min(leastHandshakeMs, mostMs), mostMs - waitedMs);
}

/** One peer of a server or client. */
export class Peer implements ConnectionSink {
  #connection: Connection;
  readonly #isDialer: boolean;
  /** Who the other side is, where it was authenticated; known before the handshake is done. */
  identity: unknown;
  readonly #settings: PeerSettings;
  readonly #sink: PeerSink;
  readonly #codec: Codec;
  #communicator: RPCCommunicator | undefined;
  #isUnresponsive = false;
  /** Present where the session can be resumed. */
  #line: ResumableLine | undefined;
  #token: Uint8Array | undefined;
  #attempt = 0;
  #isFinished = false;
  /** What the other side was told, and is told again on another connection: that nothing new is taken. */
  #sentGoAway: readonly [code: CloseCode, retryAfterMs: number | undefined] | undefined;
  #goAway: readonly [code: CloseCode, retryAfterMs: number | undefined] | undefined;

  /**
   * @param transport - owned by this peer from now on
   * @param role - what this end is there for
   * @param settings - of the server or client
   * @param sink - the owner
   * @param away - whose session is asked for
   */
  constructor(
    transport: Transport,
    role: ConnectionRole,
    settings: PeerSettings,
    sink: PeerSink,
    away?: Peer,
  ) {
    this.#settings = settings;
    this.#isDialer = role.side === 'dialer';
    this.#sink = sink;
    this.#codec = new Codec(settings.limits, settings.codecs);
    const { timeoutMs, waitedMs = 0, heartbeatIntervalMs, limits, slabs } = settings;
    const { authenticationTimeoutMs, resume } = settings;
    this.#connection = new Connection(
      transport,
      {
        role,
        timeoutMs,
        heartbeatIntervalMs,
        handshakeTimeoutMs: handshakeTimeoutAfter(waitedMs, timeoutMs),
        authenticationTimeoutMs,
        limits,
        slabs,
        codec: this.#codec,
        keptBytes: resume?.maxBytes,
      },
      settings.scheduler,
      this,
      away === undefined ? undefined : away.#connection,
      settings.turns,
    );
  }

  /** The connection there is, or that was last; owned by this peer. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Whether the connection is lost and the session waits for another. */
  get isAway(): boolean {
    return this.#connection.isAway;
  }

  /** Whether the session outlives its connections. */
  get isResumable(): boolean {
    return this.#connection.isResumable;
  }

  /** Whether the session has been away for too long. */
  get isExpired(): boolean {
    return this.#line?.isExpired === true;
  }

  /** What to say in HELLO: that sessions can be resumed, and which one is to be. */
  static offer(settings: PeerSettings, away: Peer | undefined): ResumeOffer | undefined {
    const { resume } = settings;
    if (resume === undefined) return undefined;
    const { windowMs } = resume;
    const token = away === undefined ? undefined : away.#token;
    const communicator = away?.communicator;
    if (away === undefined || token === undefined || communicator === undefined) return { windowMs };
    away.#attempt += 1;
    const { connectionID } = communicator;
    const received = away.#connection.receivedCount;
    return { windowMs, session: { connectionID, token, attempt: away.#attempt, received } };
  }

  /**
   * On a server: the session goes on by the connection of another peer, which is nobody's any more.
   * @returns false where the session has ended: what had arrived by its last connection, or who heard of the loss, may do that
   */
  continueOn(other: Peer, grant: ResumeGrant): boolean {
    const previous = this.#connection;
    if (!previous.isAway) previous.abandon();
    if (this.#isFinished) return false;
    this.#noteAway(new CloseReason('connection-lost', 'the client came by another connection', 'remote'));
    this.#connection = other.#connection;
    this.identity = other.identity;
    this.#connection.resume(this.#communicator?.connectionID ?? '', previous, grant, this);
    return true;
  }

  /** On a client: the session goes on by the connection of another peer, which is nobody's any more. */
  adopt(other: Peer, grant: ResumeGrant): void {
    this.#connection = other.#connection;
    this.#connection.passTo(this);
    this.onResumed(grant);
  }

  /** The calls and registrations, once the handshake is done. */
  get communicator(): RPCCommunicator | undefined {
    return this.#communicator;
  }

  /** The session is over; a connection that it still has ends without a word. */
  lose(message: string): void {
    this.#connection.abandon();
    this.#finish(endOf(new CloseReason('session-lost', message, 'remote')));
  }

  /** The name of the codec in use: the built-in one's until the handshake is done. */
  get codecName(): string {
    return this.#codec.agreed.name;
  }

  /** What the other side has said, if it takes nothing new. */
  get goAway(): readonly [code: CloseCode, retryAfterMs: number | undefined] | undefined {
    return this.#goAway;
  }

  /**
   * From now on nothing new is taken from the other side, which is told.
   * @param code - with which the connection will end
   * @param retryAfterMs - after which the other side may come again
   * @param onIdle - called whenever nothing is open, possibly at once
   */
  drain(code: CloseCode, retryAfterMs: number | undefined, onIdle: () => void): void {
    if (this.#sentGoAway !== undefined) return;
    this.#sentGoAway = [code, retryAfterMs];
    this.#connection.sendGoAway(code, retryAfterMs);
    this.#communicator?.drain(retryAfterMs, onIdle);
  }

  /** Ends the connection. */
  close(code: CloseCode, message: string): void {
    (this.#line ?? this.#connection).close(code, message);
  }

  /** {@inheritDoc ConnectionSink.onHello} */
  onHello(hello: Hello): void {
    this.#sink.onHello(hello);
  }

  /** {@inheritDoc ConnectionSink.onEstablished} */
  onEstablished(connectionID: string, grant: ResumeGrant | undefined): void {
    if (grant !== undefined) this.#beginSession(grant);
    const { limits, registry, random } = this.#settings;
    const { exposeErrors, callTimeoutMs, callbackScheduler, interception, authorization, now } =
      this.#settings;
    const identifier = this.#sink.onEstablished(connectionID, grant?.refusal);
    this.#communicator = new RPCCommunicator({
      connectionID,
      connection: this.#line ?? this.#connection,
      codec: this.#codec,
      limits,
      localObjects: registry.objects,
      exposeErrors,
      callTimeoutMs,
      callbackScheduler,
      interception,
      authorization,
      identity: this.identity,
      firstReference: 1 + Math.floor(random() * maxFirstReference),
      now,
      sink: this.#sink,
    });
    this.#communicator.start(identifier);
    // From here on, not from `onReady`: what is registered or unregistered meanwhile must be told as well.
    registry.listen(this.#communicator);
  }

  /** {@inheritDoc ConnectionSink.onResumed} */
  onResumed(grant: ResumeGrant): void {
    if (this.#line === undefined) {
      this.#sink.onContinued(grant);
      return;
    }
    this.#token = grant.token;
    this.#line.arrive(this.#connection);
    if (this.#sentGoAway !== undefined) this.#connection.sendGoAway(...this.#sentGoAway);
    this.#sink.onResumed();
  }

  /** {@inheritDoc ConnectionSink.onMessages} */
  onMessages(messages: readonly SessionMessage[]): void {
    this.#communicator?.receive(messages);
  }

  /** {@inheritDoc ConnectionSink.onFlush} */
  onFlush(roomBytes: number): void {
    this.#communicator?.flush(roomBytes);
  }

  /** {@inheritDoc ConnectionSink.onRoom} */
  onRoom(): void {
    this.#communicator?.onRoom();
  }

  /** {@inheritDoc ConnectionSink.onHandover} */
  onHandover(port: number, ticket: string): void {
    this.#sink.onHandover(port, ticket);
  }

  /** {@inheritDoc ConnectionSink.onGoAway} */
  onGoAway(code: CloseCode, retryAfterMs: number | undefined): void {
    if (this.#goAway !== undefined) return;
    this.#goAway = [code, retryAfterMs];
    this.#communicator?.noteGoAway(retryAfterMs);
    this.#sink.onGoAway(code, retryAfterMs);
  }

  /** {@inheritDoc ConnectionSink.onIdentity} */
  onIdentity(): void {
    // Only a prober is answered with an identity, and a peer is never one.
  }

  /** {@inheritDoc ConnectionSink.onHeartbeat} */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void {
    // Elsewhere acknowledgements say more: what is sent again may come behind a heartbeat.
    if (this.#line === undefined) this.#communicator?.noteHeartbeat(roundTripMs);
    this.#sink.onHeartbeat(roundTripMs, loopLagMs);
  }

  /** {@inheritDoc ConnectionSink.onLoopLag} */
  onLoopLag(loopLagMs: number): void {
    const { unresponsiveAfterMs, disconnectUnresponsive } = this.#settings;
    const isUnresponsive = loopLagMs >= unresponsiveAfterMs;
    if (isUnresponsive === this.#isUnresponsive) return;
    this.#isUnresponsive = isUnresponsive;
    this.#sink.onUnresponsive(isUnresponsive);
    if (!isUnresponsive || !disconnectUnresponsive) return;
    const text = `the main loop of the peer had not turned for ${loopLagMs} ms (unresponsiveAfterInSeconds)`;
    this.close('unresponsive', text);
  }

  /** {@inheritDoc ConnectionSink.onClosed} */
  onClosed(end: ConnectionEnd): void {
    if (this.isAway) this.#leave(end.reason);
    else this.#finish(end);
  }

  #beginSession(grant: ResumeGrant): void {
    this.#token = grant.token;
    // Who asks for a session asks for as long as it may still be there.
    const windowMs = grant.windowMs + (this.#isDialer ? this.#settings.timeoutMs : 0);
    this.#line = new ResumableLine(this.#connection, windowMs, this.#settings.scheduler, {
      nextDeadlineMs: () => this.nextDeadlineMs(),
      handleDeadline: (nowMs) => {
        this.handleDeadline(nowMs);
      },
      onExpired: () => {
        const text = `the connection was lost, and there was no other one within ${windowMs / 1_000} s`;
        this.#finish(endOf(new CloseReason('session-lost', text, 'local')));
      },
      onClosed: (code, message) => {
        this.#finish(endOf(new CloseReason(code, message, 'local')));
      },
      onKept: () => {
        this.#sink.onKept();
      },
    });
  }

  #leave(reason: CloseReason): void {
    this.#noteAway(reason);
    this.#communicator?.lineLost();
  }

  /** As above, but not for long: whatever waits for the line goes on waiting. */
  #noteAway(reason: CloseReason): void {
    this.#line?.leave();
    if (this.#isUnresponsive) this.onLoopLag(0);
    this.#sink.onAway(reason);
  }

  #finish(end: ConnectionEnd): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#line?.end();
    if (this.#communicator !== undefined) {
      this.#settings.registry.unlisten(this.#communicator);
      this.#communicator.close(end);
    }
    this.#sink.onClosed(end);
  }

  /** {@inheritDoc ConnectionSink.nextDeadlineMs} */
  nextDeadlineMs(): number {
    return this.#communicator?.nextDeadlineMs ?? Infinity;
  }

  /** {@inheritDoc ConnectionSink.handleDeadline} */
  handleDeadline(nowMs: number): void {
    this.#communicator?.handleDeadline(nowMs);
  }
}

function endOf(reason: CloseReason): ConnectionEnd {
  return { reason, lastReceived: undefined, occupant: undefined, retryAfterMs: undefined };
}

/** Whether a connection ended since one side went beyond a limit. */
export function isOverLimit({ reason: { code } }: ConnectionEnd): boolean {
  return code === 'limit-exceeded' || code === 'too-many-cancels';
}

/** The error to report for a connection that ended by a fault, `undefined` for an ordinary end. */
export function faultOf(
  end: ConnectionEnd,
  connection: Connection,
  connectionID?: string,
): RPCError | undefined {
  const { code, message, by } = end.reason;
  if (code !== 'protocol-error' && !isOverLimit(end)) return undefined;
  const who = by === 'local' ? 'closed' : 'was closed by the other side';
  const text = `the connection ${connection.description} ${who}: ${message}`;
  return isOverLimit(end)
    ? new LimitExceededError(text, { connectionID })
    : new ProtocolError(text, { connectionID });
}
