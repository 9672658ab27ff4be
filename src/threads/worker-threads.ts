/**
 * Which thread this is, and the module of Node by which threads speak.
 *
 * It is asked for when it is needed, never imported: a bundle for a browser has none, and all else of the package must work there.
 */
import type * as NodeThreads from 'node:worker_threads';
import { NotConnectedError } from '../errors.js';

/** `node:worker_threads`; without `postMessageToThread` in Node 22.3 and 22.4. */
export type WorkerThreads = Omit<typeof NodeThreads, 'postMessageToThread'> &
  Partial<Pick<typeof NodeThreads, 'postMessageToThread'>>;

/** The module, `undefined` where the platform has none, or is Node without `process.getBuiltinModule`: 21, and 22.0 to 22.2. */
export function workerThreadsIfAny(): WorkerThreads | undefined {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  return process?.getBuiltinModule?.('node:worker_threads');
}

/**
 * The module.
 * @throws {@link NotConnectedError} where the platform has none
 */
export function workerThreads(): WorkerThreads {
  const threads = workerThreadsIfAny();
  if (threads !== undefined) return threads;
  throw new NotConnectedError(
    'there is no way to the main thread, and no telling which thread this is: node:worker_threads is missing, as in browsers, ' +
      'or cannot be had by process.getBuiltinModule, as in Node 21 and 22.0 to 22.2',
    { executed: 'no' },
  );
}
