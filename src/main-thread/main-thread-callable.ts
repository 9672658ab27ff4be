/**
 * `mainThreadCallable`: gives a function a name by which other threads may have the main thread run it.
 */
import { type AnyCallable, callableNamed, defineCallable, markName } from './callables.js';
import { listenOnMainThread } from './main-thread-lines.js';
import { workerThreadsIfAny } from '../threads/worker-threads.js';

/**
 * Names a function, so that {@link runOnMainThread} and {@link runOnMainThreadWithResult} can have the main thread run it from any
 * thread. A closure cannot cross: over there its variables do not exist. What crosses is the name, and so the module that calls this is
 * one that the main thread has imported, and usually the worker as well:
 *
 * `export const addMenuItem = mainThreadCallable('menu.add', (id: string) => menu.add(id));`
 *
 * A worker that is not to load that module names the function without giving it, with its type:
 *
 * `const addMenuItem = mainThreadCallable<typeof import('./menu.js').addMenuItem>('menu.add');`
 *
 * The first call of this on the main thread has it listen to its workers, which keeps nothing alive. A name stays taken as long as
 * the thread lives; all copies of the package share the names.
 *
 * @param name - 1 to 256 characters, unique in the process: begin it with the name of your package or module
 * @param callable - the function; it is called without `this`
 * @returns a function of the same type and of that `name`. Called directly it runs on the thread it is called on, as `callable` does
 * @throws TypeError if another function has the name, or the arguments are none; and, when a function named without giving it
 *   is called directly on a thread that does not define it, {@link UnknownMethodError}
 */
export function mainThreadCallable<Callable extends AnyCallable>(
  name: string,
  callable?: Callable,
): Callable {
  if (typeof name !== 'string' || name.length === 0 || name.length > MAX_NAME_CHARS) {
    throw new TypeError(`the name of a main-thread callable has 1 to ${MAX_NAME_CHARS} characters`);
  }
  if (callable !== undefined) {
    if (typeof callable !== 'function') throw new TypeError(`${JSON.stringify(name)} is given no function`);
    defineCallable(name, callable);
  }
  const threads = workerThreadsIfAny();
  // In a browser there is nobody to listen to, and the function itself is of use all the same.
  if (threads?.isMainThread === true) listenOnMainThread(threads);
  // A function of its own, since the same one may have two names. It takes what the given one takes, and gives what it gives.
  const named = (...args: never[]): unknown => (callable ?? callableNamed(name))(...args);
  markName(named, name);
  return named as Callable;
}

const MAX_NAME_CHARS = 256;
