/**
 * What this side has sent on a resumable session and the other has not acknowledged: one queue, from which the messages are
 * written, and written again on the next connection. Acknowledgements move its beginning, nothing else does.
 * PROTOCOL.md, "Resuming".
 *
 * Small messages lie side by side in buffers of the pool; a frame of its own is kept as it is. While nothing is unacknowledged no
 * memory is held.
 */
import { ProtocolError } from '../errors.js';
import { itemAt } from './bytes.js';
import { pooledBytes, type FragmentPool } from './fragment-pool.js';

/** The most messages that may be unacknowledged, whatever their bytes (reliability rule R19). */
export const maxLogMessages = 16_384;

/** Where messages are written to. */
export interface LogWriter {
  /** One message, to be copied. */
  message(bytes: Uint8Array): void;
  /** One whole frame, which stays as it is. */
  frame(bytes: Uint8Array): void;
}

/** Messages side by side: where each ends. Or one frame. */
interface Block {
  readonly first: number;
  readonly bytes: Uint8Array;
  readonly ends: number[];
  readonly isFrame: boolean;
}

/** The log of one session, in one direction. */
export class SendLog {
  readonly #pool: FragmentPool;
  readonly #maxBytes: number;
  #blocks: Block[] = [];
  #bytes = 0;
  #heldBytes = 0;
  #lastNumber = 0;
  #acknowledged = 0;

  /**
   * @param pool - lends the buffers
   * @param maxBytes - that may be unacknowledged; the last message may go beyond
   */
  constructor(pool: FragmentPool, maxBytes: number) {
    this.#pool = pool;
    this.#maxBytes = maxBytes;
  }

  /** The number of the last message that was added, 0 before the first. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** The number up to which the other side has everything. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Bytes that are not acknowledged. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of the buffers and frames that they lie in: a buffer is held as a whole, whatever is in it. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether nothing may be added until something is acknowledged. */
  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes || this.#lastNumber - this.#acknowledged >= maxLogMessages;
  }

  /** Adds a message that fits a buffer of the pool; it is copied. */
  add(message: Uint8Array): void {
    let block = this.#blocks.at(-1);
    let start =
      block === undefined || block.isFrame ? pooledBytes : itemAt(block.ends, block.ends.length - 1);
    if (block === undefined || start + message.length > pooledBytes) {
      block = { first: this.#lastNumber + 1, bytes: this.#pool.take(), ends: [], isFrame: false };
      this.#hold(block);
      start = 0;
    }
    block.bytes.set(message, start);
    block.ends.push(start + message.length);
    this.#added(message.length);
  }

  /** Adds a message as the frame that it fills, which nobody changes from now on. */
  addFrame(frame: Uint8Array): void {
    this.#hold({
      first: this.#lastNumber + 1,
      bytes: frame,
      ends: [frame.length],
      isFrame: true,
    });
    this.#added(frame.length);
  }

  /**
   * The other side has everything up to a number.
   * @throws ProtocolError for a number that was never sent, or was passed before
   */
  acknowledge(number: number): void {
    if (number < this.#acknowledged || number > this.#lastNumber) {
      const bounds = `from ${this.#acknowledged} to ${this.#lastNumber}`;
      throw new ProtocolError(`an acknowledgement of message ${number}, where one ${bounds} can be`);
    }
    let gone = 0;
    for (const block of this.#blocks) {
      const { first, ends } = block;
      const from = this.#startOf(block, this.#acknowledged + 1);
      const last = first + ends.length - 1;
      this.#bytes -= this.#startOf(block, Math.min(number, last) + 1) - from;
      if (number < last) break;
      this.#heldBytes -= block.bytes.length;
      if (!block.isFrame) this.#pool.giveBack(block.bytes);
      gone += 1;
    }
    if (gone > 0) this.#blocks.splice(0, gone);
    this.#acknowledged = number;
  }

  /**
   * Writes one message that is not acknowledged.
   * @returns the bytes that it takes
   */
  write(number: number, writer: LogWriter): number {
    const block = itemAt(this.#blocks, this.#blockOf(number));
    const bytes = block.bytes.subarray(
      this.#startOf(block, number),
      itemAt(block.ends, number - block.first),
    );
    if (block.isFrame) writer.frame(bytes);
    else writer.message(bytes);
    return bytes.length;
  }

  /** The session is over: the buffers go back. */
  clear(): void {
    for (const { isFrame, bytes } of this.#blocks) if (!isFrame) this.#pool.giveBack(bytes);
    this.#blocks = [];
    this.#bytes = this.#heldBytes = 0;
  }

  /** Where a message begins in its block; the beginning of the block for one that lies before it. */
  #startOf({ first, ends }: Block, number: number): number {
    return number <= first ? 0 : itemAt(ends, number - first - 1);
  }

  /** By halving: a replay writes every message. */
  #blockOf(number: number): number {
    let low = 0;
    for (let high = this.#blocks.length - 1; low < high;) {
      const middle = Math.ceil((low + high) / 2);
      if (itemAt(this.#blocks, middle).first <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #hold(block: Block): void {
    this.#blocks.push(block);
    this.#heldBytes += block.bytes.length;
  }

  #added(bytes: number): void {
    this.#bytes += bytes;
    this.#lastNumber += 1;
  }
}
