/**
 * A drain as a whole: some sessions finish what is open, for so long at most.
 */
import type { SchedulerLike, Subscription } from 'rxjs';

/** A session that drains. */
export interface Draining {
  /** Whether nothing of it is open, and what was sent has left. */
  readonly isIdle: boolean;
}

/** What a drain needs. */
export interface DrainSettings {
  readonly scheduler: SchedulerLike;
  /** How long it takes at most, in milliseconds. */
  readonly drainMs: number;
  /** Those that are left. */
  readonly sessions: () => Iterable<Draining>;
  /** The end, once. @param isInTime - whether nothing was left open */
  readonly onDone: (isInTime: boolean) => void;
}

/** Waits until nothing is open on any session, or the time is over. Whoever makes it ends it by `cancel`, or hears `onDone`. */
export class Drain {
  readonly #settings: DrainSettings;
  #timer: Subscription | undefined;
  #isOver = false;

  /** @param settings - what to wait for */
  constructor(settings: DrainSettings) {
    this.#settings = settings;
    this.#timer = settings.scheduler.schedule(() => {
      this.#end(false);
    }, settings.drainMs);
  }

  /** A session may have become idle, or has ended: those that are idle may be needed by others as long as these are not. */
  consider(): void {
    if (this.#isOver) return;
    for (const { isIdle } of this.#settings.sessions()) if (!isIdle) return;
    this.#end(true);
  }

  /** Nothing is waited for any longer. */
  cancel(): void {
    this.#isOver = true;
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #end(isInTime: boolean): void {
    this.cancel();
    this.#settings.onDone(isInTime);
  }
}
