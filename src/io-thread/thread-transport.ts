/**
 * A transport whose socket, frames and heartbeats are on the I/O thread. What it delivers are whole frames that were scanned.
 *
 * It grants the thread as many bytes as its sink has taken, so that what a busy main thread has not seen is bounded.
 */
import type { Limits } from '../protocol/limits.js';
import { afterMicrotasks } from '../transports/after-microtasks.js';
import type {
  HeartbeatSettings,
  HeartbeatSink,
  Transport,
  TransportHeartbeats,
  TransportSink,
} from '../transports/transport.js';
import type { IOThread, ThreadEnd } from './io-thread.js';
import { windowBytes } from './watched-transport.js';
import { fromThreadError, type ThreadCommand, type ThreadEvent } from './thread-messages.js';

/** `write` answers false once so much is under way to the system. */
const highWaterBytes = 256 * 1024;

/** Bytes taken that are granted at once: a quarter of the window, so that granting costs little and is never late. */
const grantBytes = windowBytes / 4;

/** A transport on the I/O thread. Whoever received it owns it. */
export class ThreadTransport implements Transport, ThreadEnd, TransportHeartbeats {
  /** {@inheritDoc Transport.description} */
  readonly description: string;
  /** {@inheritDoc Transport.remoteHost} */
  readonly remoteHost: string | undefined;
  /** {@inheritDoc Transport.isCopying} */
  readonly isCopying = true;
  /** {@inheritDoc TransportHeartbeats.windowBytes} */
  readonly windowBytes = windowBytes;
  /** {@inheritDoc Transport.heartbeats} */
  readonly heartbeats: TransportHeartbeats = this;
  readonly #thread: IOThread;
  readonly #id: number;
  readonly #limits: Limits;
  readonly #readings = new Map<number, () => void>();
  #sink: TransportSink | undefined;
  #heartbeatSink: HeartbeatSink | undefined;
  #held: Uint8Array[] | undefined;
  #lastToken = 0;
  readonly #written: Int32Array;
  /** Of all that was written, as `#written`: a 32-bit number that wraps. */
  #givenBytes = 0;
  #takenBytes = 0;
  #isFull = false;
  #isOpened = false;
  #owesWritable = false;
  #isReading = false;
  #isClosing = false;
  #isDestroyed = false;
  #end: { readonly error: Error | undefined } | undefined;
  #isReported = false;

  /**
   * @param thread - where it lives
   * @param id - its number there
   * @param description - names both ends
   * @param written - where the thread counts the bytes that it has handed to the system
   * @param limits - for the scan
   * @param remoteHost - the address of the other end, where it dialled
   */
  constructor(
    thread: IOThread,
    id: number,
    description: string,
    written: SharedArrayBuffer,
    limits: Limits,
    remoteHost?: string,
  ) {
    this.#thread = thread;
    this.#id = id;
    this.description = description;
    this.#written = new Int32Array(written);
    this.remoteHost = remoteHost;
    this.#limits = limits;
    thread.attach(id, this);
  }

  /** {@inheritDoc Transport.queuedBytes} */
  get queuedBytes(): number {
    if (this.#end !== undefined || this.#isDestroyed) return 0;
    return (this.#givenBytes - Atomics.load(this.#written, 0)) >>> 0;
  }

  /** {@inheritDoc Transport.open} */
  open(sink: TransportSink): void {
    this.#isOpened = true;
    this.#tell({ type: 'open', id: this.#id, limits: this.#limits });
    process.nextTick(() => {
      this.#sink = sink;
      this.#reportWritable();
      this.#reportEnd();
    });
  }

  /** {@inheritDoc Transport.write} */
  write(...pieces: readonly Uint8Array[]): boolean {
    if (this.#end !== undefined || this.#isClosing) return true;
    const bytes = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.#givenBytes = (this.#givenBytes + bytes.length) | 0;
    this.#tell({ type: 'write', id: this.#id, bytes: new Uint8Array(bytes.buffer) }, bytes.buffer);
    if (!this.#isFull && this.queuedBytes >= highWaterBytes) this.#awaitDrained();
    return !this.#isFull;
  }

  /** {@inheritDoc Transport.scheduleFlush} */
  scheduleFlush(flush: () => void): void {
    afterMicrotasks(this.#isReading, () => {
      if (!this.#isReported) flush();
    });
  }

  /** {@inheritDoc Transport.afterReading} */
  afterReading(callback: () => void): void {
    this.#lastToken += 1;
    this.#readings.set(this.#lastToken, callback);
    if (this.#end !== undefined) this.#finishReadings();
    this.#tell({ type: 'read', id: this.#id, token: this.#lastToken });
  }

  /** {@inheritDoc Transport.pause} */
  pause(): void {
    this.#held ??= [];
  }

  /** {@inheritDoc Transport.resume} */
  resume(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    process.nextTick(() => {
      // Whoever takes them may pause again: then the rest is held again, in front of what is still to come.
      for (const bytes of held) this.#receive(bytes);
      this.#reportEnd();
    });
  }

  /** {@inheritDoc Transport.close} */
  close(): void {
    if (this.#isClosing || this.#end !== undefined) return;
    this.#isClosing = true;
    this.#tell({ type: 'close', id: this.#id });
    this.#endUnopened();
  }

  /** {@inheritDoc Transport.destroy} */
  destroy(): void {
    this.#isClosing = true;
    this.#isDestroyed = true;
    this.#tell({ type: 'destroy', id: this.#id });
    this.#endUnopened();
  }

  /** {@inheritDoc TransportHeartbeats.start} */
  start(settings: HeartbeatSettings, sink: HeartbeatSink): void {
    this.#heartbeatSink = sink;
    this.#tell({ type: 'heartbeats', id: this.#id, settings });
  }

  /** {@inheritDoc TransportHeartbeats.setTimeout} */
  setTimeout(timeoutMs: number): void {
    this.#tell({ type: 'timeout', id: this.#id, timeoutMs });
  }

  /** {@inheritDoc ThreadEnd.onEvent} */
  onEvent(event: ThreadEvent): void {
    switch (event.type) {
      case 'bytes':
        this.#receive(event.bytes);
        return;
      case 'drained':
        this.#drained();
        return;
      case 'closed':
        this.#ended(event.error && fromThreadError(event.error));
        return;
      case 'read':
        this.#readings.get(event.token)?.();
        this.#readings.delete(event.token);
        return;
      case 'heartbeat':
        this.#heartbeatSink?.onHeartbeat(event.roundTripMs, event.loopLagMs);
        return;
      case 'lag':
        this.#heartbeatSink?.onLoopLag(event.loopLagMs);
        return;
      case 'silence':
        this.#heartbeatSink?.onSilence();
        return;
      case 'fault':
        if (!this.#isClosing) this.#sink?.onFault?.(event.code, event.message);
        return;
      default:
      // What else there is concerns dials and listeners.
    }
  }

  /** {@inheritDoc ThreadEnd.onThreadLost} */
  onThreadLost(error: Error): void {
    this.#ended(error);
  }

  /** What has ended is not known there any more. */
  #tell(command: ThreadCommand, buffer?: ArrayBuffer): void {
    if (this.#end === undefined) this.#thread.tell(command, buffer);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#held === undefined) this.#deliver(bytes);
    else this.#held.push(bytes);
  }

  #deliver(bytes: Uint8Array): void {
    this.#takenBytes += bytes.length;
    if (!this.#isClosing) {
      this.#isReading = true;
      this.#sink?.onChunk(bytes);
      this.#isReading = false;
    }
    if (this.#takenBytes < grantBytes) return;
    this.#tell({ type: 'grant', id: this.#id, bytes: this.#takenBytes });
    this.#takenBytes = 0;
  }

  /** The thread knows nothing of it any more: what it had sent is here, held or delivered. */
  #finishReadings(): void {
    // In a turn of its own: who reads by turns, as long as there is something, must not keep the loop from turning.
    setImmediate(() => {
      const readings = [...this.#readings.values()];
      this.#readings.clear();
      for (const callback of readings) if (!this.#isReported) callback();
    });
  }

  #awaitDrained(): void {
    this.#isFull = true;
    this.#tell({ type: 'drain', id: this.#id });
  }

  #drained(): void {
    // More may have been written since it was told.
    if (this.queuedBytes > 0) {
      this.#awaitDrained();
      return;
    }
    this.#isFull = false;
    this.#owesWritable = true;
    this.#reportWritable();
  }

  #reportWritable(): void {
    if (!this.#owesWritable || this.#sink === undefined || this.#isClosing) return;
    this.#owesWritable = false;
    this.#sink.onWritable();
  }

  /** The thread forgets what is ended before it was opened, and tells of no end. */
  #endUnopened(): void {
    if (!this.#isOpened) this.#ended(undefined);
  }

  #ended(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#thread.detach(this.#id);
    this.#reportEnd();
    if (!this.#isReported) this.#finishReadings();
  }

  #reportEnd(): void {
    if (this.#end === undefined || this.#sink === undefined || this.#isReported || this.#held !== undefined)
      return;
    this.#isReported = true;
    this.#readings.clear();
    this.#sink.onClosed(this.#end.error);
  }
}
