/**
 * A transport worked by hand: what is written is kept, and flushes, reads and the end come when the spec says so.
 */
import type { Transport, TransportSink } from '../../src/transports/transport.js';
import { joined } from './wire.js';

/** One end of a pipe whose other end is the spec. */
export class HandTransport implements Transport {
  readonly description = 'hand -> spec';
  /** Set by the spec: what the system has not taken yet. */
  queuedBytes = 0;
  /** What `write` answers. */
  hasRoom = true;
  /** Whether written bytes stay in the queue until the spec takes them. */
  isKeeping = false;
  /** What happened, in order: `write`, `pause`, `resume`, `close`, `destroy`. */
  readonly acts: string[] = [];
  #written: Uint8Array[] = [];
  #flushes: (() => void)[] = [];
  #readings: (() => void)[] = [];
  #sink: TransportSink | undefined;

  open(sink: TransportSink): void {
    this.#sink = sink;
  }

  write(...pieces: readonly Uint8Array[]): boolean {
    this.acts.push('write');
    // What is not kept back is the system's, which copies it.
    this.#written.push(...pieces.map((piece) => (this.isKeeping ? piece : piece.slice())));
    if (this.isKeeping) for (const { length } of pieces) this.queuedBytes += length;
    return this.hasRoom;
  }

  scheduleFlush(flush: () => void): void {
    this.#flushes.push(flush);
  }

  afterReading(callback: () => void): void {
    this.#readings.push(callback);
  }

  pause(): void {
    this.acts.push('pause');
  }

  resume(): void {
    this.acts.push('resume');
  }

  close(): void {
    this.acts.push('close');
  }

  destroy(): void {
    this.acts.push('destroy');
  }

  /** How many flushes are asked for. */
  get flushes(): number {
    return this.#flushes.length;
  }

  /** Ends the present turn: runs the flushes that it asked for. */
  turn(): this {
    for (const flush of this.#flushes.splice(0)) flush();
    return this;
  }

  /** Says that everything that had arrived was read. */
  finishReading(): this {
    for (const callback of this.#readings.splice(0)) callback();
    return this;
  }

  /** Takes what was written. */
  take(): Uint8Array {
    const bytes = joined(...this.#written.splice(0));
    if (this.isKeeping) this.queuedBytes = 0;
    return bytes;
  }

  /** Bytes arrive. */
  arrive(...chunks: readonly Uint8Array[]): this {
    for (const chunk of chunks) this.#sink?.onChunk(chunk);
    return this;
  }

  /** The queue has drained. */
  drain(): this {
    this.#sink?.onWritable();
    return this;
  }

  /** The pipe has ended. */
  end(error?: Error): this {
    this.#sink?.onClosed(error);
    return this;
  }
}
