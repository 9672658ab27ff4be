/**
 * How a server or a client is to stop.
 */
import { checkDuration, checkNames } from './checks.js';

/** How to stop a server. */
export interface StopOptions {
  /**
   * Seconds that what is open may take to end first: running calls of both directions, and streams. Meanwhile nothing new is taken.
   * Default 0: at once.
   */
  readonly drainInSeconds?: number;
}

/** How to stop a client. */
export interface DisconnectOptions {
  /**
   * Seconds that what is open may take to end first: running calls of both directions, and streams. Meanwhile nothing new is begun or
   * taken. Default 0: at once.
   */
  readonly drainInSeconds?: number;
}

/**
 * Checks how to stop.
 * @returns how long what is open may take, in milliseconds
 * @throws TypeError, RangeError
 */
export function checkDrain(what: string, options: StopOptions | DisconnectOptions): number {
  checkNames(what, options, ['drainInSeconds']);
  const { drainInSeconds = 0 } = options;
  return drainInSeconds === 0 ? 0 : checkDuration('drainInSeconds', drainInSeconds);
}
