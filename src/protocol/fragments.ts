/**
 * Long messages: out in fragments, one message at a time, so that nothing waits behind more than one of them; in, put
 * together again within bounds. PROTOCOL.md, "Fragments".
 */

import { LimitExceededError, ProtocolError } from '../errors.js';
import { itemAt, joinBytes } from './bytes.js';
import { maxHeadBytes, writeFragmentHead } from './fragment-frame.js';
import { type FragmentPool, headRoomBytes } from './fragment-pool.js';
import type { FrameWriter } from './framing.js';
import { fragmentBytes, maxPartialMessages } from './limits.js';
import type { FragmentMessage } from './messages.js';
import { SparseMap } from './sparse.js';
import type { Piece } from './transferred.js';

/** The bytes of a fragment, in a buffer of the pool behind the room for its head, or where their owner has them. */
interface FragmentContent {
  readonly buffer: Uint8Array | undefined;
  readonly bytes: Uint8Array;
}

/** Where fragments are written to. */
type FrameSink = Pick<FrameWriter, 'addKept' | 'addBytes'>;

/** A long message on its way out. */
export class LongMessage {
  readonly #id: number;
  readonly #contents: FragmentContent[] = [];
  #next = 0;
  #remainingBytes = 0;
  /** The number of its last fragment once that has left, 0 until then. */
  lastNumber = 0;

  /**
   * @param id - tells it apart from the other long messages of this connection
   * @param pieces - the encoded message; those that were not given away are copied
   * @param pool - where to
   */
  constructor(id: number, pieces: readonly Piece[], pool: FragmentPool) {
    this.#id = id;
    for (const { bytes } of pieces) this.#remainingBytes += bytes.length;
    const source = new PieceReader(pieces);
    for (let rest = this.#remainingBytes; rest > 0; rest -= fragmentBytes) {
      this.#contents.push(source.take(Math.min(fragmentBytes, rest), pool));
    }
  }

  /** Bytes that have not left. */
  get remainingBytes(): number {
    return this.#remainingBytes;
  }

  /** Whether a fragment has left, so that a withdrawal must be told. */
  get hasBegun(): boolean {
    return this.#next > 0;
  }

  /** Writes the next fragment, the last one when `remainingBytes` is 0 afterwards. */
  writeFragment(writer: FrameSink): void {
    const { buffer, bytes } = itemAt(this.#contents, this.#next);
    this.#next += 1;
    this.#remainingBytes -= bytes.length;
    const end = this.#remainingBytes === 0 ? 1 : 0;
    if (buffer === undefined) {
      this.#writeHead(writer, end, bytes.length);
      writer.addKept(bytes);
      return;
    }
    const start = writeFragmentHead(buffer, headRoomBytes, this.#id, end, bytes.length);
    writer.addKept(buffer.subarray(start, headRoomBytes + bytes.length));
  }

  /** Tells the peer that the rest will not come. */
  abandon(writer: FrameSink): void {
    this.#writeHead(writer, 2, 0);
  }

  #writeHead(writer: FrameSink, end: FragmentMessage[2], size: number): void {
    const head = new Uint8Array(maxHeadBytes);
    writer.addBytes(head.subarray(writeFragmentHead(head, maxHeadBytes, this.#id, end, size)));
  }
}

/** Takes a message from its pieces, a fragment at a time. */
class PieceReader {
  readonly #pieces: readonly Piece[];
  #piece = 0;
  #offset = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** The next bytes: where they are if they were given away and lie together, else copied. */
  take(size: number, pool: FragmentPool): FragmentContent {
    const { bytes, isGiven } = itemAt(this.#pieces, this.#piece);
    if (isGiven && bytes.length - this.#offset >= size)
      return { buffer: undefined, bytes: this.#takeOfPiece(size) };
    const buffer = pool.take();
    for (let taken = 0; taken < size;) {
      const next = this.#takeOfPiece(size - taken);
      buffer.set(next, headRoomBytes + taken);
      taken += next.length;
    }
    return { buffer, bytes: buffer.subarray(headRoomBytes, headRoomBytes + size) };
  }

  #takeOfPiece(most: number): Uint8Array {
    const { bytes } = itemAt(this.#pieces, this.#piece);
    const taken = bytes.subarray(this.#offset, this.#offset + most);
    this.#offset += taken.length;
    if (this.#offset === bytes.length) {
      this.#piece += 1;
      this.#offset = 0;
    }
    return taken;
  }
}

interface PartialMessage {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** Puts the fragments of long messages together. */
export class Reassembly {
  readonly #maxMessageBytes: number;
  readonly #pool: FragmentPool;
  readonly #partials = new SparseMap<number, PartialMessage>();
  #totalBytes = 0;

  /**
   * @param maxMessageBytes - the bound on one message; twice as much may be held in all
   * @param pool - lends the buffers for what waits
   */
  constructor(maxMessageBytes: number, pool: FragmentPool) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#pool = pool;
  }

  /** Whether some of a message has come, hence a full fragment at least, and more is to come. */
  get isWithinMessage(): boolean {
    return this.#partials.size > 0;
  }

  /**
   * Takes a fragment.
   * @param fragment - as it came
   * @param isOwn - whether its bytes are nobody else's from now on; else they are gone when this returns
   * @returns the whole message, in a buffer of its own, when this was its last fragment
   * @throws ProtocolError when too many messages are begun, or a fragment before the last is not of full size
   * @throws LimitExceededError when a message is too long
   */
  receive([, id, end, bytes]: FragmentMessage, isOwn: boolean): Uint8Array | undefined {
    // Tiny pieces would cost many times their bytes in bookkeeping.
    const isOfSize =
      end === 0 ? bytes.length === fragmentBytes : bytes.length <= (end === 1 ? fragmentBytes : 0);
    if (!isOfSize) {
      throw new ProtocolError(
        `a fragment of ${bytes.length} bytes, where all but the last hold ${fragmentBytes}, and an abandoned one none`,
      );
    }
    const partial = this.#partials.get(id) ?? this.#begin(id);
    if (end === 2) {
      this.#forget(id, partial);
      return undefined;
    }
    partial.pieces.push(isOwn || end === 1 ? bytes : this.#keep(bytes));
    partial.bytes += bytes.length;
    this.#totalBytes += bytes.length;
    if (partial.bytes > this.#maxMessageBytes || this.#totalBytes > 2 * this.#maxMessageBytes) {
      throw new LimitExceededError(
        `a message of more than ${this.#maxMessageBytes} bytes (limits.maxMessageBytes changes the bound)`,
      );
    }
    if (end === 0) return undefined;
    const whole = joinBytes(partial.pieces, this.#pool.make(partial.bytes));
    this.#forget(id, partial);
    return whole;
  }

  #keep(bytes: Uint8Array): Uint8Array {
    const buffer = this.#pool.take();
    buffer.set(bytes);
    return buffer.subarray(0, bytes.length);
  }

  #begin(id: number): PartialMessage {
    if (this.#partials.size >= maxPartialMessages) {
      throw new ProtocolError(`fragments of more than ${maxPartialMessages} messages at one time`);
    }
    const partial: PartialMessage = { pieces: [], bytes: 0 };
    this.#partials.set(id, partial);
    return partial;
  }

  #forget(id: number, partial: PartialMessage): void {
    this.#partials.delete(id);
    this.#totalBytes -= partial.bytes;
    for (const piece of partial.pieces) this.#pool.giveBack(piece);
  }
}
