/**
 * Starting to listen, or finding out what is there instead: a Tandem server, another program, or a hung one.
 *
 * The port is asked only when it turns out to be taken, so that there is no instant between the question and the claim.
 * On some systems (macOS, BSD) a wildcard and a specific address do not exclude each other; there, two servers may run.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import { PortInUseError, RPCError, ServerAlreadyRunningException, type PortOccupant } from '../errors.js';
import { probe, type ProbeResult } from '../link/probe.js';
import type { ConnectionSettings } from '../protocol/connection-settings.js';
import type {
  Address,
  Listener,
  Transport,
  TransportFailure,
  TransportProvider,
} from '../transports/transport.js';

/** What starting needs. */
export interface StartSettings {
  readonly transports: TransportProvider;
  readonly address: Address;
  readonly scheduler: SchedulerLike;
  /** The protocol's settings for the probe. */
  readonly connection: () => ConnectionSettings;
}

/** What comes of it. */
export interface StartSink {
  /** It listens. */
  onListening(address: Address): void;
  /** Somebody dialled. */
  onTransport(transport: Transport): void;
  /** It cannot listen, or no longer does; final. */
  onFailed(error: Error): void;
}

/** A port whose owner refuses to answer is being closed, most likely: three looks, a tenth of a second apart. */
const maxRetries = 3;
const retryMs = 100;

/** One start. Whoever makes it closes it. */
export class StartListening {
  readonly #settings: StartSettings;
  readonly #sink: StartSink;
  /** Where it listens, once it does: with port 0 that is the system's choice. */
  #bound: Address | undefined;
  #listener: Listener | undefined;
  #cancelProbe: (() => void) | undefined;
  #timer: Subscription | undefined;
  #retries = 0;
  #isClosed = false;

  /** Nothing happens before `start`. */
  constructor(settings: StartSettings, sink: StartSink) {
    this.#settings = settings;
    this.#sink = sink;
  }

  /** Begins. */
  start(): void {
    this.#listener = this.#settings.transports.listen(this.#address, {
      onListening: (bound) => {
        this.#bound = bound;
        if (!this.#isClosed) this.#sink.onListening(bound);
      },
      onTransport: (transport) => {
        if (this.#isClosed) transport.destroy();
        else this.#sink.onTransport(transport);
      },
      onFailed: (failure) => {
        if (!this.#isClosed) this.#failed(failure);
      },
    });
  }

  /** Stops listening, or trying to; calls back once the address is free. */
  close(onClosed: () => void): void {
    this.#isClosed = true;
    this.#timer?.unsubscribe();
    this.#cancelProbe?.();
    if (this.#listener === undefined) onClosed();
    else this.#listener.close(onClosed);
    this.#listener = undefined;
  }

  #failed({ kind, error }: TransportFailure): void {
    this.#listener = undefined;
    if (kind !== 'address-in-use') {
      // By its code: the thread may be that of another copy of the package.
      const code = (error as { code?: unknown }).code === 'io-thread' ? 'io-thread' : undefined;
      this.#sink.onFailed(
        new RPCError(`cannot listen on ${this.#where}: ${error.message}`, { cause: error }, code),
      );
      return;
    }
    const { transports, scheduler, connection } = this.#settings;
    const address = reachable(this.#address);
    const settings = { transports, address, scheduler, connection: connection() };
    this.#cancelProbe = probe(settings, (result) => {
      this.#cancelProbe = undefined;
      this.#receiveProbe(result, error);
    });
  }

  #receiveProbe(result: ProbeResult, cause: Error): void {
    if (result.kind === 'tandem') {
      this.#sink.onFailed(
        new ServerAlreadyRunningException(`a Tandem server already runs on ${this.#where}`, { cause }),
      );
    } else if (result.kind === 'occupied') {
      this.#sink.onFailed(this.#portInUse(result.occupant, cause));
    } else if (this.#retries < maxRetries) {
      this.#retries += 1;
      this.#timer = this.#settings.scheduler.schedule(() => {
        this.start();
      }, retryMs);
    } else {
      this.#sink.onFailed(this.#portInUse('unknown', cause));
    }
  }

  #portInUse(occupant: PortOccupant, cause: Error): PortInUseError {
    return new PortInUseError(
      `cannot listen on ${this.#where}: ${describe(occupant)} holds the port`,
      occupant,
      { cause },
    );
  }

  get #where(): string {
    const { host, port } = this.#address;
    return `${host}:${port}`;
  }

  /** Once it has listened it is that place or none: clients know no other one. */
  get #address(): Address {
    return this.#bound ?? this.#settings.address;
  }
}

/** Where a program that listens on all addresses can be asked. */
function reachable({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return { host: host === '::' ? '::1' : host, port };
}

function describe(occupant: PortOccupant): string {
  switch (occupant) {
    case 'http':
      return 'a web server (it speaks HTTP)';
    case 'tls':
      return 'a program that speaks TLS';
    case 'ssh':
      return 'an SSH server';
    case 'messagepack-rpc':
      return 'a program that speaks MessagePack-RPC';
    case 'unresponsive':
      return 'a program that accepts connections and says nothing (hung, stopped, or waiting for another protocol)';
    case 'tandem':
      return 'a Tandem server of another version';
    case 'unknown':
      return 'another program';
  }
}
