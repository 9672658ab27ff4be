/**
 * `runOnMainThread` and `runOnMainThreadWithResult`: at once on the main thread, by way of its queue from any other.
 */
import { UnserializableValueError } from '../errors.js';
import { type AnyCallable, markedName } from './callables.js';
import { callerOfThread } from './main-thread-lines.js';
import { workerThreads } from '../threads/worker-threads.js';

/** How {@link runOnMainThreadWithResult} waits. */
export interface MainThreadCallOptions {
  /**
   * Seconds that a worker waits for the result, at least 0.001. Default 10; `null`: as long as it takes. In Node 22.3 and 22.4, where
   * nobody can tell a main thread that does not listen from a busy one, `null` waits for 60 until it has heard of a call of this
   * worker for the first time. Too small, and calls
   * fail while the main thread has a busy moment; too large, and a worker sleeps long for an answer that will never come.
   */
  readonly timeoutInSeconds?: number | null;
}

/** The type of {@link runOnMainThreadWithResult}. */
export interface RunOnMainThreadWithResult {
  /**
   * Runs a callable on the main thread and returns its result.
   *
   * @param callable - from a worker, what {@link mainThreadCallable} returned; on the main thread any function
   * @param args - its arguments; from a worker, clones of them
   * @returns on the main thread what `callable` returns; in a worker a clone of that, awaited if it is a promise
   */
  <Args extends unknown[], Result>(
    callable: (...args: Args) => Result,
    ...args: Args
  ): Result | Awaited<Result>;
  /**
   * The same function with other options, which are no arguments of the callable.
   *
   * @throws RangeError, TypeError naming the option, the value and what is allowed
   */
  withOptions(options: MainThreadCallOptions): RunOnMainThreadWithResult;
}

/**
 * Has the main thread run a callable.
 *
 * Called on the main thread, it runs at once, whatever other threads have queued, and its result is returned. Called on another,
 * the call is queued, and runs on `mainThreadScheduler` when the event loop of the main thread gets there, after those that this thread
 * has queued before; nothing is returned, and what the callable throws, or rejects with, is a warning on the main thread. If nobody
 * listens there, that is a warning on this thread.
 *
 * A worker that comes to its end after this is kept alive until the main thread has its line; `process.exit()` and
 * `terminate()` may take what is not sent with them.
 *
 * @param callable - from a worker, what {@link mainThreadCallable} returned; on the main thread any function
 * @param args - its arguments; from a worker, clones of them, made by the structured clone algorithm
 * @returns on the main thread what `callable` returns, elsewhere `undefined`
 * @throws TypeError if `callable` is no function; what `callable` throws, on the main thread; elsewhere {@link UnserializableValueError} if `callable` has no name or an
 *   argument cannot be cloned; {@link NotConnectedError} where the platform has no `node:worker_threads`
 */
export function runOnMainThread<Args extends unknown[], Result>(
  callable: (...args: Args) => Result,
  ...args: Args
): Result | undefined {
  checkCallable(callable, 'runOnMainThread');
  const threads = workerThreads();
  if (threads.isMainThread) return callable(...args);
  callerOfThread(threads).run(nameOf(callable, 'runOnMainThread'), args);
  return undefined;
}

/**
 * Has the main thread run a callable and waits for its result.
 *
 * Called on the main thread, it simply calls. Called on another, that thread sleeps (`Atomics.wait`) until the main thread has run
 * what this thread has queued before, and then the callable, whose promise it awaits. What the callable throws is thrown here: an error
 * of the same name, message, code, cause and stack, of the same class if that is one of JavaScript's own.
 *
 * While it sleeps, nothing else runs on the thread. A main thread that waits for it meanwhile waits for ever, and so the time is
 * bounded: by 10 seconds unless `runOnMainThreadWithResult.withOptions({ timeoutInSeconds })(callable, ...args)` says otherwise.
 * {@link RPCTimeoutError} is then thrown with `executed: "no"` if the callable was not begun, and will not be, or `"yes"`.
 *
 * A TypeError is thrown if `callable` is no function. Further thrown are, in a worker: {@link UnserializableValueError} if `callable`
 * has no name, an argument cannot be cloned (`executed: "no"`), or the result (`"yes"`); {@link UnknownMethodError} if the main thread knows no callable of that name;
 * {@link NotConnectedError} where the platform has no `node:worker_threads`, and, after a second or two, where the main thread does not
 * listen (`executed: "no"`), however long it would be waited for; in Node 22.3 and 22.4, which cannot tell, that is an
 * {@link RPCTimeoutError} at the end of the time, which is 60 seconds with `timeoutInSeconds: null`.
 */
export const runOnMainThreadWithResult: RunOnMainThreadWithResult = waitingAtMost(10_000);

function waitingAtMost(timeoutMs: number): RunOnMainThreadWithResult {
  const run = <Args extends unknown[], Result>(
    callable: (...args: Args) => Result,
    ...args: Args
  ): Result | Awaited<Result> => {
    checkCallable(callable, 'runOnMainThreadWithResult');
    const threads = workerThreads();
    if (threads.isMainThread) return callable(...args);
    const name = nameOf(callable, 'runOnMainThreadWithResult');
    // What crosses is what the callable returned there; its type is that of the function of this name.
    return callerOfThread(threads).runWithResult(name, args, timeoutMs) as Awaited<Result>;
  };
  return Object.assign(run, {
    withOptions: (options: MainThreadCallOptions) => waitingAtMost(timeoutMsOf(options)),
  });
}

/** Of the arguments of users, who may have no types: the error is to name what was asked for. */
function checkCallable(callable: unknown, caller: string): void {
  if (typeof callable === 'function') return;
  throw new TypeError(`${caller} takes a function first, and was given ${kindOf(callable)}`);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

function timeoutMsOf(options: MainThreadCallOptions): number {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(
      `withOptions takes an object such as { timeoutInSeconds: 10 }, and was given ${kindOf(given)}`,
    );
  }
  const { timeoutInSeconds = 10, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`unknown option ${unknown}: there is timeoutInSeconds`);
  if (timeoutInSeconds === null) return Infinity;
  if (typeof timeoutInSeconds !== 'number' || !(timeoutInSeconds >= 0.001)) {
    throw new RangeError(
      `timeoutInSeconds is ${String(timeoutInSeconds)}; it must be a number of at least 0.001, or null`,
    );
  }
  return timeoutInSeconds * 1_000;
}

function nameOf(callable: AnyCallable, caller: string): string {
  const name = markedName(callable);
  if (name !== undefined) return name;
  const example = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(callable.name) ? callable.name : 'addMenuItem';
  throw new UnserializableValueError(
    `${caller} was given a function that has no name on the main thread. A function cannot cross threads, since the variables it ` +
      'closes over exist on one of them only; its name can. In a module that the main thread imports as well, write ' +
      `const ${example} = mainThreadCallable('${example}', (id: string) => …), and then ${caller}(${example}, id)`,
    { executed: 'no' },
  );
}
