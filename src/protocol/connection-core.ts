/**
 * One connection as a machine without sockets, clocks or RxJS: opening, handshake, heartbeats, fragments and the end
 * happen here; session messages pass through, counted.
 *
 * Inputs are `receive`, `handleDeadline`, `transportClosed` and the commands; outputs are `takeFrames`, `takeEvents`
 * and `nextDeadlineMs`. After any input the driver (link/connection.ts) takes the events, writes the frames when the
 * transport asks for them, and arms one timer. No method ever throws for what a peer sent.
 * PROTOCOL.md, "Life of a connection".
 *
 *   opening ──8 bytes──► handshaking ──WELCOME──► established ──GOODBYE, fault, loss──► closed
 */

import {
  AuthenticationError,
  LimitExceededError,
  ProtocolError,
  RPCError,
  type PortOccupant,
} from '../errors.js';
import type { Prover } from './authentication.js';
import { CloseReason, maxReasonLength, printable, type CloseCode } from './close-reason.js';
import type { Codec } from './codec.js';
import type { SlabPool } from './framing.js';
import { Handshake, type ConnectionRole, type HandshakeMessage } from './handshake.js';
import { Heartbeat } from './heartbeat.js';
import { Inbox } from './inbox.js';
import { defaultPeerStreamBytes, type Limits } from './limits.js';
import {
  isSessionMessage,
  MessageType,
  protocolVersion,
  type ConnectionMessage,
  type Hello,
  type Identity,
  type PingMessage,
  type PongMessage,
  type ResumeGrant,
  type Welcome,
  type SessionMessage,
} from './messages.js';
import { Outbox, type Sent } from './outbox.js';

/** What a connection is told at its making. */
export interface ConnectionSettings {
  /** What this end is there for. */
  readonly role: ConnectionRole;
  /** How long this side bears silence, in milliseconds. */
  readonly timeoutMs: number;
  /** Milliseconds between pings, where short enough for the peer; `undefined`: a third of the timeout. */
  readonly heartbeatIntervalMs: number | undefined;
  /** How long the peer may take from the first byte to `markReady`, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /**
   * How long authentication may take on top of that, in milliseconds; `undefined`: there is none. A listener counts it from
   * HELLO, a dialer from the opening of a server, which shows that there is one.
   */
  readonly authenticationTimeoutMs?: number | undefined;
  /** Whether the transport keeps the heartbeats. */
  readonly areHeartbeatsElsewhere?: boolean;
  /** Bytes of session messages that may wait for this side; `undefined`: it takes all at once. */
  readonly windowBytes?: number;
  /** Bytes that are kept until they are acknowledged, where sessions can be resumed; `undefined`: they cannot. */
  readonly keptBytes?: number | undefined;
  /** A connection whose session is to be continued; only for a dialler that asks for it in its HELLO. */
  readonly previous?: ConnectionCore | undefined;
  /** Bounds on what is received and sent. */
  readonly limits: Limits;
  /** Turns messages into bytes and back; used by this connection alone. */
  readonly codec: Codec;
  /** Lends the space in which frames are gathered. */
  readonly slabs: SlabPool;
}

/** What happened, in order. */
export type ConnectionEvent =
  /** A client wants in: answer with `welcome`, `resume`, `refuse` or `handOver`, possibly after `challenge`. */
  | { readonly type: 'hello'; readonly hello: Hello }
  /** The client has answered the challenge. */
  | { readonly type: 'proof'; readonly isRight: boolean }
  /** The handshake is done; the peer bears that much silence. */
  | {
      readonly type: 'established';
      readonly connectionID: string;
      readonly peerTimeoutMs: number;
      /** How the session can be resumed; `undefined`: it cannot. */
      readonly grant: ResumeGrant | undefined;
    }
  /** The handshake is done, and the session of an earlier connection goes on. */
  | { readonly type: 'resumed'; readonly peerTimeoutMs: number; readonly grant: ResumeGrant }
  /** Session messages that arrived together. */
  | { readonly type: 'messages'; readonly messages: readonly SessionMessage[] }
  /** The server continues on another port. */
  | { readonly type: 'handover'; readonly port: number; readonly ticket: string }
  /** The peer takes no new calls; `code`: why it will end the connection. */
  | { readonly type: 'goaway'; readonly code: CloseCode; readonly retryAfterMs: number | undefined }
  /** The answer to a probe. */
  | { readonly type: 'identity'; readonly identity: Identity }
  /** A ping was answered; `loopLagMs` as in `lag`. */
  | { readonly type: 'heartbeat'; readonly roundTripMs: number; readonly loopLagMs: number }
  /** The peer told, and it is news, for how long its main loop had not turned. */
  | { readonly type: 'lag'; readonly loopLagMs: number }
  /** Something that was due has not come: read what has arrived, then call `confirmSuspicion`. */
  | { readonly type: 'suspect' }
  /** The end; nothing follows. `occupant` says what seems to be there when it is not a Tandem peer. */
  | {
      readonly type: 'closed';
      readonly reason: CloseReason;
      readonly lastReceived: number | undefined;
      readonly occupant: PortOccupant | undefined;
      readonly retryAfterMs: number | undefined;
    };

/** A frame that has begun may take this long: 30 s, and 16 s for the largest at 16 KiB/s (reliability rule R24). */
const partialFrameMs = 46_000;

/** Session messages, or bytes of their frames, after which they are acknowledged at once. */
const ackAfterMessages = 32;
const ackAfterBytes = 64 * 1024;

/** Milliseconds after which they are acknowledged however few they are. */
const ackAfterMs = 100;

/** The state machine of one connection. */
export class ConnectionCore {
  readonly #settings: ConnectionSettings;
  #inbox: Inbox;
  #outbox: Outbox;
  readonly #handshake: Handshake;
  #state: 'handshaking' | 'established' | 'closed' = 'handshaking';
  #isReady = false;
  #isSuspect = false;
  #hello: Hello | undefined;
  #heartbeat: Heartbeat | undefined;
  #timeoutMs: number;
  #handshakeEndsMs: number;
  #isAuthenticating = false;
  #partialEndsMs = Infinity;
  #events: ConnectionEvent[] = [];
  #messages: SessionMessage[] = [];
  #retryAfterMs: number | undefined;
  #peerLagMs = 0;
  #peerStreamBytes = defaultPeerStreamBytes;
  #isResumable = false;
  #isAway = false;
  #isConfirmed = false;
  /** Whose session is asked for. Not longer than needed: else each connection would keep all that came before. */
  #previous: ConnectionCore | undefined;
  #ackAtMs = Infinity;
  /** What is still to be written of a connection whose session goes on. */
  #lastFrames: readonly Uint8Array[] = [];

  /**
   * @param settings - fixed for the life of the connection
   * @param nowMs - the present time; the handshake's deadline counts from here
   */
  constructor(settings: ConnectionSettings, nowMs: number) {
    this.#previous = settings.previous;
    this.#settings = settings.previous === undefined ? settings : { ...settings, previous: undefined };
    this.#inbox = new Inbox(settings.codec, settings.limits, settings.slabs.fragments);
    this.#outbox = new Outbox(settings.codec, settings.slabs, settings.limits.maxQueuedBytes);
    this.#timeoutMs = settings.timeoutMs;
    this.#handshakeEndsMs = nowMs + settings.handshakeTimeoutMs;
    const { role, timeoutMs, limits, codec } = settings;
    const { maxStreamBytes } = limits;
    this.#handshake = new Handshake(
      role,
      this.#outbox,
      timeoutMs,
      maxStreamBytes,
      settings.windowBytes,
      codec.agreed.names,
    );
  }

  /** Whether session messages may be sent. */
  get isEstablished(): boolean {
    return this.#state === 'established';
  }

  /** Bytes of stream values that the peer is ready to hold; known once the connection is established. */
  get peerStreamBytes(): number {
    return this.#peerStreamBytes;
  }

  /** Bytes that the session message sent last took. */
  get lastMessageBytes(): number {
    return this.#outbox.lastMessageBytes;
  }

  /** Whether the session outlives the connection. */
  get isResumable(): boolean {
    return this.#isResumable;
  }

  /** Whether the connection is lost and its session waits for another. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Whether the other side has said anything since the handshake was done: then it knows how that went. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** The number of the last session message that was received. */
  get receivedCount(): number {
    return this.#inbox.receivedCount;
  }

  /** Bytes of memory that the session keeps for the other side. */
  get keptBytes(): number {
    return this.#outbox.keptBytes;
  }

  /** Whether so much waits that the other side is to be given up. */
  get isOverfull(): boolean {
    return this.#outbox.isOverfull;
  }

  /** Whether everything that was sent is known to be received; of a session that can be resumed. */
  get isAcknowledged(): boolean {
    return this.#outbox.isAcknowledged;
  }

  /** Whether the session can go on with a side that has received so much. */
  canContinueFrom(received: number): boolean {
    return this.#outbox.canContinueFrom(received);
  }

  /** Whether the other side has acknowledged a message. */
  hasReached(sent: Sent): boolean {
    return this.#outbox.hasReached(sent);
  }

  /** Whether the end has come. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Bytes accepted for sending that `takeFrames` has not given out yet. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  // ── Inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes bytes from the transport. */
  receive(chunk: Uint8Array, nowMs: number): void {
    if (this.#state === 'closed') return;
    this.#heartbeat?.receiveBytes(nowMs);
    try {
      const rest = this.#handshake.awaitsOpening ? this.#receiveOpening(chunk, nowMs) : chunk;
      if (rest !== undefined) this.#receiveFrames(rest, nowMs);
    } catch (error) {
      this.#fail(error);
    }
    this.#watchPartialFrame(nowMs);
    this.#emitMessages();
    if (this.#isResumable) this.#considerAck(nowMs);
  }

  /** Acts on the deadlines that have passed. */
  handleDeadline(nowMs: number): void {
    if (this.#state === 'closed') return;
    if (nowMs >= this.#ackAtMs) this.#sendAck();
    // Heartbeats go on while the suspicion is open: a deadline that nobody acts on would be due again and again.
    if (!this.#isSuspect && this.#isOverdue(nowMs)) {
      this.#isSuspect = true;
      this.#events.push({ type: 'suspect' });
    } else if (this.#heartbeat !== undefined) {
      const { ping, isSuspect } = this.#heartbeat.handleDeadline(nowMs);
      if (ping !== undefined) this.#sendHeartbeat(MessageType.ping, ping);
      if (isSuspect) this.#events.push({ type: 'suspect' });
    }
  }

  /**
   * After the event `suspect`, once everything that had arrived was received: closes if what was due is still missing.
   * A process whose own loop was blocked finds its deadlines passed before it has read what its peers sent in time.
   */
  confirmSuspicion(nowMs: number): void {
    this.#isSuspect = false;
    if (this.#state === 'closed') return;
    if (nowMs >= this.#partialEndsMs) {
      this.#fail(new ProtocolError('a frame that was begun did not end in time'));
    } else if (this.#isOverdue(nowMs)) {
      this.close('handshake-timeout', this.#describeDelay());
    } else if (this.#heartbeat?.isDead() === true) {
      this.reportSilence();
    }
  }

  /** The transport, which keeps the heartbeats, has heard nothing for the timeout. */
  reportSilence(): void {
    this.close('timeout', `nothing was heard from the peer for ${this.#timeoutMs} ms (timeoutInSeconds)`);
  }

  /** The transport has ended. */
  transportClosed(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const how =
      error === undefined ? 'the other side ended it without a word' : printable(error.message, 256);
    this.#end(new CloseReason('connection-lost', `the connection was lost: ${how}`, 'transport'), undefined);
  }

  // ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Answers HELLO: the connection is established. Has no effect when no HELLO waits for an answer, or no longer.
   * @param grant - how the session can be resumed; `undefined`: not at all
   */
  welcome(connectionID: string, nowMs: number, grant?: ResumeGrant): void {
    const hello = this.#hello;
    if (hello === undefined) return;
    const { agreed } = this.#settings.codec;
    const codec = agreed.choose(hello.codecs);
    this.#sendWelcome(connectionID, codec, grant);
    agreed.use(codec);
    this.#establish(connectionID, hello, grant, nowMs);
  }

  /**
   * Answers HELLO: the session of an earlier connection goes on. Has no effect when no HELLO waits for an answer.
   * @param previous - abandoned, or away; `canContinueFrom` what HELLO says was asked before
   * @param grant - for the next time
   */
  resume(connectionID: string, previous: ConnectionCore, grant: ResumeGrant, nowMs: number): void {
    const hello = this.#hello;
    const session = hello?.resume?.session;
    if (hello === undefined || session === undefined) return;
    const { name } = previous.#settings.codec.agreed;
    const codec = this.#settings.codec.agreed.names.includes(name) ? name : undefined;
    this.#sendWelcome(connectionID, codec, { ...grant, received: previous.receivedCount });
    this.#continue(previous, session.received);
    this.#establishResumed(hello, grant, nowMs);
  }

  /**
   * Asks the client to prove that it has a shared token, and proves it to the client; the event `proof` follows.
   * @param nonce - random, of this handshake only
   * @returns false, and has no effect, when no HELLO waits for an answer, or it offered no token
   */
  challenge(prover: Prover, nonce: Uint8Array): boolean {
    const theirs = this.#hello?.nonce;
    if (theirs === undefined) return false;
    this.#handshake.challenge(prover, theirs, nonce);
    return true;
  }

  /** Answers HELLO: not now. Has no effect when no HELLO waits for an answer. */
  refuse(code: CloseCode, message: string, retryAfterMs: number | undefined): void {
    if (this.#hello === undefined) return;
    const text = printable(message, maxReasonLength);
    this.#outbox.sendControl(
      retryAfterMs === undefined
        ? [MessageType.refuse, code, text]
        : [MessageType.refuse, code, text, retryAfterMs],
    );
    this.#end(new CloseReason(code, message, 'local'), undefined);
  }

  /** Answers HELLO: continue on that port, and show this ticket there. Has no effect when no HELLO waits for an answer. */
  handOver(port: number, ticket: string): void {
    if (this.#hello === undefined) return;
    this.#outbox.sendControl([MessageType.handover, port, ticket]);
    this.#end(new CloseReason('disconnected', `handed over to port ${port}`, 'local'), undefined);
  }

  /** The session has what it needs to begin: the handshake's deadline no longer counts. */
  markReady(): void {
    this.#isReady = true;
  }

  /**
   * Sends a session message; its fields are marshalled already.
   * @returns what `isHandedOver`, `isBeyond` and `withdraw` ask for
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded; nothing was sent then
   */
  send(message: SessionMessage, mostBytes?: number): Sent {
    return this.#outbox.send(message, mostBytes);
  }

  /** Takes a message back; true when it will never be whole at the other side, which then cannot act on it. */
  withdraw(sent: Sent): boolean {
    return this.#outbox.withdraw(sent);
  }

  /** Whether a message was given to the transport as a whole: if not, the peer cannot have seen it. */
  isHandedOver(sent: Sent): boolean {
    return this.#outbox.isHandedOver(sent);
  }

  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    return this.#outbox.isBeyond(sent, lastReceived);
  }

  /** Tells the peer that no new calls are taken. Has no effect while the connection is not established. */
  sendGoAway(code: CloseCode, retryAfterMs: number | undefined): void {
    if (this.#state !== 'established') return;
    this.#outbox.sendControl(
      retryAfterMs === undefined ? [MessageType.goaway, code] : [MessageType.goaway, code, retryAfterMs],
    );
  }

  /** Changes how long this side bears silence, and tells the peer. */
  setTimeout(timeoutMs: number, nowMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#heartbeat?.setTimeout(timeoutMs, nowMs);
    if (this.#state === 'established') this.#tellTimeout();
  }

  /** The connection is over at once, without a word; its session waits for another. */
  abandon(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#leave([]);
  }

  /** The session that waits for another connection will find none. */
  endSession(): void {
    this.#isAway = false;
    this.#outbox.end();
  }

  /** Ends the connection: tells the peer why, after everything that is queued short of unfinished long messages. */
  close(code: CloseCode, message: string): void {
    if (this.#state === 'closed') return;
    const text = printable(message, maxReasonLength);
    if (this.#state === 'established') {
      this.#outbox.sendControl([MessageType.goodbye, code, text, this.#inbox.receivedCount]);
    } else {
      this.#handshake.sendRefusal(code, text);
    }
    this.#end(new CloseReason(code, message, 'local'), undefined);
  }

  // ── Outputs ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes the bytes to write now, in order.
   * @param roomBytes - about how many bytes of long messages the transport has room for; short messages always go
   */
  takeFrames(roomBytes: number): readonly Uint8Array[] {
    if (!this.#isAway) return this.#outbox.takeFrames(roomBytes);
    const frames = this.#lastFrames;
    this.#lastFrames = [];
    return frames;
  }

  /** Bytes of short messages that `takeFrames` has not given out yet. */
  get unwrittenBytes(): number {
    return this.#outbox.unwrittenBytes;
  }

  /** Whether long messages wait for room. */
  get hasLongMessages(): boolean {
    return this.#outbox.hasLongMessages;
  }

  /** Takes what has happened since the last call. */
  takeEvents(): readonly ConnectionEvent[] {
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    return events;
  }

  /** When `handleDeadline` must be called next; `Infinity`: not at all. */
  get nextDeadlineMs(): number {
    if (this.#state === 'closed') return Infinity;
    const heartbeatMs = this.#heartbeat?.nextDeadlineMs ?? Infinity;
    // What is overdue waits for `confirmSuspicion`, not for the clock.
    if (this.#isSuspect) return Math.min(heartbeatMs, this.#ackAtMs);
    const handshakeMs = this.#isReady ? Infinity : this.#handshakeEndsMs;
    return Math.min(handshakeMs, this.#partialEndsMs, heartbeatMs, this.#ackAtMs);
  }

  // ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

  #receiveOpening(chunk: Uint8Array, nowMs: number): Uint8Array | undefined {
    const rest = this.#handshake.receiveOpening(chunk);
    if (rest !== undefined) this.#allowAuthentication('dialer', nowMs);
    return rest;
  }

  #receiveFrames(chunk: Uint8Array, nowMs: number): void {
    this.#inbox.push(chunk);
    for (;;) {
      const isStranger = this.#state !== 'established';
      const messages = this.#inbox.read(isStranger);
      if (messages === undefined) return;
      this.#partialEndsMs = Infinity;
      this.#isConfirmed ||= !isStranger;
      for (const message of messages) {
        if (isSessionMessage(message)) {
          // It comes of the peer's main loop, which has turned since it told its lag.
          this.#noteLag(0);
          this.#messages.push(message);
        } else this.#receiveControl(message, nowMs);
        // What a peer sent behind its GOODBYE is not ours to read.
        if (this.isClosed) return;
      }
    }
  }

  #receiveControl(message: ConnectionMessage, nowMs: number): void {
    if (this.#state === 'established') this.#receiveEstablished(message, nowMs);
    else this.#receiveHandshake(this.#handshake.receive(message), nowMs);
  }

  #receiveHandshake(message: HandshakeMessage, nowMs: number): void {
    switch (message[0]) {
      case MessageType.hello:
        if (this.#settings.codec.referencesOf(message) !== undefined)
          throw new ProtocolError('a HELLO with references');
        this.#hello = message[1];
        this.#allowAuthentication('listener', nowMs);
        this.#events.push({ type: 'hello', hello: message[1] });
        return;
      case MessageType.challenge:
        this.#handshake.answerChallenge(message[1], message[2]);
        return;
      case MessageType.proof:
        this.#events.push({ type: 'proof', isRight: this.#handshake.isRightProof(message[1]) });
        return;
      case MessageType.probe:
        this.#outbox.sendControl([MessageType.identity, { version: protocolVersion, service: 'tandem' }]);
        this.#end(new CloseReason('disconnected', 'a probe was answered', 'local'), undefined);
        return;
      case MessageType.welcome:
        this.#receiveWelcome(message[1], nowMs);
        // HELLO told another one: from that the peer would ping too rarely.
        if (this.#timeoutMs !== this.#settings.timeoutMs) this.#tellTimeout();
        return;
      case MessageType.refuse:
        // Anybody can say that: only the word of the server itself may stop a client for good.
        if (message[1] === 'unauthenticated' && this.#handshake.isServerUnproved) {
          throw new AuthenticationError('the server refused the shared token without proving that it has it');
        }
        this.#retryAfterMs = message[3];
        this.#end(CloseReason.fromPeer(message[1], message[2]), undefined);
        return;
      case MessageType.handover:
        this.#events.push({ type: 'handover', port: message[1], ticket: message[2] });
        this.#end(new CloseReason('disconnected', `handed over to port ${message[1]}`, 'remote'), undefined);
        return;
      case MessageType.identity:
        this.#events.push({ type: 'identity', identity: message[1] });
        this.#end(new CloseReason('disconnected', 'the probe was answered', 'local'), undefined);
        return;
    }
  }

  #receiveWelcome(welcome: Welcome, nowMs: number): void {
    const { resume: grant, codec, connectionID } = welcome;
    const previous = this.#previous;
    this.#previous = undefined;
    if (grant?.received === undefined) {
      this.#settings.codec.agreed.use(codec);
      this.#establish(connectionID, welcome, grant, nowMs);
    } else {
      if (previous?.isAway !== true) throw new ProtocolError('a session was resumed that nobody asked for');
      this.#continue(previous, grant.received);
      this.#establishResumed(welcome, grant, nowMs);
    }
    // By this the server knows that its answer has come.
    if (this.#isResumable) this.#sendAck();
  }

  #receiveEstablished(message: ConnectionMessage, nowMs: number): void {
    switch (message[0]) {
      case MessageType.ack:
        this.#outbox.acknowledge(message[1]);
        return;
      case MessageType.ping:
      case MessageType.pong:
        // A transport that keeps the heartbeats has answered already.
        if (this.#heartbeat !== undefined) this.#receiveHeartbeat(this.#heartbeat, message, nowMs);
        return;
      case MessageType.timeout:
        this.#heartbeat?.setPeerTimeout(message[1], nowMs);
        return;
      case MessageType.window:
        this.#outbox.widenWindow(message[1]);
        return;
      case MessageType.goaway:
        this.#emitMessages();
        this.#events.push({
          type: 'goaway',
          code: CloseReason.fromPeer(message[1], '').code,
          retryAfterMs: message[2],
        });
        return;
      case MessageType.goodbye:
        this.#end(CloseReason.fromPeer(message[1], message[2]), message[3]);
        return;
      default:
        throw new ProtocolError(`a message of type ${message[0]} after the handshake`);
    }
  }

  #tellTimeout(): void {
    this.#outbox.sendControl([MessageType.timeout, this.#timeoutMs]);
  }

  #receiveHeartbeat(
    heartbeat: Heartbeat,
    [type, id, lagMs = 0]: PingMessage | PongMessage,
    nowMs: number,
  ): void {
    this.#noteLag(lagMs);
    if (type === MessageType.ping) this.#sendHeartbeat(MessageType.pong, id);
    else this.#receivePong(heartbeat, id, nowMs);
  }

  #receivePong(heartbeat: Heartbeat, id: number, nowMs: number): void {
    if (!heartbeat.hasSent(id)) throw new ProtocolError(`a PONG for ping ${id}, which was never sent`);
    const roundTripMs = heartbeat.receivePong(id, nowMs);
    if (roundTripMs === undefined) return;
    this.#emitMessages();
    this.#events.push({ type: 'heartbeat', roundTripMs, loopLagMs: this.#peerLagMs });
  }

  /** Without a lag: what sends it is the main loop, and so that turns, however long it had not. */
  #sendHeartbeat(type: PingMessage[0] | PongMessage[0], id: number): void {
    this.#outbox.sendControl([type, id]);
  }

  #noteLag(loopLagMs: number): void {
    if (loopLagMs === this.#peerLagMs) return;
    this.#peerLagMs = loopLagMs;
    this.#emitMessages();
    this.#events.push({ type: 'lag', loopLagMs });
  }

  #isOverdue(nowMs: number): boolean {
    return nowMs >= this.#partialEndsMs || (!this.#isReady && nowMs >= this.#handshakeEndsMs);
  }

  /** What is waited for now is a verdict. */
  #allowAuthentication(side: ConnectionRole['side'], nowMs: number): void {
    const { role, handshakeTimeoutMs, authenticationTimeoutMs } = this.#settings;
    if (role.side !== side || authenticationTimeoutMs === undefined) return;
    this.#isAuthenticating = true;
    // A dialer waits a little longer than the server that it waits for.
    this.#handshakeEndsMs = nowMs + authenticationTimeoutMs + (side === 'dialer' ? handshakeTimeoutMs : 0);
  }

  #describeDelay(): string {
    const { role, handshakeTimeoutMs, authenticationTimeoutMs = 0 } = this.#settings;
    if (this.#isAuthenticating) {
      const whose = role.side === 'dialer' ? 'the server said nothing about' : 'no end came of';
      return `${whose} the authentication within ${authenticationTimeoutMs} ms`;
    }
    const doing = this.#handshake.awaitsOpening
      ? 'did not begin to speak this protocol'
      : 'did not complete the handshake';
    return `the peer ${doing} within ${handshakeTimeoutMs} ms`;
  }

  #watchPartialFrame(nowMs: number): void {
    if (!this.#inbox.isWithinFrame) this.#partialEndsMs = Infinity;
    else if (this.#partialEndsMs === Infinity) this.#partialEndsMs = nowMs + partialFrameMs;
  }

  // ── States ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Heartbeats begin here: before WELCOME a PING would be a fault, and the handshake's deadline watches the peer. */
  #establish(
    connectionID: string,
    peer: Hello | Welcome,
    grant: ResumeGrant | undefined,
    nowMs: number,
  ): void {
    const { keptBytes } = this.#settings;
    this.#peerStreamBytes = peer.streamBytes ?? defaultPeerStreamBytes;
    if (grant !== undefined && keptBytes !== undefined) {
      this.#isResumable = true;
      this.#inbox.beginNumbers();
      this.#outbox.keepSent(keptBytes);
    }
    this.#begin(peer, nowMs);
    this.#events.push({
      type: 'established',
      connectionID,
      peerTimeoutMs: peer.timeoutMs,
      grant: this.#isResumable ? grant : undefined,
    });
  }

  #establishResumed(peer: Hello | Welcome, grant: ResumeGrant, nowMs: number): void {
    this.#begin(peer, nowMs);
    this.#events.push({ type: 'resumed', peerTimeoutMs: peer.timeoutMs, grant });
  }

  #begin(peer: Hello | Welcome, nowMs: number): void {
    this.#state = 'established';
    if (this.#isAuthenticating) this.#handshakeEndsMs = nowMs + this.#settings.handshakeTimeoutMs;
    this.#isAuthenticating = false;
    if (peer.windowBytes !== undefined) this.#outbox.setWindow(peer.windowBytes);
    this.#hello = undefined;
    const { heartbeatIntervalMs, areHeartbeatsElsewhere = false } = this.#settings;
    if (!areHeartbeatsElsewhere)
      this.#heartbeat = new Heartbeat(this.#timeoutMs, peer.timeoutMs, heartbeatIntervalMs, nowMs);
  }

  #sendWelcome(connectionID: string, codec: string | undefined, grant: ResumeGrant | undefined): void {
    const { windowBytes, limits } = this.#settings;
    this.#outbox.sendControl([
      MessageType.welcome,
      {
        version: protocolVersion,
        connectionID,
        timeoutMs: this.#timeoutMs,
        streamBytes: limits.maxStreamBytes,
        ...(windowBytes === undefined ? {} : { windowBytes }),
        ...(codec === undefined ? {} : { codec }),
        ...(grant === undefined ? {} : { resume: grant }),
      },
    ]);
    // A frame of its own: until it is read, the peer accepts small frames only, and knows of no other codec.
    this.#outbox.finishFrame();
  }

  // ── Sessions that go on ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes over the session of a connection that is lost, with all that it has sent and received.
   * @throws ProtocolError when the other side cannot have received so much, or had received more
   */
  #continue(previous: ConnectionCore, received: number): void {
    const inbox = previous.#inbox;
    const outbox = previous.#outbox;
    outbox.continueOn(this.#outbox, received);
    inbox.continueOn(this.#inbox);
    this.#inbox = inbox;
    this.#outbox = outbox;
    this.#peerStreamBytes = previous.#peerStreamBytes;
    this.#isResumable = true;
    // The session has gone: what is done to the other one from now on must not touch it.
    previous.#isAway = false;
    previous.#outbox = new Outbox(this.#settings.codec, this.#settings.slabs, 0);
    previous.#outbox.end();
  }

  /** The connection is over, the session is not. */
  #leave(lastFrames: readonly Uint8Array[]): void {
    this.#isAway = true;
    this.#ackAtMs = Infinity;
    this.#lastFrames = lastFrames;
    this.#outbox.detach();
  }

  #considerAck(nowMs: number): void {
    if (this.#state !== 'established' || this.#inbox.unacknowledgedCount === 0) return;
    const { unacknowledgedCount, unacknowledgedBytes } = this.#inbox;
    if (unacknowledgedCount >= ackAfterMessages || unacknowledgedBytes >= ackAfterBytes) this.#sendAck();
    else if (this.#ackAtMs === Infinity) this.#ackAtMs = nowMs + ackAfterMs;
  }

  #sendAck(): void {
    this.#ackAtMs = Infinity;
    this.#outbox.sendControl([MessageType.ack, this.#inbox.acknowledge()]);
  }

  #emitMessages(): void {
    if (this.#messages.length === 0) return;
    this.#events.push({ type: 'messages', messages: this.#messages });
    this.#messages = [];
  }

  /** Whatever was thrown on the receive path ends this connection and nothing else. */
  #fail(error: unknown): void {
    const text =
      error instanceof RPCError ? error.message : `what was received could not be handled: ${String(error)}`;
    this.close(faultCodeOf(error), printable(text, 512));
  }

  #end(reason: CloseReason, lastReceived: number | undefined): void {
    this.#emitMessages();
    this.#state = 'closed';
    this.#hello = this.#previous = undefined;
    const isLoss = reason.code === 'connection-lost' || reason.code === 'timeout';
    if (this.#isResumable && isLoss) {
      // What had not left when the pipe broke was never handed over.
      this.#leave(reason.by === 'transport' ? [] : this.#outbox.takeFrames(0));
    } else this.#outbox.end();
    this.#events.push({
      type: 'closed',
      reason,
      lastReceived,
      occupant: this.#handshake.occupant,
      retryAfterMs: this.#retryAfterMs,
    });
  }
}

function faultCodeOf(error: unknown): CloseCode {
  if (error instanceof LimitExceededError) return 'limit-exceeded';
  return error instanceof AuthenticationError ? 'unauthenticated' : 'protocol-error';
}
