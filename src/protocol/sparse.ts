/**
 * A Map and a Set that take no space until something is in them. A connection has some thirty tables, of which an idle one
 * needs none: as Maps and Sets they are 7 KiB.
 */

const nothing: readonly never[] = [];

/** A Map made when it is first needed. */
export class SparseMap<Key, Value> implements Iterable<[Key, Value]> {
  #map: Map<Key, Value> | undefined;

  /** How many entries there are. */
  get size(): number {
    return this.#map === undefined ? 0 : this.#map.size;
  }

  /** As of a Map. */
  get(key: Key): Value | undefined {
    return this.#map?.get(key);
  }

  /** As of a Map. */
  has(key: Key): boolean {
    return this.#map?.has(key) === true;
  }

  /** As of a Map. */
  set(key: Key, value: Value): void {
    this.#map ??= new Map();
    this.#map.set(key, value);
  }

  /** As of a Map. */
  delete(key: Key): boolean {
    return this.#map?.delete(key) === true;
  }

  /** As of a Map. */
  clear(): void {
    this.#map = undefined;
  }

  /** As of a Map. */
  keys(): Iterable<Key> {
    return this.#map?.keys() ?? nothing;
  }

  /** As of a Map. */
  values(): Iterable<Value> {
    return this.#map?.values() ?? nothing;
  }

  /** As of a Map. */
  [Symbol.iterator](): Iterator<[Key, Value]> {
    return (this.#map ?? nothing)[Symbol.iterator]();
  }
}

/** A Set made when it is first needed. */
export class SparseSet<Member> implements Iterable<Member> {
  #set: Set<Member> | undefined;

  /** How many members there are. */
  get size(): number {
    return this.#set === undefined ? 0 : this.#set.size;
  }

  /** As of a Set. */
  has(member: Member): boolean {
    return this.#set?.has(member) === true;
  }

  /** As of a Set. */
  add(member: Member): void {
    this.#set ??= new Set();
    this.#set.add(member);
  }

  /** As of a Set. */
  delete(member: Member): boolean {
    return this.#set?.delete(member) === true;
  }

  /** As of a Set. */
  clear(): void {
    this.#set = undefined;
  }

  /** As of a Set. */
  [Symbol.iterator](): Iterator<Member> {
    return (this.#set ?? nothing)[Symbol.iterator]();
  }
}
