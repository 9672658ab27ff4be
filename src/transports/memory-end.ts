/**
 * One end of a link in memory, as the transport that its owner holds.
 *
 * It ends as a socket does: `close` sends the end behind what is queued, and is over when the other end has answered with
 * its own; `destroy` loses what is under way. It knows no switches: those are asked for by the pipes.
 */

import type { SchedulerLike } from 'rxjs';
import { MemoryPipe, type MemoryDirection, type MemorySurroundings } from './memory-pipe.js';
import type { Transport, TransportSink } from './transport.js';

/** The link that an end belongs to. */
export interface MemoryEndOwner {
  /** The other end. Asked for late, since both ends name each other. */
  peer(): MemoryEnd;
  /** The pipe that this end writes to cannot go on. */
  onBroken(): void;
  /** This end has ended. */
  onEnded(): void;
}

/** One end of a link. */
export class MemoryEnd implements Transport {
  readonly description: string;
  /** What this end writes. */
  readonly outgoing: MemoryPipe;
  readonly #scheduler: SchedulerLike;
  readonly #owner: MemoryEndOwner;
  #sink: TransportSink | undefined;
  #error: Error | undefined;
  #state: 'live' | 'closing' | 'ended' = 'live';
  #isReported = false;
  #owesWritable = false;
  #isPaused = false;

  constructor(
    description: string,
    surroundings: MemorySurroundings,
    direction: MemoryDirection,
    owner: MemoryEndOwner,
  ) {
    this.description = description;
    this.#scheduler = surroundings.scheduler;
    this.#owner = owner;
    this.outgoing = new MemoryPipe(surroundings, direction, {
      isReceiving: () => owner.peer().#isReceiving(),
      onBytes: (bytes) => {
        owner.peer().#receive(bytes);
      },
      onEnd: () => {
        owner.peer().#receiveEnd();
      },
      onDrained: () => {
        this.#owesWritable = true;
        this.#reportWritable();
      },
      onBroken: () => {
        owner.onBroken();
      },
    });
  }

  /** Bytes written and not yet delivered, nor lost. */
  get queuedBytes(): number {
    return this.outgoing.queuedBytes;
  }

  /** Whether it has ended, told to its owner or not. */
  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Starts delivery; what is due already arrives with the scheduler's next action. */
  open(sink: TransportSink): void {
    this.#soon(() => {
      this.#sink = sink;
      this.#reportWritable();
      this.#reportEnd();
      this.#owner.peer().outgoing.arm();
    });
  }

  /** Takes a copy at once, so that what the caller does later is never seen at the other end. */
  write(...pieces: readonly Uint8Array[]): boolean {
    let isAccepting = true;
    if (this.#state === 'live') for (const bytes of pieces) isAccepting = this.outgoing.write(bytes);
    return isAccepting;
  }

  /** Calls `flush` in an action of its own, at the same instant. */
  scheduleFlush(flush: () => void): void {
    this.#soon(() => {
      if (!this.#isReported) flush();
    });
  }

  /** Calls back at the same instant, behind all that is due by then. */
  afterReading(callback: () => void): void {
    this.#soon(() => {
      // What is due at this very instant may be armed behind this action.
      this.#owner.peer().outgoing.deliverDue();
      if (!this.#isReported) callback();
    });
  }

  /** Holds deliveries back; they wait in the pipe. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Takes deliveries again. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#owner.peer().outgoing.arm();
  }

  /** Sends the end behind what is queued; ended when the other end has answered, two latencies later. */
  close(): void {
    if (this.#state !== 'live') return;
    this.#state = 'closing';
    this.outgoing.end();
    // Never opened, it takes deliveries from now on, to drop them.
    this.#owner.peer().outgoing.arm();
  }

  /** Loses what is under way; the other end is told one latency later. */
  destroy(): void {
    if (this.#state === 'ended') return;
    this.outgoing.clear();
    this.outgoing.end();
    this.#end(undefined);
  }

  /** Ends it as a reset of the connection would; what is under way is lost. Called by the link. */
  reset(error: Error): void {
    this.outgoing.clear();
    if (this.#state !== 'ended') this.#end(error);
  }

  #isReceiving(): boolean {
    return (this.#sink !== undefined && !this.#isPaused) || this.#state !== 'live';
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state !== 'live') return;
    this.#sink?.onChunk(bytes);
    // Whoever kept it is to notice, here rather than on a transport that reads into the same memory again.
    bytes.fill(0xc1);
  }

  #receiveEnd(): void {
    if (this.#state === 'ended') return;
    // The peer reads no more: what is under way to it is dropped, and the end answers its own.
    if (this.#state === 'live') {
      this.outgoing.clear();
      this.outgoing.end();
    }
    this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    this.#state = 'ended';
    this.#error = error;
    this.#soon(() => {
      this.#reportEnd();
    });
    this.#owner.onEnded();
  }

  #reportWritable(): void {
    if (!this.#owesWritable || this.#sink === undefined || this.#state !== 'live') return;
    this.#owesWritable = false;
    this.#sink.onWritable();
  }

  #reportEnd(): void {
    if (this.#state !== 'ended' || this.#sink === undefined || this.#isReported) return;
    this.#isReported = true;
    this.#sink.onClosed(this.#error);
  }

  #soon(work: () => void): void {
    this.#scheduler.schedule(() => {
      work();
    }, 0);
  }
}
