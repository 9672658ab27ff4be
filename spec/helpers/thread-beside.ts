/**
 * An I/O thread that is no thread: the same program on the loop of the spec, which sees what it does and ends it as it likes. What
 * crosses is cloned and given away, as between threads.
 */
import { IOThread, type ThreadSink, type ThreadWorker } from '../../src/io-thread/io-thread.js';
import { IOWorker } from '../../src/io-thread/io-worker.js';
import { loopLagMs } from '../../src/io-thread/loop-clock.js';
import type { ThreadCommand, ThreadData, ThreadEvent } from '../../src/io-thread/thread-messages.js';
import { tcpTransports } from '../../src/transports/tcp.js';
import type { Listener, Transport, TransportProvider } from '../../src/transports/transport.js';

/** One program, and what happened to it. */
export interface ProgramBeside {
  /** Kept alive by it: `ref` was called last. */
  isRef: boolean;
  isTerminated: boolean;
  /** What it was told, in order. */
  readonly commands: ThreadCommand[];
  /** How often it was told something. */
  posts: number;
  /** What it told, in order. */
  readonly events: ThreadEvent[];
  /** It dies, and what it held with it. */
  die(why: string): void;
}

/** Threads that are started beside the spec. */
export class ThreadBeside {
  /** All that were started, the oldest first. */
  readonly programs: ProgramBeside[] = [];
  /** For the main thread. */
  readonly thread: IOThread;
  /** Instead of starting one. */
  failure: Error | undefined;
  /** The time that deaths are counted by. */
  nowMs = 0;

  constructor() {
    this.thread = new IOThread(
      (data, sink) => this.#spawn(data, sink),
      () => this.nowMs,
    );
  }

  #spawn({ loopClock }: ThreadData, sink: ThreadSink): ThreadWorker {
    if (this.failure !== undefined) throw this.failure;
    const sockets = new Sockets();
    const program: ProgramBeside = {
      isRef: true,
      isTerminated: false,
      commands: [],
      posts: 0,
      events: [],
      die: (why) => {
        program.isTerminated = true;
        sockets.destroy();
        sink.onDeath(why);
      },
    };
    const worker = new IOWorker({
      transports: sockets,
      now: () => performance.now(),
      loopLagMs: () => loopLagMs(loopClock),
      post: (events, buffers) => {
        program.events.push(...events);
        const crossed = structuredClone(events, { transfer: [...buffers] });
        setImmediate(() => {
          if (!program.isTerminated) sink.onEvents(crossed);
        });
      },
    });
    this.programs.push(program);
    return {
      post: (commands, buffers) => {
        program.commands.push(...commands);
        program.posts += 1;
        const crossed = structuredClone(commands, { transfer: [...buffers] });
        setImmediate(() => {
          if (!program.isTerminated) worker.receive(crossed);
        });
      },
      ref: () => {
        program.isRef = true;
      },
      unref: () => {
        program.isRef = false;
      },
      terminate: () => {
        program.isTerminated = true;
        sockets.destroy();
      },
    };
  }
}

/** TCP that can be ended all at once, as with a thread. */
class Sockets implements TransportProvider {
  readonly #tcp = tcpTransports();
  readonly #transports: Transport[] = [];
  readonly #listeners: Listener[] = [];

  listen(...[address, sink]: Parameters<TransportProvider['listen']>): Listener {
    const listener = this.#tcp.listen(address, {
      onListening: (found) => {
        sink.onListening(found);
      },
      onFailed: (failure) => {
        sink.onFailed(failure);
      },
      onTransport: (transport) => {
        this.#transports.push(transport);
        sink.onTransport(transport);
      },
    });
    this.#listeners.push(listener);
    return listener;
  }

  dial(...[address, sink]: Parameters<TransportProvider['dial']>): ReturnType<TransportProvider['dial']> {
    return this.#tcp.dial(address, {
      onFailed: (failure) => {
        sink.onFailed(failure);
      },
      onTransport: (transport) => {
        this.#transports.push(transport);
        sink.onTransport(transport);
      },
    });
  }

  destroy(): void {
    for (const transport of this.#transports) transport.destroy();
    for (const listener of this.#listeners) listener.close(() => undefined);
  }
}
