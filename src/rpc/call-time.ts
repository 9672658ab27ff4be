/**
 * How long a call may take: what its options say, or else what is left of the call that is served meanwhile, at most the
 * default.
 */
import type { CallOptions } from '../proxies/types.js';
import { currentCallIfAny } from './current-call.js';

/**
 * The time of a call that is made now.
 *
 * @param options - of the call
 * @param defaultMs - where nothing else says; a default meant for calls is not meant for streams, which may go on
 * @returns milliseconds, 0 when nothing is left; `undefined`: no bound
 */
export function callTimeMs(
  { timeoutInSeconds }: CallOptions,
  defaultMs: number | undefined,
): number | undefined {
  if (timeoutInSeconds === null) return undefined;
  if (timeoutInSeconds !== undefined) return timeoutInSeconds * 1_000;
  const inheritedMs = currentCallIfAny()?.inheritedMs;
  if (inheritedMs === undefined) return defaultMs;
  return Math.min(inheritedMs, defaultMs ?? Infinity);
}

/** Says why a call is not made whose time is over. */
export const noTimeLeft = 'the time of the call that is being served is over';
