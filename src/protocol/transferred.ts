/**
 * Bytes that their sender gives away: they are not copied when they are sent, but cut into fragments where they lie.
 */

import { UnserializableValueError } from '../errors.js';

/** Under this key a marker holds its bytes; found again by another copy of the package. */
const bytesKey = Symbol.for('tandem-rpc.transferred');

/** Fewer bytes than this are copied all the same: it costs less than to keep them apart. */
export const leastTransferredBytes = 16 * 1024;

/**
 * Gives bytes away with the call, answer or stream value that they lie in. Bytes are copied when they are sent, so that
 * the sender may go on writing to them; of large ones that it will not touch again, the copy can be saved. What it writes
 * all the same may arrive, or not.
 *
 * @param bytes - an ArrayBuffer or a view on one
 * @returns stands for the bytes as an argument, a result or within either, and for nothing else
 * @throws TypeError for what are no bytes
 */
export function transferred<Bytes extends ArrayBuffer | ArrayBufferView>(bytes: Bytes): Bytes {
  if (!ArrayBuffer.isView(bytes) && Object.prototype.toString.call(bytes) !== '[object ArrayBuffer]') {
    throw new TypeError('transferred needs an ArrayBuffer or a view on one');
  }
  // On its way the marker stands for the bytes, and only there.
  return new Transferred(bytes) as unknown as Bytes;
}

/** The marker; its method keeps it from being taken for a plain object. */
class Transferred {
  readonly [bytesKey]: ArrayBuffer | ArrayBufferView;

  constructor(bytes: ArrayBuffer | ArrayBufferView) {
    this[bytesKey] = bytes;
  }

  toString(): string {
    return '[transferred bytes]';
  }
}

/** The bytes that were given away, if that is what a value stands for. */
export function transferredBytes(value: object): ArrayBuffer | ArrayBufferView | undefined {
  // Only this file writes this key.
  return Reflect.get(value, bytesKey) as ArrayBuffer | ArrayBufferView | undefined;
}

/** Where bytes belong that were left out of an encoded message. */
export interface Hole {
  /** Where in the encoded message its place begins: at a header of six bytes that says nothing. */
  readonly start: number;
  /** The header that belongs there. */
  readonly header: Uint8Array;
  /** The bytes behind it, as many as the header says unless something has taken their memory away since. */
  readonly bytes: Uint8Array;
  /** How many the header says. */
  readonly size: number;
  /** Whether their sender has given them away, so that they need not be copied. */
  readonly isGiven: boolean;
}

/** A part of an encoded message. */
export type Piece = Pick<Hole, 'bytes' | 'isGiven'>;

/** What the encoder wrote for a hole: the header of an extension of no bytes. */
const placeBytes = 6;

/**
 * The pieces of a message, in order: what was encoded, and between that what was left out. Nothing is copied.
 * @throws UnserializableValueError when a getter has detached or resized the memory of some meanwhile
 */
export function fillHoles(encoded: Uint8Array, holes: readonly Hole[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const hole of holes) {
    const { start, header, bytes, size } = hole;
    if (bytes.length !== size)
      throw new UnserializableValueError('cannot send a message: bytes in it changed while it was sent');
    pieces.push(pieceOf(encoded.subarray(from, start)), pieceOf(header), hole);
    from = start + placeBytes;
  }
  pieces.push(pieceOf(encoded.subarray(from)));
  return pieces.filter(({ bytes }) => bytes.length > 0);
}

/** A piece that is copied when it is sent. */
export function pieceOf(bytes: Uint8Array): Piece {
  return { bytes, isGiven: false };
}

/** By how many bytes a message is longer than what was encoded of it. */
export function bytesInHoles(holes: readonly Hole[]): number {
  return holes.reduce((sum, { header, bytes }) => sum + header.length + bytes.length - placeBytes, 0);
}
