/**
 * A TCP proxy for tests: stands before the port of a real server, passes on what comes, and disturbs it as told.
 *
 * It knows nothing of what passes, so it serves for any protocol. `TestNetwork` has the same faults by the same names, in
 * memory and in virtual time; this one is for real sockets and other processes.
 */

import { createServer, Socket, type AddressInfo, type Server } from 'node:net';
import type { Address } from '../transports/transport.js';
import { FaultLink } from './fault-link.js';
import { FaultSwitches, type FaultConditions, type FaultDirection } from './fault-switches.js';
import { seededRandom } from './seeded-random.js';

/** What a FaultProxy is made with. */
export interface FaultProxyOptions {
  /** The server that it stands before. */
  readonly target: FaultTarget;
  /** Where it listens: a host name or address. Default `"127.0.0.1"`. */
  readonly host?: string;
  /** The port on which it listens, 0 to 65,535. Default 0: one chosen by the system. */
  readonly port?: number;
  /** The conditions to begin with, both ways. Default: none, everything passes at once. */
  readonly conditions?: FaultConditions;
  /**
   * Bytes that may be under way in one direction of a link, a whole number from 0 up. Default 1,048,576. Beyond it the source is
   * not read any more: its sender feels a slow receiver. Too small, and latency bounds the rate; too large, and it hides from
   * the sender that nobody reads.
   */
  readonly maxQueuedBytes?: number;
  /** Chance, from 0 up to 1, for jitter. Default `seededRandom(1)`: the same in each run. */
  readonly random?: () => number;
}

/** Where the server listens. */
export interface FaultTarget {
  /** Its host name or address. Default `"127.0.0.1"`. */
  readonly host?: string;
  /** Its port. */
  readonly port: number;
}

/**
 * A proxy that disturbs. Switches may be thrown at any time, for all links here, or for one of them (`links`, `onLink`).
 * @example
 * ```ts
 * await using proxy = new FaultProxy({ target: { port: server.address().port } });
 * const { port } = await proxy.listen();
 * proxy.disturb({ latencyInSeconds: 0.1, jitterInSeconds: 0.05 });
 * proxy.onLink((link) => {
 *   if (link.number === 1) link.cutAfterBytes('toClient', 100);
 * });
 * ```
 */
export class FaultProxy {
  /** Where new links lead; links that exist stay where they are. */
  target: FaultTarget;
  /** While true, each new connection is reset as soon as the system has accepted it. */
  refuseConnections = false;
  readonly #options: FaultProxyOptions;
  readonly #random: () => number;
  readonly #maxQueuedBytes: number;
  readonly #switches = new FaultSwitches();
  readonly #links = new Set<FaultLink>();
  #onLink: ((link: FaultLink) => void) | undefined;
  #onAllEnded: () => void = () => undefined;
  #server: Server | undefined;
  #disposed: Promise<void> | undefined;
  #connections = 0;
  #endedToServerBytes = 0;
  #endedToClientBytes = 0;

  /** @throws RangeError if `maxQueuedBytes` or a condition is out of its range */
  constructor(options: FaultProxyOptions) {
    const { target, conditions = {}, maxQueuedBytes = 1_048_576, random = seededRandom(1) } = options;
    if (!Number.isSafeInteger(maxQueuedBytes) || maxQueuedBytes < 0) {
      throw new RangeError(
        `maxQueuedBytes must be a whole number from 0 up, found ${String(maxQueuedBytes)}`,
      );
    }
    this.#switches.disturb(conditions, undefined);
    this.target = target;
    this.#options = options;
    this.#random = random;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  /** The links of which at least one socket is open, in the order in which they came. */
  get links(): readonly FaultLink[] {
    return [...this.#links];
  }

  /** Connections that came so far, those that were refused included. */
  get connections(): number {
    return this.#connections;
  }

  /** Bytes passed on to the server so far, by all links together. */
  get deliveredToServerBytes(): number {
    return this.links.reduce((sum, link) => sum + link.deliveredToServerBytes, this.#endedToServerBytes);
  }

  /** Bytes passed on to clients so far, by all links together. */
  get deliveredToClientBytes(): number {
    return this.links.reduce((sum, link) => sum + link.deliveredToClientBytes, this.#endedToClientBytes);
  }

  /**
   * Begins to listen. Once only; a proxy that was disposed does not come back.
   * @returns where clients are to connect
   * @throws Error if it has listened already or was disposed, or the system's error, such as `EADDRINUSE`
   */
  listen(): Promise<Address> {
    if (this.#disposed !== undefined) return Promise.reject(disposedError());
    if (this.#server !== undefined) return Promise.reject(new Error('the proxy has listened already'));
    const { host = '127.0.0.1', port = 0 } = this.#options;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      this.#accept(near);
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.on('error', reject);
      server.on('close', () => {
        reject(disposedError());
      });
      server.listen({ host, port }, () => {
        resolve(this.address());
      });
    });
  }

  /**
   * Where it listens.
   * @throws Error if it does not
   */
  address(): Address {
    // A TCP server that listens has an address of this kind; the others belong to pipes and closed servers.
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (address === null || address === undefined) throw new Error('the proxy does not listen');
    return { host: address.address, port: address.port };
  }

  /** Calls back for each new link before its first byte, so that its faults can be scripted; one callback, the last one. */
  onLink(callback: (link: FaultLink) => void): void {
    this.#onLink = callback;
  }

  /**
   * Changes the conditions of all links that have none of their own, those to come included, from the next bytes on.
   * @param changes - what to change; `undefined` takes a condition back
   * @param direction - one of the two; both unless given
   * @throws RangeError if a condition is out of its range
   */
  disturb(changes: FaultConditions, direction?: FaultDirection): void {
    this.#switches.disturb(changes, direction);
    this.#rearm();
  }

  /**
   * Holds everything: nothing arrives and nothing is lost, ends and resets included, as if the cable were held or the peer stopped.
   * New connections are made, and as silent.
   * @param direction - one of the two; both unless given
   */
  freeze(direction?: FaultDirection): void {
    this.#switches.freeze(direction);
  }

  /** Undoes `freeze`, or one direction of it: what was held arrives at once. A link that was frozen by itself remains so. */
  thaw(direction?: FaultDirection): void {
    this.#switches.thaw(direction);
    this.#rearm();
  }

  /** Has everything vanish in one direction from now on, ends and resets included; nobody is told (a one-way black hole). */
  halfOpen(direction: FaultDirection): void {
    this.#switches.halfOpen(direction);
    this.#rearm();
  }

  /**
   * Undoes `halfOpen`. A link on which something vanished is cut by the next thing that arrives there, since no stream of bytes goes
   * on behind a gap; one on which nothing did goes on as before.
   */
  heal(): void {
    this.#switches.heal();
    this.#rearm();
  }

  /** Resets every link (RST): both sides see `ECONNRESET`, what is under way is lost. */
  cut(): void {
    for (const link of this.links) link.cut();
  }

  /** Stops listening and cuts every link; resolves once no socket and no timer is left. May be called twice. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  /** {@inheritDoc FaultProxy.dispose} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    const server = this.#server;
    const closed = new Promise<unknown>((resolve) => {
      if (server === undefined) resolve(undefined);
      else server.close(resolve);
    });
    const allEnded = new Promise<void>((resolve) => {
      this.#onAllEnded = resolve;
      if (this.#links.size === 0) resolve();
    });
    this.cut();
    await Promise.all([closed, allEnded]);
  }

  #accept(near: Socket): void {
    this.#connections += 1;
    if (this.refuseConnections) {
      near.on('error', () => undefined);
      near.resetAndDestroy();
      return;
    }
    const { host = '127.0.0.1', port } = this.target;
    const far = new Socket({ allowHalfOpen: true }).setNoDelay(true);
    const link = new FaultLink({
      number: this.#connections,
      near,
      far,
      switches: this.#switches,
      random: this.#random,
      maxQueuedBytes: this.#maxQueuedBytes,
      onEnded: (ended) => {
        this.#links.delete(ended);
        this.#endedToServerBytes += ended.deliveredToServerBytes;
        this.#endedToClientBytes += ended.deliveredToClientBytes;
        if (this.#links.size === 0) this.#onAllEnded();
      },
    });
    this.#links.add(link);
    this.#onLink?.(link);
    // The script may have cut it already.
    if (!far.destroyed) far.connect({ host, port });
  }

  #rearm(): void {
    for (const link of this.#links) link.rearm();
  }
}

function disposedError(): Error {
  return new Error('the proxy was disposed');
}
