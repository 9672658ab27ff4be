/**
 * The default clock and timer of Tandem: time that only moves forward.
 *
 * `asyncScheduler.now()` is the wall clock, which users and time servers move back and forth; deadlines and heartbeats
 * must not notice. A bare `performance.now()` starts at 0 and so breaks `timer(new Date(…))`: the origin is added.
 * Timers are those of rxjs, which count elapsed time and know no wall clock.
 */
import { asyncScheduler, type SchedulerAction, type SchedulerLike, type Subscription } from 'rxjs';

/**
 * A scheduler whose `now()` is monotonic: milliseconds since the epoch as they were when the process started, plus the
 * time elapsed since, whatever happens to the wall clock. Scheduling is rxjs's `asyncScheduler`.
 */
export const monotonicScheduler: SchedulerLike = {
  now: () => performance.timeOrigin + performance.now(),
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay?: number, state?: T): Subscription {
    return asyncScheduler.schedule(work, delay, state);
  },
};
