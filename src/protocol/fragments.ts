/**
 * Long messages: out in fragments, one message at a time, so that nothing waits behind more than one of them; in, put
 * together again within bounds. PROTOCOL.md, "Fragments".
 */

import { LimitExceededError, ProtocolError } from '../errors.js';
import { itemAt, joinBytes } from './bytes.js';
import { fragmentBytes, maxPartialMessages } from './limits.js';
import { MessageType, type FragmentMessage } from './messages.js';
import { SparseMap } from './sparse.js';

/** A long message on its way out. */
export class LongMessage {
  readonly #id: number;
  readonly #pieces: readonly Uint8Array[];
  readonly #size: number;
  #piece = 0;
  #pieceOffset = 0;
  #offset = 0;
  /** The number of its last fragment once that has left, 0 until then. */
  lastNumber = 0;

  /**
   * @param id - tells it apart from the other long messages of this connection
   * @param pieces - the encoded message, owned by this object
   */
  constructor(id: number, pieces: readonly Uint8Array[]) {
    this.#id = id;
    this.#pieces = pieces;
    this.#size = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** Bytes that have not left. */
  get remainingBytes(): number {
    return this.#size - this.#offset;
  }

  /** Whether a fragment has left, so that a withdrawal must be told. */
  get hasBegun(): boolean {
    return this.#offset > 0;
  }

  /** The next fragment, the last one when `remainingBytes` is 0 afterwards. */
  takeFragment(): FragmentMessage {
    const bytes = this.#take(Math.min(fragmentBytes, this.remainingBytes));
    this.#offset += bytes.length;
    return [MessageType.fragment, this.#id, this.remainingBytes === 0 ? 1 : 0, bytes];
  }

  /** The next bytes: a view where one piece holds them all, else a copy. */
  #take(size: number): Uint8Array {
    const first = this.#takeOfPiece(size);
    if (first.length === size) return first;
    const joined = new Uint8Array(size);
    joined.set(first);
    for (let at = first.length; at < size;) {
      const next = this.#takeOfPiece(size - at);
      joined.set(next, at);
      at += next.length;
    }
    return joined;
  }

  #takeOfPiece(most: number): Uint8Array {
    const piece = itemAt(this.#pieces, this.#piece);
    const bytes = piece.subarray(this.#pieceOffset, this.#pieceOffset + most);
    this.#pieceOffset += bytes.length;
    if (this.#pieceOffset === piece.length) {
      this.#piece += 1;
      this.#pieceOffset = 0;
    }
    return bytes;
  }

  /** What tells the peer that the rest will not come. */
  abandonment(): FragmentMessage {
    return [MessageType.fragment, this.#id, 2, new Uint8Array(0)];
  }
}

interface PartialMessage {
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** Puts the fragments of long messages together. */
export class Reassembly {
  readonly #maxMessageBytes: number;
  readonly #partials = new SparseMap<number, PartialMessage>();
  #totalBytes = 0;

  /** @param maxMessageBytes - the bound on one message; twice as much may be held in all */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Takes a fragment.
   * @returns the whole message, in a buffer of its own, when this was its last fragment
   * @throws ProtocolError when too many messages are begun, or a fragment before the last is not of full size
   * @throws LimitExceededError when a message is too long
   */
  receive([, id, end, bytes]: FragmentMessage): Uint8Array | undefined {
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
    partial.pieces.push(bytes);
    partial.bytes += bytes.length;
    this.#totalBytes += bytes.length;
    if (partial.bytes > this.#maxMessageBytes || this.#totalBytes > 2 * this.#maxMessageBytes) {
      throw new LimitExceededError(
        `a message of more than ${this.#maxMessageBytes} bytes (limits.maxMessageBytes changes the bound)`,
      );
    }
    if (end === 0) return undefined;
    this.#forget(id, partial);
    return joinBytes(partial.pieces, partial.bytes);
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
  }
}
