/**
 * Small acts on bytes that the codec's rooms share: reading one, copying, the order within a number, UTF-8.
 *
 * On the wire the elements of typed arrays are little-endian; nearly all machines are, so that nearly always nothing
 * is done for it. PROTOCOL.md, "Values".
 */

/**
 * Reads a byte that is known to exist, so that callers need no case that never happens.
 *
 * A function for one kind of array only: shared by several it would be compiled for none, and cost five times as much.
 *
 * @param bytes - any view
 * @param index - checked by the caller
 */
export function byteAt(bytes: Uint8Array, index: number): number {
  return Number(bytes[index]);
}

/**
 * Reads an item that is known to exist, where speed is of less importance.
 *
 * @param list - any
 * @param index - checked by the caller
 */
export function itemAt<Item>(list: ArrayLike<Item>, index: number): Item {
  return list[index] as Item;
}

/**
 * Copies into a buffer of its own: `slice` would let a Node Buffer return a view on its pool.
 *
 * @param bytes - any view
 */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * Compares two stretches of the same bytes.
 *
 * @param bytes - only read
 * @param one - where the one begins
 * @param other - where the other begins
 * @param size - how long both are
 */
export function isEqual(bytes: Uint8Array, one: number, other: number, size: number): boolean {
  for (let offset = 0; offset < size; offset++) {
    if (byteAt(bytes, one + offset) !== byteAt(bytes, other + offset)) return false;
  }
  return true;
}

/**
 * Brings numbers from this machine's order of bytes into that of the wire, or back: the same act.
 *
 * @param bytes - whole numbers; never changed
 * @param elementBytes - the size of one number: 1, 2, 4 or 8
 * @param isLittleEndian - the machine's order
 * @returns the same bytes where the orders agree, else a copy
 */
export function orderBytes<Buffer extends ArrayBufferLike>(
  bytes: Uint8Array<Buffer>,
  elementBytes: number,
  isLittleEndian = isLittleEndianMachine,
): Uint8Array<Buffer | ArrayBuffer> {
  if (isLittleEndian || elementBytes === 1) return bytes;
  const ordered = copyBytes(bytes);
  for (let first = 0; first < ordered.length; first += elementBytes) {
    ordered.subarray(first, first + elementBytes).reverse();
  }
  return ordered;
}

/**
 * Tells whether bytes are UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing above U+10FFFF.
 *
 * @param bytes - only read
 * @param start - the first byte
 * @param end - after the last byte
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  // Nearly all text on the wire is short and ASCII: one test for all of its bytes together.
  let all = 0;
  for (let at = start; at < end; at++) all |= Number(bytes[at]);
  return all < 0x80 || isLongUtf8(bytes, start, end);
}

/**
 * Counts the bytes that a text takes as UTF-8.
 *
 * @param text - where it is not well-formed, each lone surrogate counts as two
 */
export function utf8Length(text: string): number {
  let size = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    // A surrogate is half of four bytes.
    size += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return size;
}

/**
 * Tells whether a text is free of lone surrogates, hence has a form in UTF-8.
 *
 * @param text - any
 */
export function isWellFormed(text: string): boolean {
  // Every engine that is supported has it; the library of types is that of ES2022.
  return (text as string & { isWellFormed: () => boolean }).isWellFormed();
}

/**
 * Replaces each lone surrogate by U+FFFD, as UTF-8 would have it.
 *
 * @param text - any
 */
export function wellFormed(text: string): string {
  return isWellFormed(text) ? text : text.replace(/[\ud800-\udfff]/gu, '\ufffd');
}

function isLongUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const lead = byteAt(bytes, at++);
    if (lead < 0x80) continue;
    const following = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0xc2 || lead > 0xf4 || at + following > end) return false;
    // The second byte's range is narrower after these four: RFC 3629, section 4.
    const second = byteAt(bytes, at);
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < least || second > most) return false;
    for (let next = 1; next < following; next++) {
      if ((byteAt(bytes, at + next) & 0xc0) !== 0x80) return false;
    }
    at += following;
  }
  return true;
}

const isLittleEndianMachine = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Puts pieces together.
 *
 * @param pieces - in order
 * @param whole - where to: as long as all of them together, at least
 */
export function joinBytes(pieces: readonly Uint8Array[], whole: Uint8Array): Uint8Array {
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
