/**
 * The one door through which every callback of the user runs: hooks, subscribers of lifecycle streams, errors.
 *
 * A server or client has one Delivery, hence one order: a status change and the connection that caused it arrive in the
 * order in which they happened, whichever stream a callback listens to. Knows no streams and no values.
 */
import type { SchedulerLike } from 'rxjs';
import { Fifo } from './fifo.js';
import type { Report } from './user-callback.js';

/** What a {@link Delivery} needs. */
export interface DeliveryOptions {
  /** Where callbacks run: `callbackScheduler`. */
  readonly scheduler: SchedulerLike;
  /** Gets what a work throws; must not throw. */
  readonly report: Report;
}

/**
 * Runs works one after the other on a scheduler, in the order of the calls to {@link Delivery.deliver}, even on a scheduler
 * that keeps no order or that runs work inside work.
 */
export class Delivery {
  readonly #scheduler: SchedulerLike;
  readonly #report: Report;
  readonly #waiting = new Fifo<() => void>();
  readonly #runNext = (): void => {
    this.#run();
  };
  #isRunning = false;
  #missedRuns = 0;
  #acts = 0;
  #heldRuns = 0;

  /** @param options - where works run, and where their errors go */
  constructor(options: DeliveryOptions) {
    this.#scheduler = options.scheduler;
    this.#report = options.report;
  }

  /**
   * Has a work run on the scheduler, after all works delivered before it; possibly before this returns.
   *
   * @param work - what to run; what it throws is reported
   */
  deliver(work: () => void): void {
    this.#waiting.push(work);
    // One schedule for each work: the scheduler decides how many run in a row before something else gets its turn.
    if (this.#acts === 0) this.#scheduler.schedule(this.#runNext);
    else this.#heldRuns += 1;
  }

  /**
   * Does an act of the library as a whole: what it delivers meanwhile reaches the user when it is complete, so that a
   * callback that runs at once finds nothing half done, whatever it calls. Acts nest; the outermost counts.
   *
   * @param act - must not throw
   * @returns what it returned
   */
  during<Result>(act: () => Result): Result {
    this.#acts += 1;
    const result = act();
    this.#acts -= 1;
    while (this.#acts === 0 && this.#heldRuns > 0) {
      this.#heldRuns -= 1;
      this.#scheduler.schedule(this.#runNext);
    }
    return result;
  }

  #run(): void {
    if (this.#isRunning) {
      this.#missedRuns += 1; // a scheduler that runs work inside work: this one's turn comes right after the running one
      return;
    }
    this.#isRunning = true;
    this.#runOne();
    while (this.#missedRuns > 0) {
      this.#missedRuns -= 1;
      this.#runOne();
    }
    this.#isRunning = false;
  }

  #runOne(): void {
    try {
      this.#waiting.take()?.();
    } catch (error) {
      this.#report(error);
    }
  }
}
