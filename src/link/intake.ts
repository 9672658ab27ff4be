/**
 * Whose turn it is: of the messages that arrive on one connection so many are acted on in a turn of the event loop, and for so
 * long; the rest waits until the other connections have had their turn. Meanwhile nothing more is read, so that what waits is
 * no more than what was read at once.
 *
 * In time a turn is what lies between two words of the transport that all that had arrived was read (`afterReading`), which is
 * asked for only when a connection has much to do: for one that has little it would cost more than it does.
 */
import type { Limits } from '../protocol/limits.js';
import type { SessionMessage } from '../protocol/messages.js';
import type { Transport } from '../transports/transport.js';

/** What an intake needs. */
export interface IntakeSettings {
  readonly transport: Pick<Transport, 'pause' | 'resume' | 'afterReading'>;
  readonly limits: Pick<Limits, 'maxTurnMessages' | 'maxTurnMs'>;
  readonly now: () => number;
  /** Acts on messages that arrived together. */
  readonly act: (messages: readonly SessionMessage[]) => void;
  /** Acts on what waits, as on anything that arrives: calls `proceed`. */
  readonly onTurn: () => void;
}

/** So many messages are acted on between two looks at the clock, while each is quick. */
const mostBetweenLooks = 32;

/** From this part of a turn on its end is asked for. */
const turnShare = 0.25;

/** The messages of one connection. */
export class Intake {
  readonly #settings: IntakeSettings;
  /** What waits for its turn. */
  #held: SessionMessage[] = [];
  #at = 0;
  /** Of this turn; of several, as long as they are little. */
  #taken = 0;
  #spentMs = 0;
  #isTurnWatched = false;
  #isPaused = false;
  #isOver = false;
  #yields = 0;

  /** @param settings - of the connection */
  constructor(settings: IntakeSettings) {
    this.#settings = settings;
  }

  /** How often messages waited for others. */
  get yields(): number {
    return this.#yields;
  }

  /** Whether nothing is read because messages wait. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Messages arrived together: they are acted on now, as far as that is fair. */
  take(messages: readonly SessionMessage[]): void {
    if (this.#held.length > 0) {
      this.#held.push(...messages);
      this.#pause();
      return;
    }
    const { act, limits } = this.#settings;
    // By far the most: one that has had little to do, and is quick.
    if (messages.length === 1 && !this.#isTurnWatched && this.#taken < limits.maxTurnMessages * turnShare) {
      const startMs = this.#settings.now();
      act(messages);
      this.#account(1, startMs);
      return;
    }
    const done = this.#act(messages, 0);
    if (done === messages.length || this.#isOver) return;
    this.#held = messages.slice(done);
    this.#yield();
  }

  /** It is this connection's turn: what waits is acted on, as far as that is fair. */
  proceed(): void {
    if (this.#isOver) return;
    this.#taken = this.#spentMs = 0;
    this.#isTurnWatched = false;
    if (this.#held.length === 0) return;
    this.#at = this.#act(this.#held, this.#at);
    if (this.#at < this.#held.length) {
      this.#yield();
      return;
    }
    this.#held = [];
    this.#at = 0;
    this.#resume();
  }

  /**
   * It is about to be judged whether the peer is silent: what has arrived is read first, and that is little of it if
   * messages wait.
   */
  readOn(): void {
    this.#resume();
  }

  /** The connection is about to end: what had arrived is acted on before that, since nobody is to wait any more. */
  finish(): void {
    const held = this.#held.slice(this.#at);
    this.#held = [];
    this.#at = 0;
    this.#isOver = true;
    if (held.length > 0) this.#settings.act(held);
  }

  /** Acts on messages while it is this connection's turn. @returns the place of the first that was not acted on */
  #act(messages: readonly SessionMessage[], from: number): number {
    const { act, limits, now } = this.#settings;
    let startMs = now();
    let size = 1;
    let at = from;
    while (at < messages.length && this.#taken < limits.maxTurnMessages && this.#spentMs < limits.maxTurnMs) {
      const end = Math.min(at + size, messages.length, at + limits.maxTurnMessages - this.#taken);
      const slice = at === 0 && end === messages.length ? messages : messages.slice(at, end);
      const count = end - at;
      act(slice);
      startMs = this.#account(count, startMs);
      // The connection may have ended by one of them.
      if (this.#isOver) return messages.length;
      at = end;
      size = Math.min(size * 2, mostBetweenLooks);
    }
    return at;
  }

  /** @returns the time now */
  #account(count: number, startMs: number): number {
    const { limits, now } = this.#settings;
    const nowMs = now();
    this.#taken += count;
    this.#spentMs += nowMs - startMs;
    const isMuch =
      this.#taken >= limits.maxTurnMessages * turnShare || this.#spentMs >= limits.maxTurnMs * turnShare;
    if (isMuch) this.#watchTurn();
    return nowMs;
  }

  #yield(): void {
    this.#yields += 1;
    this.#pause();
    this.#watchTurn();
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
