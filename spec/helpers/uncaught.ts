/**
 * Shows that nothing reaches the process: rxjs throws what nobody handles from a timer of its own, which is taken here.
 */
import { jest } from '@jest/globals';
import { config } from 'rxjs';

/**
 * Runs `work`, and then the timers from which rxjs throws.
 *
 * @param work - subscribes, emits, throws
 * @returns the errors that would have ended the process
 */
export function uncaughtDuring(work: () => void): unknown[] {
  const uncaught: unknown[] = [];
  const { onUnhandledError } = config;
  config.onUnhandledError = (error) => uncaught.push(error);
  jest.useFakeTimers();
  try {
    work();
    jest.runAllTimers();
  } finally {
    jest.useRealTimers();
    config.onUnhandledError = onUnhandledError;
  }
  return uncaught;
}
