/**
 * One session that takes nothing new and finishes what is open: what is still served, and when nothing is open any more.
 * PROTOCOL.md, "Drain".
 */
import { NotConnectedError } from '../errors.js';
import type { Line } from '../link/line.js';
import type { Target } from '../protocol/messages.js';
import { labelOf } from './targets.js';

/** What a session that drains knows of itself. */
export interface SessionDrainSettings {
  readonly connectionID: string;
  readonly line: Line;
  /** What to tell those who come too late: when to try again, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether a call or stream of this side is open that has this id. */
  readonly isOpen: (id: number) => boolean;
  /** Whether a reference was lent with a call or subscription of this side that is open. */
  readonly isLentByOpen: (number: number) => boolean;
  /** Whether methods run here. */
  readonly isServing: () => boolean;
  /** Whether calls or streams of this side, or streams that it serves, are open. */
  readonly isWaiting: () => boolean;
  /** Whether the other side is known to have all answers and ends of streams that it was sent. */
  readonly hasAnswered: () => boolean;
  /** Called whenever nothing is open, and what was sent has left: more than once, if more comes. */
  readonly onIdle: () => void;
}

/** The drain of one session. */
export class SessionDrain {
  readonly #settings: SessionDrainSettings;
  #isAsking = false;
  #hasLeft = false;

  /** @param settings - of the session */
  constructor(settings: SessionDrainSettings) {
    this.#settings = settings;
  }

  /** Whether nothing is open, and what was sent has left. */
  get isIdle(): boolean {
    return this.#hasLeft && this.#isDone;
  }

  /**
   * Something is asked for. What open calls of this side may wait for is served, or the two would wait for each other.
   * @param within - during which call or stream of this side, as the other side says
   * @throws NotConnectedError for all else
   */
  admit(target: Target, member: string, within: number | undefined): void {
    const { connectionID, retryAfterMs, isOpen, isLentByOpen } = this.#settings;
    if (within !== undefined && isOpen(within)) return;
    if (typeof target === 'number' && isLentByOpen(target)) return;
    throw new NotConnectedError('this side is stopping and takes no new calls', {
      connectionID,
      object: labelOf(target),
      member,
      retryAfterInSeconds: retryAfterMs === undefined ? undefined : retryAfterMs / 1_000,
    });
  }

  /** Something may have ended. */
  consider(): void {
    if (this.#isAsking) return;
    this.#hasLeft = false;
    if (!this.#isDone) return;
    const { line, hasAnswered } = this.#settings;
    // What it is not waited for may be lost with it: else a client that is gone for good would hold up the end.
    if (line.isAway && hasAnswered()) {
      this.#left();
      return;
    }
    this.#isAsking = true;
    line.whenSent(() => {
      this.#isAsking = false;
      if (this.#isDone) this.#left();
    });
  }

  /** The session has lost its connection: whoever waits for acknowledgements will hear of another one. */
  lineLost(): void {
    if (this.#isDone && this.#settings.hasAnswered()) this.#left();
  }

  /** What has arrived is answered as well, if only by a refusal: who asked for it would never know what became of it. */
  get #isDone(): boolean {
    const { line, isServing, isWaiting } = this.#settings;
    return !isServing() && !isWaiting() && !line.hasUnhandled;
  }

  #left(): void {
    this.#hasLeft = true;
    this.#settings.onIdle();
  }
}
