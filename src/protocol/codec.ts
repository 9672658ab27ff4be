/**
 * Values and messages to bytes and back, for one connection.
 *
 * Out: `marshal` each field, then `encode` the message. In: `decodeFrame`, which scans all that it is to decode before it decodes
 * any of it. What the messages mean is not known here; each is an array. The encoder, the decoders and their buffers
 * are used again and again, by all connections with these limits (codec-tools.ts); the decoder's cache of short keys is the
 * library's own and shared by the process, which costs a peer's neighbours nothing but hits. Where another codec was agreed
 * on, it takes over the messages without extensions, between the same checks. PROTOCOL.md, "Frames", "Values" and "Codecs".
 */
import { LimitExceededError, ProtocolError, UnserializableValueError } from '../errors.js';
import { AgreedCodec } from './agreed-codec.js';
import { byteAt, itemAt } from './bytes.js';
import { CodecTools } from './codec-tools.js';
import type { Limits } from './limits.js';
import { byValue, type Sender } from './marshal.js';
import type { MessageCodec, MessageCoder } from './message-codec.js';
import type { Lender, Reference } from './references.js';
import { bytesInHoles, type Hole } from './transferred.js';

/** The codec of one connection. */
export class Codec {
  /** Which codec is in use; changed by the handshake. */
  readonly agreed: AgreedCodec;
  readonly #tools: CodecTools;
  readonly #sender: Sender;
  /** The references of messages that have any; most connections never see one. */
  #references: WeakMap<readonly unknown[], readonly Reference[]> | undefined;
  #messageBytes: number[] = [];
  #decodedBytes = 0;
  /** Which of the messages being decoded only the built-in decoder can read, by their index; mostly none. */
  #foreign: number[] = [];
  /** Whether something was marshalled since the last `encode` that only the built-in encoder can write. */
  #isConverted = false;
  /** What the message being encoded leaves out, and what the one encoded last has left out. */
  #openHoles: Hole[] | undefined;
  #holes: readonly Hole[] | undefined;

  /**
   * @param limits - the bounds of what is sent and of what is received
   * @param codecs - those that may be agreed on besides the built-in one, the best first
   */
  constructor(limits: Limits, codecs: readonly MessageCodec[] = []) {
    this.agreed = new AgreedCodec(codecs);
    this.#tools = CodecTools.of(limits);
    this.#sender = {
      lender: undefined,
      onHole: (hole) => {
        (this.#openHoles ??= []).push(hole);
      },
    };
  }

  /** Says what of values to be sent crosses by reference; without one nothing does. */
  set lender(lender: Lender | undefined) {
    this.#sender.lender = lender;
  }

  /** The bytes that each of the messages decoded last took, in their order; valid until the next are. */
  get messageBytes(): readonly number[] {
    return this.#messageBytes;
  }

  /** The references that a decoded message holds, in the order of the wire; `undefined` if none. */
  referencesOf(message: readonly unknown[]): readonly Reference[] | undefined {
    return this.#references?.get(message);
  }

  /**
   * Prepares a value for `encode`.
   *
   * @param value - the user's; only read, and to be encoded in the same turn
   * @param path - what to call it in errors, such as `arguments`
   * @param enclosing - how many arrays of the message will lie around it: 1 for a field of the message
   * @returns the value itself if nothing in it needs conversion, else a copy
   * @throws {@link UnserializableValueError} if something in it cannot cross
   * @throws {@link LimitExceededError} if something in it is larger than a limit
   */
  marshal(value: unknown, path: string, enclosing = 1): unknown {
    return this.#marshal(value, path, enclosing, this.#sender);
  }

  /**
   * The same where nothing may cross by reference, nor be left out by the encoder: what a method throws may hold functions
   * that nobody means to lend, and is measured before it is sent.
   *
   * @throws as `marshal`
   */
  marshalByValue(value: unknown, path: string): unknown {
    return this.#marshal(value, path, 1, byValue);
  }

  /**
   * Encodes one message.
   *
   * @param message - its fields, of which those that come from users have been marshalled
   * @returns a view that is valid until the next `encode` of any codec: to be copied or written before
   * @throws {@link UnserializableValueError} if a value has changed since it was marshalled
   * @throws {@link LimitExceededError} if the message as a whole is larger than a limit
   */
  encode(message: readonly unknown[]): Uint8Array {
    const { maxMessageBytes, maxNodes } = this.#tools.limits;
    const bytes = this.#encode(message);
    const size = bytes.length + this.#bytesLeftOut();
    if (size > maxMessageBytes) {
      const bound = `at most ${maxMessageBytes} are allowed (limits.maxMessageBytes)`;
      throw new LimitExceededError(`cannot send a message of ${size} bytes, ${bound}`);
    }
    // Each field is within the limits, and all of them together: a value takes a byte at least.
    if (bytes.length > maxNodes) this.#proveReadable(bytes);
    return bytes;
  }

  /** Takes what was left out of the message encoded last, in the order of their places; `undefined` if nothing was. */
  takeHoles(): readonly Hole[] | undefined {
    const holes = this.#holes;
    this.#holes = undefined;
    return holes;
  }

  /** How many bytes the messages that were decoded last took. */
  get decodedBytes(): number {
    return this.#decodedBytes;
  }

  /**
   * Decodes the messages of a frame, all of them unless it is told where to stop: `decodedBytes` says where the rest begins.
   *
   * @param frame - untrusted; only read
   * @param isPrivate - whether nobody else uses the frame's buffer from now on: then a byte array that fills at least
   *   half of that buffer may stay a view of it; in any other case nothing that is handed out refers to the frame
   * @param mostMessages - no more messages than these
   * @param mostBytes - no message that begins behind so many bytes
   * @returns the messages, for the caller to keep
   * @throws {@link ProtocolError} if anything in them is not as it must be, whatever the reason
   */
  decodeFrame(
    frame: Uint8Array,
    isPrivate: boolean,
    mostMessages = Infinity,
    mostBytes = Infinity,
  ): unknown[][] {
    try {
      // Decoded byte arrays are made like the frame: a Buffer would yield Buffers.
      const all =
        Object.getPrototypeOf(frame) === Uint8Array.prototype
          ? frame
          : new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
      const hasBinary = this.#scan(all, mostMessages, mostBytes);
      const bytes = this.#decodedBytes === all.length ? all : all.subarray(0, this.#decodedBytes);
      this.#tools.extensions.expectFrame(
        hasBinary,
        isPrivate ? frame.buffer.byteLength / 2 : Number.POSITIVE_INFINITY,
      );
      const { coder } = this.agreed;
      const messages = coder === undefined ? this.#decodeAny(bytes) : this.#decodeBy(coder, bytes);
      if (hasBinary) this.#tools.extensions.detach(messages);
      // The scan proved that each is an array.
      return messages as unknown[][];
    } catch (cause) {
      if (cause instanceof ProtocolError) throw cause;
      throw new ProtocolError('a frame could not be decoded', { cause });
    }
  }

  /** A message was made anew: its references are found by the new one. */
  moveReferences(from: readonly unknown[], to: readonly unknown[]): void {
    const references = this.#references?.get(from);
    if (references !== undefined) this.#keepReferences(to, references);
  }

  #marshal(value: unknown, path: string, enclosing: number, sender: Sender): unknown {
    const marshalled = this.#tools.marshal.marshal(value, path, enclosing, sender);
    if (!Object.is(marshalled, value)) this.#isConverted = true;
    return marshalled;
  }

  /** A getter may send something by this very connection while its message is encoded: that has holes of its own. */
  #encode(message: readonly unknown[]): Uint8Array {
    const enclosing = this.#openHoles;
    this.#holes = undefined;
    try {
      const { coder } = this.agreed;
      const bytes = (coder && this.#encodePlain(coder, message)) ?? this.#encodeAny(message);
      this.#holes = this.#openHoles;
      return bytes;
    } finally {
      this.#openHoles = enclosing;
    }
  }

  #encodeAny(message: readonly unknown[]): Uint8Array {
    this.#openHoles = undefined;
    try {
      return this.#tools.encoder.encode(message);
    } catch (cause) {
      throw new UnserializableValueError('cannot send a message: a value in it changed while it was sent', {
        cause,
      });
    }
  }

  /** Has another encoder write a message, if it can; the built-in one can say why not. */
  #encodePlain(coder: MessageCoder, message: readonly unknown[]): Uint8Array | undefined {
    const isConverted = this.#isConverted;
    this.#isConverted = false;
    if (isConverted) return undefined;
    this.#openHoles = undefined;
    try {
      const bytes: unknown = coder.encode(message);
      // Anything else would have no size, and spoil the memory that all connections write in.
      return bytes instanceof Uint8Array && bytes.length > 0 ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  #decodeAny(bytes: Uint8Array): unknown[] {
    const messages: unknown[] = [];
    // A generator takes longer to make than a short message to decode.
    if (this.#messageBytes.length === 1) this.#keep(messages, this.#tools.decoder.decode(bytes));
    else for (const message of this.#tools.decoder.decodeMulti(bytes)) this.#keep(messages, message);
    return messages;
  }

  /** Has another decoder read the messages that it can. */
  #decodeBy(coder: MessageCoder, bytes: Uint8Array): unknown[] {
    const messages: unknown[] = [];
    let foreignSeen = 0;
    let start = 0;
    for (let index = 0; index < this.#messageBytes.length; index += 1) {
      const end = start + itemAt(this.#messageBytes, index);
      if (this.#foreign[foreignSeen] === index) {
        foreignSeen += 1;
        this.#keep(messages, this.#tools.decoder.decode(bytes.subarray(start, end)));
      } else messages.push(coder.decode(bytes, start, end));
      start = end;
    }
    return messages;
  }

  #keep(messages: unknown[], message: unknown): void {
    messages.push(message);
    const references = this.#tools.extensions.takeReferences();
    // The scan proved that each is an array.
    if (references !== undefined) this.#keepReferences(message as unknown[], references);
  }

  #bytesLeftOut(): number {
    return this.#holes === undefined ? 0 : bytesInHoles(this.#holes);
  }

  #keepReferences(message: readonly unknown[], references: readonly Reference[]): void {
    this.#references ??= new WeakMap();
    this.#references.set(message, references);
  }

  /** Scans every message that is to be decoded, and tells whether there is a byte array in any. */
  #scan(bytes: Uint8Array, mostMessages: number, mostBytes: number): boolean {
    const { limits, prescan } = this.#tools;
    const { maxMessageBytes } = limits;
    let hasBinary = false;
    this.#messageBytes = [];
    if (this.#foreign.length > 0) this.#foreign = [];
    let start = 0;
    const endBytes = Math.min(bytes.length, mostBytes);
    while (start < endBytes && this.#messageBytes.length < mostMessages) {
      const head = byteAt(bytes, start);
      if ((head & 0xf0) !== 0x90 && (head & 0xfe) !== 0xdc)
        throw new ProtocolError('a message that is no array');
      const end = prescan.scan(bytes, start, bytes.length);
      if (end - start > maxMessageBytes) {
        const bound = `at most ${maxMessageBytes} are allowed (limits.maxMessageBytes)`;
        throw new ProtocolError(`a message of ${end - start} bytes, ${bound}`);
      }
      if (!prescan.isPlain) this.#foreign.push(this.#messageBytes.length);
      this.#messageBytes.push(end - start);
      hasBinary ||= prescan.hasBinary;
      start = end;
    }
    this.#decodedBytes = start;
    return hasBinary;
  }

  #proveReadable(bytes: Uint8Array): void {
    try {
      this.#tools.prescan.scan(bytes, 0, bytes.length);
    } catch (cause) {
      // What the scan throws is a ProtocolError, which says what was found and which limit changes it.
      throw new LimitExceededError(`cannot send a message: ${(cause as ProtocolError).message}`, { cause });
    }
  }
}
