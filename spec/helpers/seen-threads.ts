/**
 * Real I/O threads as the library starts them, seen from between it and them: what they tell, what they are told, and their ends, which
 * the spec brings about as it likes.
 */
import * as nodeThreads from 'node:worker_threads';
import { jest } from '@jest/globals';
import type { ThreadCommand, ThreadEvent } from '../../src/io-thread/thread-messages.js';

/** One I/O thread. */
export class SeenThread extends nodeThreads.Worker {
  /** Bytes that it has told the main thread of, and that the main thread has granted again. */
  toldBytes = 0;
  grantedBytes = 0;
  /** The most that waited for the main thread. */
  mostWaitingBytes = 0;
  #held: ThreadCommand[] | undefined;

  constructor(text: string, options: nodeThreads.WorkerOptions) {
    super(text, options);
    this.on('message', (events: readonly ThreadEvent[]) => {
      for (const event of events) if (event.type === 'bytes') this.toldBytes += event.bytes.length;
      this.mostWaitingBytes = Math.max(this.mostWaitingBytes, this.toldBytes - this.grantedBytes);
    });
  }

  override postMessage(commands: readonly ThreadCommand[], buffers: readonly ArrayBuffer[] = []): void {
    for (const command of commands) {
      if (command.type !== 'grant') continue;
      if (this.#held === undefined) this.grantedBytes += command.bytes;
      else this.#held.push(command);
    }
    const held = this.#held;
    super.postMessage(
      held === undefined ? commands : commands.filter((command) => !held.includes(command)),
      buffers,
    );
  }

  /** As with a main thread that takes nothing: what it grants waits until `grant`. */
  holdGrants(): void {
    this.#held ??= [];
  }

  /** What it has granted meanwhile goes on, and all that follows. */
  grant(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.postMessage(held);
  }

  /** It ends by a fault of its own: this is no list of commands. */
  fault(): void {
    super.postMessage([null]);
  }

  /** It ends by all the heap that it may use: what it has not taken yet fills that. */
  exhaust(): void {
    const many = Array.from({ length: 100_000 }, (_, id) => ({ type: 'open', id, limits: { id } }));
    super.postMessage(many);
  }
}

/** Has the I/O threads of this spec seen, from now on until `jest.restoreAllMocks()`, beginning with a new one. */
export function seeThreads(resourceLimits: nodeThreads.ResourceLimits = {}): SeenThread[] {
  const threads: SeenThread[] = [];
  Reflect.deleteProperty(globalThis, Symbol.for('tandem-rpc.io-thread.2'));
  const modules = process.getBuiltinModule.bind(process) as (id: string) => unknown;
  class Worker extends SeenThread {
    constructor(text: string, options: nodeThreads.WorkerOptions) {
      super(text, { ...options, resourceLimits: { ...options.resourceLimits, ...resourceLimits } });
      threads.push(this);
    }
  }
  jest
    .spyOn(process, 'getBuiltinModule')
    .mockImplementation(((id: string) =>
      id === 'node:worker_threads' ? { ...nodeThreads, Worker } : modules(id)) as never);
  return threads;
}
