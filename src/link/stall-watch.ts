/**
 * Whether a peer that is alive reads what waits for it: from the time at which its transport has more than it takes at once, that has
 * so long until it says that it is done.
 */

/** What watching needs. */
export interface StallSettings {
  /** Whether the transport has more than it takes at once. */
  readonly isClogged: () => boolean;
  /** How long it may take, in milliseconds. For as long as silence is borne a peer may be busy; from then on it has been heard. */
  readonly patienceMs: () => number;
  readonly now: () => number;
  /** `judge` is due then. */
  readonly dueAt: (atMs: number) => void;
  /** Calls back once what has arrived was read: it may be that the transport is done by then. */
  readonly afterReading: (then: () => void) => void;
  /** The peer reads too slowly. */
  readonly onStalled: () => void;
}

/** The watch over one transport. */
export class StallWatch {
  readonly #settings: StallSettings;
  #dueMs = Infinity;
  /** How often the transport was done. */
  #drains = 0;

  /** @param settings - of the connection */
  constructor(settings: StallSettings) {
    this.#settings = settings;
  }

  /** When `judge` is due; `Infinity`: nothing waits for too long. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Something was written. */
  look(): void {
    const { isClogged, patienceMs, now, dueAt } = this.#settings;
    if (!isClogged() || this.#dueMs !== Infinity) return;
    this.#dueMs = now() + patienceMs();
    dueAt(this.#dueMs);
  }

  /** The transport is done with what it had. */
  drained(): void {
    this.#drains += 1;
    this.#dueMs = Infinity;
  }

  /** Its time may be over. As with silence, what has arrived is looked at first. */
  judge(nowMs: number): void {
    if (nowMs < this.#dueMs) {
      this.#settings.dueAt(this.#dueMs);
      return;
    }
    const drains = this.#drains;
    this.#dueMs = Infinity;
    this.#settings.afterReading(() => {
      if (this.#drains === drains && this.#settings.isClogged()) this.#settings.onStalled();
    });
  }
}
