/**
 * The check of call options, at the door.
 */
import type { CallOptions } from './types.js';

const names: ReadonlySet<string> = new Set([
  'timeoutInSeconds',
  'signal',
  'metadata',
  'whenDisconnected',
  'idempotent',
  'resubscribe',
]);

/** A timer of the platform cannot be armed for more than 2^31 - 1 milliseconds. */
const maxTimeoutInSeconds = 2_147_483;

/**
 * Checks call options.
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
export function checkCallOptions(options: CallOptions): CallOptions {
  if (typeof options !== 'object' || (options as unknown) === null)
    throw new TypeError('call options must be an object');
  for (const name of Object.keys(options)) {
    if (!names.has(name))
      throw new TypeError(`there is no call option "${name}", only ${[...names].join(', ')}`);
  }
  const { timeoutInSeconds, signal, whenDisconnected = 'fail' } = options;
  if (timeoutInSeconds !== undefined && timeoutInSeconds !== null && !isTimeout(timeoutInSeconds)) {
    throw new RangeError(
      `timeoutInSeconds is ${String(timeoutInSeconds)}; allowed is more than 0 up to ${maxTimeoutInSeconds}, or null`,
    );
  }
  if (
    signal !== undefined &&
    typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function'
  ) {
    throw new TypeError('signal is no AbortSignal');
  }
  if ((whenDisconnected as unknown) !== 'fail' && (whenDisconnected as unknown) !== 'wait') {
    throw new TypeError(
      `whenDisconnected is ${JSON.stringify(whenDisconnected)}; allowed are "fail" and "wait"`,
    );
  }
  const { idempotent = false, resubscribe = false } = options;
  if (typeof (idempotent as unknown) !== 'boolean')
    throw new TypeError(`idempotent is ${JSON.stringify(idempotent)}; allowed are true and false`);
  if (typeof (resubscribe as unknown) !== 'boolean' && typeof resubscribe !== 'function')
    throw new TypeError(
      `resubscribe is ${JSON.stringify(resubscribe)}; allowed are true, false and a function`,
    );
  return options;
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value <= maxTimeoutInSeconds;
}
