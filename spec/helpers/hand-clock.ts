/**
 * A main thread worked by hand: time passes when the spec says so, and the event loop turns when it says so.
 */
import { type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { MainThreadScheduler } from '../../src/streams/main-thread-scheduler.js';

/** The clock, the deferred work and the errors of a {@link MainThreadScheduler}, and that scheduler. */
export interface HandClock {
  readonly scheduler: MainThreadScheduler;
  /** Errors that works threw. */
  readonly errors: unknown[];
  /** Where delays wait; `delayed.flush()` lets them all pass. */
  readonly delayed: SchedulerLike & { flush(): void };
  /** Lets time pass. */
  readonly pass: (ms: number) => void;
  /** The time. */
  readonly nowMs: () => number;
  /** How many turns of the event loop were asked for and have not come. */
  readonly dueTurns: () => number;
  /** One turn of the event loop; false if none was asked for. */
  readonly turn: () => boolean;
  /** Turns until nothing asks for one, and how many that took. */
  readonly turnUntilIdle: () => number;
}

/** Makes an idle main thread at time 0. */
export function handClock(options: { sliceMs?: number; onError?: (error: unknown) => void } = {}): HandClock {
  let nowMs = 0;
  const deferred: (() => void)[] = [];
  const errors: unknown[] = [];
  const delayed = new VirtualTimeScheduler();
  const turn = (): boolean => {
    const works = deferred.splice(0);
    works.forEach((work) => work());
    return works.length > 0;
  };
  const scheduler = new MainThreadScheduler({
    now: () => nowMs,
    defer: (work) => deferred.push(work),
    delayed,
    onError: options.onError ?? ((error) => errors.push(error)),
    ...(options.sliceMs === undefined ? {} : { sliceMs: options.sliceMs }),
  });
  return {
    scheduler,
    errors,
    delayed,
    pass: (ms) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
    dueTurns: () => deferred.length,
    turn,
    turnUntilIdle: () => {
      let turns = 0;
      while (turn()) {
        turns += 1;
      }
      return turns;
    },
  };
}
