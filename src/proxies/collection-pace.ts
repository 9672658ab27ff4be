/**
 * Has V8 look for garbage before references pile up that nobody uses any more.
 *
 * A reference is given back when it was collected, which only a collection of everything finds, and that comes when the heap has
 * grown by tens of megabytes: with a callback for each call 80,000 references were held by then, and as many had to be allowed.
 * V8 begins such a collection early where much memory is taken outside of its heap. So some is, and dropped at once: pages that
 * nobody writes to are never there. With 2,500 references between, 5,000 were held at most, in a fifth of the memory and the
 * same time.
 */

/** What V8 takes for much (`kExternalAllocationSoftLimit`). */
const outsideBytes = 64 * 1024 * 1024;

/** References between two collections at least: each takes some milliseconds. */
const leastStep = 1_000;

/** So many steps make up what may be held at all. */
const steps = 4;

/** The pace of one connection. */
export class CollectionPace {
  readonly #step: number;
  readonly #collect: () => void;
  /** The fewest that were held since the last collection was asked for. */
  #least = 0;

  /**
   * @param most - how many references may be held
   * @param collect - asks for a collection; default: as V8 understands it
   */
  constructor(most: number, collect: () => void = takeOutside) {
    this.#step = Math.max(leastStep, Math.floor(most / steps));
    this.#collect = collect;
  }

  /** So many references are held now. */
  follow(held: number): void {
    this.#least = Math.min(this.#least, held);
    if (held - this.#least < this.#step) return;
    this.#least = held;
    this.#collect();
  }
}

/** @returns how much could be taken: where there is no room V8 has reason enough to collect */
function takeOutside(): number {
  try {
    return new ArrayBuffer(outsideBytes).byteLength;
  } catch {
    return 0;
  }
}
