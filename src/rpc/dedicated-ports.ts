/**
 * The ports that clients of one server were sent to and have not come to yet. Each holds a place among the clients meanwhile.
 */
import type { Report } from '../streams/user-callback.js';
import type { Transport } from '../transports/transport.js';
import { DedicatedPort } from './dedicated-port.js';
import type { ResolvedServerOptions } from './options.js';
import { handshakeTimeoutMs, type Peer } from './peer.js';

/** The port that a client was sent to, and what it must show there. */
export interface Handover {
  readonly ticket: string;
  readonly port: DedicatedPort;
  /** Why the session that it asked for does not go on, if it asked for one. */
  readonly refusal: string | undefined;
}

/** What sending clients to ports of their own needs. */
export interface DedicatedPortsSettings {
  readonly options: Pick<ResolvedServerOptions, 'transports' | 'scheduler' | 'createID' | 'host'>;
  /** How long silence is borne now, in milliseconds. */
  readonly timeoutMs: () => number;
  /** Whether a client still waits to be told where to go. */
  readonly isWaiting: (peer: Peer) => boolean;
  /** Somebody came to one of the ports. */
  readonly accept: (transport: Transport, handover: Handover) => void;
  readonly report: Report;
}

/** The ports of one server, which owns this and ends it by `close`. */
export class DedicatedPorts {
  readonly #settings: DedicatedPortsSettings;
  readonly #ports = new Set<DedicatedPort>();

  /** @param settings - of the server */
  constructor(settings: DedicatedPortsSettings) {
    this.#settings = settings;
  }

  /** How many clients are expected. */
  get size(): number {
    return this.#ports.size;
  }

  /** Sends a client to a port of its own. @param refusal - why the session that it asked for does not go on, if it did */
  handOver(peer: Peer, refusal: string | undefined): void {
    const { options, timeoutMs, isWaiting, accept, report } = this.#settings;
    const { transports, scheduler, createID, host } = options;
    const ticket = createID();
    const port: DedicatedPort = new DedicatedPort(
      { transports, host, scheduler, timeoutMs: handshakeTimeoutMs(timeoutMs()) },
      {
        onListening: (number) => {
          // A client that is gone by now will not come.
          if (isWaiting(peer)) peer.connection.handOver(number, ticket);
          else port.close();
        },
        onTransport: (transport) => {
          accept(transport, { ticket, port, refusal });
        },
        onClosed: (error) => {
          this.#ports.delete(port);
          if (error === undefined) return;
          report(error);
          peer.close('server-stopped', 'no port could be had for this client');
        },
      },
    );
    this.#ports.add(port);
  }

  /** Nobody is expected any more. */
  close(): void {
    for (const port of [...this.#ports]) port.close();
  }
}
