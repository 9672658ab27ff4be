/**
 * A session that outlives its connections: one after another carries it, and in between its messages wait and its deadlines go
 * on. Who may continue it, and by which connection, its owner decides.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { CloseCode } from '../protocol/close-reason.js';
import type { SessionMessage } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { Connection } from './connection.js';
import type { Line } from './line.js';

/** What a line asks of its session. */
export interface ResumableSession {
  /** The session's next deadline; `Infinity`: none. */
  nextDeadlineMs(): number;
  /** That deadline has come. */
  handleDeadline(nowMs: number): void;
  /** The session was away for as long as it may; it is to be ended. */
  onExpired(): void;
  /** This side has ended the session while it was away. */
  onClosed(code: CloseCode, message: string): void;
  /** What is kept for the other side has changed while it was away. */
  onKept(): void;
}

/** Carries one session over any number of connections. */
export class ResumableLine implements Line {
  readonly #scheduler: SchedulerLike;
  readonly #session: ResumableSession;
  readonly #windowMs: number;
  /** The present connection, or the last one, which keeps what the session sends meanwhile. */
  #connection: Connection;
  #pastYields = 0;
  #isReady = false;
  #isEnded = false;
  #isGivenUp = false;
  #expiresAtMs = Infinity;
  #timer: Subscription | undefined;
  #onSent: (() => void) | undefined;

  /**
   * @param connection - the first one, established
   * @param windowMs - how long the session may be away
   * @param scheduler - for the timer while it is
   * @param session - what is carried
   */
  constructor(connection: Connection, windowMs: number, scheduler: SchedulerLike, session: ResumableSession) {
    this.#connection = connection;
    this.#windowMs = windowMs;
    this.#scheduler = scheduler;
    this.#session = session;
  }

  /** {@inheritDoc Line.isAway} */
  get isAway(): boolean {
    return this.#connection.isAway;
  }

  /** Whether it has been away for too long, also where no timer has said so yet. */
  get isExpired(): boolean {
    return this.#scheduler.now() >= this.#expiresAtMs;
  }

  /** {@inheritDoc Line.isClosing} */
  get isClosing(): boolean {
    return this.#isEnded || this.#connection.isClosing;
  }

  /** {@inheritDoc Line.hasUnhandled} */
  get hasUnhandled(): boolean {
    return this.#connection.hasUnhandled;
  }

  /** {@inheritDoc Line.yields} */
  get yields(): number {
    return this.#pastYields + this.#connection.yields;
  }

  /** {@inheritDoc Line.countRefusal} */
  countRefusal(): void {
    this.#connection.countRefusal();
  }

  /** {@inheritDoc Line.queuedBytes} */
  get queuedBytes(): number {
    return this.#connection.queuedBytes;
  }

  /** {@inheritDoc Line.backlogBytes} */
  get backlogBytes(): number {
    return this.#connection.backlogBytes;
  }

  /** {@inheritDoc Line.isCongested} */
  get isCongested(): boolean {
    return this.#connection.isCongested;
  }

  /** {@inheritDoc Line.roomBytes} */
  get roomBytes(): number {
    return this.#connection.roomBytes;
  }

  /** {@inheritDoc Line.peerStreamBytes} */
  get peerStreamBytes(): number {
    return this.#connection.peerStreamBytes;
  }

  /** {@inheritDoc Line.hasLongMessages} */
  get hasLongMessages(): boolean {
    return this.#connection.hasLongMessages;
  }

  /** {@inheritDoc Line.lastMessageBytes} */
  get lastMessageBytes(): number {
    return this.#connection.lastMessageBytes;
  }

  /** {@inheritDoc Line.send} */
  send(message: SessionMessage, mostBytes?: number): Sent {
    const sent = this.#connection.send(message, mostBytes);
    if (!this.isAway) return sent;
    if (this.#connection.isOverfull) this.#giveUpSoon();
    this.#session.onKept();
    return sent;
  }

  /** {@inheritDoc Line.withdraw} */
  withdraw(sent: Sent): boolean {
    const isWithdrawn = this.#connection.withdraw(sent);
    if (isWithdrawn && this.isAway) this.#session.onKept();
    return isWithdrawn;
  }

  /** {@inheritDoc Line.isHandedOver} */
  isHandedOver(sent: Sent): boolean {
    return this.#connection.isHandedOver(sent);
  }

  /** {@inheritDoc Line.hasReached} */
  hasReached(sent: Sent): boolean {
    return this.#connection.hasReached(sent);
  }

  /** {@inheritDoc Line.isBeyond} */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    return this.#connection.isBeyond(sent, lastReceived);
  }

  /** {@inheritDoc Line.markReady} */
  markReady(): void {
    this.#isReady = true;
    this.#connection.markReady();
  }

  /** {@inheritDoc Line.whenSent} */
  whenSent(onSent: () => void): void {
    this.#connection.whenSent(onSent);
    // What the other side does not have waits for another connection, and so does who asks.
    if (this.isAway) this.#onSent = this.#connection.takeOnSent();
  }

  /** {@inheritDoc Line.requestFlush} */
  requestFlush(): void {
    // On the next connection it is asked for anyway.
    if (!this.isAway) this.#connection.requestFlush();
  }

  /** {@inheritDoc Line.requestRoom} */
  requestRoom(): void {
    // On the next connection it is asked for anyway.
    if (!this.isAway) this.#connection.requestRoom();
  }

  /** {@inheritDoc Line.deadlineChanged} */
  deadlineChanged(): void {
    if (this.isAway) this.#arm();
    else this.#connection.deadlineChanged();
  }

  /** {@inheritDoc Line.close} */
  close(code: CloseCode, message: string): void {
    if (this.#isEnded) return;
    if (!this.isAway) {
      this.#connection.close(code, message);
      return;
    }
    this.end();
    this.#session.onClosed(code, message);
  }

  /** The connection was lost, or is left for another: the session is away from now on. */
  leave(): void {
    this.#onSent ??= this.#connection.takeOnSent();
    this.#expiresAtMs = this.#scheduler.now() + this.#windowMs;
    this.#arm();
  }

  /** Another connection carries the session. */
  arrive(connection: Connection): void {
    this.#pastYields += this.#connection.yields;
    this.#connection = connection;
    this.#expiresAtMs = Infinity;
    this.#stopTimer();
    if (this.#isReady) connection.markReady();
    const onSent = this.#onSent;
    this.#onSent = undefined;
    if (onSent !== undefined) connection.whenSent(onSent);
    connection.requestRoom(Infinity);
    connection.requestFlush();
    connection.deadlineChanged();
  }

  /** The session is over. */
  end(): void {
    this.#isEnded = true;
    this.#stopTimer();
    if (this.isAway) this.#connection.endSession();
  }

  /** Not within a call of the session. */
  #giveUpSoon(): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#scheduler.schedule(() => {
      const text = 'too much waits for another connection (limits.maxQueuedBytes changes the bound)';
      if (this.isAway) this.close('limit-exceeded', text);
      else this.#isGivenUp = false;
    });
  }

  /** Arms the timer for what comes first: the end of the window, or a deadline of the session. */
  #arm(): void {
    if (this.#isEnded) return;
    this.#stopTimer();
    const nowMs = this.#scheduler.now();
    const nextMs = Math.min(this.#expiresAtMs, this.#session.nextDeadlineMs());
    this.#timer = this.#scheduler.schedule(
      () => {
        this.#act();
      },
      Math.max(0, nextMs - nowMs),
    );
  }

  #act(): void {
    this.#timer = undefined;
    const nowMs = this.#scheduler.now();
    if (nowMs >= this.#session.nextDeadlineMs()) this.#session.handleDeadline(nowMs);
    if (!this.isAway || this.#isEnded) return;
    if (this.isExpired) this.#session.onExpired();
    else this.#arm();
  }

  #stopTimer(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }
}
