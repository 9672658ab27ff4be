/**
 * One connection of a server or client from its transport to its end: makes the communicator once the handshake is
 * done, and reports to its owner what the owner must know.
 */
import type { SchedulerLike } from 'rxjs';
import { LimitExceededError, ProtocolError, type RPCError } from '../errors.js';
import { Connection, type ConnectionEnd, type ConnectionSink } from '../link/connection.js';
import type { CloseCode } from '../protocol/close-reason.js';
import { Codec } from '../protocol/codec.js';
import type { SlabPool } from '../protocol/framing.js';
import type { ConnectionRole } from '../protocol/handshake.js';
import type { Limits } from '../protocol/limits.js';
import type { MessageCodec } from '../protocol/message-codec.js';
import type { Hello, SessionMessage } from '../protocol/messages.js';
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
  readonly registry: LocalRegistry;
  readonly exposeErrors: ErrorExposure;
  readonly callTimeoutMs: number | undefined;
  readonly callbackScheduler: SchedulerLike;
  readonly interception: Interception | undefined;
  readonly random: () => number;
  readonly timeoutMs: number;
  readonly heartbeatIntervalMs: number | undefined;
  readonly unresponsiveAfterMs: number;
  readonly disconnectUnresponsive: boolean;
  /** Says what the other side may call; `undefined`: everything. */
  readonly authorization: Authorization | undefined;
  /** How long authentication may take, in milliseconds; `undefined`: there is none. */
  readonly authenticationTimeoutMs: number | undefined;
}

/** What happens to a peer. */
export interface PeerSink extends CommunicatorSink {
  /** A client wants in; only on a server. */
  onHello(hello: Hello): void;
  /** The handshake is done, under this id; what this side has registered is being told. */
  onEstablished(connectionID: string): string;
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

/** How long a handshake may take. */
export function handshakeTimeoutMs(timeoutMs: number): number {
  return Math.min(maxHandshakeMs, timeoutMs);
}

/** One peer of a server or client. */
export class Peer implements ConnectionSink {
  /** The connection; owned by this peer. */
  readonly connection: Connection;
  /** Who the other side is, where it was authenticated; known before the handshake is done. */
  identity: unknown;
  readonly #settings: PeerSettings;
  readonly #sink: PeerSink;
  readonly #codec: Codec;
  #communicator: RPCCommunicator | undefined;
  #isUnresponsive = false;

  /**
   * @param transport - owned by this peer from now on
   * @param role - what this end is there for
   * @param settings - of the server or client
   * @param sink - the owner
   */
  constructor(transport: Transport, role: ConnectionRole, settings: PeerSettings, sink: PeerSink) {
    this.#settings = settings;
    this.#sink = sink;
    this.#codec = new Codec(settings.limits, settings.codecs);
    const { timeoutMs, heartbeatIntervalMs, limits, slabs, authenticationTimeoutMs } = settings;
    this.connection = new Connection(
      transport,
      {
        role,
        timeoutMs,
        heartbeatIntervalMs,
        handshakeTimeoutMs: handshakeTimeoutMs(timeoutMs),
        authenticationTimeoutMs,
        limits,
        slabs,
        codec: this.#codec,
      },
      settings.scheduler,
      this,
    );
  }

  /** The calls and registrations, once the handshake is done. */
  get communicator(): RPCCommunicator | undefined {
    return this.#communicator;
  }

  /** The name of the codec in use: the built-in one's until the handshake is done. */
  get codecName(): string {
    return this.#codec.agreed.name;
  }

  /** Ends the connection. */
  close(code: CloseCode, message: string): void {
    this.connection.close(code, message);
  }

  /** {@inheritDoc ConnectionSink.onHello} */
  onHello(hello: Hello): void {
    this.#sink.onHello(hello);
  }

  /** {@inheritDoc ConnectionSink.onEstablished} */
  onEstablished(connectionID: string): void {
    const { limits, registry, random } = this.#settings;
    const { exposeErrors, callTimeoutMs, callbackScheduler, interception, authorization, now } =
      this.#settings;
    const identifier = this.#sink.onEstablished(connectionID);
    this.#communicator = new RPCCommunicator({
      connectionID,
      connection: this.connection,
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

  /** {@inheritDoc ConnectionSink.onMessages} */
  onMessages(messages: readonly SessionMessage[]): void {
    this.#communicator?.receive(messages);
  }

  /** {@inheritDoc ConnectionSink.onFlush} */
  onFlush(roomBytes: number): void {
    this.#communicator?.flush(roomBytes);
  }

  /** {@inheritDoc ConnectionSink.onHandover} */
  onHandover(port: number, ticket: string): void {
    this.#sink.onHandover(port, ticket);
  }

  /** {@inheritDoc ConnectionSink.onIdentity} */
  onIdentity(): void {
    // Only a prober is answered with an identity, and a peer is never one.
  }

  /** {@inheritDoc ConnectionSink.onHeartbeat} */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void {
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

/** The error to report for a connection that ended by a fault, `undefined` for an ordinary end. */
export function faultOf(
  end: ConnectionEnd,
  connection: Connection,
  connectionID?: string,
): RPCError | undefined {
  const { code, message, by } = end.reason;
  if (code !== 'protocol-error' && code !== 'limit-exceeded') return undefined;
  const who = by === 'local' ? 'closed' : 'was closed by the other side';
  const text = `the connection ${connection.description} ${who}: ${message}`;
  return code === 'limit-exceeded'
    ? new LimitExceededError(text, { connectionID })
    : new ProtocolError(text, { connectionID });
}
