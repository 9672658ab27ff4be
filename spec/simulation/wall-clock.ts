/**
 * The wall clock of a simulation: whoever reads it, against the rules, finds that it is set forward and back.
 */
import type { VirtualLoop } from './virtual-loop.js';

/** Stands for the platform's `Date.now` while a seed runs. */
export class WallClock {
  readonly #loop: VirtualLoop;
  #offsetMs = Date.UTC(2030, 0);

  /** @param loop - whose time passes */
  constructor(loop: VirtualLoop) {
    this.#loop = loop;
  }

  /** Somebody sets it. */
  set(byMs: number): void {
    this.#offsetMs += byMs;
  }

  /** Takes the place of the platform's. @returns what gives it back */
  install(): () => void {
    const { now } = Date;
    Date.now = () => this.#offsetMs + this.#loop.nowMs;
    return () => {
      Date.now = now;
    };
  }
}
