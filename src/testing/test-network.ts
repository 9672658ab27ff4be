/**
 * A network in memory for the tests of users: their servers and clients, the real ones, linked without sockets, on a
 * scheduler of the test's choosing. With a `TestScheduler` connecting, heartbeats, losses and reconnects happen in virtual
 * time; `examples/virtual-time.ts` shows a marble spec.
 */
import type { SchedulerLike } from 'rxjs';
import type { MemoryLink } from '../transports/memory-link.js';
import type { MemoryDirection } from '../transports/memory-pipe.js';
import { MemoryNetwork } from '../transports/memory.js';
import type { TransportProvider } from '../transports/transport.js';
import { RandomFaults, type RandomFaultsOptions } from './random-faults.js';
import { seededRandom } from './seeded-random.js';

/** What a TestNetwork is made with. */
export interface TestNetworkOptions {
  /** Every timer, every delivery and every callback: a `TestScheduler`, or any scheduler of RxJS but `queueScheduler`. */
  readonly scheduler: SchedulerLike;
  /** How long bytes are under way, in seconds from 0 up. Default 0. */
  readonly latencyInSeconds?: number;
  /** How much longer bytes may be under way, in seconds from 0 up; drawn anew for each write, order is kept. Default 0. */
  readonly jitterInSeconds?: number;
  /** Chance, from 0 up to 1, for jitter. Default `seededRandom(1)`: the same in each run. */
  readonly random?: () => number;
}

/** The part of the options of a server or client that puts it on a TestNetwork. */
export interface TestPeerOptions {
  /** Any host; the network knows no other machines. */
  readonly host: string;
  /** The port on which the server listens, and which the client dials. */
  readonly port: number;
  /** The network. */
  readonly transport: TransportProvider;
  /** The test's scheduler. */
  readonly scheduler: SchedulerLike;
  /** The test's scheduler. */
  readonly callbackScheduler: SchedulerLike;
  /** A middling chance, the same each time, so that pauses between attempts are the same each time. */
  readonly random: () => number;
}

/**
 * A network for one test, with switches that disturb it.
 * @example
 * ```ts
 * const network = new TestNetwork({ scheduler: testScheduler, latencyInSeconds: 0.01 });
 * const server = new MyServer({ ...network.options, timeoutInSeconds: 3 });
 * const client = new RPCClient({ ...network.options, timeoutInSeconds: 3 });
 * ```
 */
export class TestNetwork {
  /** Spread these into the options of servers and clients. */
  readonly options: TestPeerOptions;
  readonly #network: MemoryNetwork;

  /** @throws RangeError if the latency or the jitter is not a number from 0 up */
  constructor(options: TestNetworkOptions) {
    const { scheduler, latencyInSeconds = 0, jitterInSeconds = 0, random = seededRandom(1) } = options;
    this.#network = new MemoryNetwork({
      scheduler,
      latencyMs: latencyInSeconds * 1_000,
      jitterMs: jitterInSeconds * 1_000,
      random,
    });
    this.options = {
      host: '127.0.0.1',
      port: 9_000,
      transport: this.#network.transports,
      scheduler,
      callbackScheduler: scheduler,
      random: () => 0.5,
    };
  }

  /** The links there are, in the order in which they were dialled, each with the switches of the network for itself. */
  get links(): readonly MemoryLink[] {
    return this.#network.links;
  }

  /** How long bytes are under way, in seconds, from the next ones on. */
  get latencyInSeconds(): number {
    return this.#network.latencyMs / 1_000;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set latencyInSeconds(seconds: number) {
    this.#network.latencyMs = seconds * 1_000;
  }

  /** How much longer at most bytes are under way, in seconds, from the next ones on. */
  get jitterInSeconds(): number {
    return this.#network.jitterMs / 1_000;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set jitterInSeconds(seconds: number) {
    this.#network.jitterMs = seconds * 1_000;
  }

  /** Bytes of the largest piece that is delivered; `undefined`: all that is due at once. 1 delivers each byte by itself. */
  get sliceBytes(): number | undefined {
    return this.#network.sliceBytes;
  }

  /** @throws RangeError unless it is a whole number from 1 up */
  set sliceBytes(bytes: number | undefined) {
    this.#network.sliceBytes = bytes;
  }

  /** While true, nobody seems to listen anywhere. */
  get refuseConnections(): boolean {
    return this.#network.refuseConnections;
  }

  /** Connections that exist are not touched. */
  set refuseConnections(isRefusing: boolean) {
    this.#network.refuseConnections = isRefusing;
  }

  /** Calls back for each new link before its first byte, so that its switches can be set. */
  onLink(callback: (link: MemoryLink) => void): void {
    this.#network.onLink = callback;
  }

  /** Breaks every link: both ends are told, what is under way is lost. */
  cut(): void {
    this.#network.cut();
  }

  /**
   * Holds everything: nothing arrives and nothing is lost, as if the cable were held or the peer stopped.
   * @param direction - one of the two, as if it were clogged; both unless given
   */
  freeze(direction?: MemoryDirection): void {
    this.#network.freeze(direction);
  }

  /** Ends `freeze`, or one direction of it; what was held arrives. */
  thaw(direction?: MemoryDirection): void {
    this.#network.thaw(direction);
  }

  /** Has everything vanish in one direction from now on; nobody is told. */
  halfOpen(direction: MemoryDirection): void {
    this.#network.halfOpen(direction);
  }

  /** Ends `halfOpen`; what vanished stays lost. */
  heal(): void {
    this.#network.heal();
  }

  /**
   * Disturbs by chance from now on: cuts, also at any byte, holds and silences, of single links and directions. The same seed
   * disturbs the same test in the same way.
   * @returns what stops it, and makes the network whole again
   * @throws RangeError if the pause is not a finite number above 0
   */
  disturbAtRandom(options: RandomFaultsOptions): RandomFaults {
    return new RandomFaults(this, options);
  }
}
