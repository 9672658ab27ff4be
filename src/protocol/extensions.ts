/**
 * The MessagePack extension types by which values cross that MessagePack itself does not have.
 *
 * | type  | value              | payload                                                                       |
 * | ----- | ------------------ | ----------------------------------------------------------------------------- |
 * | 0     | undefined          | empty                                                                         |
 * | 1     | -0                 | empty                                                                         |
 * | 2     | bigint             | a sign byte (0 or 1), then the magnitude, big-endian, without leading zeros   |
 * | 3     | Date               | float64, big-endian: whole milliseconds since 1970, NaN for an invalid date   |
 * | 4     | Map                | one array: key, value, key, value …                                           |
 * | 5     | Set                | one array: its members                                                        |
 * | 6     | Error              | one map: `name` and `message` (strings), then all else that the error carries |
 * | 7     | string             | UTF-8; only for strings that begin with U+FEFF, which decoders like to drop   |
 * | 8     | lent reference     | one array: kind, number, then an object's members or an aborted signal's reason |
 * | 9     | returned reference | one array: its number                                                         |
 * | 16–27 | bytes with a type  | `ArrayBuffer`, `DataView` and typed arrays, their elements little-endian      |
 *
 * Types 10–15 are kept for later values. A plain `Uint8Array` is MessagePack bin. The table is closed: any other type
 * is refused by the scan (prescan.ts), which also proves that payloads have the form said here, so that the readers
 * below check only what bytes cannot show. PROTOCOL.md, "Values".
 */
import { Decoder, ExtData, type ExtensionCodecType } from '@msgpack/msgpack';

import { ProtocolError } from '../errors.js';
import { readBinary } from './binary-kinds.js';
import { copyBytes, byteAt } from './bytes.js';
import { readError } from './error-values.js';
import { Extension } from './extension.js';
import { readLent, readReturned, type Reference } from './references.js';

/** The number of each extension type but those with bytes, which binary-kinds.ts lists. */
export const extensionTypes = {
  undefined: 0,
  negativeZero: 1,
  bigint: 2,
  date: 3,
  map: 4,
  set: 5,
  error: 6,
  text: 7,
  lent: 8,
  returned: 9,
} as const;

/** What `undefined` is on the wire. */
export const undefinedExtension = new Extension(extensionTypes.undefined, new Uint8Array(0));

/** What -0 is on the wire; MessagePack's integers have no such value, and the encoder writes them for all integers. */
export const negativeZeroExtension = new Extension(extensionTypes.negativeZero, new Uint8Array(0));

/**
 * Writes a bigint.
 *
 * @param value - any bigint within the limits
 */
export function writeBigint(value: bigint): Extension {
  const hex = value === 0n ? '' : (value < 0n ? -value : value).toString(16);
  const bytes = new Uint8Array(1 + Math.ceil(hex.length / 2));
  bytes[0] = value < 0n ? 1 : 0;
  // From the end, since the first byte may have one digit only.
  for (let at = bytes.length - 1, digits = hex.length; at > 0; at--, digits -= 2) {
    bytes[at] = Number.parseInt(hex.slice(Math.max(0, digits - 2), digits), 16);
  }
  return new Extension(extensionTypes.bigint, bytes);
}

/**
 * Tells how many bits the magnitude of a written bigint has.
 *
 * @param bytes - untrusted; only read
 * @param start - where the payload begins
 * @param size - how many bytes it has
 * @returns the bits, or undefined if this is not the one form of a number: no leading zeros, and zero has no sign
 */
export function bigintBits(bytes: Uint8Array, start: number, size: number): number | undefined {
  const sign = size === 0 ? undefined : bytes[start];
  if (sign !== 0 && sign !== 1) return undefined;
  if (size === 1) return sign === 0 ? 0 : undefined;
  const first = byteAt(bytes, start + 1);
  return first === 0 ? undefined : (size - 1) * 8 - (Math.clz32(first) - 24);
}

/**
 * Writes a date.
 *
 * @param milliseconds - since 1970, NaN for an invalid date
 */
export function writeDate(milliseconds: number): Extension {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, milliseconds);
  return new Extension(extensionTypes.date, bytes);
}

/**
 * Writes a string so that no decoder drops its first character.
 *
 * @param text - well-formed
 */
export function writeText(text: string): Extension {
  return new Extension(extensionTypes.text, new TextEncoder().encode(text));
}

/**
 * Writes a Map, a Set or an Error.
 *
 * @param type - of `extensionTypes`
 * @param contents - one encoded array or map; not copied
 */
export function writePayload(type: number, contents: Uint8Array): Extension {
  return new Extension(type, contents);
}

/** The encoder's and decoder's way to the extension types: one object for all codecs with the same limits. */
export class Extensions implements ExtensionCodecType<undefined> {
  // The library's decoder clones itself when used within itself. A decoder for each level of nesting is made once.
  readonly #decoders: Decoder[] = [];
  #nesting = 0;
  #detaches = false;
  #leastViewBytes = Number.POSITIVE_INFINITY;
  #references: Reference[] = [];

  /**
   * Says how the byte arrays of the next frame leave it; called before each frame.
   *
   * @param detaches - whether there may be any to copy
   * @param leastViewBytes - byte arrays from this size on stay views of the frame; infinity copies all
   */
  expectFrame(detaches: boolean, leastViewBytes: number): void {
    this.#detaches = detaches;
    this.#leastViewBytes = leastViewBytes;
    // Of a frame that could not be decoded, maybe one of another connection.
    if (this.#references.length > 0) this.#references = [];
  }

  /** Takes the references decoded since this was asked last; almost always none. */
  takeReferences(): readonly Reference[] | undefined {
    if (this.#references.length === 0) return undefined;
    const references = this.#references;
    this.#references = [];
    return references;
  }

  /** Called by the encoder for each object: only what the outgoing pass made is an extension. */
  tryToEncode(object: unknown): ExtData | null {
    return object instanceof ExtData ? object : null;
  }

  /**
   * Called by the decoder for each extension.
   *
   * @param payload - a view of the frame, in the form that the scan has checked; nothing returned refers to it
   * @param type - a type that the scan knows
   * @throws {@link ProtocolError} if the payload has the form but no meaning
   */
  decode(payload: Uint8Array, type: number): unknown {
    switch (type) {
      case extensionTypes.undefined:
        return undefined;
      case extensionTypes.negativeZero:
        return -0;
      case extensionTypes.bigint:
        return readBigint(payload);
      case extensionTypes.date:
        return readDate(payload);
      case extensionTypes.text:
        return new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload);
      case extensionTypes.map:
        // The scan proved that the payloads of these and of references are one array, of an Error one map.
        return readMap(this.#readContents(payload) as unknown[]);
      case extensionTypes.set:
        return readSet(this.#readContents(payload) as unknown[]);
      case extensionTypes.error:
        return readError(this.#readContents(payload) as Record<string, unknown>);
      case extensionTypes.lent:
        return this.#note(readLent(this.#readContents(payload) as unknown[]));
      case extensionTypes.returned:
        return this.#note(readReturned(this.#readContents(payload) as unknown[]));
      default:
        return readBinary(payload, type);
    }
  }

  /**
   * Replaces in place each byte array that is a view of the frame by a copy of its own: users could else read their
   * neighbours by `.buffer`, or keep a whole socket buffer alive by a few bytes.
   *
   * @param value - freshly decoded; at most `maxDepth` deep, hence the recursion is bounded
   * @returns the value, or its copy if it is itself a byte array
   */
  detach(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) value[index] = this.detach(value[index]);
      return value;
    }
    if (value instanceof Uint8Array) {
      return value.byteLength >= this.#leastViewBytes ? value : copyBytes(value);
    }
    // Map, Set and Error have been through this when their contents were read; other kinds own their bytes.
    if (Object.getPrototypeOf(value) === Object.prototype) {
      const record = value as Record<string, unknown>;
      for (const key of Object.keys(record)) record[key] = this.detach(record[key]);
    }
    return value;
  }

  #note(reference: Reference): Reference {
    this.#references.push(reference);
    return reference;
  }

  #readContents(payload: Uint8Array): unknown {
    const decoder = (this.#decoders[this.#nesting] ??= new Decoder({ extensionCodec: this }));
    this.#nesting++;
    try {
      const contents = decoder.decode(payload);
      return this.#detaches ? this.detach(contents) : contents;
    } finally {
      this.#nesting--;
    }
  }
}

function readBigint(payload: Uint8Array): bigint {
  let hex = '0x0';
  for (let at = 1; at < payload.length; at++) hex += byteAt(payload, at).toString(16).padStart(2, '0');
  return payload[0] === 1 ? -BigInt(hex) : BigInt(hex);
}

function readDate(payload: Uint8Array): Date {
  const milliseconds = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
  if (!Number.isNaN(milliseconds) && !(Number.isInteger(milliseconds) && Math.abs(milliseconds) <= 8.64e15)) {
    throw new ProtocolError(`a date of ${milliseconds} ms; a date has whole milliseconds, at most 8.64e15`);
  }
  return new Date(milliseconds);
}

function readMap(items: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
  if (map.size * 2 !== items.length) throw new ProtocolError('a Map has the same key twice');
  return map;
}

function readSet(items: readonly unknown[]): Set<unknown> {
  const set = new Set(items);
  if (set.size !== items.length) throw new ProtocolError('a Set has the same member twice');
  return set;
}
