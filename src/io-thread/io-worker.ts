/**
 * The I/O thread's side: listens, dials, and keeps every transport under watch, as the main thread says.
 *
 * It knows no messages of the protocol beyond heartbeats, no sessions and no objects. What happens in one turn of its loop is posted
 * at once.
 */
import { Codec } from '../protocol/codec.js';
import { FragmentPool } from '../protocol/fragment-pool.js';
import { defaultLimits } from '../protocol/limits.js';
import type { Dial, Listener, Transport, TransportProvider } from '../transports/transport.js';
import { toThreadError, type ThreadCommand, type ThreadEvent } from './thread-messages.js';
import { WatchedTransport } from './watched-transport.js';

/**
 * Accepted transports that the main thread has not taken yet: behind a busy main thread they are all that a crowd at the door
 * may cost. Further ones are closed, and come again.
 */
export const maxUntaken = 1_024;

/** What the I/O thread's side needs. */
export interface IOWorkerSettings {
  readonly transports: TransportProvider;
  readonly now: () => number;
  /** For how long the main loop has not turned, in milliseconds. */
  readonly loopLagMs: () => number;
  /** Posts to the main thread, and gives these buffers away. */
  readonly post: (events: readonly ThreadEvent[], buffers: readonly ArrayBuffer[]) => void;
}

/** Serves the main thread. */
export class IOWorker {
  readonly #settings: IOWorkerSettings;
  readonly #codec = new Codec(defaultLimits);
  readonly #pool = new FragmentPool();
  readonly #listeners = new Map<number, Listener>();
  readonly #dials = new Map<number, Dial>();
  readonly #transports = new Map<number, WatchedTransport>();
  readonly #untaken = new Set<number>();
  #events: ThreadEvent[] = [];
  #lastID = -1;
  readonly #tell = (event: ThreadEvent): void => {
    this.#events.push(event);
    // Behind everything that this turn of the loop reads.
    if (this.#events.length === 1) setImmediate(this.#post);
  };
  readonly #post = (): void => {
    const events = this.#events;
    this.#events = [];
    const buffers = events.flatMap((event) =>
      event.type === 'bytes' ? [event.bytes.buffer as ArrayBuffer] : [],
    );
    this.#settings.post(events, buffers);
  };

  /** @param settings - sockets, time, and the way to the main thread */
  constructor(settings: IOWorkerSettings) {
    this.#settings = settings;
  }

  /** Does what the main thread wants, in its order. */
  receive(commands: readonly ThreadCommand[]): void {
    for (const command of commands) this.#receive(command);
  }

  #receive(command: ThreadCommand): void {
    const { id } = command;
    switch (command.type) {
      case 'listen':
        this.#listen(id, command.address);
        return;
      case 'unlisten':
        this.#unlisten(id);
        return;
      case 'dial':
        this.#dial(id, command.address);
        return;
      case 'cancel':
        this.#dials.get(id)?.cancel();
        this.#dials.delete(id);
        // It may have connected while this was on its way.
        this.#transports.get(id)?.destroy();
        return;
      case 'open':
        this.#untaken.delete(id);
        this.#transports.get(id)?.open(command.limits);
        return;
      case 'write':
        this.#transports.get(id)?.write(command.bytes);
        return;
      case 'close':
        this.#transports.get(id)?.close();
        return;
      case 'destroy':
        this.#transports.get(id)?.destroy();
        return;
      case 'read':
        this.#transports.get(id)?.read(command.token);
        return;
      case 'grant':
        this.#transports.get(id)?.grant(command.bytes);
        return;
      case 'heartbeats':
        this.#transports.get(id)?.startHeartbeats(command.settings);
        return;
      case 'timeout':
        this.#transports.get(id)?.setTimeout(command.timeoutMs);
    }
  }

  #listen(id: number, address: { readonly host: string; readonly port: number }): void {
    const listener = this.#settings.transports.listen(address, {
      onListening: (found) => {
        this.#tell({ type: 'listening', id, address: found });
      },
      onTransport: (transport) => {
        this.#accept(id, transport);
      },
      onFailed: ({ kind, error }) => {
        this.#listeners.delete(id);
        this.#tell({ type: 'listenFailed', id, kind, error: toThreadError(error) });
      },
    });
    this.#listeners.set(id, listener);
  }

  #unlisten(id: number): void {
    const onClosed = (): void => {
      this.#tell({ type: 'unlistened', id });
    };
    const listener = this.#listeners.get(id);
    this.#listeners.delete(id);
    if (listener === undefined) onClosed();
    else listener.close(onClosed);
  }

  #accept(listener: number, transport: Transport): void {
    if (this.#untaken.size >= maxUntaken) {
      transport.destroy();
      return;
    }
    this.#lastID += 2;
    const id = this.#lastID;
    this.#untaken.add(id);
    this.#watch(id, transport, true);
    const { description, peerHost } = transport;
    this.#tell({ type: 'accepted', id, listener, description, peerHost });
  }

  #dial(id: number, address: { readonly host: string; readonly port: number }): void {
    const dial = this.#settings.transports.dial(address, {
      onTransport: (transport) => {
        this.#dials.delete(id);
        this.#watch(id, transport, false);
        this.#tell({ type: 'dialled', id, description: transport.description });
      },
      onFailed: ({ kind, error }) => {
        this.#dials.delete(id);
        this.#tell({ type: 'dialFailed', id, kind, error: toThreadError(error) });
      },
    });
    this.#dials.set(id, dial);
  }

  #watch(id: number, transport: Transport, isAccepted: boolean): void {
    const { now, loopLagMs } = this.#settings;
    const watched = new WatchedTransport({
      id,
      transport,
      isAccepted,
      codec: this.#codec,
      pool: this.#pool,
      now,
      loopLagMs,
      tell: this.#tell,
      onEnded: () => {
        this.#transports.delete(id);
        this.#untaken.delete(id);
      },
    });
    this.#transports.set(id, watched);
  }
}
