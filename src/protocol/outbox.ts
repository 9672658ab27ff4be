/**
 * What leaves a connection: messages are encoded at once, gathered in frames, and counted; long ones wait here in
 * fragments until the transport has room. Knows how far each message got, since `executed` turns on it.
 * PROTOCOL.md, "Numbers" and "Fragments".
 */

import { LimitExceededError, ProtocolError } from '../errors.js';
import { joinBytes } from './bytes.js';
import type { Codec } from './codec.js';
import { largeBytes } from './fragment-pool.js';
import { LongMessage } from './fragments.js';
import { FrameWriter, type SlabPool } from './framing.js';
import { fragmentBytes } from './limits.js';
import { LoggedOutput } from './logged-output.js';
import { MessageType, type ConnectionMessage, type SessionMessage } from './messages.js';
import { opening } from './opening.js';
import { SendLog } from './send-log.js';
import { SparseSet } from './sparse.js';
import { fillHoles, type Piece, pieceOf } from './transferred.js';

/**
 * What `send` gives back: the number of the message, or the long message that gets its number later; 0 for one that was
 * sent after the end and never leaves.
 */
export type Sent = number | LongMessage;

/** The outgoing half of a connection. */
export class Outbox {
  readonly #codec: Codec;
  readonly #maxQueuedBytes: number;
  readonly #slabs: SlabPool;
  #writer: FrameWriter;
  /** Present where the session can be resumed: all session messages leave by it. */
  #logged: LoggedOutput | undefined;
  readonly #long = new SparseSet<LongMessage>();
  /** Bytes of these, so that nobody counts them again and again. */
  #longBytes = 0;
  #longCount = 0;
  #sentCount = 0;
  #handedOverCount = 0;
  #hasOpening = false;
  #isEnded = false;
  #lastMessageBytes = 0;
  /** What the other side has room for, and the most that it may be; a message may go as long as any is left. */
  #windowBytes = Infinity;
  #maxWindowBytes = Infinity;
  /** Whether a message waits for the window: then all that follow wait behind it, the short ones too. */
  #isHolding = false;

  /**
   * @param codec - the connection's codec
   * @param slabs - lends the space for frames
   * @param maxQueuedBytes - no long message is taken while more than this waits
   */
  constructor(codec: Codec, slabs: SlabPool, maxQueuedBytes: number) {
    this.#codec = codec;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#slabs = slabs;
    this.#writer = new FrameWriter(slabs);
  }

  /** Bytes accepted that `takeFrames` has not given out yet. */
  get queuedBytes(): number {
    return this.#writer.pendingBytes + this.#longBytes + (this.#logged?.pendingBytes ?? 0);
  }

  /**
   * Of these the bytes that whatever follows waits behind: without the long message whose turn it is, since short ones overtake it, and
   * without what the log has, whose bound is its own.
   */
  get backlogBytes(): number {
    const bytes = this.#writer.pendingBytes + this.#longBytes;
    for (const first of this.#long) return bytes - first.remainingBytes;
    return bytes;
  }

  /** Bytes of memory that the session keeps while it is away: what is not acknowledged, and what waits. */
  get keptBytes(): number {
    return this.#longBytes + (this.#logged?.log.heldBytes ?? 0);
  }

  /** Whether so much waits that the other side is to be given up: twice what may wait of what can be refused. */
  get isOverfull(): boolean {
    return this.#longBytes > 2 * this.#maxQueuedBytes;
  }

  /** Bytes of short messages that `takeFrames` has not given out yet. */
  get unwrittenBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** Bytes of the session message that was sent last. */
  get lastMessageBytes(): number {
    return this.#lastMessageBytes;
  }

  /** So many bytes of session messages may wait at the other side: that is how many may be sent for now. */
  setWindow(bytes: number): void {
    this.#windowBytes = this.#maxWindowBytes = bytes;
  }

  /** So many of them were taken there. */
  widenWindow(bytes: number): void {
    this.#windowBytes = Math.min(this.#maxWindowBytes, this.#windowBytes + bytes);
  }

  /** From now on what is sent is kept until it is acknowledged, `maxBytes` of it at most: then messages wait. */
  keepSent(maxBytes: number): void {
    const log = new SendLog(this.#slabs.fragments, maxBytes);
    this.#logged = new LoggedOutput(log, this.#slabs.fragments, this.#writer);
  }

  /** Whether all that was kept is acknowledged, and nothing waits. */
  get isAcknowledged(): boolean {
    const { log } = this.#logged ?? {};
    return log === undefined || (log.acknowledged === log.lastNumber && this.#long.size === 0);
  }

  /**
   * The other side has every message up to this number.
   * @throws ProtocolError when that cannot be
   */
  acknowledge(number: number): void {
    if (this.#logged === undefined) throw new ProtocolError('an ACK on a session that cannot be resumed');
    const { written, log } = this.#logged;
    // What is not written again yet is not there yet either, whatever was sent before.
    if (number > written) throw new ProtocolError(`an ACK of message ${number}, where ${written} were sent`);
    log.acknowledge(number);
  }

  /** Whether the session can go on with a side that has received so much. */
  canContinueFrom(received: number): boolean {
    if (this.#logged === undefined) return false;
    const { log } = this.#logged;
    return received >= log.acknowledged && received <= log.lastNumber;
  }

  /** Whether the other side has acknowledged a message. */
  hasReached(sent: Sent): boolean {
    const number = numberOf(sent);
    return number > 0 && number <= (this.#logged?.log.acknowledged ?? 0);
  }

  /** The connection is lost and the session is not: messages wait for the next one. */
  detach(): void {
    this.#logged?.detach();
    this.#writer = new FrameWriter(this.#slabs);
  }

  /**
   * Goes on by another connection, where that one's outbox is; what the other side has not received leaves first.
   * @throws ProtocolError when it cannot have received that much, or had more before
   */
  continueOn(other: Outbox, received: number): void {
    this.#logged?.attach(other.#writer, received);
    this.#writer = other.#writer;
    this.#hasOpening = true;
    this.#windowBytes = this.#maxWindowBytes = Infinity;
  }

  /** Sends the opening, once. */
  sendOpening(): void {
    if (this.#hasOpening) return;
    this.#hasOpening = true;
    this.#writer.addBytes(opening);
  }

  /** Sends bytes that are no frame, to somebody who does not speak this protocol. */
  sendPlain(bytes: Uint8Array): void {
    this.#writer.addBytes(bytes);
  }

  /** Sends a message of the connection: not counted. */
  sendControl(message: ConnectionMessage): void {
    this.#writer.append(this.#codec.encode(message));
  }

  /** Ends the present frame, so that what follows begins another. */
  finishFrame(): void {
    this.#writer.finishFrame();
  }

  /**
   * Sends a message of the session; its fields are marshalled already.
   * @param mostBytes - that it may take
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded, takes more than that, or is long and too
   *   much waits already; nothing was sent then
   */
  send(message: SessionMessage, mostBytes = Infinity): Sent {
    // Handlers may send while the end is on its way to them: behind our GOODBYE, nobody would read it.
    if (this.#isEnded) return 0;
    const bytes = this.#codec.encode(message);
    const holes = this.#codec.takeHoles();
    if (holes !== undefined) return this.#sendPieces(message, fillHoles(bytes, holes), mostBytes);
    checkSize(bytes.length, mostBytes);
    this.#lastMessageBytes = bytes.length;
    if (bytes.length > fragmentBytes) return this.#sendLong([pieceOf(bytes)]);
    if (this.#mustWait()) return this.#hold(message, { bytes: bytes.slice(), isGiven: true });
    return bytes.length < largeBytes ? this.#append(bytes) : this.#appendLarge([bytes], bytes.length);
  }

  /** A message with bytes that are not copied; a short one is a message like any other. */
  #sendPieces(message: SessionMessage, pieces: readonly Piece[], mostBytes: number): Sent {
    const size = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
    checkSize(size, mostBytes);
    this.#lastMessageBytes = size;
    if (size > fragmentBytes) return this.#sendLong(pieces);
    const parts = pieces.map(({ bytes }) => bytes);
    if (this.#mustWait())
      return this.#hold(message, { bytes: joinBytes(parts, new Uint8Array(size)), isGiven: true });
    if (size >= largeBytes) return this.#appendLarge(parts, size);
    return this.#append(joinBytes(parts, new Uint8Array(size)));
  }

  /** Also a short message waits while the window is closed: as a long one of one fragment, in its order. */
  #mustWait(): boolean {
    this.#isHolding ||= !this.#isOpen;
    return this.#isHolding;
  }

  /** Whether a session message may leave now. */
  get #isOpen(): boolean {
    return this.#windowBytes > 0 && (this.#logged === undefined || this.#logged.isOpen);
  }

  /**
   * Holds a short message back. What asks for something may be refused; an answer, a cancel, or what else keeps the two sides of one mind
   * may not, so its bound is the end of the session, which its owner brings about (`isOverfull`).
   */
  #hold(message: SessionMessage, piece: Piece): LongMessage {
    if (askingTypes.has(message[0])) this.#checkRoom();
    return this.#enqueue([piece]);
  }

  #sendLong(pieces: readonly Piece[]): LongMessage {
    this.#checkRoom();
    return this.#enqueue(pieces);
  }

  #enqueue(pieces: readonly Piece[]): LongMessage {
    this.#longCount += 1;
    const long = new LongMessage(this.#longCount, pieces, this.#slabs.fragments);
    this.#long.add(long);
    this.#longBytes += long.remainingBytes;
    return long;
  }

  /** Takes a message back; true when it will never be whole at the other side, which then cannot act on it. */
  withdraw(sent: Sent): boolean {
    if (sent === 0) return true;
    if (typeof sent === 'number' || sent.lastNumber > 0) return false;
    if (!this.#long.delete(sent)) return true;
    this.#longBytes -= sent.remainingBytes;
    this.#isHolding &&= this.#long.size > 0;
    if (!sent.hasBegun) return true;
    if (this.#logged === undefined) sent.abandon(this.#writer);
    else
      this.#logged.sendFrame((sink) => {
        sent.abandon(sink);
      });
    this.#sentCount += 1;
    return true;
  }

  /** Whether a message was given to the transport as a whole: if not, the peer cannot have seen it. */
  isHandedOver(sent: Sent): boolean {
    const number = numberOf(sent);
    return number > 0 && number <= this.#handedOverCount;
  }

  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    const number = numberOf(sent);
    return number === 0 || number > lastReceived;
  }

  /**
   * Takes the bytes to write now, in order.
   * @param roomBytes - about how many bytes of long messages the transport has room for; short messages always go
   */
  takeFrames(roomBytes: number): readonly Uint8Array[] {
    let room = roomBytes;
    this.#replay();
    for (const message of this.#long) {
      while (message.remainingBytes > 0 && room > 0 && this.#isOpen) {
        const size = Math.min(fragmentBytes, message.remainingBytes);
        room -= size;
        this.#writeFragment(message);
        this.#longBytes -= size;
        this.#sent(size);
      }
      if (message.remainingBytes > 0) break;
      message.lastNumber = this.#sentCount;
      this.#long.delete(message);
    }
    this.#isHolding &&= this.#long.size > 0;
    // What was once handed over on an earlier connection stays so.
    const written = this.#logged === undefined ? this.#sentCount : this.#logged.written;
    this.#handedOverCount = Math.max(this.#handedOverCount, written);
    return this.#writer.takeFrames();
  }

  /** What an earlier connection has not brought over goes first, as far as the other side has room. */
  #replay(): void {
    while (this.#logged?.isBehind === true && this.#windowBytes > 0)
      this.#windowBytes -= this.#logged.writeNext();
  }

  #writeFragment(message: LongMessage): void {
    if (this.#logged === undefined) message.writeFragment(this.#writer);
    else
      this.#logged.sendFrame((sink) => {
        message.writeFragment(sink);
      });
  }

  /** Whether long messages wait for room. */
  get hasLongMessages(): boolean {
    return this.#long.size > 0;
  }

  /** The connection ends: what remains of long messages is dropped, and session messages are no longer taken. */
  end(): void {
    this.#isEnded = true;
    this.#long.clear();
    this.#longBytes = 0;
    this.#logged?.end();
  }

  /** Short messages go on to the transport, whose queue is bounded by the driver; long ones, and held ones, pile up here. */
  #checkRoom(): void {
    const { queuedBytes } = this;
    if (queuedBytes <= this.#maxQueuedBytes) return;
    const bound = `no more than ${this.#maxQueuedBytes} may (limits.maxQueuedBytes changes the bound)`;
    throw new LimitExceededError(`${queuedBytes} bytes wait to be sent, where ${bound}`);
  }

  #appendLarge(parts: readonly Uint8Array[], size: number): number {
    if (this.#logged === undefined) this.#writer.addLarge(parts, size);
    else this.#logged.sendLarge(parts, size);
    return this.#sent(size);
  }

  #append(bytes: Uint8Array): number {
    if (this.#logged === undefined) this.#writer.append(bytes);
    else this.#logged.send(bytes);
    return this.#sent(bytes.length);
  }

  /** A message, or a fragment of one, of so many bytes has got its place. @returns its number */
  #sent(bytes: number): number {
    this.#windowBytes -= bytes;
    this.#sentCount += 1;
    return this.#sentCount;
  }
}

/** What nobody has been promised yet. */
const askingTypes: ReadonlySet<number> = new Set([
  MessageType.request,
  MessageType.notify,
  MessageType.subscribe,
]);

function checkSize(size: number, mostBytes: number): void {
  if (size > mostBytes)
    throw new LimitExceededError(`a message of ${size} bytes, where ${mostBytes} are wanted`);
}

function numberOf(sent: Sent): number {
  return typeof sent === 'number' ? sent : sent.lastNumber;
}
