/**
 * What enters a connection once its opening was read: chunks become frames, frames become checked messages, fragments
 * become the message they make up, and session messages are counted. PROTOCOL.md, "Framing" and "Numbers".
 */

import { ProtocolError } from '../errors.js';
import { itemAt } from './bytes.js';
import type { Codec } from './codec.js';
import { isFragmentFrame, readFragmentFrame } from './fragment-frame.js';
import type { FragmentPool } from './fragment-pool.js';
import { Reassembly } from './fragments.js';
import { FrameReader } from './framing.js';
import { maxFrameBytes, maxHandshakeBytes, maxHandshakeFrameBytes, type Limits } from './limits.js';
import {
  isSessionMessage,
  MessageType,
  type ConnectionMessage,
  type FragmentMessage,
  type NextMessage,
  type ReceivedNextMessage,
  type SessionMessage,
} from './messages.js';
import { asReceived, parseMessage } from './parse-message.js';

/**
 * So much is read between two looks at the clock, whatever frames it comes in: less than a millisecond's work, mostly. A message
 * is never cut, and one that came in fragments is read when the last is there.
 */
const portionMessages = 256;
const portionBytes = 16 * 1024;

/** The incoming half of a connection. */
export class Inbox {
  readonly #codec: Codec;
  #reader: FrameReader;
  readonly #reassembly: Reassembly;
  #handshakeBytes = 0;
  #receivedCount = 0;
  /** Whether messages are numbered, so that one may come again; and the number of the next one, unknown at first. */
  #isNumbered = false;
  #nextNumber: number | undefined;
  #unacknowledgedCount = 0;
  #unacknowledgedBytes = 0;
  /** What of the frame read last is not decoded yet, if it is long. */
  #rest: Uint8Array | undefined;
  /** Whether it may stay where it is. */
  #isRestKept = false;
  /** What was read of this portion. */
  #portionMessages = 0;
  #portionBytes = 0;

  /**
   * @param codec - the connection's codec
   * @param limits - bounds on what is received
   * @param pool - lends the buffers for fragments
   */
  constructor(codec: Codec, limits: Limits, pool: FragmentPool) {
    this.#codec = codec;
    this.#reader = new FrameReader(pool);
    this.#reassembly = new Reassembly(limits.maxMessageBytes, pool);
  }

  /** Session messages received so far, each fragment counted. */
  get receivedCount(): number {
    return this.#receivedCount;
  }

  /** Session messages that came since the last acknowledgement, of a session that can be resumed; also those that came again. */
  get unacknowledgedCount(): number {
    return this.#unacknowledgedCount;
  }

  /** The bytes of their frames. */
  get unacknowledgedBytes(): number {
    return this.#unacknowledgedBytes;
  }

  /** What has come so far is acknowledged. @returns the number of the last message */
  acknowledge(): number {
    this.#unacknowledgedCount = this.#unacknowledgedBytes = 0;
    return this.#receivedCount;
  }

  /** From now on SEQUENCE tells the numbers of messages, and what has come before is dropped. */
  beginNumbers(): void {
    this.#isNumbered = true;
  }

  /** Goes on with what comes on another connection, where that one's inbox is. */
  continueOn(other: Inbox): void {
    this.#reader = other.#reader;
    this.#rest = other.#rest;
    this.#isRestKept = other.#isRestKept;
    this.#nextNumber = undefined;
  }

  /** Whether a frame has begun and is not complete. */
  get isWithinFrame(): boolean {
    return this.#reader.partialBytes > 0;
  }

  /** Hands in the next chunk, which is its owner's again once all of it was read, or `keep` was called. */
  push(chunk: Uint8Array): void {
    if (this.#rest === undefined) this.#reader.push(chunk);
    else this.#reader.pushBehind(chunk);
  }

  /** Whether there is something to read, be it not the whole of a frame. */
  get hasUnread(): boolean {
    return this.#rest !== undefined || this.#reader.hasUnread;
  }

  /** What is not read yet is read later. */
  keep(): void {
    if (!this.#isRestKept) this.#rest = this.#rest?.slice();
    this.#isRestKept = true;
    this.#reader.keep();
  }

  /** From here on is counted what `isPortionRead` asks for. */
  beginPortion(): void {
    this.#portionMessages = this.#portionBytes = 0;
  }

  /** Whether as much was read as ought to be before somebody looks at the clock. */
  get isPortionRead(): boolean {
    return this.#portionMessages >= portionMessages || this.#portionBytes >= portionBytes;
  }

  /**
   * Reads the messages of the next complete frame, or some of them where it is long.
   * @param isStranger - whether the handshake is still to come: then frames are small and session messages refused
   * @returns the messages, or `undefined` when more bytes must come
   * @throws ProtocolError, LimitExceededError for whatever is not as it must be
   */
  read(isStranger: boolean): (SessionMessage | ConnectionMessage)[] | undefined {
    const frame = this.#rest ?? this.#readFrame(isStranger);
    if (frame === undefined) return undefined;
    // A fragment is alone in its frame, and has bounds of its own: it is told by its first field.
    if (this.#rest === undefined && isFragmentFrame(frame)) return this.#readFragment(frame, isStranger);
    // Before the handshake is done frames are short, and what is in one is judged as one.
    const values = isStranger
      ? this.#codec.decodeFrame(frame, this.#reader.isOwn)
      : this.#codec.decodeFrame(frame, this.#reader.isOwn, portionMessages, portionBytes);
    const { decodedBytes } = this.#codec;
    this.#rest = decodedBytes < frame.length ? frame.subarray(decodedBytes) : undefined;
    this.#portionMessages += values.length;
    this.#portionBytes += decodedBytes;
    this.#unacknowledgedBytes += decodedBytes;
    const messages: (SessionMessage | ConnectionMessage)[] = [];
    for (let at = 0; at < values.length; at += 1) {
      const message = parseMessage(itemAt(values, at));
      if (message[0] === MessageType.fragment) throw notAlone();
      if (message[0] === MessageType.sequence) {
        this.#receiveNumber(message[1]);
        continue;
      }
      // What came before, on an earlier connection, is no news.
      if (isSessionMessage(message) && !this.#count(message, isStranger)) continue;
      messages.push(
        message[0] === MessageType.next
          ? this.#received(message, itemAt(this.#codec.messageBytes, at))
          : message,
      );
    }
    return messages;
  }

  #readFrame(isStranger: boolean): Uint8Array | undefined {
    const maxBytes = isStranger ? maxHandshakeFrameBytes : maxFrameBytes;
    const frame = this.#reader.read(maxBytes, this.#reassembly.isWithinMessage);
    if (frame !== undefined && isStranger) this.#countHandshakeBytes(frame.length);
    this.#isRestKept = this.#reader.isOwn;
    return frame;
  }

  #readFragment(frame: Uint8Array, isStranger: boolean): SessionMessage[] {
    this.#portionMessages += 1;
    this.#portionBytes += frame.length;
    const fragment = readFragmentFrame(frame);
    this.#unacknowledgedBytes += frame.length;
    const whole = this.#count(fragment, isStranger) ? this.#join(fragment) : undefined;
    return whole === undefined ? [] : [whole];
  }

  /** @returns whether it is new */
  #count(message: SessionMessage | FragmentMessage, isStranger: boolean): boolean {
    if (isStranger) {
      throw new ProtocolError(`a message of type ${message[0]} before the handshake was complete`);
    }
    if (this.#isNumbered) {
      if (this.#nextNumber === undefined) throw new ProtocolError('a session message without a number');
      // Also one that comes again: the acknowledgement of the first may be what got lost (RFC 9293, 3.10.7.4, has the same rule).
      this.#unacknowledgedCount += 1;
      this.#nextNumber += 1;
      if (this.#nextNumber - 1 <= this.#receivedCount) return false;
    }
    this.#receivedCount += 1;
    return true;
  }

  /** The first number of a connection may lie behind, each later one is known beforehand. */
  #receiveNumber(number: number): void {
    if (!this.#isNumbered) throw new ProtocolError('a SEQUENCE on a session that cannot be resumed');
    const expected = this.#nextNumber ?? this.#receivedCount + 1;
    if (number > expected || (this.#nextNumber !== undefined && number !== expected))
      throw new ProtocolError(`message ${number}, where ${expected} would be the next one`);
    this.#nextNumber = number;
  }

  #countHandshakeBytes(bytes: number): void {
    this.#handshakeBytes += bytes;
    if (this.#handshakeBytes > maxHandshakeBytes) {
      throw new ProtocolError(`more than ${maxHandshakeBytes} bytes before the handshake was complete`);
    }
  }

  #join(fragment: FragmentMessage): SessionMessage | undefined {
    const whole = this.#reassembly.receive(fragment, this.#reader.isOwn);
    if (whole === undefined) return undefined;
    const values = this.#codec.decodeFrame(whole, true);
    const message = parseMessage(values[0]);
    if (values.length !== 1 || !isSessionMessage(message) || message[0] === MessageType.fragment) {
      throw new ProtocolError('fragments that do not make up one message of the session');
    }
    return message[0] === MessageType.next ? this.#received(message, whole.length) : message;
  }

  /** Stream values are bounded in bytes as well, which the receiver counts itself. */
  #received(message: NextMessage | ReceivedNextMessage, bytes: number): ReceivedNextMessage {
    const received = asReceived(message, bytes);
    this.#codec.moveReferences(message, received);
    return received;
  }
}

function notAlone(): ProtocolError {
  return new ProtocolError('a fragment that is not alone in its frame');
}
