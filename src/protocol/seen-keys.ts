/**
 * The keys that the scan has met in the maps that are open, to find one that comes twice.
 *
 * Duplicate keys mean one thing to one reader and another to the next, so that what was checked is not what is used.
 * Maps of up to 16 keys, nearly all, are compared key by key without allocation; larger ones use a Set, whose hash a
 * peer cannot foresee. PROTOCOL.md, "Values".
 */
import { isEqual, itemAt } from './bytes.js';

/** The keys of all open maps, an inner map's on top of its outer one's. */
export class SeenKeys {
  readonly #hashes: number[] = [];
  readonly #starts: number[] = [];
  readonly #sizes: number[] = [];
  readonly #large: Set<string>[] = [];
  #count = 0;

  /** How many keys of small maps are remembered: to be given to `forget` when the map that begins here ends. */
  get count(): number {
    return this.#count;
  }

  /** Forgets the keys from the `count`-th on. */
  forget(count: number): void {
    this.#count = count;
  }

  /** Forgets all. */
  clear(): void {
    this.#count = 0;
    // Storing a length costs more than looking at it.
    if (this.#large.length > 0) this.#large.length = 0;
  }

  /**
   * Adds the key of a map with at most 16 entries.
   *
   * @param first - the `count` when the map began
   * @param bytes - all that is scanned; only read
   * @param start - where the key's text begins
   * @param size - how many bytes it has
   * @returns false if the map has this key already
   */
  add(first: number, bytes: Uint8Array, start: number, size: number): boolean {
    const hash = hashKey(bytes, start, size);
    for (let key = first; key < this.#count; key++) {
      if (itemAt(this.#hashes, key) !== hash || itemAt(this.#sizes, key) !== size) continue;
      if (isEqual(bytes, start, itemAt(this.#starts, key), size)) return false;
    }
    this.#hashes[this.#count] = hash;
    this.#starts[this.#count] = start;
    this.#sizes[this.#count] = size;
    this.#count++;
    return true;
  }

  /** Begins a map with more entries. */
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
}

/** Cheap, since equal hashes are only a hint: at most 15 comparisons follow, whatever a peer constructs. */
function hashKey(bytes: Uint8Array, start: number, size: number): number {
  if (size === 0) return 0;
  const last = start + size - 1;
  return (itemAt(bytes, start) << 16) | (itemAt(bytes, start + (size >> 1)) << 8) | itemAt(bytes, last);
}

// Without `ignoreBOM` two keys that differ by a U+FEFF would seem the same.
const keyDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
