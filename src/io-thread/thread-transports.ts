/**
 * TCP on the I/O thread: what `thread: true` puts in the place of TCP on the main thread. The API is that of any other kind of transport.
 *
 * A listener outlives the thread that it was on: it has its place again on the next one, while the connections are lost.
 */
import type { Limits } from '../protocol/limits.js';
import type {
  Address,
  Dial,
  DialSink,
  Listener,
  ListenSink,
  TransportFailure,
  TransportProvider,
} from '../transports/transport.js';
import { sharedByCopies } from '../threads/shared-by-copies.js';
import { IOThread, type ThreadEnd } from './io-thread.js';
import { spawnIOWorker } from './spawn-io-worker.js';
import { fromThreadError, type ThreadEvent } from './thread-messages.js';
import { ThreadTransport } from './thread-transport.js';

/** The I/O thread of this thread. */
function sharedThread(): IOThread {
  // Copies of another version speak other words with their thread: the number changes with those.
  return sharedByCopies('io-thread.2', () => new IOThread(spawnIOWorker, () => performance.now()));
}

/**
 * Transports over TCP on the I/O thread.
 * @param limits - bounds on what is received, for the scan
 * @param thread - this thread's own unless a spec gives another
 * @returns a provider that holds the thread until it is disposed of
 */
export function threadTransports(limits: Limits, thread: IOThread = sharedThread()): TransportProvider {
  let isInUse = false;
  // Options are also resolved for what is never started.
  const use = (): void => {
    if (isInUse) return;
    isInUse = true;
    thread.use();
  };
  return {
    listen: (address, sink) => {
      use();
      return new ThreadListener(thread, address, limits, sink);
    },
    dial: (address, sink) => {
      use();
      return new ThreadDial(thread, address, limits, sink);
    },
    dispose: () => {
      if (!isInUse) return;
      isInUse = false;
      thread.leave();
    },
  };
}

class ThreadListener implements Listener, ThreadEnd {
  readonly #thread: IOThread;
  readonly #limits: Limits;
  readonly #sink: ListenSink;
  readonly #id: number;
  #address: Address;
  #isListening = false;
  #isOver = false;
  readonly #closings: (() => void)[] = [];

  constructor(thread: IOThread, address: Address, limits: Limits, sink: ListenSink) {
    this.#thread = thread;
    this.#address = address;
    this.#limits = limits;
    this.#sink = sink;
    this.#id = thread.nextID();
    thread.attach(this.#id, this);
    this.#listen();
  }

  close(onClosed: () => void): void {
    if (this.#isOver) {
      setImmediate(onClosed);
      return;
    }
    this.#closings.push(onClosed);
    if (this.#closings.length === 1) this.#thread.tell({ type: 'unlisten', id: this.#id });
  }

  onEvent(event: ThreadEvent): void {
    switch (event.type) {
      case 'listening':
        this.#began(event.address);
        return;
      case 'listenFailed':
        this.#end({ kind: event.kind, error: fromThreadError(event.error) });
        return;
      case 'unlistened':
        this.#end(undefined);
        return;
      case 'accepted':
        this.#accept(event.id, event.description, event.written, event.remoteHost);
        return;
      default:
      // What else there is concerns transports.
    }
  }

  onThreadLost(error: Error, isFinal: boolean): void {
    if (!this.#isClosing && !isFinal) this.#listen();
    // Never before the one who listens has returned.
    else
      setImmediate(() => {
        this.#end({ kind: 'other', error });
      });
  }

  get #isClosing(): boolean {
    return this.#closings.length > 0;
  }

  /** Closed, as somebody wants it, or failed. */
  #end(failure: TransportFailure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#thread.detach(this.#id);
    if (failure !== undefined && !this.#isClosing) this.#sink.onFailed(failure);
    for (const onClosed of this.#closings) onClosed();
  }

  #listen(): void {
    this.#thread.tell({ type: 'listen', id: this.#id, address: this.#address });
  }

  #began(address: Address): void {
    // On another thread it is the same place again.
    this.#address = address;
    if (this.#isListening) return;
    this.#isListening = true;
    if (!this.#isClosing) this.#sink.onListening(address);
  }

  #accept(id: number, description: string, written: SharedArrayBuffer, remoteHost: string | undefined): void {
    const transport = new ThreadTransport(this.#thread, id, description, written, this.#limits, remoteHost);
    if (this.#isClosing) transport.destroy();
    else this.#sink.onTransport(transport);
  }
}

class ThreadDial implements Dial, ThreadEnd {
  readonly #thread: IOThread;
  readonly #limits: Limits;
  readonly #sink: DialSink;
  readonly #id: number;
  #isSettled = false;

  constructor(thread: IOThread, address: Address, limits: Limits, sink: DialSink) {
    this.#thread = thread;
    this.#limits = limits;
    this.#sink = sink;
    this.#id = thread.nextID();
    thread.attach(this.#id, this);
    thread.tell({ type: 'dial', id: this.#id, address });
  }

  cancel(): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#thread.tell({ type: 'cancel', id: this.#id });
    this.#thread.detach(this.#id);
  }

  onEvent(event: ThreadEvent): void {
    if (event.type === 'dialled') {
      this.#settle();
      const { description, written } = event;
      this.#sink.onTransport(new ThreadTransport(this.#thread, this.#id, description, written, this.#limits));
    } else if (event.type === 'dialFailed') {
      this.#settle();
      this.#thread.detach(this.#id);
      this.#sink.onFailed({ kind: event.kind, error: fromThreadError(event.error) });
    }
  }

  onThreadLost(error: Error, isFinal: boolean): void {
    this.#settle();
    this.#thread.detach(this.#id);
    // An attempt that may do better next time, on another thread, has failed as any other: only the last word has the code.
    const failure: TransportFailure = { kind: 'other', error: isFinal ? error : new Error(error.message) };
    // Never before the one who dials has returned.
    setImmediate(() => {
      this.#sink.onFailed(failure);
    });
  }

  #settle(): void {
    this.#isSettled = true;
  }
}
