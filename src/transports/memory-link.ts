/**
 * One link of a network in memory, with the switches that disturb it.
 *
 * A switch of the network and the same switch of a link add up: either freezes a link, either silences a direction, and
 * only a latency or a slice of the link's own takes the place of the network's. There is no chance in here: whoever wants a
 * random fault draws it and throws the switch.
 */

import type { SchedulerLike } from 'rxjs';
import { formatAddress } from './address.js';
import { MemoryEnd } from './memory-end.js';
import type { MemoryConditions, MemoryDirection } from './memory-pipe.js';
import type { Address, Transport } from './transport.js';

/** What a link is made of. */
export interface MemoryLinkOrigin {
  /** Where it was dialled. */
  readonly address: Address;
  /** How many dials there were before it on the network, plus one. */
  readonly number: number;
  /** Every delivery is one of its actions. */
  readonly scheduler: SchedulerLike;
  /** The network's conditions, which hold where the link has none of its own. */
  readonly conditions: MemoryConditions;
  /** `write` answers false while more than this is under way in its direction. */
  readonly highWaterBytes: number;
  /** Chance, for jitter. */
  readonly random: () => number;
  /** Called once, when both ends have ended. */
  readonly onEnded: (link: MemoryLink) => void;
}

/** Two transports that are connected, and the switches of what is between them. Its network owns it. */
export class MemoryLink implements MemoryConditions {
  /** Where it was dialled. */
  readonly address: Address;
  /** Which dial of its network it comes from, counted from 1. */
  readonly number: number;
  readonly #network: MemoryConditions;
  readonly #client: MemoryEnd;
  readonly #server: MemoryEnd;
  readonly #silent = new Set<MemoryDirection>();
  readonly #frozen = new Set<MemoryDirection>();
  #latencyMs: number | undefined;
  #jitterMs: number | undefined;
  #sliceBytes: number | undefined;

  /** Called by the network only. */
  constructor(origin: MemoryLinkOrigin) {
    this.address = origin.address;
    this.number = origin.number;
    this.#network = origin.conditions;
    const name = `memory ${String(origin.number)} -> ${formatAddress(origin.address)}`;
    const surroundings = {
      scheduler: origin.scheduler,
      conditions: this,
      highWaterBytes: origin.highWaterBytes,
      random: origin.random,
    };
    const onBroken = (): void => {
      this.cut();
    };
    const onEnded = (): void => {
      if (!this.#client.hasEnded || !this.#server.hasEnded) return;
      this.#client.outgoing.clear();
      this.#server.outgoing.clear();
      origin.onEnded(this);
    };
    this.#client = new MemoryEnd(name, surroundings, 'toServer', {
      peer: () => this.#server,
      onBroken,
      onEnded,
    });
    this.#server = new MemoryEnd(name, surroundings, 'toClient', {
      peer: () => this.#client,
      onBroken,
      onEnded,
    });
  }

  /** The end that dialled. */
  get client(): Transport {
    return this.#client;
  }

  /** The end that was dialled. */
  get server(): Transport {
    return this.#server;
  }

  /** Bytes handed to the server's end so far. */
  get deliveredToServerBytes(): number {
    return this.#client.outgoing.deliveredBytes;
  }

  /** Bytes handed to the client's end so far. */
  get deliveredToClientBytes(): number {
    return this.#server.outgoing.deliveredBytes;
  }

  /** How long what is written from now on is under way, in milliseconds; undefined: as long as on the network. Order is kept. */
  get latencyMs(): number {
    return this.#latencyMs ?? this.#network.latencyMs;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set latencyMs(value: number | undefined) {
    this.#latencyMs = value === undefined ? undefined : checkedMs('latencyMs', value);
  }

  /** How much longer at most what is written from now on is under way, in milliseconds; undefined: as on the network. */
  get jitterMs(): number {
    return this.#jitterMs ?? this.#network.jitterMs;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set jitterMs(value: number | undefined) {
    this.#jitterMs = value === undefined ? undefined : checkedMs('jitterMs', value);
  }

  /** Bytes of the largest piece that is delivered; undefined: as on the network, where undefined is all that is due at once. */
  get sliceBytes(): number | undefined {
    return this.#sliceBytes ?? this.#network.sliceBytes;
  }

  /** @throws RangeError unless it is a whole number from 1 up */
  set sliceBytes(value: number | undefined) {
    this.#sliceBytes = checkedSliceBytes(value);
  }

  /** Whether nothing is delivered at present, in neither direction. */
  get isFrozen(): boolean {
    return this.isHeld('toServer') && this.isHeld('toClient');
  }

  /** Whether nothing is delivered at present in this direction. */
  isHeld(direction: MemoryDirection): boolean {
    return this.#frozen.has(direction) || this.#network.isHeld(direction);
  }

  /** Whether what is sent in this direction vanishes at present. */
  isSilent(direction: MemoryDirection): boolean {
    return this.#silent.has(direction) || this.#network.isSilent(direction);
  }

  /**
   * Delivers nothing and loses nothing; the ends are not told. Like a stopped process or a held cable.
   * @param direction - one of the two, like a router that is clogged; both unless given
   */
  freeze(direction?: MemoryDirection): void {
    for (const each of directionsOf(direction)) this.#frozen.add(each);
  }

  /** Undoes the link's own `freeze`, or one direction of it; what has become due meanwhile is delivered at once. */
  thaw(direction?: MemoryDirection): void {
    for (const each of directionsOf(direction)) this.#frozen.delete(each);
    this.rearm();
  }

  /** From now on what should arrive in this direction silently vanishes, the end of the pipe included; the ends are not told. */
  halfOpen(direction: MemoryDirection): void {
    this.#silent.add(direction);
  }

  /**
   * Undoes the link's own `halfOpen`. A direction in which something vanished is cut by the next thing that arrives, since a
   * transport never delivers what follows a gap; one in which nothing did goes on as before.
   */
  heal(): void {
    this.#silent.clear();
  }

  /** Breaks the link: both ends report an error with the code `ECONNRESET`, and what is under way is lost. */
  cut(): void {
    this.#client.reset(this.#resetError());
    this.#server.reset(this.#resetError());
  }

  /**
   * Cuts the link once so many further bytes were delivered in this direction, in the middle of a chunk if need be.
   * @param bytes - 0 cuts at once, Infinity takes an earlier number back
   */
  cutAfterBytes(direction: MemoryDirection, bytes: number): void {
    if (bytes !== Infinity && (!Number.isInteger(bytes) || bytes < 0)) {
      throw new RangeError(`bytes must be a whole number from 0 up, or Infinity, found ${String(bytes)}`);
    }
    if (bytes === 0) this.cut();
    else (direction === 'toServer' ? this.#client : this.#server).outgoing.breakAfter(bytes);
  }

  /** Looks again whether something can be delivered. Called by the network when it thaws. */
  rearm(): void {
    this.#client.outgoing.arm();
    this.#server.outgoing.arm();
  }

  #resetError(): Error {
    const message = `the link to ${formatAddress(this.address)} was cut`;
    return Object.assign(new Error(message), { code: 'ECONNRESET' });
  }
}

/** Which directions a switch is thrown for: both, unless one is given. */
export function directionsOf(direction: MemoryDirection | undefined): readonly MemoryDirection[] {
  return direction === undefined ? ['toServer', 'toClient'] : [direction];
}

/** @throws RangeError if it is not a number of milliseconds from 0 up */
export function checkedMs(name: string, value: number): number {
  if (value >= 0 && value < Infinity) return value;
  throw new RangeError(`${name} must be a finite number from 0 up, found ${String(value)}`);
}

/** @throws RangeError if it is not a whole number from 1 up: smaller pieces would never be all of it */
export function checkedSliceBytes(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return value;
  throw new RangeError(`sliceBytes must be a whole number from 1 up, found ${String(value)}`);
}
