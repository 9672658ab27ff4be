/**
 * What there is once for a thread: in the main thread the side that is called, in a worker the side that calls. Chooses what
 * carries the lines, by what this version of Node has; both ends are of the same process, and so choose alike.
 */
import { acceptBroadcastLines, openBroadcastLine } from './broadcast-line.js';
import { callableNamed } from './callables.js';
import { MainThreadCallee } from './main-thread-callee.js';
import { MainThreadCaller } from './main-thread-caller.js';
import { mainThreadScheduler } from './main-thread-scheduler.js';
import { acceptPortLines, hasPortLines, openPortLine } from './port-line.js';
import { sharedByCopies } from '../threads/shared-by-copies.js';
import { warn } from './warn.js';
import type { WorkerThreads } from '../threads/worker-threads.js';

/**
 * Has this thread, the main one, take the calls of workers from now on. That keeps nothing alive, and is done once.
 *
 * @param threads - of the main thread
 */
export function listenOnMainThread(threads: WorkerThreads): void {
  sharedByCopies('main-thread-callee', () => {
    const callee = new MainThreadCallee({ scheduler: mainThreadScheduler, callableNamed, warn });
    if (hasPortLines(threads)) acceptPortLines(threads, callee);
    else acceptBroadcastLines(threads, callee);
    return callee;
  });
}

/**
 * The caller of this thread, a worker. Its line is opened at the first call.
 *
 * @param threads - of the worker
 */
export function callerOfThread(threads: WorkerThreads): MainThreadCaller {
  return sharedByCopies(
    'main-thread-caller',
    () =>
      new MainThreadCaller({
        open: (onRefused) =>
          hasPortLines(threads) ? openPortLine(threads, onRefused) : openBroadcastLine(threads),
        now: () => performance.now(),
        sleep: (words, index, value, timeoutMs) => Atomics.wait(words, index, value, timeoutMs),
        warn,
      }),
  );
}
