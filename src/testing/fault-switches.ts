/**
 * What disturbs the two directions of a link, or of all links of a proxy: kept here, obeyed by the pipes.
 *
 * A switch of the proxy and the same switch of a link add up: either freezes a direction, either silences it; and of the
 * conditions a link's own take the place of the proxy's, one by one.
 */

import { directionsOf } from '../transports/memory-link.js';

/** One of the two directions of a link. */
export type FaultDirection = 'toServer' | 'toClient';

/** How bytes get across. What is `undefined` is not disturbed; on a link, it is as on its proxy. */
export interface FaultConditions {
  /** How long bytes are under way, in seconds from 0 up. Default 0. */
  readonly latencyInSeconds?: number | undefined;
  /** How much longer at most, in seconds from 0 up; drawn anew for each chunk that is read, order is kept. Default 0. */
  readonly jitterInSeconds?: number | undefined;
  /** How many bytes a second may pass, more than 0. Default Infinity. */
  readonly bytesPerSecond?: number | undefined;
  /** The most bytes written at once, a whole number from 1 up. Default Infinity; 1 has each byte written by itself. */
  readonly sliceBytes?: number | undefined;
}

/** The switches of one proxy, or of one link of it. */
export class FaultSwitches {
  readonly #above: FaultSwitches | undefined;
  readonly #conditions: Record<FaultDirection, FaultConditions> = { toServer: {}, toClient: {} };
  readonly #frozen = new Set<FaultDirection>();
  readonly #silent = new Set<FaultDirection>();

  /** @param above - the switches of the proxy, for those of a link */
  constructor(above?: FaultSwitches) {
    this.#above = above;
  }

  /** Changes the conditions that are named in `changes`, also those named as `undefined`. */
  disturb(changes: FaultConditions, direction: FaultDirection | undefined): void {
    checkConditions(changes);
    for (const each of directionsOf(direction)) {
      this.#conditions[each] = { ...this.#conditions[each], ...changes };
    }
  }

  /** One condition of a direction, `undefined` where neither this nor what is above it says anything. */
  condition(name: keyof FaultConditions, direction: FaultDirection): number | undefined {
    return this.#conditions[direction][name] ?? this.#above?.condition(name, direction);
  }

  /** Whether nothing may pass now, and waits. */
  isFrozen(direction: FaultDirection): boolean {
    return this.#frozen.has(direction) || this.#above?.isFrozen(direction) === true;
  }

  /** Whether what should pass now vanishes. */
  isSilent(direction: FaultDirection): boolean {
    return this.#silent.has(direction) || this.#above?.isSilent(direction) === true;
  }

  /** Freezes. */
  freeze(direction: FaultDirection | undefined): void {
    for (const each of directionsOf(direction)) this.#frozen.add(each);
  }

  /** Undoes `freeze`. */
  thaw(direction: FaultDirection | undefined): void {
    for (const each of directionsOf(direction)) this.#frozen.delete(each);
  }

  /** Silences. */
  halfOpen(direction: FaultDirection): void {
    this.#silent.add(direction);
  }

  /** Undoes `halfOpen`. */
  heal(): void {
    this.#silent.clear();
  }
}

/** @throws RangeError naming the condition, the value and what is allowed */
function checkConditions(conditions: FaultConditions): void {
  const { latencyInSeconds = 0, jitterInSeconds = 0, bytesPerSecond = Infinity, sliceBytes = 1 } = conditions;
  for (const [name, seconds] of Object.entries({ latencyInSeconds, jitterInSeconds })) {
    if (!(seconds >= 0 && seconds <= maxSeconds)) {
      throw new RangeError(`${name} must be 0 to ${maxSeconds}, found ${String(seconds)}`);
    }
  }
  if (!(bytesPerSecond > 0)) {
    throw new RangeError(`bytesPerSecond must be more than 0, found ${String(bytesPerSecond)}`);
  }
  if (!(sliceBytes === Infinity || (Number.isInteger(sliceBytes) && sliceBytes >= 1))) {
    throw new RangeError(`sliceBytes must be a whole number from 1 up, found ${String(sliceBytes)}`);
  }
}

/** What a timer of the platform takes, halved: latency and jitter add up. */
const maxSeconds = 1_000_000;
