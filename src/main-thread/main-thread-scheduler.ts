/**
 * `mainThreadScheduler`: the scheduler of this thread on which callbacks run by default, and the host it may have.
 *
 * There is one for each thread, whichever copy of the package is asked, since there is one event loop to be fair to. How it
 * keeps its slices is the business of `streams/main-thread-scheduler`; here are its clock, its timers and its console.
 */
import {
  asyncScheduler,
  queueScheduler,
  type SchedulerAction,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import { monotonicScheduler } from '../link/monotonic-scheduler.js';
import { type MainThreadHost, MainThreadScheduler } from '../streams/main-thread-scheduler.js';
import { sharedByCopies } from '../threads/shared-by-copies.js';
import { warn } from './warn.js';

/**
 * The default callback scheduler, on the thread it is used on: a work runs at once when the thread is idle; in the order of
 * scheduling always; under load in slices of 8 ms, between which sockets, timers and whatever else waits for the event loop get their turn.
 *
 * Its time is monotonic. Within `TestScheduler.run` it is virtual, as that of `asyncScheduler` is: delays pass in virtual time,
 * and what has none runs at once, since no time passes while works run; what a work throws is thrown there, not reported.
 */
export const mainThreadScheduler: SchedulerLike = {
  now: () => presentScheduler().now(),
  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay?: number, state?: T): Subscription {
    return presentScheduler().schedule(work, delay, state);
  },
};

/**
 * Has `mainThreadScheduler` run its works through a host that has a main loop of its own, and with them hooks, subscribers, and
 * what other threads send by `runOnMainThread`. Meant for the thread it is called on, and for every copy of the package there.
 * Works that wait already go through the new host as well.
 *
 * @param host - the host, whose `post` is called as a method; `undefined`: the event loop again, which is the default
 * @throws TypeError if `host` has no function `post`
 */
export function setMainThreadHost(host: MainThreadHost | undefined): void {
  if (host !== undefined && typeof (host as Partial<MainThreadHost> | null)?.post !== 'function') {
    throw new TypeError(
      'the host of the main thread has no function post: give { post: (work) => … }, or undefined',
    );
  }
  schedulerOfThread().setHost(host);
}

function presentScheduler(): SchedulerLike {
  return isTimeVirtual() ? queueScheduler : schedulerOfThread();
}

/**
 * Whether a `TestScheduler` runs. It lends its clock to `asyncScheduler` meanwhile, and that clock begins at 0; otherwise it is the
 * wall clock. Set back by half of its time, that would be taken for virtual, and works would run without slices.
 */
function isTimeVirtual(): boolean {
  return asyncScheduler.now() < performance.timeOrigin / 2;
}

let known: MainThreadScheduler | undefined;

function schedulerOfThread(): MainThreadScheduler {
  return (known ??= sharedByCopies('main-thread-scheduler', makeScheduler));
}

function makeScheduler(): MainThreadScheduler {
  return new MainThreadScheduler({
    now: () => monotonicScheduler.now(),
    defer: (work) => {
      setImmediate(work);
    },
    delayed: monotonicScheduler,
    onError: (error) => {
      warn(`a callback on mainThreadScheduler threw: ${String(error)}`, 'callback');
    },
  });
}
