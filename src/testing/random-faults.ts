/**
 * Faults by chance on a network in memory: each drawn from a seed, so that a failure comes again with its seed.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { MemoryLink } from '../transports/memory-link.js';
import type { MemoryDirection } from '../transports/memory-pipe.js';
import { seededRandom } from './seeded-random.js';

/** How to disturb by chance. */
export interface RandomFaultsOptions {
  /** Any whole number: which faults, when, and for how long. */
  readonly seed: number;
  /** The mean time between two faults, in seconds, above 0. Default 1. Too short, and no connection is ever made. */
  readonly meanPauseInSeconds?: number;
  /** Told of each fault, in words, when it happens: to be printed with a test that fails. */
  readonly onFault?: (fault: string) => void;
}

/** What is disturbed. */
interface Disturbed {
  readonly links: readonly MemoryLink[];
  readonly options: { readonly scheduler: SchedulerLike };
}

const directions: readonly MemoryDirection[] = ['toServer', 'toClient'];

/** The longest that something is held or silent, in seconds. */
const maxHoldInSeconds = 5;

/** Cuts happen after so many bytes at most: within handshakes, messages, and fragments. */
const mostBytes: readonly number[] = [10, 200, 70_000];

/** Disturbs a network until it is stopped. */
export class RandomFaults {
  readonly #network: Disturbed;
  readonly #random: () => number;
  readonly #meanPauseMs: number;
  readonly #onFault: (fault: string) => void;
  readonly #timers = new Map<Subscription, () => void>();
  #isStopped = false;

  /** Begins; called by `TestNetwork.disturbAtRandom`. */
  constructor(network: Disturbed, { seed, meanPauseInSeconds = 1, onFault }: RandomFaultsOptions) {
    if (!(meanPauseInSeconds > 0 && meanPauseInSeconds < Infinity)) {
      const found = String(meanPauseInSeconds);
      throw new RangeError(`meanPauseInSeconds must be a finite number above 0, found ${found}`);
    }
    this.#network = network;
    this.#random = seededRandom(seed);
    this.#meanPauseMs = meanPauseInSeconds * 1_000;
    this.#onFault = onFault ?? (() => undefined);
    this.#next();
  }

  /**
   * Stops; what it holds or silences at present is let go, cuts still to come are taken back. A link on which something vanished is
   * cut by the next thing that arrives. May be called twice.
   */
  stop(): void {
    this.#isStopped = true;
    for (const link of this.#network.links) {
      for (const direction of directions) link.cutAfterBytes(direction, Infinity);
    }
    for (const [timer, undo] of this.#timers) {
      timer.unsubscribe();
      undo();
    }
    this.#timers.clear();
  }

  /** {@inheritDoc RandomFaults.stop} */
  [Symbol.dispose](): void {
    this.stop();
  }

  #next(): void {
    const work = (): void => {
      this.#disturb();
      this.#next();
    };
    this.#later(2 * this.#meanPauseMs * this.#random(), work, () => undefined);
  }

  #disturb(): void {
    const { links } = this.#network;
    // Drawn whether there is a link or not, so that one link more changes as little as can be of what follows.
    const [which, kind, where, howMuch] = [this.#random(), this.#random(), this.#random(), this.#random()];
    const link = pick(links, which);
    const direction = pick(directions, where);
    if (link === undefined || direction === undefined) return;
    const seconds = maxHoldInSeconds * howMuch;
    const name = `link ${String(link.number)}`;
    if (kind < 0.2) {
      this.#onFault(`${name} is cut`);
      link.cut();
    } else if (kind < 0.5) {
      const bytes = Math.floor((pick(mostBytes, (kind - 0.2) / 0.3) ?? 0) * howMuch);
      this.#onFault(`${name} is cut after ${String(bytes)} bytes ${direction}`);
      link.cutAfterBytes(direction, bytes);
    } else if (kind < 0.7) {
      this.#hold(`${name} is frozen`, link, undefined, seconds);
    } else if (kind < 0.9) {
      this.#hold(`${name} is clogged ${direction}`, link, direction, seconds);
    } else {
      this.#onFault(`${name} is silent ${direction} for ${seconds.toFixed(3)} s`);
      link.halfOpen(direction);
      const heal = (): void => {
        link.heal();
      };
      this.#later(seconds * 1_000, heal, heal);
    }
  }

  #hold(fault: string, link: MemoryLink, direction: MemoryDirection | undefined, seconds: number): void {
    this.#onFault(`${fault} for ${seconds.toFixed(3)} s`);
    link.freeze(direction);
    const thaw = (): void => {
      link.thaw(direction);
    };
    this.#later(seconds * 1_000, thaw, thaw);
  }

  /** Does some work after a while; `undo` if stopped before. */
  #later(ms: number, work: () => void, undo: () => void): void {
    if (this.#isStopped) return;
    const timer = this.#network.options.scheduler.schedule(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.set(timer, undo);
  }
}

/** The item at a draw from 0 up to 1. */
function pick<Item>(items: readonly Item[], draw: number): Item | undefined {
  return items[Math.floor(draw * items.length)];
}
