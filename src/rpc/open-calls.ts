/**
 * Open calls by their ids: a table for entries that come with ascending ids, and mostly go soon.
 *
 * Not a Map: one through which calls run builds a new table each time it has run through the old one, and V8 links the old
 * table to the new. As soon as one table has grown old, the young garbage of every later one counts as alive until the
 * next full collection. Measured: with a Map, most of what a client had allocated survived the young collections, and was gone
 * after each full one. Here nothing is built anew: an id has its slot, and only a call that is still open when its slot
 * is needed again moves to a Map.
 */
import { SparseMap } from '../protocol/sparse.js';

/** What the table holds. */
export interface Identified {
  /** Unique among the entries of a table. */
  readonly id: number;
}

/** A power of two: most connections have few calls open, and many none ever. */
const fewestSlots = 16;

/** Entries by id, in constant time whatever ids there are; takes space for eight times the most that were open. */
export class OpenCalls<Entry extends Identified> {
  #slots: (Entry | undefined)[] = [];
  readonly #displaced = new SparseMap<number, Entry>();
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** All entries, in no order. */
  entries(): Entry[] {
    return [...this.#slots.filter((entry) => entry !== undefined), ...this.#displaced.values()];
  }

  /** The entry of an id. */
  find(id: number): Entry | undefined {
    const entry = this.#slots[id & (this.#slots.length - 1)];
    if (entry?.id === id) return entry;
    return this.#displaced.size === 0 ? undefined : this.#displaced.get(id);
  }

  /** Adds an entry, whose id must have none. */
  add(entry: Entry): void {
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length) this.#grow();
    this.#put(entry);
  }

  /** Takes the entry of an id out of the table. */
  take(id: number): Entry | undefined {
    const at = id & (this.#slots.length - 1);
    let entry = this.#slots[at];
    if (entry?.id === id) {
      this.#slots[at] = undefined;
    } else {
      entry = this.#displaced.get(id);
      if (entry === undefined) return undefined;
      this.#displaced.delete(id);
    }
    this.#size -= 1;
    return entry;
  }

  /** Takes all out. */
  clear(): void {
    this.#slots = [];
    this.#displaced.clear();
    this.#size = 0;
  }

  #put(entry: Entry): void {
    const at = entry.id & (this.#slots.length - 1);
    const former = this.#slots[at];
    if (former !== undefined) this.#displaced.set(former.id, former);
    this.#slots[at] = entry;
  }

  #grow(): void {
    const entries = this.entries();
    this.#slots = emptySlots(Math.max(fewestSlots, this.#slots.length * 4));
    this.#displaced.clear();
    for (const entry of entries) this.#put(entry);
  }
}

function emptySlots<Entry>(length: number): (Entry | undefined)[] {
  return new Array<Entry | undefined>(length).fill(undefined);
}
