/**
 * Whose turn it is: what arrives on one connection is decoded and acted on for so long in a turn of the event loop, and so many
 * messages of it; the rest waits until the other connections have had their turn. Meanwhile nothing more is read, so that what
 * waits is no more than what was read at once.
 *
 * In time a turn is what lies between two words of the transport that all that had arrived was read (`afterReading`), which is
 * asked for only when a connection has much to do: for one that has little it would cost more than it does.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Limits } from '../protocol/limits.js';
import type { SessionMessage } from '../protocol/messages.js';
import type { Transport } from '../transports/transport.js';
import type { Turns } from './turns.js';

/** What an intake needs. */
export interface IntakeSettings {
  readonly transport: Pick<Transport, 'pause' | 'resume' | 'afterReading'>;
  readonly limits: Pick<Limits, 'maxTurnMessages' | 'maxTurnMs'>;
  readonly scheduler: SchedulerLike;
  /** Of all that share the event loop. */
  readonly turns: Turns;
  /** Acts on messages that arrived together. */
  readonly act: (messages: readonly SessionMessage[]) => void;
  /** Acts on what waits, as on anything that arrives: calls `proceed`, and reads what is unread. */
  readonly onTurn: () => void;
}

/** So many messages are acted on between two looks at the clock, while each is quick. */
const mostBetweenLooks = 32;

/** From this part of a turn on its end is asked for. */
const watchedShare = 0.25;

/**
 * Of the time that a turn may take, what it takes while other connections have something to do as well. They wait for it: a call
 * that takes 0.1 ms would take 100 times as long beside one connection that always has something to do.
 */
const sharedTurnShare = 0.05;

/** From so many refusals on, if they are half of the messages of late, the connection waits for longer than its turn. */
const leastRefusals = 16;

/** Of so many messages the refusals are counted; of what came before, half as many, and so on. */
const rememberedMessages = 256;

/** How much longer than its turn took, and at least, in milliseconds: what is asked for in vain gets a tenth of the loop. */
const penaltyFactor = 9;
const leastPenaltyMs = 1;

/** What arrives on one connection. */
export class Intake {
  readonly #settings: IntakeSettings;
  /** What waits for its turn. */
  #held: SessionMessage[] = [];
  #at = 0;
  /** How many come behind those that are acted on right now. */
  #behind = 0;
  /** Of this turn; of several, as long as they are little. */
  #taken = 0;
  #spentMs = 0;
  #turnMs: number;
  /** When the work began that was not counted yet. */
  #sinceMs = 0;
  #isTurnWatched = false;
  #isWaiting = false;
  #isPaused = false;
  #isOver = false;
  #yields = 0;
  /** Of this turn and those before, which count less and less. */
  #asked = 0;
  #refused = 0;
  #penalty: Subscription | undefined;

  /** @param settings - of the connection */
  constructor(settings: IntakeSettings) {
    this.#settings = settings;
    this.#turnMs = settings.limits.maxTurnMs;
  }

  /** How often something waited for others. */
  get yields(): number {
    return this.#yields;
  }

  /** Whether nothing is read because something waits. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether what arrives now has to wait, as what arrived before it does. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Whether messages wait. */
  get hasHeld(): boolean {
    return this.#held.length > 0 || this.#behind > 0;
  }

  /** Whether it is not this connection's turn, since it has wasted the one before. */
  get isPutOff(): boolean {
    return this.#penalty !== undefined;
  }

  /** Something arrives, or has its turn: from now on it takes time. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs;
    const { limits, turns } = this.#settings;
    this.#turnMs = turns.begin(this, nowMs) ? limits.maxTurnMs * sharedTurnShare : limits.maxTurnMs;
  }

  /** Messages arrived together: they are acted on now, as far as that is fair. */
  take(messages: readonly SessionMessage[]): void {
    if (this.#held.length > 0) {
      for (const message of messages) this.#held.push(message);
      return;
    }
    const { act, limits } = this.#settings;
    // By far the most: one that has had little to do, and is quick.
    if (
      messages.length === 1 &&
      !this.#isTurnWatched &&
      this.#taken < limits.maxTurnMessages * watchedShare
    ) {
      act(messages);
      this.#account(1);
      return;
    }
    const done = this.#act(messages, 0);
    if (done === messages.length || this.#isOver) return;
    this.#held = messages.slice(done);
    this.#yield();
  }

  /** The other side asked for what it may not have, or gave up what it had asked for. */
  countRefusal(): void {
    this.#refused += 1;
  }

  /** Whether what is unread may be read and acted on in this turn. */
  mayReadOn(): boolean {
    if (this.#isOver || this.#isWaiting) return false;
    this.#account(0);
    return this.#hasTime();
  }

  /** Something is unread, and its turn is over. */
  wait(): void {
    if (this.#isWaiting) this.#pause();
    else this.#yield();
  }

  /** It is this connection's turn, unless it has wasted the one before: what waits is acted on, as far as that is fair. */
  proceed(): void {
    if (this.#isOver) return;
    const hasWaited = this.isPutOff;
    this.#penalty?.unsubscribe();
    this.#penalty = undefined;
    this.#isTurnWatched = false;
    this.#asked += this.#taken;
    const isWasted = !hasWaited && this.#refused >= leastRefusals && this.#refused * 2 >= this.#asked;
    const spentMs = Math.min(this.#spentMs, this.#settings.limits.maxTurnMs);
    this.#taken = this.#spentMs = 0;
    if (this.#asked >= rememberedMessages) {
      this.#asked /= 2;
      this.#refused /= 2;
    }
    if (isWasted) {
      this.#putOff(Math.max(leastPenaltyMs, spentMs * penaltyFactor));
      return;
    }
    this.#isWaiting = false;
    if (this.#held.length === 0) return;
    this.#at = this.#act(this.#held, this.#at);
    if (this.#at < this.#held.length) {
      this.#yield();
      return;
    }
    this.#held = [];
    this.#at = 0;
  }

  /** Nothing is unread. */
  rest(): void {
    if (!this.#isWaiting) this.#resume();
  }

  /**
   * It is about to be judged whether the peer is silent: what has arrived is let in first, and that is little of it if
   * something waits.
   */
  letIn(): void {
    this.#resume();
  }

  /** The connection is about to end: what had arrived is acted on before that, since nobody is to wait any more. */
  finish(): void {
    const held = this.#held.slice(this.#at);
    this.#held = [];
    this.#at = 0;
    this.#isOver = true;
    this.#penalty?.unsubscribe();
    if (held.length > 0) this.#settings.act(held);
  }

  /** Acts on messages while it is this connection's turn. @returns the place of the first that was not acted on */
  #act(messages: readonly SessionMessage[], from: number): number {
    const { act, limits } = this.#settings;
    let size = 1;
    let at = from;
    while (at < messages.length && this.#hasTime()) {
      const end = Math.min(at + size, messages.length, at + limits.maxTurnMessages - this.#taken);
      const slice = at === 0 && end === messages.length ? messages : messages.slice(at, end);
      const count = end - at;
      this.#behind = messages.length - end;
      act(slice);
      this.#behind = 0;
      this.#account(count);
      // The connection may have ended by one of them.
      if (this.#isOver) return messages.length;
      at = end;
      size = Math.min(size * 2, mostBetweenLooks);
    }
    return at;
  }

  #hasTime(): boolean {
    return this.#taken < this.#settings.limits.maxTurnMessages && this.#spentMs < this.#turnMs;
  }

  #account(count: number): void {
    const nowMs = this.#settings.scheduler.now();
    this.#taken += count;
    this.#spentMs += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    const isMuch =
      this.#taken >= this.#settings.limits.maxTurnMessages * watchedShare ||
      this.#spentMs >= this.#turnMs * watchedShare;
    if (isMuch) this.#watchTurn();
  }

  #yield(): void {
    this.#yields += 1;
    this.#isWaiting = true;
    this.#pause();
    this.#watchTurn();
  }

  #putOff(ms: number): void {
    const { scheduler, onTurn } = this.#settings;
    this.#yields += 1;
    this.#isWaiting = true;
    this.#pause();
    this.#penalty = scheduler.schedule(onTurn, ms);
  }

  #watchTurn(): void {
    if (this.#isTurnWatched || this.#isOver) return;
    this.#isTurnWatched = true;
    this.#settings.transport.afterReading(this.#settings.onTurn);
  }

  #pause(): void {
    if (this.#isPaused || this.#isOver) return;
    this.#isPaused = true;
    this.#settings.transport.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#settings.transport.resume();
  }
}
