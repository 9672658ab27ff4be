/**
 * Frames: a 4-byte big-endian length and that many bytes, holding one or more messages.
 *
 * `FrameReader` cuts chunks into frames: a frame that lies whole in one chunk is a view of it, one that does not is
 * gathered in a buffer that never exceeds twice what has come, so that an announced length costs nothing.
 * `FrameWriter` gathers the messages of a turn into one frame, in slabs borrowed from a pool that all connections share:
 * an idle connection holds none. PROTOCOL.md, "Framing".
 */

import { ProtocolError } from '../errors.js';
import { frameTargetBytes } from './limits.js';

const headerBytes = 4;

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #length = 0;
  #headerLength = 0;
  #gathered: Uint8Array | undefined;
  #gatheredLength = 0;
  #isOwn = false;

  /** Whether the frame read last is in a buffer of its own, not a view of a chunk. */
  get isOwn(): boolean {
    return this.#isOwn;
  }

  /** Bytes of a frame that has begun and is not complete. */
  get partialBytes(): number {
    return this.#headerLength === 0 ? 0 : this.#headerLength + this.#gatheredLength;
  }

  /** Hands in the next chunk, which is not kept; every frame of the one before must have been read. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /**
   * Reads the next complete frame.
   * @param maxBytes - what a frame may hold at present
   * @returns the frame's bytes (a view of the chunk, or a buffer of its own), or `undefined` when more must come
   * @throws ProtocolError when the announced length is zero or above `maxBytes`
   */
  read(maxBytes: number): Uint8Array | undefined {
    if (!this.#readHeader(maxBytes)) return undefined;
    const available = this.#chunk.length - this.#offset;
    if (this.#gatheredLength === 0 && available >= this.#length) {
      const frame = this.#chunk.subarray(this.#offset, this.#offset + this.#length);
      this.#offset += this.#length;
      this.#headerLength = 0;
      this.#isOwn = false;
      return frame;
    }
    return this.#gather(available);
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

  #gather(available: number): Uint8Array | undefined {
    const taken = Math.min(available, this.#length - this.#gatheredLength);
    if (taken === 0) return undefined;
    const buffer = this.#reserve(this.#gatheredLength + taken);
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
  #reserve(needed: number): Uint8Array {
    const buffer = this.#gathered;
    if (buffer !== undefined && buffer.length >= needed) return buffer;
    const grown = new Uint8Array(Math.min(this.#length, needed * 2));
    if (buffer !== undefined) grown.set(buffer.subarray(0, this.#gatheredLength));
    this.#gathered = grown;
    return grown;
  }
}

/** The size of a slab: holds a frame at its target size and the message that crosses it. */
const slabBytes = 2 * frameTargetBytes;

/** A rest smaller than this is not worth keeping for the next frame. */
const smallestRestBytes = 1_024;

/** Lends slabs to the writers of all connections of one server or client; only the unused rest of one is kept. */
export class SlabPool {
  #slab: Uint8Array | undefined;
  #used = 0;

  /** Where the slab lent last may be written from on. */
  get used(): number {
    return this.#used;
  }

  /** Lends a slab that nobody else holds, with at least `minBytes` behind `used`. */
  take(minBytes: number): Uint8Array {
    const slab = this.#slab;
    this.#slab = undefined;
    if (slab !== undefined && slab.length - this.#used >= minBytes) return slab;
    this.#used = 0;
    return new Uint8Array(Math.max(slabBytes, minBytes));
  }

  /** Takes a slab back for the rest of it. Never what was used is lent again: a socket may still be reading that. */
  giveBack(slab: Uint8Array, used: number): void {
    if (slab.length - used < smallestRestBytes) return;
    this.#slab = slab;
    this.#used = used;
  }
}

/** Gathers messages into frames. */
export class FrameWriter {
  readonly #pool: SlabPool;
  #slab: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;

  /** @param pool - shared by all writers of one server or client */
  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Bytes gathered and not yet taken. */
  get pendingBytes(): number {
    return this.#frameBytes + this.#end - this.#start;
  }

  /** Adds one encoded message to the frame of this turn; the bytes are copied. */
  append(message: Uint8Array): void {
    let slab = this.#slab;
    if (slab !== undefined && this.#end + message.length > slab.length) {
      this.finishFrame();
      slab = undefined;
    }
    if (slab === undefined) {
      slab = this.#pool.take(message.length + headerBytes);
      this.#slab = slab;
      this.#start = this.#pool.used;
      this.#end = this.#start + headerBytes;
    }
    slab.set(message, this.#end);
    this.#end += message.length;
    if (this.#end - this.#start >= frameTargetBytes) this.finishFrame();
  }

  /** Ends the present frame, so that what follows begins another. */
  finishFrame(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    const start = this.#start;
    const length = this.#end - start - headerBytes;
    slab[start] = length >>> 24;
    slab[start + 1] = length >>> 16;
    slab[start + 2] = length >>> 8;
    slab[start + 3] = length;
    this.#addFrame(slab.subarray(start, this.#end));
    this.#pool.giveBack(slab, this.#end);
    this.#slab = undefined;
    this.#start = this.#end = 0;
  }

  /** Adds bytes that are no frame: the opening. They are copied, so that they leave in one write with what follows. */
  addBytes(bytes: Uint8Array): void {
    this.finishFrame();
    const slab = this.#pool.take(bytes.length);
    const start = this.#pool.used;
    slab.set(bytes, start);
    this.#addFrame(slab.subarray(start, start + bytes.length));
    this.#pool.giveBack(slab, start + bytes.length);
  }

  /** Takes all that is gathered, ready to be written in this order; the taker may keep it. */
  takeFrames(): Uint8Array[] {
    this.finishFrame();
    const frames = this.#frames;
    this.#frames = [];
    this.#frameBytes = 0;
    return frames;
  }

  /** Frames that lie side by side in a slab leave as one piece, hence in one write. */
  #addFrame(bytes: Uint8Array): void {
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
