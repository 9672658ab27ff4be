/**
 * The sessions of one server that have no connection: what clients leave behind that may never come back. So many at most, and so many
 * bytes of what is kept for them; beyond either the one that is away for the longest time ends. PROTOCOL.md, "Limits".
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Limits } from '../protocol/limits.js';
import { SparseMap } from '../protocol/sparse.js';
import type { Peer } from './peer.js';

/** The sessions that are away; the server owns this, and takes out of it what has ended. */
export class AwaySessions {
  readonly #limits: Limits;
  readonly #scheduler: SchedulerLike;
  /** What each of them keeps, in bytes; the one that is away for the longest time first. */
  readonly #kept = new SparseMap<Peer, number>();
  #bytes = 0;
  #evicted = 0;
  #soon: Subscription | undefined;

  /**
   * @param limits - of the server
   * @param scheduler - ends sessions when what made them too many is over
   */
  constructor(limits: Limits, scheduler: SchedulerLike) {
    this.#limits = limits;
    this.#scheduler = scheduler;
  }

  /** How many there are. */
  get size(): number {
    return this.#kept.size;
  }

  /** Bytes that are kept for them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many have ended since there were too many, or too many bytes of them. */
  get evicted(): number {
    return this.#evicted;
  }

  /** One is away from now on; too many are not kept. */
  add(peer: Peer): void {
    const bytes = peer.connection.keptBytes;
    this.#bytes += bytes - (this.#kept.get(peer) ?? 0);
    this.#kept.set(peer, bytes);
    const { maxAwaySessions, maxAwayBytes } = this.#limits;
    if (this.#kept.size <= maxAwaySessions && this.#bytes <= maxAwayBytes) return;
    // Not within a call of a session that may be the one that has to go, nor while one only passes from connection to connection.
    this.#soon ??= this.#scheduler.schedule(() => {
      this.#soon = undefined;
      this.#evict();
    });
  }

  /** What is kept for one of them has changed. */
  changed(peer: Peer): void {
    if (this.#kept.has(peer)) this.add(peer);
  }

  /** One is back, or has ended. */
  delete(peer: Peer): void {
    this.#bytes -= this.#kept.get(peer) ?? 0;
    this.#kept.delete(peer);
    if (this.#kept.size > 0) return;
    this.#soon?.unsubscribe();
    this.#soon = undefined;
  }

  #evict(): void {
    const { maxAwaySessions, maxAwayBytes } = this.#limits;
    for (const peer of this.#kept.keys()) {
      const isCrowded = this.#kept.size > maxAwaySessions;
      if (!isCrowded && this.#bytes <= maxAwayBytes) return;
      this.#evicted += 1;
      // Reported as ended by its owner, who takes it out; not left to that here.
      this.delete(peer);
      peer.lose(
        isCrowded
          ? `more than ${maxAwaySessions} sessions were away (limits.maxAwaySessions changes the bound)`
          : `more than ${maxAwayBytes} bytes were kept for sessions that were away (limits.maxAwayBytes changes the bound)`,
      );
    }
  }
}
