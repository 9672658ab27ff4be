/**
 * Drives one ConnectionCore over one transport: bytes in, events out, one write per turn, one timer.
 *
 * It knows no calls and no objects: session messages pass to the sink. Whoever creates a connection owns it; it reports
 * `onClosed` exactly once and nothing after it. The sink is never called inside a call of the sink: what its handlers
 * cause is delivered when they have returned.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { PortOccupant } from '../errors.js';
import type { Prover } from '../protocol/authentication.js';
import type { CloseCode, CloseReason } from '../protocol/close-reason.js';
import { ConnectionCore } from '../protocol/connection-core.js';
import type { ConnectionEvent } from '../protocol/connection-events.js';
import type { ConnectionSettings } from '../protocol/connection-settings.js';
import type { Hello, Identity, ResumeGrant, SessionMessage } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { HeartbeatSink, Transport, TransportSink } from '../transports/transport.js';
import { Intake } from './intake.js';
import type { Line } from './line.js';
import { Outflow } from './outflow.js';
import { StallWatch } from './stall-watch.js';
import { Turns } from './turns.js';

/** How a connection ended. */
export interface ConnectionEnd {
  /** Why, and who ended it. */
  readonly reason: CloseReason;
  /** The number of the last message that the peer had read, if it said so. */
  readonly lastReceived: number | undefined;
  /** What seems to be there, when it is no Tandem peer. */
  readonly occupant: PortOccupant | undefined;
  /** When to try again, if the peer said so. */
  readonly retryAfterMs: number | undefined;
}

/** Receives what happens on a connection. */
export interface ConnectionSink {
  /** A client wants in: answer with `welcome`, `resume`, `refuse` or `handOver`. */
  onHello(hello: Hello): void;
  /** The handshake is done; messages may be sent. `grant`: how the session can be resumed, if it can. */
  onEstablished(connectionID: string, grant: ResumeGrant | undefined): void;
  /** The handshake is done, and an earlier session goes on. */
  onResumed(grant: ResumeGrant): void;
  /** Session messages arrived, in order. */
  onMessages(messages: readonly SessionMessage[]): void;
  /** The server continues on another port; `onClosed` follows. */
  onHandover(port: number, ticket: string): void;
  /** The peer takes no new calls, and will end the connection with this code. */
  onGoAway(code: CloseCode, retryAfterMs: number | undefined): void;
  /** A probe was answered; `onClosed` follows. */
  onIdentity(identity: Identity): void;
  /** A ping was answered, by a peer whose main loop had not turned for so long. */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void;
  /** The peer told something new of how long its main loop had not turned; the last of it that has arrived. */
  onLoopLag(loopLagMs: number): void;
  /** What was sent in this turn is about to leave: about so many bytes more may be sent along. */
  onFlush(roomBytes: number): void;
  /** Less waits than is too much: what waited for that may be sent. Only where it was asked for, once each time. */
  onRoom(): void;
  /** The end, once. */
  onClosed(end: ConnectionEnd): void;
  /** When the session's own next deadline is due; `Infinity`: never. */
  nextDeadlineMs(): number;
  /** The session's deadline has come. */
  handleDeadline(nowMs: number): void;
}

/** How long the other side may take to end its half after a goodbye, in milliseconds. */
const lingerMs = 1_000;

/**
 * What a turn gathers leaves as soon as it is this much, then twice, four times as much, and so on; the rest at its end.
 * Written only at the end, 64 calls in flight go to and fro in one batch, and each process waits while the other computes:
 * 0.71 of the floor, and 1.06 with this (docs/performance.md). Doubling bounds the writes of a turn.
 */
const firstEarlyBytes = 4_096;

/** One live connection. */
export class Connection implements TransportSink, HeartbeatSink, Line {
  readonly #transport: Transport;
  readonly #core: ConnectionCore;
  readonly #scheduler: SchedulerLike;
  #sink: ConnectionSink;
  readonly #maxQueuedBytes: number;
  readonly #highWaterBytes: number;
  readonly #maxStallMs: number;
  readonly #outflow: Outflow;
  /** Made when the transport has more than it takes at once for the first time. */
  #stall: StallWatch | undefined;
  readonly #intake: Intake;
  readonly #heartbeatIntervalMs: number | undefined;
  #timeoutMs: number;
  readonly #flush = (): void => {
    // Still counts as scheduled, so that what is sent along does not schedule another.
    this.#offerRoom();
    this.#isFlushScheduled = false;
    this.#writeFrames();
  };
  #timer: Subscription | undefined;
  #timerAtMs = Infinity;
  #onSent: (() => void) | undefined;
  #onProof: ((isRight: boolean) => void) | undefined;
  #isFlushScheduled = false;
  /** Whether the sink waits for room. */
  #isFlushWanted = false;
  /** It waits until less than this is queued; -1: it does not. */
  #roomBelowBytes = -1;
  #isPeerDeaf = false;
  #isDispatching = false;
  #isReceiving = false;
  /** Whether the chunk at hand ends with a flush. */
  #isFlushOwed = false;
  #earlyBytes = firstEarlyBytes;
  /** What is known of the main loop of the peer, and whether it is told once all that has arrived was read. */
  #peerLagMs = 0;
  #owesLag = false;
  #isClosing = false;
  #isEnded = false;

  /**
   * @param transport - owned by this connection from now on
   * @param settings - of the protocol
   * @param scheduler - for the timer and for the present time
   * @param sink - receives what happens
   * @param previous - lost, whose session is to be continued; for a dialler that asks for that
   * @param turns - of all connections of the server or client
   */
  constructor(
    transport: Transport,
    settings: ConnectionSettings,
    scheduler: SchedulerLike,
    sink: ConnectionSink,
    previous?: Connection,
    turns = new Turns(),
  ) {
    this.#transport = transport;
    this.#scheduler = scheduler;
    this.#sink = sink;
    const { maxQueuedBytes, highWaterBytes, maxStallMs } = settings.limits;
    this.#maxStallMs = maxStallMs;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#highWaterBytes = highWaterBytes;
    this.#outflow = new Outflow(transport, settings.slabs, highWaterBytes);
    this.#intake = new Intake({
      transport,
      limits: settings.limits,
      scheduler,
      turns,
      act: (messages) => {
        this.#sink.onMessages(messages);
      },
      onTurn: () => {
        this.#takeTurn();
      },
    });
    this.#heartbeatIntervalMs = settings.heartbeatIntervalMs;
    this.#timeoutMs = settings.timeoutMs;
    const { heartbeats } = transport;
    const coreSettings: ConnectionSettings =
      heartbeats === undefined
        ? settings
        : { ...settings, areHeartbeatsElsewhere: true, windowBytes: heartbeats.windowBytes };
    const previousCore = previous === undefined ? undefined : previous.#core;
    this.#core = new ConnectionCore(coreSettings, scheduler.now(), previousCore);
  }

  /** Names both ends, for messages to people. */
  get description(): string {
    return this.#transport.description;
  }

  /** {@inheritDoc Line.hasUnhandled} */
  get hasUnhandled(): boolean {
    return this.#intake.hasHeld || this.#core.hasUnread;
  }

  /** Whether session messages may be sent. */
  get isEstablished(): boolean {
    return this.#core.isEstablished;
  }

  /** Bytes waiting to be written. */
  get queuedBytes(): number {
    return this.#core.queuedBytes + (this.#core.isAway ? 0 : this.#outflow.queuedBytes);
  }

  /** {@inheritDoc Line.backlogBytes} */
  get backlogBytes(): number {
    return this.#core.backlogBytes + this.#outflow.behindBytes;
  }

  /** {@inheritDoc Line.isCongested} */
  get isCongested(): boolean {
    return this.backlogBytes > this.#highWaterBytes;
  }

  /** Whether the session outlives the connection. */
  get isResumable(): boolean {
    return this.#core.isResumable;
  }

  /** Whether the connection is lost and its session waits for another. */
  get isAway(): boolean {
    return this.#core.isAway;
  }

  /** Whether the other side has said anything since the handshake was done. */
  get isConfirmed(): boolean {
    return this.#core.isConfirmed;
  }

  /** The number of the last session message that was received. */
  get receivedCount(): number {
    return this.#core.receivedCount;
  }

  /** Whether the session can go on with a side that has received so much. */
  canContinueFrom(received: number): boolean {
    return this.#core.canContinueFrom(received);
  }

  /** Bytes of memory that the session keeps for the other side. */
  get keptBytes(): number {
    return this.#core.keptBytes;
  }

  /** Whether so much waits that the other side is to be given up; a live connection does that by itself. */
  get isOverfull(): boolean {
    return this.#core.isOverfull;
  }

  /** Whether the other side has acknowledged a message; of a session that can be resumed. */
  hasReached(sent: Sent): boolean {
    return this.#core.hasReached(sent);
  }

  /** How often what arrived waited so that other connections had their turn. */
  get yields(): number {
    return this.#intake.yields;
  }

  /** The other side asked for what it may not have, or gave up what it had asked for: who does little else waits for longer. */
  countRefusal(): void {
    this.#intake.countRefusal();
  }

  /** Bytes of stream values that the peer is ready to hold; known once established. */
  get peerStreamBytes(): number {
    return this.#core.peerStreamBytes;
  }

  /** Whether long messages wait, which others overtake. */
  get hasLongMessages(): boolean {
    return this.#core.hasLongMessages;
  }

  /** Bytes that may be sent so that nothing waits long for them, and no long message is refused because of them. */
  get roomBytes(): number {
    if (this.#core.isAway) return 0;
    const queueBytes = this.#maxQueuedBytes + 1 - this.#core.queuedBytes;
    const waterBytes = this.#highWaterBytes - this.backlogBytes;
    return Math.max(0, Math.min(this.#outflow.roomBytes, queueBytes, waterBytes));
  }

  /** Bytes that the message sent last took. */
  get lastMessageBytes(): number {
    return this.#core.lastMessageBytes;
  }

  /** Starts; called once. */
  open(): void {
    this.#transport.open(this);
    this.#settle();
  }

  /** The host of the other end, where the transport knows it. */
  get remoteHost(): string | undefined {
    return this.#transport.remoteHost;
  }

  /**
   * Has the client of a HELLO prove that it has a shared token, and proves it to the client; `onProof` tells whether it did.
   * @returns whether the client offered to
   */
  challenge(prover: Prover, nonce: Uint8Array, onProof: (isRight: boolean) => void): boolean {
    this.#onProof = onProof;
    const hasOffered = this.#core.challenge(prover, nonce);
    this.#settle();
    return hasOffered;
  }

  /** Answers HELLO: the connection is established. @param grant - how the session can be resumed, if it can */
  welcome(connectionID: string, grant?: ResumeGrant): void {
    this.#core.welcome(connectionID, this.#scheduler.now(), grant);
    this.#settle();
  }

  /**
   * Answers HELLO: the session of an earlier connection goes on here.
   * @param previous - away; it has no session any more then
   * @param sink - of the session: receives what happens from now on
   */
  resume(connectionID: string, previous: Connection, grant: ResumeGrant, sink: ConnectionSink): void {
    this.#sink = sink;
    this.#core.resume(connectionID, previous.#core, grant, this.#scheduler.now());
    this.#settle();
  }

  /** What happens from now on is another's: the owner of the session that was resumed here. */
  passTo(sink: ConnectionSink): void {
    this.#sink = sink;
  }

  /** Ends the connection at once and without a word: its session waits for another. The sink hears nothing more. */
  abandon(): void {
    if (this.#isEnded) return;
    // What was received is the session's, and is acted on before anything that comes by another connection. What was not
    // read yet was not received: the other side sends it again.
    this.#tell(() => {
      this.#intake.finish();
    });
    this.#isEnded = true;
    this.#stopTimer();
    this.#outflow.drop();
    this.#core.abandon();
    this.#transport.destroy();
  }

  /** The session that waits for another connection will find none. */
  endSession(): void {
    this.#core.endSession();
  }

  /** Answers HELLO: not now. */
  refuse(code: CloseCode, message: string, retryAfterMs: number | undefined): void {
    this.#core.refuse(code, message, retryAfterMs);
    this.#settle();
  }

  /** Answers HELLO: continue on that port. */
  handOver(port: number, ticket: string): void {
    this.#core.handOver(port, ticket);
    this.#settle();
  }

  /** The session has what it needs to begin: the handshake's deadline no longer counts. */
  markReady(): void {
    this.#core.markReady();
  }

  /**
   * Sends a session message at the end of this turn.
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded; nothing was sent then
   */
  send(message: SessionMessage, mostBytes?: number): Sent {
    const sent = this.#core.send(message, mostBytes);
    if (!this.#isFlushScheduled) this.#scheduleFlush();
    if (this.#core.unwrittenBytes >= this.#earlyBytes) this.#writeEarly();
    return sent;
  }

  /** Takes a message back; true when the other side will surely never act on it. */
  withdraw(sent: Sent): boolean {
    const isWithdrawn = this.#core.withdraw(sent);
    if (isWithdrawn) this.#scheduleFlush();
    return isWithdrawn;
  }

  /** Whether a message was given to the transport as a whole. */
  isHandedOver(sent: Sent): boolean {
    return this.#core.isHandedOver(sent);
  }

  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    return this.#core.isBeyond(sent, lastReceived);
  }

  /** Tells the peer that no new calls are taken, and when to try again, here or elsewhere. */
  sendGoAway(code: CloseCode, retryAfterMs: number | undefined): void {
    this.#core.sendGoAway(code, retryAfterMs);
    this.#settle();
  }

  /** Changes how long this side bears silence. */
  setTimeout(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#transport.heartbeats?.setTimeout(timeoutMs);
    this.#core.setTimeout(timeoutMs, this.#scheduler.now());
    this.#settle();
  }

  /** Calls back once no long message waits to leave: at once if none does, and not at all if the connection ends before. */
  whenSent(onSent: () => void): void {
    this.#onSent = onSent;
    this.#announceSent();
  }

  /** Who waits for `whenSent`, taken from a connection that is lost. */
  takeOnSent(): (() => void) | undefined {
    const onSent = this.#onSent;
    this.#onSent = undefined;
    return onSent;
  }

  /** Whether this side has ended the connection: of messages that came together, those not yet acted on are not any more. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Has `onFlush` of the sink called: at the end of this turn, or once the transport has room. */
  requestFlush(): void {
    this.#isFlushWanted = true;
    if (this.#outflow.roomBytes > 0) this.#scheduleFlush();
  }

  /**
   * {@inheritDoc Line.requestRoom}
   * @param belowBytes - less than this is to wait then; `Infinity`: it is not known what waited when it was found to be too much
   */
  requestRoom(belowBytes = this.backlogBytes): void {
    // Whatever makes room has something written, or has been: there is a flush then.
    this.#roomBelowBytes = Math.max(this.#roomBelowBytes, belowBytes);
  }

  /** The session's next deadline may have moved forward. */
  deadlineChanged(): void {
    if (!this.#isEnded) this.#arm(this.#sink.nextDeadlineMs());
  }

  /** Ends the connection, telling the peer why; `onClosed` follows, possibly before this returns. */
  close(code: CloseCode, message: string): void {
    this.#isClosing = true;
    this.#core.close(code, message);
    this.#settle();
  }

  /** {@inheritDoc TransportSink.onChunk} */
  onChunk(chunk: Uint8Array): void {
    const isWithin = this.#isReceiving;
    // What begins a session waits for its first calls, which are made when it is told.
    this.#isReceiving = this.#core.isEstablished;
    const nowMs = this.#scheduler.now();
    const isWaiting = this.#intake.isWaiting;
    if (!isWaiting) this.#intake.begin(nowMs);
    this.#core.receive(chunk, nowMs, !isWaiting);
    this.#settle();
    if (this.#core.hasUnread) this.#readOn();
    this.#isReceiving = isWithin;
    if (isWithin || !this.#isFlushOwed) return;
    this.#isFlushOwed = false;
    this.#flush();
  }

  /** {@inheritDoc TransportSink.onWritable} */
  onWritable(): void {
    this.#stall?.drained();
    if (this.#isEnded) return;
    this.#outflow.onWritable();
    this.#watchStall();
    if (this.#core.hasLongMessages || this.#isFlushWanted || this.#roomBelowBytes >= 0) this.#scheduleFlush();
  }

  /** {@inheritDoc HeartbeatSink.onHeartbeat} */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void {
    this.#tell(() => {
      this.#sink.onHeartbeat(roundTripMs, loopLagMs);
    });
  }

  /** {@inheritDoc HeartbeatSink.onLoopLag} */
  onLoopLag(loopLagMs: number): void {
    this.#peerLagMs = loopLagMs;
    if (!this.#owesLag && !this.#isEnded) this.#oweLag();
  }

  /** {@inheritDoc HeartbeatSink.onSilence} */
  onSilence(): void {
    this.#core.reportSilence();
    this.#settle();
  }

  /** {@inheritDoc TransportSink.onFault} */
  onFault(code: CloseCode, message: string): void {
    this.close(code, message);
  }

  /** {@inheritDoc TransportSink.onClosed} */
  onClosed(error: Error | undefined): void {
    this.#stopTimer();
    // All that had arrived was sent before the end, and may say why.
    while (this.#core.hasUnread) this.#core.readOn(this.#scheduler.now());
    this.#core.transportClosed(error);
    this.#settle();
  }

  /** Reads what has arrived, a portion after the other, as far as that is fair. */
  #readOn(): void {
    while (this.#core.hasUnread) {
      if (!this.#intake.mayReadOn()) {
        this.#core.keepUnread();
        this.#intake.wait();
        return;
      }
      this.#core.readOn(this.#scheduler.now());
      this.#settle();
    }
    this.#intake.rest();
    this.requestFlush();
  }

  /** It is this connection's turn again. */
  #takeTurn(): void {
    if (this.#isEnded) return;
    const nowMs = this.#scheduler.now();
    this.#intake.begin(nowMs);
    this.#tell(() => {
      this.#intake.proceed();
    });
    if (this.#intake.isPutOff) return;
    if (this.#intake.isWaiting) {
      // A portion all the same: heartbeats, and what else is not for a method, do not wait for slow ones.
      this.#core.readOn(nowMs);
      this.#settle();
    } else this.#readOn();
  }

  /** After any input: events to the sink, bytes to the transport, the timer to the next deadline. */
  #settle(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    for (let events = this.#core.takeEvents(); events.length > 0; events = this.#core.takeEvents()) {
      for (const event of events) this.#dispatch(event);
    }
    this.#isDispatching = false;
    if (this.#core.queuedBytes > 0) this.#scheduleFlush();
    // An acknowledgement may have been what was waited for.
    if (this.#onSent !== undefined) this.#announceSent();
    // The sink tells of its own deadlines.
    this.#arm(this.#core.nextDeadlineMs);
  }

  /** A call of the sink like any other, of something that the transport tells. */
  #tell(call: () => void): void {
    if (this.#isEnded) return;
    this.#isDispatching = true;
    call();
    this.#isDispatching = false;
    this.#settle();
  }

  #dispatch(event: ConnectionEvent): void {
    switch (event.type) {
      case 'messages':
        this.#intake.take(event.messages);
        return;
      case 'hello':
        this.#sink.onHello(event.hello);
        return;
      case 'proof':
        this.#onProof?.(event.isRight);
        return;
      case 'established':
        this.#startHeartbeats(event.peerTimeoutMs);
        this.#sink.onEstablished(event.connectionID, event.grant);
        return;
      case 'resumed':
        this.#startHeartbeats(event.peerTimeoutMs);
        this.#sink.onResumed(event.grant);
        return;
      case 'handover':
        this.#sink.onHandover(event.port, event.ticket);
        return;
      case 'goaway':
        this.#sink.onGoAway(event.code, event.retryAfterMs);
        return;
      case 'identity':
        this.#sink.onIdentity(event.identity);
        return;
      case 'heartbeat':
        this.#sink.onHeartbeat(event.roundTripMs, event.loopLagMs);
        return;
      case 'lag':
        this.onLoopLag(event.loopLagMs);
        return;
      case 'suspect':
        this.#intake.letIn();
        this.#transport.afterReading(() => {
          this.#core.confirmSuspicion(this.#scheduler.now());
          this.#settle();
        });
        return;
      case 'closed':
        this.#intake.finish();
        this.#end(event);
    }
  }

  /**
   * As with silence what has arrived is read before anything is made of a lag: behind a loop that was blocked itself waits what
   * the peer has told since, and only the last word counts.
   */
  #oweLag(): void {
    this.#owesLag = true;
    this.#transport.afterReading(() => {
      if (this.#intake.isPaused) {
        this.#oweLag();
        return;
      }
      this.#owesLag = false;
      this.#tell(() => {
        this.#sink.onLoopLag(this.#peerLagMs);
      });
    });
  }

  #startHeartbeats(peerTimeoutMs: number): void {
    const settings = { timeoutMs: this.#timeoutMs, peerTimeoutMs, intervalMs: this.#heartbeatIntervalMs };
    this.#transport.heartbeats?.start(settings, this);
  }

  #announceSent(): void {
    if (this.#onSent === undefined || this.#core.hasLongMessages || !this.#core.isAcknowledged) return;
    const onSent = this.#onSent;
    this.#onSent = undefined;
    onSent();
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isEnded) return;
    this.#isFlushScheduled = true;
    // What is answered at once leaves when all of the chunk was dealt with: nothing need be scheduled for that.
    if (this.#isReceiving) this.#isFlushOwed = true;
    else this.#transport.scheduleFlush(this.#flush);
  }

  /** Sends what there is, so that the other side begins with it; never while it has something to do. */
  #writeEarly(): void {
    if (this.#outflow.queuedBytes > 0) return;
    this.#earlyBytes *= 2;
    this.#write(this.#core.takeFrames(0));
  }

  #write(frames: readonly Uint8Array[]): boolean {
    const isAccepting = this.#outflow.write(frames);
    this.#watchStall();
    return isAccepting;
  }

  #watchStall(): void {
    if (!this.#outflow.isClogged) return;
    this.#stall ??= new StallWatch({
      isClogged: () => this.#outflow.isClogged,
      patienceMs: () => Math.max(this.#maxStallMs, this.#timeoutMs),
      now: () => this.#scheduler.now(),
      dueAt: (atMs) => {
        this.#arm(atMs);
      },
      afterReading: (then) => {
        this.#transport.afterReading(then);
      },
      onStalled: () => {
        if (this.#isEnded) return;
        const text = `the peer reads too slowly: ${this.#outflow.queuedBytes} bytes wait, and for ${this.#maxStallMs} ms too few have left`;
        this.#giveUp(`${text} (limits.maxStallMs changes the bound)`);
      },
    });
    this.#stall.look();
  }

  #writeFrames(): void {
    if (this.#isEnded) return;
    const hasWrittenEarly = this.#earlyBytes > firstEarlyBytes;
    this.#earlyBytes = firstEarlyBytes;
    const frames = this.#core.takeFrames(this.#outflow.roomBytes);
    // A transport that took everything at once has nothing to drain, and so says nothing: the rest follows by itself. Where all of it
    // was written early there is nothing left for now, and room for more.
    const goesOn =
      frames.length > 0
        ? this.#write(frames) && (this.#core.hasLongMessages || this.#isFlushWanted)
        : hasWrittenEarly && this.#isFlushWanted && this.roomBytes > 0;
    if (goesOn) this.#scheduleFlush();
    this.#announceSent();
    if (this.#outflow.queuedBytes <= this.#maxQueuedBytes && !this.#core.isOverfull) {
      this.#announceRoom();
      return;
    }
    this.#giveUp(
      `more than ${this.#maxQueuedBytes} bytes wait because the peer does not read (limits.maxQueuedBytes changes the bound)`,
    );
  }

  #giveUp(message: string): void {
    this.#isPeerDeaf = true;
    this.close('limit-exceeded', message);
  }

  /** Values of streams went first, by `onFlush`: whatever else waits would take all that becomes free. */
  #announceRoom(): void {
    if (this.#roomBelowBytes < 0 || this.#core.isAway) return;
    // Whoever found too little room asks again for less than there was: it would not end if nothing had left meanwhile.
    if (this.isCongested || this.backlogBytes >= this.#roomBelowBytes) return;
    this.#roomBelowBytes = -1;
    this.#tell(() => {
      this.#sink.onRoom();
    });
  }

  /** The sink may send along what waited for room: a call of it like any other. */
  #offerRoom(): void {
    const { roomBytes } = this;
    if (!this.#isFlushWanted || this.#isEnded || roomBytes <= 0) return;
    this.#isFlushWanted = false;
    this.#isDispatching = true;
    // Long messages have their half: neither waits for the end of the other.
    this.#sink.onFlush(this.#core.hasLongMessages ? roomBytes / 2 : roomBytes);
    this.#isDispatching = false;
    this.#settle();
  }

  /** The last frames leave at once: after this nothing is written. */
  #end(end: ConnectionEnd): void {
    this.#isEnded = true;
    this.#stopTimer();
    // What had not left when the pipe broke was never handed over.
    if (end.reason.by === 'transport') this.#outflow.drop();
    else this.#endTransport(end.reason.code);
    this.#sink.onClosed(end);
  }

  #endTransport(code: CloseCode): void {
    // A peer that is silent or does not read would keep a polite end waiting for ever; one that sent too much is to
    // hear of it.
    const isPeerDeaf = code === 'timeout' || this.#isPeerDeaf;
    this.#outflow.finish(this.#core.takeFrames(0));
    this.#transport.close();
    this.#timer = this.#scheduler.schedule(
      () => {
        this.#transport.destroy();
      },
      isPeerDeaf ? 0 : lingerMs,
    );
  }

  /** Arms the timer for a deadline; one that is armed for an earlier time stays, and looks again when it fires. */
  #arm(nextMs: number): void {
    if (nextMs >= this.#timerAtMs || this.#isEnded) return;
    this.#stopTimer();
    this.#timerAtMs = nextMs;
    this.#timer = this.#scheduler.schedule(
      () => {
        this.#handleDeadline();
      },
      Math.max(0, nextMs - this.#scheduler.now()),
    );
  }

  #handleDeadline(): void {
    this.#timerAtMs = Infinity;
    const nowMs = this.#scheduler.now();
    if (nowMs >= this.#core.nextDeadlineMs) this.#core.handleDeadline(nowMs);
    // A call of the sink like any other: what it causes is told when it has returned.
    this.#isDispatching = true;
    if (nowMs >= this.#sink.nextDeadlineMs()) this.#sink.handleDeadline(nowMs);
    this.#isDispatching = false;
    this.#settle();
    this.deadlineChanged();
    this.#stall?.judge(nowMs);
  }

  #stopTimer(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }
}
