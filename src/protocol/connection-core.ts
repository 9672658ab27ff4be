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

import { AuthenticationError, LimitExceededError, ProtocolError, RPCError } from '../errors.js';
import type { Prover } from './authentication.js';
import { CloseReason, maxReasonLength, printable, type CloseCode } from './close-reason.js';
import type { ConnectionEvent } from './connection-events.js';
import type { ConnectionSettings } from './connection-settings.js';
import { HandshakeDeadline } from './handshake-deadline.js';
import { Handshake, type HandshakeMessage } from './handshake.js';
import { Heartbeat } from './heartbeat.js';
import { defaultPeerStreamBytes, frameTookTooLong, maxFrameMs } from './limits.js';
import {
  isSessionMessage,
  MessageType,
  protocolVersion,
  type ConnectionMessage,
  type Hello,
  type PingMessage,
  type PongMessage,
  type ResumeGrant,
  type Welcome,
  type SessionMessage,
} from './messages.js';
import type { Sent } from './outbox.js';
import { Session } from './session.js';

/** The state machine of one connection. */
export class ConnectionCore {
  readonly #settings: ConnectionSettings;
  #session: Session;
  readonly #handshake: Handshake;
  #state: 'handshaking' | 'established' | 'closed' = 'handshaking';
  #isSuspect = false;
  #hello: Hello | undefined;
  #heartbeat: Heartbeat | undefined;
  #timeoutMs: number;
  readonly #deadline: HandshakeDeadline;
  #partialEndsMs = Infinity;
  #events: ConnectionEvent[] = [];
  #messages: SessionMessage[] = [];
  #retryAfterMs: number | undefined;
  #peerLagMs = 0;
  #isAway = false;
  #isConfirmed = false;
  /** Whose session is asked for. Not longer than needed: else each connection would keep all that came before. */
  #previous: ConnectionCore | undefined;
  /** What is still to be written of a connection whose session goes on. */
  #lastFrames: readonly Uint8Array[] = [];

  /**
   * @param settings - fixed for the life of the connection
   * @param nowMs - the present time; the handshake's deadline counts from here
   * @param previous - a connection whose session is to be continued; only for a dialler that asks for it in its HELLO
   */
  constructor(settings: ConnectionSettings, nowMs: number, previous?: ConnectionCore) {
    this.#settings = settings;
    this.#previous = previous;
    this.#session = Session.new(settings);
    this.#timeoutMs = settings.timeoutMs;
    this.#deadline = new HandshakeDeadline(settings, nowMs);
    this.#handshake = new Handshake(settings, this.#session.outbox);
  }

  /** Whether session messages may be sent. */
  get isEstablished(): boolean {
    return this.#state === 'established';
  }

  /** Bytes of stream values that the peer is ready to hold; known once the connection is established. */
  get peerStreamBytes(): number {
    return this.#session.peerStreamBytes;
  }

  /** Bytes that the session message sent last took. */
  get lastMessageBytes(): number {
    return this.#session.outbox.lastMessageBytes;
  }

  /** Whether the session outlives the connection. */
  get isResumable(): boolean {
    return this.#session.isResumable;
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
    return this.#session.inbox.receivedCount;
  }

  /** Bytes of memory that the session keeps for the other side. */
  get keptBytes(): number {
    return this.#session.outbox.keptBytes;
  }

  /** Whether so much waits that the other side is to be given up. */
  get isOverfull(): boolean {
    return this.#session.outbox.isOverfull;
  }

  /** Whether everything that was sent is known to be received; of a session that can be resumed. */
  get isAcknowledged(): boolean {
    return this.#session.outbox.isAcknowledged;
  }

  /** Whether the session can go on with a side that has received so much. */
  canContinueFrom(received: number): boolean {
    return this.#session.outbox.canContinueFrom(received);
  }

  /** Whether the other side has acknowledged a message. */
  hasReached(sent: Sent): boolean {
    return this.#session.outbox.hasReached(sent);
  }

  /** Whether the end has come. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Bytes accepted for sending that `takeFrames` has not given out yet. */
  get queuedBytes(): number {
    return this.#session.outbox.queuedBytes;
  }

  /** Of these the bytes that whatever follows waits behind. */
  get backlogBytes(): number {
    return this.#session.outbox.backlogBytes;
  }

  // ── Inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes bytes from the transport: a sign of life at once, whenever they are read.
   * @param mayRead - whether a portion of them is read now; not of what comes while something is unread
   */
  receive(chunk: Uint8Array, nowMs: number, mayRead = true): void {
    if (this.#state === 'closed') return;
    this.#heartbeat?.receiveBytes(nowMs);
    if (mayRead && !this.#session.inbox.hasUnread) this.#read(chunk, nowMs);
    else this.#session.inbox.push(chunk);
  }

  /** Whether bytes have come that are not read yet: `readOn` reads a portion of them. */
  get hasUnread(): boolean {
    return this.#state !== 'closed' && this.#session.inbox.hasUnread;
  }

  /** Reads the next portion of what has come. */
  readOn(nowMs: number): void {
    if (this.#state !== 'closed') this.#read(undefined, nowMs);
  }

  /** The chunk is its owner's again: what of it is not read yet is kept. */
  keepUnread(): void {
    this.#session.inbox.keep();
  }

  /** Acts on the deadlines that have passed. */
  handleDeadline(nowMs: number): void {
    if (this.#state === 'closed') return;
    if (nowMs >= this.#session.ackAtMs) this.#session.sendAck();
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
      this.#fail(new ProtocolError(frameTookTooLong));
    } else if (this.#isOverdue(nowMs)) {
      this.close('handshake-timeout', this.#deadline.describe(this.#handshake.awaitsOpening));
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
    this.#handshake.sendWelcome(this.#timeoutMs, connectionID, codec, grant);
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
    this.#handshake.sendWelcome(this.#timeoutMs, connectionID, codec, {
      ...grant,
      received: previous.receivedCount,
    });
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
    this.#session.outbox.sendControl(
      retryAfterMs === undefined
        ? [MessageType.refuse, code, text]
        : [MessageType.refuse, code, text, retryAfterMs],
    );
    this.#end(new CloseReason(code, message, 'local'), undefined);
  }

  /** Answers HELLO: continue on that port, and show this ticket there. Has no effect when no HELLO waits for an answer. */
  handOver(port: number, ticket: string): void {
    if (this.#hello === undefined) return;
    this.#session.outbox.sendControl([MessageType.handover, port, ticket]);
    this.#end(new CloseReason('disconnected', `handed over to port ${port}`, 'local'), undefined);
  }

  /** The session has what it needs to begin: the handshake's deadline no longer counts. */
  markReady(): void {
    this.#deadline.meet();
  }

  /**
   * Sends a session message; its fields are marshalled already.
   * @returns what `isHandedOver`, `isBeyond` and `withdraw` ask for
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded; nothing was sent then
   */
  send(message: SessionMessage, mostBytes?: number): Sent {
    return this.#session.outbox.send(message, mostBytes);
  }

  /** Takes a message back; true when it will never be whole at the other side, which then cannot act on it. */
  withdraw(sent: Sent): boolean {
    return this.#session.outbox.withdraw(sent);
  }

  /** Whether a message was given to the transport as a whole: if not, the peer cannot have seen it. */
  isHandedOver(sent: Sent): boolean {
    return this.#session.outbox.isHandedOver(sent);
  }

  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    return this.#session.outbox.isBeyond(sent, lastReceived);
  }

  /** Tells the peer that no new calls are taken. Has no effect while the connection is not established. */
  sendGoAway(code: CloseCode, retryAfterMs: number | undefined): void {
    if (this.#state !== 'established') return;
    this.#session.outbox.sendControl(
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
    this.#session.outbox.end();
  }

  /** Ends the connection: tells the peer why, after everything that is queued short of unfinished long messages. */
  close(code: CloseCode, message: string): void {
    if (this.#state === 'closed') return;
    const text = printable(message, maxReasonLength);
    if (this.#state === 'established') {
      this.#session.outbox.sendControl([MessageType.goodbye, code, text, this.#session.inbox.receivedCount]);
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
    if (!this.#isAway) return this.#session.outbox.takeFrames(roomBytes);
    const frames = this.#lastFrames;
    this.#lastFrames = [];
    return frames;
  }

  /** Bytes of short messages that `takeFrames` has not given out yet. */
  get unwrittenBytes(): number {
    return this.#session.outbox.unwrittenBytes;
  }

  /** Whether long messages wait for room. */
  get hasLongMessages(): boolean {
    return this.#session.outbox.hasLongMessages;
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
    const { ackAtMs } = this.#session;
    if (this.#isSuspect) return Math.min(heartbeatMs, ackAtMs);
    return Math.min(this.#deadline.endsMs, this.#partialEndsMs, heartbeatMs, ackAtMs);
  }

  // ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads a portion, of a new chunk if there is one. */
  #read(chunk: Uint8Array | undefined, nowMs: number): void {
    try {
      const rest =
        chunk !== undefined && this.#handshake.awaitsOpening ? this.#receiveOpening(chunk, nowMs) : chunk;
      if (rest !== undefined) this.#session.inbox.push(rest);
      if (chunk === undefined || rest !== undefined) this.#receiveFrames(nowMs);
    } catch (error) {
      this.#fail(error);
    }
    this.#watchPartialFrame(nowMs);
    this.#emitMessages();
    if (this.isResumable && this.isEstablished) this.#session.considerAck(nowMs);
  }

  #receiveOpening(chunk: Uint8Array, nowMs: number): Uint8Array | undefined {
    const rest = this.#handshake.receiveOpening(chunk);
    if (rest !== undefined) this.#deadline.allowAuthentication('dialer', nowMs);
    return rest;
  }

  #receiveFrames(nowMs: number): void {
    this.#session.inbox.beginPortion();
    while (!this.#session.inbox.isPortionRead) {
      const isStranger = this.#state !== 'established';
      const messages = this.#session.inbox.read(isStranger);
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
        this.#deadline.allowAuthentication('listener', nowMs);
        this.#events.push({ type: 'hello', hello: message[1] });
        return;
      case MessageType.challenge:
        this.#handshake.answerChallenge(message[1], message[2]);
        return;
      case MessageType.proof:
        this.#events.push({ type: 'proof', isRight: this.#handshake.isRightProof(message[1]) });
        return;
      case MessageType.probe:
        this.#session.outbox.sendControl([
          MessageType.identity,
          { version: protocolVersion, service: 'tandem' },
        ]);
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
    if (this.isResumable) this.#session.sendAck();
  }

  #receiveEstablished(message: ConnectionMessage, nowMs: number): void {
    switch (message[0]) {
      case MessageType.ack:
        this.#session.outbox.acknowledge(message[1]);
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
        this.#session.outbox.widenWindow(message[1]);
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
    this.#session.outbox.sendControl([MessageType.timeout, this.#timeoutMs]);
  }

  #receiveHeartbeat(
    heartbeat: Heartbeat,
    [type, id, lagMs = 0]: PingMessage | PongMessage,
    nowMs: number,
  ): void {
    this.#noteLag(lagMs);
    if (type === MessageType.pong) {
      this.#receivePong(heartbeat, id, nowMs);
      return;
    }
    this.#sendHeartbeat(MessageType.pong, id);
    const ping = heartbeat.takePingAlong(nowMs);
    if (ping !== undefined) this.#sendHeartbeat(MessageType.ping, ping);
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
    this.#session.outbox.sendControl([type, id]);
  }

  #noteLag(loopLagMs: number): void {
    if (loopLagMs === this.#peerLagMs) return;
    this.#peerLagMs = loopLagMs;
    this.#emitMessages();
    this.#events.push({ type: 'lag', loopLagMs });
  }

  #isOverdue(nowMs: number): boolean {
    return nowMs >= this.#partialEndsMs || nowMs >= this.#deadline.endsMs;
  }

  #watchPartialFrame(nowMs: number): void {
    if (!this.#session.inbox.isWithinFrame) this.#partialEndsMs = Infinity;
    else if (this.#partialEndsMs === Infinity) this.#partialEndsMs = nowMs + maxFrameMs;
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
    this.#session.peerStreamBytes = peer.streamBytes ?? defaultPeerStreamBytes;
    if (grant !== undefined && keptBytes !== undefined) this.#session.outliveConnections(keptBytes);
    this.#begin(peer, nowMs);
    this.#events.push({
      type: 'established',
      connectionID,
      peerTimeoutMs: peer.timeoutMs,
      grant: this.isResumable ? grant : undefined,
    });
  }

  #establishResumed(peer: Hello | Welcome, grant: ResumeGrant, nowMs: number): void {
    this.#begin(peer, nowMs);
    this.#events.push({ type: 'resumed', peerTimeoutMs: peer.timeoutMs, grant });
  }

  #begin(peer: Hello | Welcome, nowMs: number): void {
    this.#state = 'established';
    this.#deadline.endAuthentication(nowMs);
    if (peer.windowBytes !== undefined) this.#session.outbox.setWindow(peer.windowBytes);
    this.#hello = undefined;
    const { heartbeatIntervalMs, areHeartbeatsElsewhere = false } = this.#settings;
    if (!areHeartbeatsElsewhere)
      this.#heartbeat = new Heartbeat(this.#timeoutMs, peer.timeoutMs, heartbeatIntervalMs, nowMs);
  }

  // ── Sessions that go on ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes over the session of a connection that is lost, with all that it has sent and received.
   * @throws ProtocolError when the other side cannot have received so much, or had received more
   */
  #continue(previous: ConnectionCore, received: number): void {
    const session = previous.#session;
    session.continueOn(this.#session, received);
    this.#session = session;
    // The session has gone: what is done to the other one from now on must not touch it.
    previous.#isAway = false;
    previous.#session = Session.over(session.inbox, this.#settings);
  }

  /** The connection is over, the session is not. */
  #leave(lastFrames: readonly Uint8Array[]): void {
    this.#isAway = true;
    this.#lastFrames = lastFrames;
    this.#session.detach();
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
    if (this.isResumable && isLoss) {
      // What had not left when the pipe broke was never handed over.
      this.#leave(reason.by === 'transport' ? [] : this.#session.outbox.takeFrames(0));
    } else this.#session.outbox.end();
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
