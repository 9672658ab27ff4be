/**
 * How often a client dials: at once only when it starts, and after a connection that has shown itself good; else never twice
 * within the least pause, however often it is let in and thrown out. A session that it has left, and that comes back to its server, has
 * attempts of its own.
 */

/** The least pause between two attempts, in milliseconds. */
const leastPauseMs = 50;

/** The dials of one client. */
export class DialWatch {
  readonly #events: (readonly [ms: number, kind: 'good' | 'quick'])[] = [];
  /** The last dials, as many as may follow each other at once. */
  #lastMs: number[] = [-Infinity];

  /** It starts: its first dial is no second one. */
  starts(ms: number): void {
    this.#lastMs = this.#lastMs.map(() => -Infinity);
    this.isGood(ms);
  }

  /** It has left a session that may come back. */
  leaves(): void {
    this.#lastMs = [-Infinity, ...this.#lastMs];
  }

  /** Its connection was good at this time. */
  isGood(ms: number): void {
    this.#events.push([ms, 'good']);
  }

  /** It dials. */
  dials(ms: number): void {
    // Times are sums of fractions.
    const [oldestMs = -Infinity] = this.#lastMs;
    if (ms - oldestMs < leastPauseMs - 0.01) this.#events.push([ms, 'quick']);
    this.#lastMs = [...this.#lastMs.slice(1), ms];
  }

  /** What is wrong, once everything is over: until then it is not known when heartbeats came. */
  audit(fault: (text: string) => void): void {
    let isAllowed = false;
    for (const [ms, kind] of this.#events.sort(([one], [other]) => one - other)) {
      if (kind === 'quick' && !isAllowed)
        fault(`dialled again within ${leastPauseMs} ms at ${ms.toFixed(1)} ms`);
      isAllowed = kind === 'good';
    }
  }
}
