/**
 * The seam behind which another program may encode and decode messages, in place of the built-in encoder and decoder.
 *
 * What crosses is the same MessagePack either way: every frame is scanned before it gets here, every value was marshalled,
 * and all that MessagePack lacks stays with the built-in ones. So no limit, no refusal and no value depends on which is
 * used, only how long it takes. Which one is used is agreed in the handshake. PROTOCOL.md, "Codecs".
 */

/** A codec that may be agreed on in the handshake; see the option `codec`. */
export interface MessageCodec {
  /** By what name both sides know it: up to 32 small letters, digits and dashes, beginning with a letter. */
  readonly name: string;
  /** Gives a coder for one connection; the same for all, if it likes. Must not throw. */
  create(): MessageCoder;
}

/** Encodes and decodes messages, as far as they are plain MessagePack. */
export interface MessageCoder {
  /**
   * Encodes one message as MessagePack, without extensions: whole numbers as integers where they have 32 bits or less, any
   * other number so that it is the same number again, `undefined` as nil, objects with their own enumerable string keys.
   *
   * @param message - an array of null, undefined, booleans, numbers, well-formed strings, plain objects of any realm (which
   *   may have keys like `constructor` and `toJSON`, or no prototype), arrays and Uint8Arrays (Buffers too)
   * @returns a view on memory that may be written to again at the next call of any coder
   * @throws whatever it likes for anything else, a function or a symbol in particular; the message is left to the built-in
   *   encoder then
   */
  encode(message: readonly unknown[]): Uint8Array;
  /**
   * Decodes one message, which is known to be well-formed, within the limits and without extensions.
   *
   * @param bytes - in which it stands; only read
   * @param start - where it begins
   * @param end - where it ends
   * @returns the message: plain objects and arrays, numbers also for integers of 64 bits; a byte array is a Uint8Array, a view
   *   on `bytes` or one that owns its buffer
   */
  decode(bytes: Uint8Array, start: number, end: number): unknown;
}

/** By this name the built-in encoder and decoder are known. */
export const builtInCodecName = 'msgpack';

/** What a codec may be called. */
export const codecNamePattern = /^[a-z][a-z0-9-]{0,31}$/;
