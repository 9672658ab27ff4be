/**
 * Chance that comes again: the same seed gives the same draws, on every machine.
 */

import { seededRandom } from 'tandem-rpc/testing';

/** Draws from a seed. */
export class SeededRandom {
  /** From 0 up to 1. */
  readonly next: () => number;

  /** @param seed - any whole number */
  constructor(seed: number) {
    this.next = seededRandom(seed);
  }

  /** A number from `least` up to `most`. */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** True this often. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items; there must be one. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.whole(0, items.length - 1)]!;
  }

  /** One of the kinds, each as often as its weight says. */
  weighted<Kind extends string>(weights: Readonly<Record<Kind, number>>): Kind {
    // The keys of a record of kinds are kinds.
    const entries = Object.entries(weights) as [Kind, number][];
    let left = this.next() * entries.reduce((total, [, weight]) => total + weight, 0);
    for (const [kind, weight] of entries) {
      left -= weight;
      if (left < 0) return kind;
    }
    return entries[0]![0];
  }
}
