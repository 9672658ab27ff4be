/**
 * Frames: a 4-byte big-endian length and that many bytes, holding one or more messages.
 *
 * `FrameReader` cuts chunks into frames: a frame that lies whole in one chunk is a view of it, one that does not is
 * gathered in a buffer that never exceeds twice what has come, so that an announced length costs nothing.
 * `FrameWriter` gathers the messages of a turn into one frame, in memory reserved from a pool that all connections share:
 * an idle connection holds none. PROTOCOL.md, "Framing".
 */

import { ProtocolError } from '../errors.js';
import { itemAt, joinBytes } from './bytes.js';
import { isFragmentFrame } from './fragment-frame.js';
import { FragmentPool, pooledBytes } from './fragment-pool.js';
import { frameTargetBytes } from './limits.js';

const headerBytes = 4;

const noBytes = new Uint8Array(0);

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #pool: FragmentPool;
  #chunk: Uint8Array = noBytes;
  #offset = 0;
  /** Whether it is a copy. */
  #isKept = false;
  /** Copies of the chunks behind it; mostly none. */
  #waiting: Uint8Array[] | undefined;
  #length = 0;
  #headerLength = 0;
  #gathered: Uint8Array | undefined;
  #gatheredLength = 0;
  #isOwn = false;

  /** @param pool - lends the buffers for fragments, which whoever reads them gives back */
  constructor(pool: FragmentPool) {
    this.#pool = pool;
  }

  /** Whether the frame read last is in a buffer of its own, not a view of a chunk. */
  get isOwn(): boolean {
    return this.#isOwn;
  }

  /** Bytes of a frame that has begun and is not complete. */
  get partialBytes(): number {
    return this.#headerLength === 0 ? 0 : this.#headerLength + this.#gatheredLength;
  }

  /** Whether there is something to read. */
  get hasUnread(): boolean {
    return this.#offset < this.#chunk.length || this.#waiting !== undefined;
  }

  /** Hands in the next chunk. It is not kept: where one before is not read yet, a copy waits behind that. */
  push(chunk: Uint8Array): void {
    if (this.hasUnread) this.pushBehind(chunk);
    else this.#begin(chunk, false);
  }

  /** Hands in a chunk that is read later. */
  pushBehind(chunk: Uint8Array): void {
    (this.#waiting ??= []).push(chunk.slice());
  }

  /** What is not read yet is read later, when the chunk is its owner's again. */
  keep(): void {
    if (!this.#isKept) this.#begin(this.#chunk.slice(this.#offset), true);
  }

  /**
   * Reads the next complete frame.
   * @param maxBytes - what a frame may hold at present
   * @param isWithinMessage - whether a fragment of a message has come that is not complete
   * @returns the frame's bytes (a view of the chunk, or a buffer of its own), or `undefined` when more must come
   * @throws ProtocolError when the announced length is zero or above `maxBytes`
   */
  read(maxBytes: number, isWithinMessage = false): Uint8Array | undefined {
    for (;;) {
      const frame = this.#read(maxBytes, isWithinMessage);
      if (frame !== undefined) return frame;
      const next = this.#waiting?.shift();
      if (this.#waiting?.length === 0) this.#waiting = undefined;
      // Nobody needs the chunk any more: it would stay in memory as long as the connection is idle.
      this.#begin(next ?? noBytes, next !== undefined);
      if (next === undefined) return undefined;
    }
  }

  #begin(chunk: Uint8Array, isKept: boolean): void {
    this.#chunk = chunk;
    this.#offset = 0;
    this.#isKept = isKept;
  }

  #read(maxBytes: number, isWithinMessage: boolean): Uint8Array | undefined {
    if (!this.#readHeader(maxBytes)) return undefined;
    const available = this.#chunk.length - this.#offset;
    if (this.#gatheredLength === 0 && available >= this.#length) {
      const frame = this.#chunk.subarray(this.#offset, this.#offset + this.#length);
      this.#offset += this.#length;
      this.#headerLength = 0;
      this.#isOwn = false;
      return frame;
    }
    return this.#gather(available, isWithinMessage);
  }

  #readHeader(maxBytes: number): boolean {
    while (this.#headerLength < headerBytes) {
      const byte = this.#chunk[this.#offset];
      if (byte === undefined) return false;
      this.#offset += 1;
      this.#length = this.#headerLength === 0 ? byte : this.#length * 256 + byte;
      this.#headerLength += 1;
      if (this.#headerLength === headerBytes) this.#checkLength(maxBytes);
    }
    return true;
  }

  #checkLength(maxBytes: number): void {
    if (this.#length === 0) throw new ProtocolError('a frame of no bytes');
    if (this.#length > maxBytes) {
      throw new ProtocolError(`a frame of ${this.#length} bytes, where at most ${maxBytes} are allowed`);
    }
  }

  #gather(available: number, isWithinMessage: boolean): Uint8Array | undefined {
    const taken = Math.min(available, this.#length - this.#gatheredLength);
    if (taken === 0) return undefined;
    const buffer = this.#reserve(this.#gatheredLength + taken, isWithinMessage);
    buffer.set(this.#chunk.subarray(this.#offset, this.#offset + taken), this.#gatheredLength);
    this.#offset += taken;
    this.#gatheredLength += taken;
    if (this.#gatheredLength < this.#length) return undefined;
    const frame = buffer.subarray(0, this.#length);
    this.#isOwn = true;
    this.#gathered = undefined;
    this.#gatheredLength = 0;
    this.#headerLength = 0;
    return frame;
  }

  /** Doubling keeps gathering linear, and memory within twice what has come. */
  #reserve(needed: number, isWithinMessage: boolean): Uint8Array {
    const buffer = this.#gathered;
    if (buffer !== undefined && buffer.length >= needed) return buffer;
    const grown = this.#mayBorrow(needed, isWithinMessage)
      ? this.#pool.take()
      : this.#pool.make(Math.min(this.#length, needed * 2));
    if (buffer !== undefined) grown.set(buffer.subarray(0, this.#gatheredLength));
    this.#gathered = grown;
    return grown;
  }

  /**
   * A buffer of the pool is as much as has come already, be it of this frame or of fragments before it: so no peer has more
   * than twice its bytes reserved here either.
   */
  #mayBorrow(needed: number, isWithinMessage: boolean): boolean {
    if (this.#length > pooledBytes || !(isWithinMessage || needed * 2 >= pooledBytes)) return false;
    return isFragmentFrame(this.#gathered ?? this.#chunk.subarray(this.#offset));
  }
}

/** The size of a slab: holds a frame near its target size and any message that comes in one piece. */
const slabBytes = 128 * 1024;

/** The least that is reserved for a frame: most turns of most connections need no more. */
const leastReservedBytes = 512;

/**
 * The memory in which the writers of all connections gather, reserved piece by piece from one slab.
 *
 * A transport mostly hands what it is given to the system at once, which copies it. Then the same memory is used again, and
 * the same few lines of the processor's cache; new slabs would have the garbage collector look at everything again and again.
 */
export class SlabPool {
  /** Buffers for what is longer than a slab is good for. */
  readonly fragments = new FragmentPool();
  #slab = new Uint8Array(0);
  #used = 0;

  /** The slab that was reserved from last. */
  get slab(): Uint8Array {
    return this.#slab;
  }

  /** Reserves bytes, which lie in `slab` then. @returns where they begin */
  reserve(bytes: number): number {
    if (this.#slab.length - this.#used < bytes) {
      this.#slab = new Uint8Array(Math.max(slabBytes, bytes));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return start;
  }

  /** Reserves bytes behind those that were reserved up to `end`. @returns whether they are free */
  extend(slab: Uint8Array, end: number, bytes: number): boolean {
    if (end !== this.#used || slab !== this.#slab || slab.length - end < bytes) return false;
    this.#used += bytes;
    return true;
  }

  /** What was reserved up to `end` is needed up to `used` only. */
  giveBack(slab: Uint8Array, used: number, end: number): void {
    if (end === this.#used && slab === this.#slab) this.#used = used;
  }

  /** Nobody reads these pieces any more, given in the order in which they were reserved; others may be among them. */
  reclaim(pieces: readonly Uint8Array[]): void {
    for (let at = pieces.length - 1; at >= 0; at -= 1) {
      const { buffer, byteOffset, length } = itemAt(pieces, at);
      if (byteOffset + length === this.#used && buffer === this.#slab.buffer) this.#used = byteOffset;
      else this.fragments.giveBack(itemAt(pieces, at));
    }
  }
}

/** The pool of all servers and clients of a process. */
export const sharedSlabs = new SlabPool();

/** Gathers messages into frames. */
export class FrameWriter {
  readonly #pool: SlabPool;
  // The frame of this turn: its slab, and in that where it begins and ends, and up to where it may grow.
  #slab: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #limit = 0;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #frameNumber = 0;

  /** @param pool - shared by all writers */
  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Bytes gathered and not yet taken. */
  get pendingBytes(): number {
    return this.#frameBytes + this.#end - this.#start;
  }

  /** Which frame the next message goes into, counted from 0. */
  get frameNumber(): number {
    return this.#frameNumber;
  }

  /** Adds one encoded message to the frame of this turn; the bytes are copied. */
  append(message: Uint8Array): void {
    const size = message.length;
    if (this.#slab === undefined) this.#begin(headerBytes, size);
    else if (this.#end + size > this.#limit) this.#grow(this.#slab, size);
    this.#slab?.set(message, this.#end);
    this.#end += size;
    if (this.#end - this.#start >= frameTargetBytes) this.finishFrame();
  }

  /** Ends the present frame, so that what follows begins another. */
  finishFrame(): void {
    if (this.#slab !== undefined) this.#finish(this.#slab, this.#end - this.#start - headerBytes);
  }

  /**
   * Adds one large message, copied into a buffer of its own: a slab would be used up by it, and not be used again where the
   * transport cannot take it at once.
   *
   * @param parts - of the message, in order
   * @param size - of all of them: no more than a fragment has
   */
  addLarge(parts: readonly Uint8Array[], size: number): void {
    const frame = this.#pool.fragments.take().subarray(0, headerBytes + size);
    writeLength(frame, 0, size);
    joinBytes(parts, frame.subarray(headerBytes));
    this.addKept(frame);
  }

  /** Adds bytes as they are, which are not copied: whoever gave them must not change them. */
  addKept(bytes: Uint8Array): void {
    this.finishFrame();
    this.#addPiece(bytes);
  }

  /** Adds bytes as they are: the opening, and beginnings of frames. They are copied. */
  addBytes(bytes: Uint8Array): void {
    this.finishFrame();
    const slab = this.#begin(0, bytes.length);
    slab.set(bytes, this.#end);
    this.#end += bytes.length;
    this.#close(slab);
  }

  /** Takes all that is gathered, ready to be written in this order; the taker may keep it. */
  takeFrames(): Uint8Array[] {
    this.finishFrame();
    const frames = this.#frames;
    this.#frames = [];
    this.#frameBytes = 0;
    return frames;
  }

  /** Reserves space for a frame, or for bytes. @returns the slab that it is in */
  #begin(before: number, size: number): Uint8Array {
    const reserved = Math.max(leastReservedBytes, before + size);
    this.#start = this.#pool.reserve(reserved);
    this.#end = this.#start + before;
    this.#limit = this.#start + reserved;
    this.#slab = this.#pool.slab;
    return this.#slab;
  }

  /** Makes room, in place if nobody has reserved what is behind, and for as much again. */
  #grow(slab: Uint8Array, size: number): void {
    const length = this.#end - this.#start;
    const more = Math.max(size, length);
    if (this.#pool.extend(slab, this.#limit, more)) {
      this.#limit += more;
      return;
    }
    const frame = slab.subarray(this.#start, this.#end);
    this.#pool.giveBack(slab, this.#start, this.#limit);
    this.#begin(0, length + more).set(frame, this.#end);
    this.#end += length;
  }

  #finish(slab: Uint8Array, length: number): void {
    writeLength(slab, this.#start, length);
    this.#close(slab);
  }

  #close(slab: Uint8Array): void {
    this.#addPiece(slab.subarray(this.#start, this.#end));
    this.#pool.giveBack(slab, this.#end, this.#limit);
    this.#slab = undefined;
    this.#start = this.#end = 0;
    this.#frameNumber += 1;
  }

  /** What lies side by side in a slab leaves as one piece. */
  #addPiece(bytes: Uint8Array): void {
    this.#frameBytes += bytes.length;
    const last = this.#frames.at(-1);
    if (last?.buffer !== bytes.buffer || last.byteOffset + last.length !== bytes.byteOffset) {
      this.#frames.push(bytes);
      return;
    }
    this.#frames[this.#frames.length - 1] = new Uint8Array(
      last.buffer,
      last.byteOffset,
      last.length + bytes.length,
    );
  }
}

function writeLength(target: Uint8Array, start: number, length: number): void {
  target[start] = length >>> 24;
  target[start + 1] = length >>> 16;
  target[start + 2] = length >>> 8;
  target[start + 3] = length;
}
