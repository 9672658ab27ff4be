/**
 * The way out of a resumable session: what is sent enters the log first, and is written from there, the first time as well as
 * again on the next connection. Each frame says which number its first message has.
 * PROTOCOL.md, "Resuming".
 */
import { joinBytes } from './bytes.js';
import type { FragmentPool } from './fragment-pool.js';
import type { FrameWriter } from './framing.js';
import { MessageType } from './messages.js';
import type { LogWriter, SendLog } from './send-log.js';

const headerBytes = 4;

/** Writes what is in a log. */
export class LoggedOutput implements LogWriter {
  /** What is not acknowledged. */
  readonly log: SendLog;
  readonly #pool: FragmentPool;
  /** Of the present connection, or of the last one. */
  #writer: FrameWriter;
  #isAttached = true;
  /** The number of the message that was written last on the present connection. */
  #written = 0;
  /** The frame, of those begun by the writer, that says its number already. */
  #numberedFrame = -1;
  #parts: Uint8Array[] = [];

  /**
   * @param log - of the session
   * @param pool - takes back the buffers that were copied from
   * @param writer - of the first connection
   */
  constructor(log: SendLog, pool: FragmentPool, writer: FrameWriter) {
    this.log = log;
    this.#pool = pool;
    this.#writer = writer;
  }

  /** Whether what is sent now may be written now: there is a connection, on which all that came before was written. */
  get isOpen(): boolean {
    return this.#isAttached && this.#written === this.log.lastNumber && !this.log.isFull;
  }

  /** Whether something of the log is still to be written on the present connection. */
  get isBehind(): boolean {
    return this.#isAttached && this.#written < this.log.lastNumber;
  }

  /** Bytes of the log that are still to be written, about: all that are not acknowledged, while any are. */
  get pendingBytes(): number {
    return this.#written < this.log.lastNumber ? this.log.bytes : 0;
  }

  /** The number of the message that was written last on the present connection. */
  get written(): number {
    return this.#written;
  }

  /** Sends a short message; only while this is open. */
  send(message: Uint8Array): void {
    this.log.add(message);
    // Nothing waits before it, or it would be held back: it need not be looked up in the log to be written.
    this.#written += 1;
    this.message(message);
  }

  /** Sends a message that fills a frame. */
  sendLarge(parts: readonly Uint8Array[], size: number): void {
    const frame = new Uint8Array(headerBytes + size);
    new DataView(frame.buffer).setUint32(0, size);
    joinBytes(parts, frame.subarray(headerBytes));
    this.#sendFrame(frame);
  }

  /** Sends a frame that `write` puts together from what it adds. */
  sendFrame(write: (sink: Pick<FrameWriter, 'addKept' | 'addBytes'>) => void): void {
    write(this);
    const parts = this.#parts;
    this.#parts = [];
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    const frame = joinBytes(parts, new Uint8Array(size));
    for (const part of parts) this.#pool.giveBack(part);
    this.#sendFrame(frame);
  }

  /** Part of a frame, as `FrameWriter.addKept`. */
  addKept(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  /** Part of a frame, as `FrameWriter.addBytes`. */
  addBytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  /** Writes the next message of the log, if there is a connection and it is not written there. @returns its bytes */
  writeNext(): number {
    if (!this.isBehind) return 0;
    this.#written += 1;
    return this.log.write(this.#written, this);
  }

  /** The connection is lost: until the next, messages only enter the log. */
  detach(): void {
    this.#isAttached = false;
  }

  /** The session is over: what is not written by now never is. */
  end(): void {
    this.detach();
    this.log.clear();
  }

  /** There is another connection, whose other side has everything up to a number: the rest is to be written. */
  attach(writer: FrameWriter, received: number): void {
    this.log.acknowledge(received);
    this.#writer = writer;
    this.#isAttached = true;
    this.#written = received;
    this.#numberedFrame = -1;
  }

  /** {@inheritDoc LogWriter.message} */
  message(bytes: Uint8Array): void {
    const writer = this.#writer;
    if (this.#numberedFrame !== writer.frameNumber) {
      this.#numberedFrame = writer.frameNumber;
      writer.append(sequenceOf(this.#written));
    }
    writer.append(bytes);
  }

  /** {@inheritDoc LogWriter.frame} */
  frame(bytes: Uint8Array): void {
    this.#writer.append(sequenceOf(this.#written));
    this.#writer.addKept(bytes);
  }

  #sendFrame(frame: Uint8Array): void {
    this.log.addFrame(frame);
    this.writeNext();
  }
}

/** The message that says a number, written by hand: it stands in every frame. */
function sequenceOf(number: number): Uint8Array {
  const message = new Uint8Array(11);
  message.set([0x92, MessageType.sequence, 0xcf]);
  const view = new DataView(message.buffer);
  view.setUint32(3, Math.floor(number / 2 ** 32));
  view.setUint32(7, number % 2 ** 32);
  return message;
}
