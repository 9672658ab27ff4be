/**
 * One connection through a FaultProxy: the socket that a client dialled, the one that was dialled to the server for it, and
 * the switches of what is between them.
 */

import type { Socket } from 'node:net';
import { FaultPipe, reset } from './fault-pipe.js';
import { FaultSwitches, type FaultConditions, type FaultDirection } from './fault-switches.js';

/** What a link is made of. */
export interface FaultLinkOrigin {
  /** How many connections there were before it, plus one. */
  readonly number: number;
  /** The socket of the client's connection, `allowHalfOpen`. */
  readonly near: Socket;
  /** The socket of the connection to the server, `allowHalfOpen`. */
  readonly far: Socket;
  /** The switches of the proxy. */
  readonly switches: FaultSwitches;
  /** Chance, for jitter. */
  readonly random: () => number;
  /** Bytes that may be under way in one direction before its source is not read any more. */
  readonly maxQueuedBytes: number;
  /** Called once, when both sockets have closed. */
  readonly onEnded: (link: FaultLink) => void;
}

/** A connection through a proxy, with the switches of the proxy for itself. The proxy owns it. */
export class FaultLink {
  /** Which connection of its proxy it is, counted from 1. */
  readonly number: number;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #switches: FaultSwitches;
  readonly #pipes: Readonly<Record<FaultDirection, FaultPipe>>;

  /** Called by the proxy only. */
  constructor(origin: FaultLinkOrigin) {
    const { near, far, random, maxQueuedBytes } = origin;
    this.number = origin.number;
    this.#near = near;
    this.#far = far;
    this.#switches = new FaultSwitches(origin.switches);
    const common = {
      switches: this.#switches,
      random,
      maxQueuedBytes,
      onGap: () => {
        this.cut();
      },
    };
    this.#pipes = {
      toServer: new FaultPipe({ ...common, from: near, to: far, direction: 'toServer' }),
      toClient: new FaultPipe({ ...common, from: far, to: near, direction: 'toClient' }),
    };
    let openSockets = 2;
    for (const socket of [near, far]) {
      // An error comes before `close`, which tells of it; without a listener it would end the process.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        openSockets -= 1;
        if (openSockets > 0) return;
        this.#close();
        origin.onEnded(this);
      });
    }
  }

  /** Bytes passed on to the server so far. */
  get deliveredToServerBytes(): number {
    return this.#pipes.toServer.deliveredBytes;
  }

  /** Bytes passed on to the client so far. */
  get deliveredToClientBytes(): number {
    return this.#pipes.toClient.deliveredBytes;
  }

  /** Bytes that came and were neither passed on nor lost, in both directions together. */
  get queuedBytes(): number {
    return this.#pipes.toServer.queuedBytes + this.#pipes.toClient.queuedBytes;
  }

  /**
   * Changes the link's own conditions, from the next bytes on.
   * @param changes - what to change; `undefined` takes a condition of the link's own back
   * @param direction - one of the two; both unless given
   * @throws RangeError if a condition is out of its range
   */
  disturb(changes: FaultConditions, direction?: FaultDirection): void {
    this.#switches.disturb(changes, direction);
    this.rearm();
  }

  /** See `FaultProxy.freeze`; this link only. */
  freeze(direction?: FaultDirection): void {
    this.#switches.freeze(direction);
  }

  /** Undoes the link's own `freeze`. */
  thaw(direction?: FaultDirection): void {
    this.#switches.thaw(direction);
    this.rearm();
  }

  /** See `FaultProxy.halfOpen`; this link only. */
  halfOpen(direction: FaultDirection): void {
    this.#switches.halfOpen(direction);
    this.rearm();
  }

  /** Undoes the link's own `halfOpen`; see `FaultProxy.heal`. */
  heal(): void {
    this.#switches.heal();
    this.rearm();
  }

  /**
   * Resets the connection (RST) on both sides: each sees `ECONNRESET`, and what is under way is lost. Node tells a reset as an orderly
   * end where it meets it in the same read as the last data.
   */
  cut(): void {
    this.#close();
    reset(this.#near);
    reset(this.#far);
  }

  /**
   * Ends one direction in good order (FIN), behind what was passed on; what is under way, and whatever still comes, is dropped. The
   * other direction goes on, and the sender is told nothing.
   */
  end(direction: FaultDirection): void {
    this.#pipes[direction].end();
  }

  /**
   * Cuts the link once exactly so many further bytes were passed on in this direction.
   * @param bytes - a whole number from 0 up; 0 cuts at once
   * @throws RangeError if it is none
   */
  cutAfterBytes(direction: FaultDirection, bytes: number): void {
    this.afterBytes(direction, bytes, () => {
      this.cut();
    });
  }

  /**
   * Acts once exactly so many further bytes were passed on in this direction and handed to the system, before the next one: throw
   * any switch there, such as `freeze`, `end` or `halfOpen`.
   * @param bytes - a whole number from 0 up; 0 acts at once
   * @param act - what it throws is thrown where nobody catches it
   * @throws RangeError if `bytes` is no whole number from 0 up
   */
  afterBytes(direction: FaultDirection, bytes: number, act: () => void): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new RangeError(`bytes must be a whole number from 0 up, found ${String(bytes)}`);
    }
    this.#pipes[direction].afterBytes(bytes, act);
  }

  /** Looks again what may pass. Called by the proxy when its switches have changed. */
  rearm(): void {
    this.#pipes.toServer.arm();
    this.#pipes.toClient.arm();
  }

  #close(): void {
    this.#pipes.toServer.close();
    this.#pipes.toClient.close();
  }
}
