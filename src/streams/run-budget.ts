/**
 * How much of the last moments went into running callbacks, and whether that is enough for now.
 *
 * Runs that follow each other closely are kept as one, so that the record stays about twenty entries long however many
 * callbacks run. Knows no clock: times are arguments, all from the same monotonic one.
 */

/** A record of running time over a sliding window. */
export class RunBudget {
  readonly #maxMs: number;
  readonly #windowMs: number;
  #runs: Run[] = [];
  #recordedMs = 0;

  /**
   * @param maxMs - running time allowed within any window
   * @param windowMs - length of the window
   */
  constructor(maxMs: number, windowMs: number) {
    this.#maxMs = maxMs;
    this.#windowMs = windowMs;
  }

  /**
   * Whether the running time within the window that ends now has reached the maximum.
   *
   * @param nowMs - the present time
   */
  isSpent(nowMs: number): boolean {
    if (this.#recordedMs < this.#maxMs) {
      return false; // the usual case: even with what has left the window it is not enough
    }
    const windowStartMs = nowMs - this.#windowMs;
    return this.#runs.reduce((usedMs, run) => usedMs + msAfter(run, windowStartMs), 0) >= this.#maxMs;
  }

  /**
   * Records one run.
   *
   * @param fromMs - when it began, not before the end of the last one
   * @param untilMs - when it ended
   */
  record(fromMs: number, untilMs: number): void {
    const last = this.#runs.at(-1);
    if (last !== undefined && fromMs - last.fromMs < this.#windowMs / ENTRIES_PER_WINDOW) {
      last.untilMs = untilMs;
      last.ms += untilMs - fromMs;
      this.#recordedMs += untilMs - fromMs;
      return;
    }
    const windowStartMs = untilMs - this.#windowMs;
    this.#runs = this.#runs.filter((run) => run.untilMs > windowStartMs);
    this.#runs.push({ fromMs, untilMs, ms: untilMs - fromMs });
    // Summed anew instead of subtracting what left: floats would drift apart over days.
    this.#recordedMs = this.#runs.reduce((sumMs, run) => sumMs + run.ms, 0);
  }
}

/** One run, or several that followed each other closely: `ms` is what ran between the two times. */
interface Run {
  readonly fromMs: number;
  untilMs: number;
  ms: number;
}

/** The running time of `run` after `startMs`, taken as evenly spread where the run lies across it. */
function msAfter(run: Run, startMs: number): number {
  if (run.fromMs >= startMs) {
    return run.ms;
  }
  return run.untilMs <= startMs ? 0 : (run.ms * (run.untilMs - startMs)) / (run.untilMs - run.fromMs);
}

const ENTRIES_PER_WINDOW = 16;
