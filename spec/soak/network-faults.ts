/**
 * What a network does to all links of a proxy, or to one of them, by chance.
 */
import type { FaultLink } from '../../src/testing/fault-link.js';
import type { FaultProxy } from '../../src/testing/fault-proxy.js';

/** How long what a fault began lasts, in milliseconds. */
export const maxLastingMs = 3_000;

/** A fault: its name, how often it comes among all, and what it does. */
export type Fault = readonly [name: string, weight: number, act: () => unknown];

/** The faults of one network. */
export class NetworkFaults {
  readonly #proxy: FaultProxy;
  readonly #random: () => number;
  #nextLink: ((link: FaultLink) => void) | undefined;

  /**
   * @param proxy - that disturbs
   * @param random - chance
   */
  constructor(proxy: FaultProxy, random: () => number) {
    this.#proxy = proxy;
    this.#random = random;
    proxy.onLink((link) => {
      this.#nextLink?.(link);
      this.#nextLink = undefined;
    });
  }

  get #link(): FaultLink | undefined {
    const { links } = this.#proxy;
    return links[Math.floor(this.#random() * links.length)];
  }

  get #direction(): 'toServer' | 'toClient' {
    return this.#random() < 0.5 ? 'toServer' : 'toClient';
  }

  #later(act: () => void): void {
    setTimeout(act, this.#random() * maxLastingMs).unref();
  }

  /** Each of them. */
  readonly kinds: readonly Fault[] = [
    ['resets of one', 8, () => this.#link?.cut()],
    ['resets of all', 3, () => this.#proxy.cut()],
    [
      'resets within the next bytes',
      8,
      () => this.#link?.cutAfterBytes(this.#direction, Math.floor(this.#random() * 5_000)),
    ],
    [
      'resets of a new connection',
      4,
      () => {
        const bytes = Math.floor(this.#random() * 1_000);
        const direction = this.#direction;
        this.#nextLink = (link) => link.cutAfterBytes(direction, bytes);
        this.#link?.cut();
      },
    ],
    ['ends of one direction', 4, () => this.#link?.end(this.#direction)],
    ['black holes one way', 5, () => this.#link?.halfOpen(this.#direction)],
    [
      'freezes',
      5,
      () => {
        const link = this.#link;
        link?.freeze();
        this.#later(() => link?.thaw());
      },
    ],
    [
      'slices',
      3,
      () => {
        const link = this.#link;
        link?.disturb({ sliceBytes: 1 + Math.floor(this.#random() * 20) });
        this.#later(() => link?.disturb({ sliceBytes: undefined }));
      },
    ],
    [
      'latency',
      4,
      () => {
        this.#proxy.disturb({ latencyInSeconds: this.#random() * 0.2, jitterInSeconds: 0.05 });
        this.#later(() => this.#proxy.disturb({ latencyInSeconds: undefined, jitterInSeconds: undefined }));
      },
    ],
    [
      'refused connections',
      2,
      () => {
        this.#proxy.refuseConnections = true;
        this.#later(() => (this.#proxy.refuseConnections = false));
        this.#link?.cut();
      },
    ],
  ];

  /** Nothing is disturbed any more. */
  calm(): void {
    this.#proxy.refuseConnections = false;
    this.#nextLink = undefined;
    this.#proxy.disturb({ latencyInSeconds: undefined, jitterInSeconds: undefined });
    for (const link of this.#proxy.links) {
      link.thaw();
      link.heal();
      link.disturb({ sliceBytes: undefined });
    }
  }
}
