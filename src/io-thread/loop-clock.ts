/**
 * The time of the main loop's last turn, in memory that both threads see: what another thread reads there is true whatever the main
 * thread is busy with. The clock is the system's monotonic one, which all threads of a process share.
 */

/** How often the main loop leaves the time, in milliseconds: ten times finer than the second in which lag is promised. */
const tickMs = 100;

const bytes = BigInt64Array.BYTES_PER_ELEMENT;

/** Leaves the time of each turn; for the main thread. */
export class LoopClock {
  /** For the other thread. */
  readonly memory = new SharedArrayBuffer(bytes);
  readonly #time = new BigInt64Array(this.memory);
  #timer: NodeJS.Timeout | undefined;

  /** Starts; keeps no process alive. Has no effect once started. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#tick();
    this.#timer = setInterval(() => {
      this.#tick();
    }, tickMs).unref();
  }

  /** Stops. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    Atomics.store(this.#time, 0, process.hrtime.bigint());
  }
}

/**
 * For how long the main loop has not turned, in milliseconds; less than a tick counts as 0. For another thread.
 *
 * @param memory - of the LoopClock
 */
export function loopLagMs(memory: SharedArrayBuffer): number {
  const sinceMs = Number(process.hrtime.bigint() - Atomics.load(new BigInt64Array(memory), 0)) / 1e6;
  return Math.max(0, sinceMs - tickMs);
}
