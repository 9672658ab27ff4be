/**
 * The keys that the scan has met in the maps that are open, to find one that comes twice.
 *
 * Duplicate keys mean one thing to one reader and another to the next, so that what was checked is not what is used.
 * Maps of up to 16 keys, nearly all, are compared key by key without allocation; larger ones use a Set, whose hash a
 * peer cannot foresee. PROTOCOL.md, "Values".
 */
import { isEqual, itemAt } from './bytes.js';

/** Maps with more keys than this are large. */
export const maxComparedKeys = 16;

/** The keys of all open maps, an inner map's on top of its outer one's. */
export class SeenKeys {
  // Where each key's text begins, and its mark.
  #keys = new Int32Array(16 * maxComparedKeys);
  #count = 0;
  readonly #large: Set<string>[] = [];

  /** Where the keys of a small map that begins now will lie: to be given to `add` and `forget`. */
  get count(): number {
    return this.#count;
  }

  /** Ends a small map. */
  forget(first: number): void {
    this.#count = first;
  }

  /** Forgets all. */
  clear(): void {
    this.#count = 0;
    // Storing a length costs more than looking at it.
    if (this.#large.length > 0) this.#large.length = 0;
  }

  /**
   * Adds the key of a small map.
   *
   * @param first - the `count` when the map began
   * @param bytes - all that is scanned; only read
   * @param start - where the key's text begins
   * @param size - how many bytes it has
   * @returns false if the map has this key already
   */
  add(first: number, bytes: Uint8Array, start: number, size: number): boolean {
    if (this.#count === this.#keys.length) this.#grow();
    const keys = this.#keys;
    const mark = markOf(bytes, start, size);
    for (let key = first; key < this.#count; key += 2) {
      if (keys[key + 1] === mark && isEqual(bytes, start, Number(keys[key]), size)) return false;
    }
    keys[this.#count] = start;
    keys[this.#count + 1] = mark;
    this.#count += 2;
    return true;
  }

  /** Begins a large map. */
  beginLarge(): void {
    this.#large.push(new Set());
  }

  /** As `add`, for the large map begun last. */
  addLarge(bytes: Uint8Array, start: number, size: number): boolean {
    const keys = itemAt(this.#large, this.#large.length - 1);
    const before = keys.size;
    keys.add(keyDecoder.decode(bytes.subarray(start, start + size)));
    return keys.size > before;
  }

  /** Ends the large map begun last. */
  endLarge(): void {
    this.#large.pop();
  }

  #grow(): void {
    const keys = new Int32Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
  }
}

/**
 * Tells the one key that no map may have: `__proto__`, with which an object would get another prototype.
 *
 * @param bytes - only read
 * @param start - where the key's text begins
 * @param size - how many bytes it has
 */
export function isPrototypeKey(bytes: Uint8Array, start: number, size: number): boolean {
  if (size !== prototypeKey.length) return false;
  for (let index = 0; index < size; index++) {
    if (bytes[start + index] !== prototypeKey.charCodeAt(index)) return false;
  }
  return true;
}

/** The size and two of the bytes: keys of one size with the same mark are compared in full, at most 15 for each key. */
function markOf(bytes: Uint8Array, start: number, size: number): number {
  return size === 0
    ? 0
    : (size << 15) | (Number(bytes[start]) << 7) | (Number(bytes[start + size - 1]) & 0x7f);
}

// Without `ignoreBOM` two keys that differ by a U+FEFF would seem the same.
const keyDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const prototypeKey = '__proto__';
