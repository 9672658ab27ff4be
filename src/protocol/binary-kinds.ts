/**
 * ArrayBuffer, DataView and the typed arrays: values that are their bytes, under the extension types 16 to 27.
 *
 * A plain `Uint8Array` is none of them, since MessagePack has it (bin). The elements are little-endian on the wire.
 * PROTOCOL.md, "Values".
 */
import { ProtocolError } from '../errors.js';
import { copyBytes, orderBytes } from './bytes.js';
import { Extension } from './extension.js';

/** One kind of value that is its bytes: an ArrayBuffer or a view on one. */
export interface BinaryKind {
  /** Its number on the wire. */
  readonly type: number;
  /** How many bytes one element takes; the payload is a multiple of it. */
  readonly elementBytes: number;
  /** Makes the value of its bytes, which it keeps. */
  readonly create: (buffer: ArrayBuffer) => object;
}

/** Every kind of bytes that has an extension type, by the name that `Object.prototype.toString` gives it. */
export const binaryKinds: ReadonlyMap<string, BinaryKind> = new Map<string, BinaryKind>([
  ['ArrayBuffer', { type: 16, elementBytes: 1, create: (buffer) => buffer }],
  ['DataView', { type: 17, elementBytes: 1, create: (buffer) => new DataView(buffer) }],
  ['Int8Array', { type: 18, elementBytes: 1, create: (buffer) => new Int8Array(buffer) }],
  ['Uint8ClampedArray', { type: 19, elementBytes: 1, create: (buffer) => new Uint8ClampedArray(buffer) }],
  ['Int16Array', { type: 20, elementBytes: 2, create: (buffer) => new Int16Array(buffer) }],
  ['Uint16Array', { type: 21, elementBytes: 2, create: (buffer) => new Uint16Array(buffer) }],
  ['Int32Array', { type: 22, elementBytes: 4, create: (buffer) => new Int32Array(buffer) }],
  ['Uint32Array', { type: 23, elementBytes: 4, create: (buffer) => new Uint32Array(buffer) }],
  ['Float32Array', { type: 24, elementBytes: 4, create: (buffer) => new Float32Array(buffer) }],
  ['Float64Array', { type: 25, elementBytes: 8, create: (buffer) => new Float64Array(buffer) }],
  ['BigInt64Array', { type: 26, elementBytes: 8, create: (buffer) => new BigInt64Array(buffer) }],
  ['BigUint64Array', { type: 27, elementBytes: 8, create: (buffer) => new BigUint64Array(buffer) }],
]);

/** The same kinds by their number on the wire. */
export const binaryKindsByType: ReadonlyMap<number, BinaryKind> = new Map(
  Array.from(binaryKinds.values(), (kind) => [kind.type, kind]),
);

/**
 * Writes bytes with a type.
 *
 * @param kind - of `binaryKinds`
 * @param bytes - those of the value in the order of this machine; used until the value is encoded, and not changed
 */
export function writeBinary(kind: BinaryKind, bytes: Uint8Array): Extension {
  return new Extension(kind.type, orderBytes(bytes, kind.elementBytes));
}

/**
 * The header that bytes have on the wire, in its longest form.
 *
 * @param kind - `undefined` for a plain `Uint8Array`
 * @param size - how many bytes there are
 */
export function binaryHeader(kind: BinaryKind | undefined, size: number): Uint8Array {
  const length = [size >>> 24, size >>> 16, size >>> 8, size] as const;
  return kind === undefined ? Uint8Array.of(0xc6, ...length) : Uint8Array.of(0xc9, ...length, kind.type);
}

/**
 * Reads bytes with a type.
 *
 * @param payload - copied
 * @param type - the extension type
 * @throws {@link ProtocolError} if the type is none of these
 */
export function readBinary(payload: Uint8Array, type: number): object {
  const kind = binaryKindsByType.get(type);
  if (kind === undefined) throw new ProtocolError(`unknown extension type ${type}`);
  return kind.create(orderBytes(copyBytes(payload), kind.elementBytes).buffer);
}
