/**
 * One transport on the I/O thread: what it reads goes through a FrameWatch, which keeps its heartbeats, to the main thread, as much
 * as the main thread has room for.
 *
 * What a peer may send ahead of the main thread is a window of bytes, which is widened as they are taken: so a busy main thread costs
 * no memory, and heartbeats, which the window does not count, are read all the while. Where a peer does not keep to it nothing
 * more is read for a time; our own pings go on, hence the peer knows that we live, and its silence is excused.
 */
import type { Codec } from '../protocol/codec.js';
import type { FragmentPool } from '../protocol/fragment-pool.js';
import { joinBytes } from '../protocol/bytes.js';
import { FrameWatch, type FrameWatchEvent } from '../protocol/frame-watch.js';
import type { Limits } from '../protocol/limits.js';
import type { HeartbeatSettings, Transport, TransportSink } from '../transports/transport.js';
import { toThreadError, type ThreadEvent } from './thread-messages.js';

/** Bytes of session messages that a peer may have sent which the main thread has not taken: as a link of 40 MB/s needs in 100 ms. */
export const windowBytes = 4 * 1024 * 1024;

/** Bytes that wait before nothing more is read: no peer that keeps to the window gets that far. */
export const mostWaitingBytes = 2 * windowBytes;

/** How soon it is asked again whether what waits was written, in milliseconds: short queues report nothing by themselves. */
const writtenCheckMs = 20;

/** How often the main thread is told of another lag of the peer at most, in milliseconds: heartbeats are rarer by far. */
const lagTellingMs = 100;

/** What a watched transport needs of its thread. */
export interface WatchedTransportSettings {
  readonly id: number;
  readonly transport: Transport;
  /** Whether the peer dialled. */
  readonly isAccepted: boolean;
  /** For heartbeats; shared by all. */
  readonly codec: Codec;
  /** For fragments; shared by all. */
  readonly pool: FragmentPool;
  readonly now: () => number;
  /** For how long the main loop has not turned, in milliseconds. */
  readonly loopLagMs: () => number;
  /** Tells the main thread. */
  readonly tell: (event: ThreadEvent) => void;
  /** The transport has ended: it is forgotten. */
  readonly onEnded: () => void;
}

/** A transport under watch. Owned by the IOWorker. */
export class WatchedTransport implements TransportSink {
  /**
   * How many bytes of the main thread were handed to the system, a 32-bit number that wraps: where the main thread sees it for
   * itself, as telling would wake it at each write.
   */
  readonly written = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #written = new Int32Array(this.written);
  readonly #settings: WatchedTransportSettings;
  readonly #transport: Transport;
  #watch: FrameWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #maxQueuedBytes = 0;
  /** The peer's lag, the one that the main thread knows, and when it was told that. */
  #lagMs = 0;
  #toldLagMs = 0;
  #lagToldAtMs = -Infinity;
  #waitingBytes = 0;
  #isPaused = false;
  #isJudging = false;
  #unwrittenBytes = 0;
  /** Whether the main thread waits for the queue to be empty. */
  #owesDrained = false;
  #writtenTimer: NodeJS.Timeout | undefined;
  #isEnded = false;

  /** @param settings - `transport` is owned by this from now on */
  constructor(settings: WatchedTransportSettings) {
    this.#settings = settings;
    this.#transport = settings.transport;
  }

  /** The main thread takes what comes. */
  open(limits: Limits): void {
    const { isAccepted, codec, pool } = this.#settings;
    this.#maxQueuedBytes = limits.maxQueuedBytes;
    this.#watch = new FrameWatch(limits, isAccepted, codec, pool);
    this.#transport.open(this);
  }

  /** Writes bytes of the main thread: whole frames. */
  write(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#unwrittenBytes += bytes.length;
    this.#transport.write(bytes);
    this.#countWritten();
  }

  /** The main thread waits until all that it has written is with the system. */
  drain(): void {
    this.#owesDrained = true;
    this.#countWritten();
  }

  /** The main thread has consumed so many bytes. */
  grant(bytes: number): void {
    this.#waitingBytes -= bytes;
    this.#watch?.widenWindow(bytes);
    this.#settle();
    if (!this.#isPaused || this.#waitingBytes > mostWaitingBytes / 2) return;
    this.#isPaused = false;
    this.#watch?.excuseSilence(this.#settings.now());
    this.#transport.resume();
    this.#arm();
  }

  /** Heartbeats begin. */
  startHeartbeats({ timeoutMs, peerTimeoutMs, intervalMs }: HeartbeatSettings): void {
    this.#watch?.startHeartbeats(timeoutMs, peerTimeoutMs, intervalMs, this.#settings.now());
    this.#settle();
  }

  /** Changes how long silence is borne. */
  setTimeout(timeoutMs: number): void {
    this.#watch?.setTimeout(timeoutMs, this.#settings.now());
    this.#settle();
  }

  /** Tells the main thread once everything that has arrived was told. */
  read(token: number): void {
    const { id, tell } = this.#settings;
    this.#transport.afterReading(() => {
      // Whoever asks judges by it, and not often.
      this.#tellLag(true);
      tell({ type: 'read', id, token });
    });
  }

  /** Ends politely. One that was never opened tells of no end. */
  close(): void {
    // What the peer still sends is to be read and dropped, whether the main thread has room or not.
    this.#isPaused = false;
    this.#transport.close();
    if (this.#watch === undefined) this.#settings.onEnded();
  }

  /** Ends at once. */
  destroy(): void {
    this.#transport.destroy();
    if (this.#watch === undefined) this.#settings.onEnded();
  }

  /** {@inheritDoc TransportSink.onChunk} */
  onChunk(chunk: Uint8Array): void {
    const { now, loopLagMs } = this.#settings;
    this.#watch?.receive(chunk, now(), loopLagMs());
    this.#settle();
  }

  /** {@inheritDoc TransportSink.onWritable} */
  onWritable(): void {
    this.#countWritten();
  }

  /** {@inheritDoc TransportSink.onClosed} */
  onClosed(error: Error | undefined): void {
    const { id, tell, onEnded } = this.#settings;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#writtenTimer);
    tell({ type: 'closed', id, error: error && toThreadError(error) });
    onEnded();
  }

  /** After any input of the watch: its outputs, then its timer. */
  #settle(): void {
    if (this.#watch === undefined || this.#isEnded) return;
    this.#forward(this.#watch.takeForwarded());
    this.#reply(this.#watch.takeReplies());
    for (const event of this.#watch.takeEvents()) this.#tell(event);
    this.#tellLag();
    this.#arm();
  }

  /** In one piece: a peer may send thousands of pings at once, and a write for each would cost a hundred times their bytes. */
  #reply(replies: readonly Uint8Array[]): void {
    const [first] = replies;
    if (first === undefined) return;
    const size = replies.reduce((sum, { length }) => sum + length, 0);
    this.#transport.write(replies.length === 1 ? first : joinBytes(replies, new Uint8Array(size)));
    // The main thread knows only of what it has written itself.
    if (this.#transport.queuedBytes > this.#maxQueuedBytes) this.#watch?.refuseDeaf(this.#maxQueuedBytes);
  }

  #tell(event: FrameWatchEvent): void {
    if (event.type !== 'lag') {
      this.#settings.tell({ ...event, id: this.#settings.id });
      return;
    }
    this.#lagMs = event.loopLagMs;
    this.#tellLag();
  }

  /** So often at most: behind a busy main thread all that is told piles up. That a lag is over is told at once. */
  #tellLag(isUrgent = this.#lagMs === 0): void {
    if (this.#lagMs === this.#toldLagMs) return;
    const { id, now, tell } = this.#settings;
    const nowMs = now();
    if (!isUrgent && nowMs < this.#lagToldAtMs + lagTellingMs) return;
    this.#toldLagMs = this.#lagMs;
    this.#lagToldAtMs = nowMs;
    tell({ type: 'lag', id, loopLagMs: this.#lagMs });
  }

  /** A copy, which is given away: chunks lie in memory that is read into again. */
  #forward(pieces: readonly Uint8Array[]): void {
    if (pieces.length === 0) return;
    const { id, pool, tell } = this.#settings;
    const bytes = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
      pool.giveBack(piece);
    }
    tell({ type: 'bytes', id, bytes: new Uint8Array(bytes.buffer) });
    this.#waitingBytes += bytes.length;
    if (this.#isPaused || this.#waitingBytes < mostWaitingBytes) return;
    this.#isPaused = true;
    this.#transport.pause();
  }

  #countWritten(): void {
    const { id, tell } = this.#settings;
    const bytes = this.#unwrittenBytes - Math.min(this.#unwrittenBytes, this.#transport.queuedBytes);
    if (bytes > 0) {
      this.#unwrittenBytes -= bytes;
      Atomics.add(this.#written, 0, bytes);
    }
    if (this.#writtenTimer !== undefined) clearTimeout(this.#writtenTimer);
    this.#writtenTimer = undefined;
    if (this.#unwrittenBytes > 0) {
      if (!this.#isEnded)
        this.#writtenTimer = setTimeout(() => {
          this.#countWritten();
        }, writtenCheckMs);
    } else if (this.#owesDrained) {
      this.#owesDrained = false;
      tell({ type: 'drained', id });
    }
  }

  #arm(): void {
    const atMs = this.#watch?.nextDeadlineMs ?? Infinity;
    if (atMs >= this.#timerAtMs || this.#isEnded) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#handleDeadline();
      },
      Math.max(1, atMs - this.#settings.now()),
    );
  }

  #handleDeadline(): void {
    const { now, loopLagMs } = this.#settings;
    this.#timerAtMs = Infinity;
    if (this.#isPaused) this.#watch?.excuseSilence(now());
    const isSuspect = this.#watch?.handleDeadline(now(), loopLagMs()) === true;
    if (isSuspect && !this.#isJudging) {
      this.#isJudging = true;
      this.#transport.afterReading(() => {
        this.#judge();
      });
    }
    this.#settle();
  }

  #judge(): void {
    const { id, now, tell } = this.#settings;
    // Told once: then the main thread ends it, as soon as it can.
    if (this.#watch?.isDead(now()) === true) tell({ type: 'silence', id });
    else this.#isJudging = false;
    this.#settle();
  }
}
