/**
 * Checks of what users give: each returns the value, now known to be right, or throws an error that names the option, the
 * value and what is allowed.
 */
import type { SchedulerLike } from 'rxjs';
import { isWellFormed } from '../protocol/bytes.js';
import { defaultLimits, limitRanges, type Limits } from '../protocol/limits.js';
import { builtInCodecName, codecNamePattern, type MessageCodec } from '../protocol/message-codec.js';
import type { TransportProvider } from '../transports/transport.js';
import type { ErrorExposure } from './wire-errors.js';

/** Longest timeout: a timer of the platform cannot be armed for more than 2^31 - 1 milliseconds. */
const maxSeconds = 2_147_483;

/** Shortest timeout: a peer pings three times within it, and a timer of the platform has whole milliseconds. */
const minSeconds = 0.01;

/** Characters of an identifier: what the wire carries. */
const maxIdentifierLength = 4_096;

/**
 * Checks how long silence is borne.
 * @returns it in milliseconds
 * @throws RangeError
 */
export function checkTimeout(name: string, seconds: unknown): number {
  return checkNumber(name, seconds, minSeconds, maxSeconds) * 1_000;
}

/**
 * Checks how long something may take.
 * @returns it in milliseconds
 * @throws RangeError
 */
export function checkDuration(name: string, seconds: unknown): number {
  if (typeof seconds === 'number' && seconds > 0 && seconds <= maxSeconds) return seconds * 1_000;
  throw new RangeError(
    `${name} is ${show(seconds)}; allowed is a number of seconds above 0, up to ${maxSeconds}`,
  );
}

/**
 * Checks a bound on connections.
 * @throws RangeError
 */
export function checkMaxConnections(max: unknown): number | null {
  if (max === null || (Number.isSafeInteger(max) && (max as number) >= 0)) return max as number | null;
  throw new RangeError(
    `maxConnectionsAllowed is ${show(max)}; allowed is a whole number from 0, or null for no bound`,
  );
}

/**
 * Checks a unique identifier.
 * @throws TypeError, RangeError
 */
export function checkIdentifier(identifier: unknown): string {
  if (typeof identifier !== 'string')
    throw new TypeError(`the identifier is ${show(identifier)}; a string is needed`);
  if (!isWellFormed(identifier))
    throw new RangeError('the identifier has a lone surrogate, which UTF-8 does not have');
  if (identifier.length <= maxIdentifierLength) return identifier;
  throw new RangeError(
    `the identifier has ${identifier.length} characters; at most ${maxIdentifierLength} are allowed`,
  );
}

/**
 * Checks that only known options were given.
 * @throws TypeError naming the unknown one and the known ones
 */
export function checkNames(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || (options as unknown) === null)
    throw new TypeError(`${what} needs an object of options`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new TypeError(`${what} has no option "${name}"; there are ${known.join(', ')}`);
  }
}

/** Checks a host, and takes `localhost` literally. Throws TypeError or RangeError. */
export function checkHost(host: unknown = '127.0.0.1'): string {
  if (typeof host === 'string' && host.length > 0) return host === 'localhost' ? '127.0.0.1' : host;
  throw new TypeError(`host is ${show(host)}; a host name or address is needed`);
}

/** Checks a port. Throws TypeError or RangeError. */
export function checkPort(port: unknown, minPort: number): number {
  if (Number.isInteger(port) && (port as number) >= minPort && (port as number) <= 65_535)
    return port as number;
  throw new RangeError(`port is ${show(port)}; allowed is a whole number from ${minPort} to 65535`);
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * Checks limits, and completes them by the defaults; where none are given, those are the very same object, since whatever
 * belongs to limits is shared by those who have the same. Throws TypeError or RangeError.
 */
export function checkLimits(given: Partial<Limits> | undefined): Limits {
  if (given === undefined) return defaultLimits;
  checkNames('limits', given, Object.keys(limitRanges));
  for (const [name, [least, most]] of Object.entries(limitRanges)) {
    const value: unknown = given[name as keyof Limits];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
      throw new RangeError(
        `limits.${name} is ${show(value)}; allowed is a whole number from ${least} to ${most}`,
      );
    }
  }
  const chosen = Object.entries(given).filter(([, value]) => (value as unknown) !== undefined);
  const limits: Limits = { ...followingQueue(given.maxQueuedBytes), ...Object.fromEntries(chosen) };
  const { maxQueuedBytes, highWaterBytes } = limits;
  if (highWaterBytes <= maxQueuedBytes) return limits;
  throw new RangeError(
    `limits.highWaterBytes is ${highWaterBytes}; allowed is no more than limits.maxQueuedBytes, which is ${maxQueuedBytes}`,
  );
}

/** The defaults, where a queue that may hold less has the others that are about it hold less as well. */
function followingQueue(maxQueuedBytes = defaultLimits.maxQueuedBytes): Limits {
  const highWaterBytes = Math.min(defaultLimits.highWaterBytes, Math.floor(maxQueuedBytes / 4));
  const maxWaitingBytes = Math.min(defaultLimits.maxWaitingBytes, maxQueuedBytes - highWaterBytes);
  return { ...defaultLimits, highWaterBytes, maxWaitingBytes };
}

/** Checks codecs, one or some. Throws TypeError or RangeError. */
export function checkCodecs(given: unknown): readonly MessageCodec[] {
  const codecs: readonly unknown[] = Array.isArray(given) ? given : [given];
  return codecs.map((codec, at) => {
    if (!isCodec(codec)) throw new TypeError('codec is no codec: it needs a name and the method create()');
    const { name } = codec;
    if (!codecNamePattern.test(name)) {
      throw new RangeError(`the name of a codec is ${show(name)}; allowed is ${codecNamePattern.source}`);
    }
    if (name === builtInCodecName) throw new RangeError(`the codec ${show(name)} is built in`);
    // Those before it are codecs, or this would not be reached.
    if ((codecs as readonly MessageCodec[]).findIndex((other) => other.name === name) === at) return codec;
    throw new RangeError(`there are two codecs ${show(name)}`);
  });
}

/** Checks how much of an error the other side may see. Throws TypeError or RangeError. */
export function checkExposure(exposure: unknown): ErrorExposure {
  if (exposure === 'code' || exposure === 'message' || exposure === 'stack') return exposure;
  throw new RangeError(`exposeErrors is ${show(exposure)}; allowed is "code", "message" or "stack"`);
}

/** Checks that something is a scheduler. Throws TypeError or RangeError. */
export function checkScheduler(name: string, scheduler: SchedulerLike): SchedulerLike {
  if (hasMethods(scheduler, ['now', 'schedule'])) return scheduler;
  throw new TypeError(`${name} is no scheduler: it needs the methods now() and schedule()`);
}

/** Checks that something is a kind of transport. Throws TypeError or RangeError. */
export function checkTransport(transports: TransportProvider): TransportProvider {
  if (hasMethods(transports, ['listen', 'dial'])) return transports;
  throw new TypeError('transport is no TransportProvider: it needs the methods listen() and dial()');
}

/** Checks that something is an object. Throws TypeError or RangeError. */
export function checkObject<Value extends object>(name: string, value: Value): Value {
  if (typeof value === 'object' && (value as unknown) !== null) return value;
  throw new TypeError(`${name} is ${show(value)}; an object is needed`);
}

/** Checks that something is a function. Throws TypeError or RangeError. */
export function checkFunction<Value>(name: string, value: Value): Value {
  if (typeof value === 'function') return value;
  throw new TypeError(`${name} is ${show(value)}; a function is needed`);
}

/** Checks a flag that may be absent. Throws TypeError or RangeError. */
export function checkBoolean(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw new TypeError(`${name} is ${show(value)}; allowed is true or false`);
}

/** Checks a number and its range. Throws TypeError or RangeError. */
export function checkNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw new RangeError(`${name} is ${show(value)}; allowed is a number from ${least} to ${most}`);
}

/** A value as it stands in a message: strings quoted, objects by kind. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === 'function');
}

function isCodec(value: unknown): value is MessageCodec {
  return hasMethods(value, ['create']) && typeof (value as { readonly name?: unknown }).name === 'string';
}
