/**
 * A network in memory, whose every event is an action of one RxJS scheduler: with a `TestScheduler` the whole of it, faults
 * included, runs in virtual time and exactly the same each time.
 *
 * Nothing here waits on a promise, a microtask or a timer of the platform, which would escape from virtual time. Any
 * scheduler will do that never runs an action before `schedule` returns, so all of RxJS's but `queueScheduler`.
 */

import type { SchedulerLike } from 'rxjs';
import { formatAddress, literalHost } from './address.js';
import { checkedMs, checkedSliceBytes, directionsOf, MemoryLink } from './memory-link.js';
import type { MemoryConditions, MemoryDirection } from './memory-pipe.js';
import type {
  Address,
  Dial,
  DialSink,
  Listener,
  ListenSink,
  TransportFailure,
  TransportProvider,
} from './transport.js';

/** What a network in memory is made with. */
export interface MemoryNetworkOptions {
  /** The clock, and the only cause of every delivery. */
  readonly scheduler: SchedulerLike;
  /** How long bytes, and dials, are under way, in milliseconds from 0 up; 0 unless told. */
  readonly latencyMs?: number;
  /** How much longer bytes may be under way, in milliseconds from 0 up; 0 unless told. */
  readonly jitterMs?: number;
  /** Chance, from 0 up to 1, for jitter; a middling one unless told. */
  readonly random?: () => number;
  /** `write` answers false while more than this is under way in its direction; 65,536 unless told. */
  readonly highWaterBytes?: number;
}

/**
 * Addresses, the links between them, and switches that disturb all of them at once, those still to come included.
 * @example
 * ```ts
 * const network = new MemoryNetwork({ scheduler: new TestScheduler(assertDeepEqual), latencyMs: 5 });
 * network.onLink = (link) => link.cutAfterBytes('toServer', 100);
 * ```
 */
export class MemoryNetwork implements MemoryConditions {
  /** Listens and dials on this network. Hosts are compared as they are written; `localhost` is 127.0.0.1. */
  readonly transports: TransportProvider;
  /** While true, every dial is answered as if nobody listened. */
  refuseConnections = false;
  /** Told of each new link before its ends are handed out, so that switches can be set before the first byte. */
  onLink: ((link: MemoryLink) => void) | undefined;
  readonly #scheduler: SchedulerLike;
  readonly #highWaterBytes: number;
  readonly #random: () => number;
  readonly #claims = new Map<string, ListenSink>();
  readonly #silent = new Set<MemoryDirection>();
  readonly #heldDials = new Set<() => void>();
  #links: MemoryLink[] = [];
  #dials = 0;
  readonly #frozen = new Set<MemoryDirection>();
  #latencyMs: number;
  #jitterMs: number;
  #sliceBytes: number | undefined;

  /** @throws RangeError if the latency or the jitter is not a number from 0 up */
  constructor(options: MemoryNetworkOptions) {
    const { scheduler, latencyMs = 0, jitterMs = 0, highWaterBytes = 65_536, random = () => 0.5 } = options;
    this.#scheduler = scheduler;
    this.#latencyMs = checkedMs('latencyMs', latencyMs);
    this.#jitterMs = checkedMs('jitterMs', jitterMs);
    this.#random = random;
    this.#highWaterBytes = highWaterBytes;
    this.transports = {
      listen: (address, sink) => this.#listen(address, sink),
      dial: (address, sink) => this.#dial(address, sink),
    };
  }

  /** The links of which at least one end has not ended, in the order in which they were dialled. */
  get links(): readonly MemoryLink[] {
    return this.#links;
  }

  /** How long bytes and dials are under way, in milliseconds, from the next one on; order is kept. */
  get latencyMs(): number {
    return this.#latencyMs;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set latencyMs(value: number) {
    this.#latencyMs = checkedMs('latencyMs', value);
  }

  /** How much longer at most bytes are under way, in milliseconds, from the next ones on; order is kept. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** @throws RangeError unless it is a finite number from 0 up */
  set jitterMs(value: number) {
    this.#jitterMs = checkedMs('jitterMs', value);
  }

  /** Bytes of the largest piece that is delivered; undefined: all that is due at once. */
  get sliceBytes(): number | undefined {
    return this.#sliceBytes;
  }

  /** @throws RangeError unless it is a whole number from 1 up */
  set sliceBytes(value: number | undefined) {
    this.#sliceBytes = checkedSliceBytes(value);
  }

  /** Whether the network as a whole is frozen in this direction. */
  isHeld(direction: MemoryDirection): boolean {
    return this.#frozen.has(direction);
  }

  /** Whether what is sent in this direction vanishes on the network as a whole. */
  isSilent(direction: MemoryDirection): boolean {
    return this.#silent.has(direction);
  }

  /** Freezes every link, or one direction of each; dials have no outcome meanwhile, since they need both. */
  freeze(direction?: MemoryDirection): void {
    for (const each of directionsOf(direction)) this.#frozen.add(each);
  }

  /** Undoes `freeze`, or one direction of it; a link that was frozen by itself remains so. */
  thaw(direction?: MemoryDirection): void {
    for (const each of directionsOf(direction)) this.#frozen.delete(each);
    for (const link of this.#links) link.rearm();
    this.#retryDials();
  }

  /** Silences this direction of every link; dials have no outcome meanwhile, since they need both. */
  halfOpen(direction: MemoryDirection): void {
    this.#silent.add(direction);
  }

  /** Undoes `halfOpen`; a link that was silenced by itself remains so. See `MemoryLink.heal` for what was lost. */
  heal(): void {
    this.#silent.clear();
    this.#retryDials();
  }

  /** Cuts every link there is. */
  cut(): void {
    for (const link of [...this.#links]) link.cut();
  }

  #listen({ host, port }: Address, sink: ListenSink): Listener {
    const address = { host: literalHost(host), port: port === 0 ? this.#freePort(literalHost(host)) : port };
    const name = formatAddress(address);
    const failure = portFailure(port) ?? (this.#claims.has(name) ? inUse(name) : undefined);
    if (failure === undefined) this.#claims.set(name, sink);
    let isClosed = false;
    this.#soon(() => {
      if (isClosed) return;
      if (failure === undefined) sink.onListening(address);
      else sink.onFailed(failure);
    });
    return {
      close: (onClosed): void => {
        // Closed again, the address may be somebody else's by now.
        if (!isClosed && failure === undefined) this.#claims.delete(name);
        isClosed = true;
        this.#soon(onClosed);
      },
    };
  }

  #dial({ host, port }: Address, sink: DialSink): Dial {
    const address = { host: literalHost(host), port };
    this.#dials += 1;
    const number = this.#dials;
    const arrive = (): void => {
      if (this.#frozen.size > 0 || this.#silent.size > 0) this.#heldDials.add(retry);
      else this.#answer(address, number, sink);
    };
    const retry = (): void => {
      underWay = this.#scheduler.schedule(arrive, 0);
    };
    let underWay = this.#scheduler.schedule(arrive, this.#latencyMs);
    return {
      cancel: (): void => {
        underWay.unsubscribe();
        this.#heldDials.delete(retry);
      },
    };
  }

  /** Answers a dial that has arrived. */
  #answer(address: Address, number: number, sink: DialSink): void {
    const name = formatAddress(address);
    const listening = this.#claims.get(name);
    if (listening === undefined || this.refuseConnections) {
      sink.onFailed(portFailure(address.port) ?? refused(name));
      return;
    }
    const link = this.#link(address, number);
    sink.onTransport(link.client);
    // The client may have stopped the server just now, and a closed listener is told nothing more.
    if (this.#claims.get(name) === listening) listening.onTransport(link.server);
    else link.server.destroy();
  }

  #link(address: Address, number: number): MemoryLink {
    const link = new MemoryLink({
      address,
      number,
      scheduler: this.#scheduler,
      conditions: this,
      highWaterBytes: this.#highWaterBytes,
      random: this.#random,
      onEnded: (ended) => {
        this.#links = this.#links.filter((other) => other !== ended);
      },
    });
    // With a latency that was lowered in between, a later dial arrives first.
    this.#links = [...this.#links, link].sort((one, other) => one.number - other.number);
    this.onLink?.(link);
    return link;
  }

  #retryDials(): void {
    for (const retry of this.#heldDials) retry();
    this.#heldDials.clear();
  }

  /** The lowest free number of those that systems give out; the last of them, taken or not, if there is none. */
  #freePort(host: string): number {
    let port = 49_152;
    while (port < 65_535 && this.#claims.has(formatAddress({ host, port }))) port += 1;
    return port;
  }

  #soon(work: () => void): void {
    this.#scheduler.schedule(() => {
      work();
    }, 0);
  }
}

function inUse(name: string): TransportFailure {
  const error = Object.assign(new Error(`somebody listens at ${name} already`), { code: 'EADDRINUSE' });
  return { kind: 'address-in-use', error };
}

function refused(name: string): TransportFailure {
  const error = Object.assign(new Error(`nobody listens at ${name}`), { code: 'ECONNREFUSED' });
  return { kind: 'refused', error };
}

function portFailure(port: number): TransportFailure | undefined {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return undefined;
  return { kind: 'other', error: new RangeError(`port must be 0 to 65535, found ${String(port)}`) };
}
