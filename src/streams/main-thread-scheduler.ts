/**
 * The scheduler on which callbacks of the user run by default: at once when the thread is idle, in order always, in time
 * slices under load.
 *
 * An event that arrives alone reaches its callback without waiting for a turn of the event loop. A flood, even one from
 * within a single synchronous loop, uses up the slice, then queues, and drains slice by slice, with the event loop (and
 * with it sockets, timers, heartbeats) getting its turn between slices. Clock, deferring and timers are given: this room
 * has none of its own.
 */
import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';
import { Fifo } from './fifo.js';
import { RunBudget } from './run-budget.js';

/** What a {@link MainThreadScheduler} needs from outside. */
export interface MainThreadSchedulerOptions {
  /** The time in milliseconds; must not go backwards. */
  readonly now: () => number;
  /** Runs its argument later, after the event loop had a turn: `setImmediate`. A microtask would starve the loop. */
  readonly defer: (work: () => void) => void;
  /** Waits for delays above 0; when one has passed, the work goes the way of all others. */
  readonly delayed: SchedulerLike;
  /**
   * Gets what a work throws: throwing it on would stop the queue, or end the process. It must not throw itself.
   */
  readonly onError: (error: unknown) => void;
  /**
   * How long works may run before the event loop gets a turn, in milliseconds. Default 8, sensible from 1 to 50: too
   * small, and a flood takes longer as turns of the event loop eat it up; too large, and sockets and timers wait.
   */
  readonly sliceMs?: number;
}

/** A program around this one that has a main loop of its own: a native user interface, a zone of Angular. */
export interface MainThreadHost {
  /**
   * Has `work` run on the host's main loop, at once or later. Called when works begin to wait, and once for each further
   * slice; `work` runs a slice of them, in order, and never throws. What is posted and not run is waited for; run twice,
   * it does nothing the second time. If `post` itself throws, that is reported, and the works run without the host.
   */
  readonly post: (work: () => void) => void;
}

/**
 * A scheduler for the main thread. `schedule(work, 0)` runs `work` before it returns if nothing is queued, nothing of this
 * scheduler is running, and its works have run less than `sliceMs` within the last `2 * sliceMs`; else the work queues.
 * Works start in the order of their scheduling, never one inside another. A work is never interrupted: one that takes
 * longer than a slice makes its slice longer. With a host, it is the host that decides what "at once" is.
 */
export class MainThreadScheduler implements SchedulerLike {
  readonly #options: MainThreadSchedulerOptions;
  readonly #sliceMs: number;
  readonly #budget: RunBudget;
  readonly #queue = new Fifo<Turn>();
  #host: MainThreadHost | undefined = undefined;
  #running = false;
  #isDrainDue = false;
  /** The drain that is due; those that were issued before it do nothing. */
  #drains = 0;

  /** @param options - the clock, the ways to wait, and where errors go */
  constructor(options: MainThreadSchedulerOptions) {
    this.#options = options;
    this.#sliceMs = options.sliceMs ?? DEFAULT_SLICE_MS;
    this.#budget = new RunBudget(this.#sliceMs, 2 * this.#sliceMs);
  }

  /** @returns the time of the clock given at construction, in milliseconds */
  now(): number {
    return this.#options.now();
  }

  /**
   * Schedules one run of `work`.
   *
   * @param work - called with the action as `this`; `this.schedule(state, delay)` schedules a further run
   * @param delay - milliseconds to wait first; 0, the default, means at once or as soon as it is its turn
   * @param state - passed to `work`
   * @returns the action; unsubscribing cancels what has not run yet
   */
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new MainThreadAction<T>(this.#run, this.#options.delayed, work).schedule(state, delay);
  }

  /**
   * Has all works run through a host from now on, those that wait already included.
   *
   * @param host - the host; `undefined` for none
   */
  setHost(host: MainThreadHost | undefined): void {
    this.#host = host;
    // The host before may have been posted a drain that it never runs.
    if (this.#isDrainDue) this.#deferDrain();
  }

  /** Runs a turn now if the thread is idle, else queues it. */
  readonly #run = (turn: Turn): void => {
    if (this.#running || this.#queue.length > 0) {
      this.#queue.push(turn);
      return; // whoever runs looks at the queue at its end; where one waits, a drain is due
    }
    const fromMs = this.now();
    if (this.#budget.isSpent(fromMs)) {
      this.#queue.push(turn);
      this.#deferDrain();
    } else if (this.#host === undefined) {
      this.#running = true;
      this.#take(turn);
      this.#end(fromMs, this.now());
    } else {
      this.#queue.push(turn);
      this.#postDrain();
    }
  };

  /** Has a drain run after the event loop had its turn, also if the host would run it within `post`. */
  #deferDrain(): void {
    const isCurrent = this.#issueDrain();
    this.#options.defer(() => {
      if (isCurrent()) this.#postDrain();
    });
  }

  #postDrain(): void {
    const isCurrent = this.#issueDrain();
    const drain = (): void => {
      if (isCurrent()) this.#drainSlice();
    };
    if (this.#host === undefined) {
      drain();
      return;
    }
    try {
      this.#host.post(drain);
    } catch (error) {
      this.#report(new Error(`the post of the main thread's host threw: ${String(error)}`, { cause: error }));
      this.#options.defer(drain);
    }
  }

  #issueDrain(): () => boolean {
    this.#isDrainDue = true;
    const drain = ++this.#drains;
    return () => drain === this.#drains;
  }

  /** Runs what is queued until the slice is used up; the rest waits for the next turn of the event loop. */
  #drainSlice(): void {
    this.#isDrainDue = false;
    if (this.#running) return; // a host that runs it once more within a work: the rest comes after that work
    const fromMs = this.now();
    let untilMs = fromMs;
    this.#running = true;
    for (
      let turn = this.#queue.take();
      turn !== undefined;
      turn = untilMs - fromMs < this.#sliceMs ? this.#queue.take() : undefined
    ) {
      this.#take(turn);
      untilMs = this.now();
    }
    this.#end(fromMs, untilMs);
  }

  #end(fromMs: number, untilMs: number): void {
    this.#running = false;
    this.#budget.record(fromMs, untilMs);
    if (this.#queue.length > 0 && !this.#isDrainDue) this.#deferDrain();
  }

  #take(turn: Turn): void {
    try {
      turn.take();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    try {
      this.#options.onError(error);
    } catch {
      // There is nobody left to tell, and the works behind this one must run.
    }
  }
}

/**
 * What a work is called on, by the contract of rxjs: one pending run at most, scheduling anew replaces it, and having run
 * does not close it, as it may be scheduled again later.
 */
class MainThreadAction<T> extends Subscription implements SchedulerAction<T>, Turn {
  readonly #run: (turn: Turn) => void;
  readonly #delayed: SchedulerLike;
  #work: ((this: SchedulerAction<T>, state?: T) => void) | undefined;
  #state: T | undefined = undefined;
  #delay: Subscription | undefined = undefined;
  #isPending = false;
  /** How many of its turns in the queue were cancelled; they come before the one that counts. */
  #cancelledTurns = 0;

  constructor(
    run: (turn: Turn) => void,
    delayed: SchedulerLike,
    work: (this: SchedulerAction<T>, state?: T) => void,
  ) {
    super();
    this.#run = run;
    this.#delayed = delayed;
    this.#work = work;
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) {
      return this;
    }
    this.#cancel();
    this.#state = state;
    if (delay > 0) {
      this.#delay = this.#delayed.schedule(() => {
        this.#begin();
      }, delay);
    } else {
      this.#begin();
    }
    return this;
  }

  take(): void {
    if (this.#cancelledTurns > 0) {
      this.#cancelledTurns -= 1;
      return;
    }
    this.#isPending = false;
    try {
      this.#work?.call(this, this.#state);
    } catch (error) {
      this.unsubscribe();
      throw error;
    }
  }

  override unsubscribe(): void {
    this.#cancel();
    this.#work = undefined; // a cancelled action may stay in the queue, but must not keep its work alive
    this.#state = undefined;
    super.unsubscribe();
  }

  #begin(): void {
    this.#delay = undefined;
    this.#isPending = true;
    this.#run(this);
  }

  #cancel(): void {
    if (this.#isPending) {
      this.#isPending = false;
      this.#cancelledTurns += 1;
    }
    this.#delay?.unsubscribe();
    this.#delay = undefined;
  }
}

/** One run of a work, in its place in the queue. */
interface Turn {
  take(): void;
}

const DEFAULT_SLICE_MS = 8;
