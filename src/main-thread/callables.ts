/**
 * The functions that other threads may name, by their names: a table for each thread, one for all copies of the package. Knows
 * nothing of how a name crosses.
 */
import { UnknownMethodError } from '../errors.js';
import { sharedByCopies } from '../threads/shared-by-copies.js';

/** Any function: what it takes and gives is between its definition and its callers. */
export type AnyCallable = (...args: never[]) => unknown;

/**
 * Puts a function into the table of this thread. The same one may be put there again.
 * @throws TypeError if another one has the name
 */
export function defineCallable(name: string, callable: AnyCallable): void {
  const callables = callablesOfThread();
  if ((callables.get(name) ?? callable) !== callable) {
    throw new TypeError(
      `${JSON.stringify(name)} names another main-thread callable already; names are unique in a process`,
    );
  }
  callables.set(name, callable);
}

/**
 * The function of that name on this thread.
 * @throws {@link UnknownMethodError}, with the names there are
 */
export function callableNamed(name: string): AnyCallable {
  const callables = callablesOfThread();
  const callable = callables.get(name);
  if (callable !== undefined) return callable;
  const names = [...callables.keys()].slice(0, MAX_NAMES_TOLD).map((it) => JSON.stringify(it));
  throw new UnknownMethodError(
    `no main-thread callable ${JSON.stringify(name)} is defined on this thread (${names.join(', ') || 'none is'}): ` +
      'it must import the module that calls mainThreadCallable with that name and a function',
    { executed: 'no', member: name },
  );
}

/** Gives a function the mark of a name, which every copy of the package reads. */
export function markName(callable: AnyCallable, name: string): void {
  Object.defineProperty(callable, markKey, { value: name });
  Object.defineProperty(callable, 'name', { value: name, configurable: true });
}

/** The name that a function was marked with, `undefined` if it is any other function. */
export function markedName(callable: AnyCallable): string | undefined {
  return Reflect.get(callable, markKey) as string | undefined;
}

function callablesOfThread(): Map<string, AnyCallable> {
  return sharedByCopies('main-thread-callables', () => new Map<string, AnyCallable>());
}

const markKey = Symbol.for('tandem-rpc.main-thread-callable');
const MAX_NAMES_TOLD = 20;
