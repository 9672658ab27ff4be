/**
 * One direction of a link in memory: a bounded queue of bytes, each delivered when its latency has passed.
 *
 * The only clock is the scheduler, and one action at most is armed, for the head of the queue. What disturbs the delivery is
 * asked of the link at the moment of delivery, never before, so a switch takes effect on what is under way too.
 */

import type { SchedulerLike, Subscription } from 'rxjs';

/** One of the two directions of a link. */
export type MemoryDirection = 'toServer' | 'toClient';

/** What a link, or the whole network, says at the moment it is asked. */
export interface MemoryConditions {
  /** How long what is written now is under way, in milliseconds. */
  readonly latencyMs: number;
  /** How much longer than that at most, in milliseconds; chance says how much. */
  readonly jitterMs: number;
  /** Bytes of the largest piece to deliver; undefined: all that is due at once. */
  readonly sliceBytes: number | undefined;
  /** Whether nothing may be delivered now in this direction; it waits. */
  isHeld(direction: MemoryDirection): boolean;
  /** Whether what should be delivered now in this direction vanishes instead. */
  isSilent(direction: MemoryDirection): boolean;
}

/** What both pipes of a link have in common. */
export interface MemorySurroundings {
  /** Every delivery is one of its actions. */
  readonly scheduler: SchedulerLike;
  /** The link's own. */
  readonly conditions: MemoryConditions;
  /** `write` answers false while more than this is under way in its direction. */
  readonly highWaterBytes: number;
  /** Chance, for jitter. */
  readonly random: () => number;
}

/** The two ends of a pipe, and the link it belongs to, as the pipe sees them. */
export interface PipeSink {
  /** Whether the receiving end takes deliveries yet; until then they wait. */
  isReceiving(): boolean;
  /** Bytes for the receiving end, which may keep them. */
  onBytes(bytes: Uint8Array): void;
  /** The sending end has ended, and everything before it was delivered. */
  onEnd(): void;
  /** For the sending end: the queue is empty again after `write` answered false. */
  onDrained(): void;
  /** The pipe cannot go on: its last permitted byte was delivered, or bytes are missing. */
  onBroken(): void;
}

/** Bytes under way, or (without bytes) the end. */
interface Segment {
  bytes: Uint8Array | undefined;
  readonly dueMs: number;
}

/** Bytes under way from one end of a link to the other. Its link owns it and calls `clear` when it ends. */
export class MemoryPipe {
  readonly #scheduler: SchedulerLike;
  readonly #conditions: MemoryConditions;
  readonly #highWaterBytes: number;
  readonly #random: () => number;
  readonly #direction: MemoryDirection;
  readonly #sink: PipeSink;
  #segments: Segment[] = [];
  #armed: Subscription | undefined;
  #queuedBytes = 0;
  #deliveredBytes = 0;
  #remainingBytes = Infinity;
  #isFull = false;
  #hasGap = false;

  constructor(surroundings: MemorySurroundings, direction: MemoryDirection, sink: PipeSink) {
    this.#scheduler = surroundings.scheduler;
    this.#conditions = surroundings.conditions;
    this.#highWaterBytes = surroundings.highWaterBytes;
    this.#random = surroundings.random;
    this.#direction = direction;
    this.#sink = sink;
  }

  /** Bytes written and not yet delivered. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes delivered so far. */
  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  /**
   * Takes a copy of `bytes` and sends it on its way.
   * @returns false above the high-water mark
   */
  write(bytes: Uint8Array): boolean {
    if (bytes.length > 0) {
      this.#queuedBytes += bytes.length;
      this.#append(bytes.slice());
    }
    const isFull = this.#queuedBytes > this.#highWaterBytes;
    this.#isFull ||= isFull;
    return !isFull;
  }

  /** Sends the end on its way, behind what is queued. */
  end(): void {
    this.#append(undefined);
  }

  /** Loses what is under way. */
  clear(): void {
    this.#segments = [];
    this.#queuedBytes = 0;
    this.#armed?.unsubscribe();
    this.#armed = undefined;
  }

  /** Breaks after this many further bytes, at least one. */
  breakAfter(bytes: number): void {
    this.#remainingBytes = bytes;
  }

  /** Looks again when to deliver, after something that held the delivery back has gone. */
  arm(): void {
    const head = this.#segments[0];
    if (head === undefined || this.#armed !== undefined || this.#isHeld()) return;
    this.#armed = this.#scheduler.schedule(
      () => {
        this.#armed = undefined;
        this.deliverDue();
      },
      Math.max(0, head.dueMs - this.#scheduler.now()),
    );
  }

  /** Delivers what is due. Called from an action of the scheduler only, since it calls the receiver at once. */
  deliverDue(): void {
    const nowMs = this.#scheduler.now();
    for (let head = this.#due(nowMs); head !== undefined; head = this.#due(nowMs)) {
      if (this.#conditions.isSilent(this.#direction)) this.#lose(head);
      else if (this.#hasGap) this.#sink.onBroken();
      else if (head.bytes === undefined) this.#deliverEnd();
      else this.#deliverBytes(nowMs);
    }
    if (this.#isFull && this.#queuedBytes === 0) {
      this.#isFull = false;
      this.#sink.onDrained();
    }
    this.arm();
  }

  #isHeld(): boolean {
    return this.#conditions.isHeld(this.#direction) || !this.#sink.isReceiving();
  }

  #append(bytes: Uint8Array | undefined): void {
    const { latencyMs, jitterMs } = this.#conditions;
    const delayMs = jitterMs === 0 ? latencyMs : latencyMs + jitterMs * this.#random();
    // If the latency has been lowered since, this is due before what was written earlier, and waits behind it.
    this.#segments.push({ bytes, dueMs: this.#scheduler.now() + delayMs });
    this.arm();
  }

  #due(nowMs: number): Segment | undefined {
    const head = this.#segments[0];
    return head === undefined || head.dueMs > nowMs || this.#isHeld() ? undefined : head;
  }

  #lose(head: Segment): void {
    this.#segments.shift();
    this.#queuedBytes -= head.bytes?.length ?? 0;
    this.#hasGap = true;
  }

  #deliverEnd(): void {
    this.#segments.shift();
    this.#sink.onEnd();
  }

  #deliverBytes(nowMs: number): void {
    const bytes = this.#take(nowMs);
    this.#queuedBytes -= bytes.length;
    this.#deliveredBytes += bytes.length;
    this.#remainingBytes -= bytes.length;
    this.#sink.onBytes(bytes);
    if (this.#remainingBytes <= 0) this.#sink.onBroken();
  }

  /** As many of the bytes that are due as may be delivered in one piece. */
  #take(nowMs: number): Uint8Array {
    let room = Math.min(this.#remainingBytes, this.#conditions.sliceBytes ?? Infinity);
    const pieces: Uint8Array[] = [];
    for (let head = this.#segments[0]; head?.bytes !== undefined; head = this.#segments[0]) {
      if (room === 0 || head.dueMs > nowMs) break;
      const piece = head.bytes.subarray(0, room);
      if (piece.length === head.bytes.length) this.#segments.shift();
      else head.bytes = head.bytes.subarray(piece.length);
      pieces.push(piece);
      room -= piece.length;
    }
    return joined(pieces);
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) return first;
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
