/**
 * Calling what a user gave us, so that nothing it does reaches the process: neither a thrown error nor the rejection of a
 * promise that nobody awaits (an `async` hook or observer).
 */
import { UnsubscriptionError } from 'rxjs';

/** Where an error goes that nobody else handles. It must not throw. */
export type Report = (error: unknown) => void;

/**
 * Calls a callback of a user and reports its failure.
 *
 * @param callback - what to call; if it returns a promise, its rejection is a failure too
 * @param value - passed to `callback`
 * @param report - gets what was thrown or rejected
 */
export function callUser<T>(callback: (value: T) => unknown, value: T, report: Report): void {
  try {
    const result = callback(value);
    if (isThenable(result)) {
      // A thenable may throw, or call back twice: a real promise around it may not.
      Promise.resolve(result).then(undefined, report);
    }
  } catch (error) {
    reportThrown(error, report);
  }
}

/** Reports what was thrown; each of what several teardowns threw, since rxjs runs all of them and throws it together. */
export function reportThrown(error: unknown, report: Report): void {
  if (isGathered(error)) for (const each of error.errors as readonly unknown[]) report(each);
  else report(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function isGathered(error: unknown): error is UnsubscriptionError {
  try {
    return error instanceof UnsubscriptionError;
  } catch {
    return false; // a revoked Proxy
  }
}
