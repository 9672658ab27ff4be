/**
 * Numbered values that are held weakly, each with a count: when a value has been collected, its owner is told the number and
 * the count, once.
 *
 * Between the collection of a value and its finalizer anything may happen: the same number may get a new value. Then the
 * counts go over to that one, and the old finalizer finds that it is no longer meant.
 */
import { SparseMap } from '../protocol/sparse.js';

/** A `WeakRef`, or what a spec gives in its place. */
export interface WeakReference<Value extends object> {
  /** The value, `undefined` once it has been collected. */
  deref(): Value | undefined;
}

/** A `FinalizationRegistry`, or what a spec gives in its place. */
export interface Registry<Note extends object> {
  /** Tells `note` when `value` has been collected. */
  register(value: object, note: Note, token: object): void;
  /** No longer. */
  unregister(token: object): void;
}

/** How values are held weakly. */
export interface WeakHold {
  /** Refers to a value without keeping it. */
  refer<Value extends object>(value: Value): WeakReference<Value>;
  /** Tells of collected values. */
  makeRegistry<Note extends object>(onCollected: (note: Note) => void): Registry<Note>;
}

/** What the language offers. */
const platformHold: WeakHold = {
  refer: (value) => new WeakRef(value),
  makeRegistry: (onCollected) => new FinalizationRegistry(onCollected),
};

interface Entry<Value extends object> {
  readonly number: number;
  readonly reference: WeakReference<Value>;
  count: number;
}

/** Values by number, each of which may be collected. */
export class FinalizingMap<Value extends object> {
  readonly #entries = new SparseMap<number, Entry<Value>>();
  readonly #hold: WeakHold;
  readonly #onCollected: (number: number, count: number) => void;
  #registry: Registry<Entry<Value>> | undefined;

  /**
   * @param onCollected - told each number whose value is gone, with its count; the number is free then
   * @param hold - how values are held weakly
   */
  constructor(onCollected: (number: number, count: number) => void, hold: WeakHold = platformHold) {
    this.#hold = hold;
    this.#onCollected = onCollected;
  }

  /** How many numbers are taken, those included whose value is gone and whose owner has not been told. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether a number is taken. */
  has(number: number): boolean {
    return this.#entries.has(number);
  }

  /** The value of a number, if it is alive. */
  get(number: number): Value | undefined {
    return this.#entries.get(number)?.reference.deref();
  }

  /** Gives a free number its value, with count 0. */
  set(number: number, value: Value): void {
    const entry = { number, reference: this.#hold.refer(value), count: 0 };
    this.#entries.set(number, entry);
    this.#registry ??= this.#hold.makeRegistry((collected) => {
      this.#collected(collected);
    });
    this.#registry.register(value, entry, entry);
  }

  /** Counts a number once more; it must be taken. */
  count(number: number): void {
    const entry = this.#entries.get(number);
    if (entry !== undefined) entry.count += 1;
  }

  /** Counts a number down, and frees it with the last; its owner is not told. @returns how often it is still counted */
  discount(number: number): number {
    const entry = this.#entries.get(number);
    if (entry === undefined) return 0;
    entry.count -= 1;
    if (entry.count <= 0) this.delete(number);
    return entry.count;
  }

  /** Frees a number; its owner is not told. @returns its count, 0 if it was free */
  delete(number: number): number {
    const entry = this.#entries.get(number);
    if (entry === undefined) return 0;
    this.#entries.delete(number);
    this.#registry?.unregister(entry);
    return entry.count;
  }

  /** Frees all numbers; no owner is told. @returns the values that are alive */
  clear(): Value[] {
    const alive: Value[] = [];
    for (const entry of this.#entries.values()) {
      this.#registry?.unregister(entry);
      const value = entry.reference.deref();
      if (value !== undefined) alive.push(value);
    }
    this.#entries.clear();
    return alive;
  }

  #collected(entry: Entry<Value>): void {
    if (this.#entries.get(entry.number) !== entry) return;
    this.#entries.delete(entry.number);
    this.#onCollected(entry.number, entry.count);
  }
}
