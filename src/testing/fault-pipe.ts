/**
 * One direction of a link through a FaultProxy: what one socket receives, the other one is given, late, slowly, in slices,
 * or not at all.
 *
 * Ends and resets queue like bytes: they take as long, wait as long, and vanish as well. What holds bytes back is bounded,
 * then the source is not read any more, so that its sender feels it as it would feel a slow receiver.
 */

import type { Socket } from 'node:net';
import type { FaultDirection, FaultSwitches } from './fault-switches.js';

/** What a pipe is made of. */
export interface FaultPipeOrigin {
  readonly from: Socket;
  readonly to: Socket;
  readonly direction: FaultDirection;
  readonly switches: FaultSwitches;
  readonly random: () => number;
  readonly maxQueuedBytes: number;
  /** The pipe cannot go on without a gap: the link is to be cut. */
  readonly onGap: () => void;
}

/** Bytes under way, or how they end. */
interface Segment {
  content: Uint8Array | 'end' | 'reset';
  readonly dueMs: number;
}

/** Something to do at a byte. */
interface Act {
  readonly atByte: number;
  readonly act: () => void;
}

/** Writes in one go before the event loop has its turn. */
const writesAtOnce = 500;

/** At a bounded rate bytes pass in pieces of so much time. */
const pieceMs = 10;

/** One direction of a link. Its link owns it and calls `close` when it ends. */
export class FaultPipe {
  readonly #origin: FaultPipeOrigin;
  readonly #segments: Segment[] = [];
  readonly #acts: Act[] = [];
  #queuedBytes = 0;
  #deliveredBytes = 0;
  #lastDueMs = 0;
  #readyMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #isWaiting = false;
  #isClosed = false;
  #hasGap = false;

  constructor(origin: FaultPipeOrigin) {
    this.#origin = origin;
    const { from, to } = origin;
    from.on('data', (bytes) => {
      this.#append(bytes);
    });
    from.on('end', () => {
      this.#append('end');
    });
    from.on('close', (hadError) => {
      if (hadError) this.#append('reset');
    });
    to.on('drain', () => {
      this.arm();
    });
  }

  /** Bytes passed on so far. */
  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  /** Bytes received and not yet passed on, nor lost. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Acts once so many further bytes were passed on, before the next one. */
  afterBytes(bytes: number, act: () => void): void {
    this.#acts.push({ atByte: this.#deliveredBytes + bytes, act });
    this.#acts.sort((one, other) => one.atByte - other.atByte);
    this.#runActs();
  }

  /** Ends what the receiver gets; what comes further is dropped. */
  end(): void {
    this.#origin.to.end();
    this.close();
  }

  /** Drops what is under way, and whatever comes. */
  close(): void {
    this.#isClosed = true;
    this.#segments.length = 0;
    this.#queuedBytes = 0;
    this.#disarm();
    if (!this.#origin.from.destroyed) this.#origin.from.resume();
  }

  /** Looks again what may pass, after something has changed. */
  arm(): void {
    this.#disarm();
    const head = this.#segments[0];
    if (head === undefined) {
      // Nothing that would show the gap will come any more.
      if (this.#hasGap && this.#origin.from.destroyed && !this.#isSilent()) this.#origin.onGap();
      return;
    }
    if (this.#isHeld()) return;
    const waitMs = Math.max(head.dueMs, this.#readyMs) - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#deliver();
      }, waitMs).unref();
    } else {
      this.#immediate = setImmediate(() => {
        this.#deliver();
      });
    }
  }

  #append(content: Segment['content']): void {
    if (this.#isClosed) return;
    const { switches, direction, random, from, maxQueuedBytes } = this.#origin;
    const latency = switches.condition('latencyInSeconds', direction) ?? 0;
    const jitter = switches.condition('jitterInSeconds', direction) ?? 0;
    const delayMs = 1_000 * (jitter === 0 ? latency : latency + jitter * random());
    // Never before what came earlier: a stream of bytes keeps its order.
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + delayMs);
    this.#segments.push({ content, dueMs: this.#lastDueMs });
    if (typeof content !== 'string') this.#queuedBytes += content.length;
    if (this.#queuedBytes > maxQueuedBytes) from.pause();
    // Where nothing delays it, it passes at once: the proxy then adds as little as it can.
    if (this.#segments.length === 1 && delayMs === 0) this.#deliver();
    else if (this.#timer === undefined && this.#immediate === undefined) this.arm();
  }

  #deliver(): void {
    this.#disarm();
    for (let writes = 0; writes < writesAtOnce; writes += 1) {
      const head = this.#segments[0];
      const nowMs = performance.now();
      if (head === undefined || this.#isHeld() || head.dueMs > nowMs || this.#readyMs > nowMs) break;
      if (this.#isSilent()) this.#lose(head);
      else if (this.#hasGap) this.#origin.onGap();
      else this.#pass(head, nowMs);
    }
    const { from, maxQueuedBytes } = this.#origin;
    if (this.#queuedBytes <= maxQueuedBytes && !from.destroyed) from.resume();
    this.arm();
  }

  #pass(head: Segment, nowMs: number): void {
    const { to } = this.#origin;
    if (typeof head.content !== 'string') {
      this.#write(this.#take(head, nowMs));
      return;
    }
    this.#segments.shift();
    if (head.content === 'end') to.end();
    else reset(to);
  }

  /** As many bytes of the head as may be written at once. */
  #take(head: Segment & { content: Segment['content'] }, nowMs: number): Uint8Array {
    const { switches, direction } = this.#origin;
    const bytes = head.content as Uint8Array;
    const perMs = (switches.condition('bytesPerSecond', direction) ?? Infinity) / 1_000;
    const atByte = this.#acts[0]?.atByte ?? Infinity;
    const most = Math.min(
      switches.condition('sliceBytes', direction) ?? Infinity,
      Math.max(1, Math.floor(perMs * pieceMs)),
      atByte - this.#deliveredBytes,
    );
    const piece = bytes.subarray(0, most);
    if (piece.length === bytes.length) this.#segments.shift();
    else head.content = bytes.subarray(piece.length);
    // Timers are late: what one piece lost, the next ones make good, but no more than that.
    if (perMs !== Infinity) this.#readyMs = Math.max(this.#readyMs, nowMs - pieceMs) + piece.length / perMs;
    return piece;
  }

  #write(piece: Uint8Array): void {
    const { to } = this.#origin;
    this.#queuedBytes -= piece.length;
    this.#deliveredBytes += piece.length;
    if (to.destroyed || to.writableEnded) return;
    if (this.#acts[0]?.atByte === this.#deliveredBytes) {
      // A reset would take away what the system does not have yet.
      this.#isWaiting = true;
      to.write(piece, () => {
        this.#isWaiting = false;
        this.#runActs();
        this.arm();
      });
    } else {
      to.write(piece);
    }
  }

  #runActs(): void {
    while (!this.#isClosed && (this.#acts[0]?.atByte ?? Infinity) <= this.#deliveredBytes) {
      this.#acts.shift()?.act();
    }
  }

  #lose(head: Segment): void {
    this.#segments.shift();
    if (typeof head.content !== 'string') this.#queuedBytes -= head.content.length;
    this.#hasGap = true;
  }

  #isHeld(): boolean {
    const { switches, direction, to } = this.#origin;
    return this.#isWaiting || to.writableNeedDrain || switches.isFrozen(direction);
  }

  #isSilent(): boolean {
    return this.#origin.switches.isSilent(this.#origin.direction);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }
}

/**
 * Resets a socket. Where its end has just been sent Node can not, and never tells of its close then: it is closed, and whoever goes
 * on to send to it is answered with a reset.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
