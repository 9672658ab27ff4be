/**
 * A port for one client: listens where the system likes, for the one client that shows the ticket, and for a short time.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Listener, Transport, TransportProvider } from '../transports/transport.js';

/** What a dedicated port needs. */
export interface DedicatedPortSettings {
  readonly transports: TransportProvider;
  readonly host: string;
  readonly scheduler: SchedulerLike;
  /** How long the client may take to come, in milliseconds. */
  readonly timeoutMs: number;
}

/** What happens to it. */
export interface DedicatedPortSink {
  /** It listens: send the client there. */
  onListening(port: number): void;
  /** Somebody came; only one who shows the ticket is the client. */
  onTransport(transport: Transport): void;
  /** It is closed: used, unused for too long, or not to be had. Once. */
  onClosed(error: Error | undefined): void;
}

/** One dedicated port. Closes itself; its owner may close it before. */
export class DedicatedPort {
  readonly #sink: DedicatedPortSink;
  readonly #timer: Subscription;
  readonly #listener: Listener;
  #isClosed = false;

  /** Begins to listen. */
  constructor({ transports, host, scheduler, timeoutMs }: DedicatedPortSettings, sink: DedicatedPortSink) {
    this.#sink = sink;
    this.#timer = scheduler.schedule(() => {
      this.close();
    }, timeoutMs);
    this.#listener = transports.listen(
      { host, port: 0 },
      {
        onListening: ({ port }) => {
          if (!this.#isClosed) sink.onListening(port);
        },
        onTransport: (transport) => {
          if (this.#isClosed) transport.destroy();
          else sink.onTransport(transport);
        },
        onFailed: ({ error }) => {
          this.#end(error);
        },
      },
    );
  }

  /** Whether it has been used, has expired, or was closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Stops listening. */
  close(): void {
    if (this.#isClosed) return;
    this.#listener.close(() => undefined);
    this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.unsubscribe();
    this.#sink.onClosed(error);
  }
}
