/**
 * Failures on their way across: a thrown value becomes plain fields, and plain fields become one of our errors.
 *
 * By default a thrown error's name, message, code and own data cross, its stack and cause never. Reading a thrown value
 * may itself throw (getters, proxies); the answer then is a constant text. Nothing a peer sends chooses a class by
 * itself: codes are looked up in a Map, and an unknown one becomes a plain RPCError.
 */
import {
  type ArgumentIssue,
  ConnectionLostError,
  InvalidArgumentsError,
  LimitExceededError,
  NotConnectedError,
  PermissionDeniedError,
  RemoteError,
  RPCError,
  RPCTimeoutError,
  StaleReferenceError,
  StreamLostError,
  StreamOverflowError,
  UnknownMethodError,
  UnknownObjectError,
  UnserializableValueError,
  type RPCErrorDetails,
} from '../errors.js';
import { wellFormed } from '../protocol/bytes.js';
import { printable } from '../protocol/close-reason.js';
import type { Codec } from '../protocol/codec.js';
import type { WireError } from '../protocol/messages.js';
import { maxIssues, toIssue } from '../proxies/argument-issues.js';

/**
 * How much of a thrown error the other side may see: `"code"` only its code, `"message"` its name, message, code and
 * data, `"stack"` its stack as well, which is meant for development.
 */
export type ErrorExposure = 'code' | 'message' | 'stack';

/** Longest message that crosses, in UTF-16 code units: an error is no place for a document. */
const maxTextLength = 1_024;

/** Largest data that crosses with an error, in encoded bytes; larger data is left out. */
const maxDataBytes = 16 * 1024;

/** Longest code or name that crosses, in UTF-16 code units. */
const maxCodeLength = 128;

/** Longest text of an error of which the whole is too much for a message: it keeps the smallest limits there are. */
const shortTextLength = 64;

/** Longest stack that crosses, in UTF-16 code units. */
const maxStackLength = 8_192;

const unreadable: WireError = { message: 'the method threw something that cannot be read', name: 'Error' };

type Refusal = new (message: string, details: RPCErrorDetails) => RPCError;

const refusals: ReadonlyMap<string, Refusal> = new Map<string, Refusal>([
  ['unknown-object', UnknownObjectError],
  ['unknown-method', UnknownMethodError],
  ['unserializable-value', UnserializableValueError],
  ['limit-exceeded', LimitExceededError],
  ['connection-lost', ConnectionLostError],
  ['stale-reference', StaleReferenceError],
  ['stream-overflow', StreamOverflowError],
  ['stream-lost', StreamLostError],
  ['timeout', RPCTimeoutError],
  ['permission-denied', PermissionDeniedError],
]);

/** What the library itself answers in place of a result. */
export function refusalOf(error: RPCError, executed: 'no' | 'yes'): WireError {
  const message = cut(error.message, maxTextLength);
  if (error instanceof InvalidArgumentsError)
    return { code: error.code, message, executed, data: readIssues(error.issues) };
  if (error instanceof NotConnectedError && error.retryAfterInSeconds !== undefined)
    return { code: error.code, message, executed, data: error.retryAfterInSeconds * 1_000 };
  return { code: error.code, message, executed };
}

/** What crosses of a value that a method threw. */
export function thrownToWire(thrown: unknown, exposure: ErrorExposure, codec: Codec): WireError {
  try {
    return exposure === 'code' ? codeOf(thrown) : describeThrown(thrown, exposure, codec);
  } catch {
    return unreadable;
  }
}

/**
 * Sends an error, whatever its size: with less of it where the whole is too much for a message.
 * @param send - throws when it is
 */
export function sendError(error: WireError, send: (fitting: WireError) => void): void {
  const { code, executed } = error;
  const short = {
    message: cut(error.message, shortTextLength),
    ...(error.name === undefined ? {} : { name: cut(error.name, shortTextLength) }),
    ...(code === undefined ? {} : { code: typeof code === 'string' ? cut(code, shortTextLength) : code }),
    ...(executed === undefined ? {} : { executed }),
  };
  try {
    send(error);
  } catch {
    send(short);
  }
}

/** The error that a caller gets for what crossed. */
export function errorFromWire(wire: WireError, call: RPCErrorDetails): RPCError {
  // A refusal has no name: an interceptor's error has one, and says that the method did not run.
  if (wire.executed === undefined || wire.name !== undefined) {
    return new RemoteError(
      wire.message,
      { remoteName: wire.name ?? 'Error', remoteCode: wire.code, data: wire.data, remoteStack: wire.stack },
      { ...call, executed: wire.executed ?? 'yes', stage: 'received' },
    );
  }
  const details = { ...call, executed: wire.executed, stage: 'received' } as const;
  const code = String(wire.code);
  const Kind = refusals.get(code);
  // A refusal is the library's own sentence, which stands in logs; what a method threw is left as it is.
  const text = printable(wire.message, maxTextLength);
  if (code === 'invalid-arguments') return new InvalidArgumentsError(text, readIssues(wire.data), details);
  if (code === 'not-connected')
    return new NotConnectedError(text, { ...details, ...readRetryAfter(wire.data) });
  return Kind === undefined
    ? new RPCError(text, details, printable(code, maxCodeLength))
    : new Kind(text, details);
}

/** When to try again, if that was said. */
function readRetryAfter(data: unknown): Pick<RPCErrorDetails, 'retryAfterInSeconds'> {
  return typeof data === 'number' && data >= 0 ? { retryAfterInSeconds: data / 1_000 } : {};
}

/** What is said to be wrong with arguments, by a peer or by an interceptor: anything, until it has been looked at. */
function readIssues(data: unknown): ArgumentIssue[] {
  const issues: readonly unknown[] = Array.isArray(data) ? data.slice(0, maxIssues) : [];
  return issues.filter(isIssue).map(({ message, path }) => toIssue(message, path));
}

function isIssue(value: unknown): value is ArgumentIssue {
  const { message, path } = fieldsOf(value);
  return typeof message === 'string' && Array.isArray(path) && path.every(isKey);
}

function isKey(key: unknown): key is string | number {
  return typeof key === 'string' || typeof key === 'number';
}

function codeOf(thrown: unknown): WireError {
  const fields = fieldsOf(thrown);
  return { message: 'the method failed', name: 'Error', ...wireCode(fields['code']) };
}

function describeThrown(thrown: unknown, exposure: ErrorExposure, codec: Codec): WireError {
  // Its text is source code.
  if (typeof thrown === 'function') return { message: 'the method threw a function', name: 'Error' };
  if (typeof thrown !== 'object' || thrown === null) {
    return { message: cut(String(thrown), maxTextLength), name: 'Error', ...wireData(thrown, codec) };
  }
  const { name, message, code, stack } = thrownFields(thrown);
  return {
    message: cut(typeof message === 'string' ? message : '', maxTextLength),
    name: typeof name === 'string' ? cut(name, maxCodeLength) : 'Error',
    ...wireCode(code),
    ...wireData(ownData(thrown), codec),
    ...(exposure === 'stack' && typeof stack === 'string' ? { stack: cut(stack, maxStackLength) } : {}),
  };
}

/** Those of an error of a third side are the ones that it had there. */
function thrownFields(thrown: object): Readonly<Record<string, unknown>> {
  if (!(thrown instanceof RemoteError)) return fieldsOf(thrown);
  const { remoteName, remoteCode, message, stack } = thrown;
  return { name: remoteName, code: remoteCode, message, stack };
}

function fieldsOf(thrown: unknown): Readonly<Record<string, unknown>> {
  return typeof thrown === 'object' && thrown !== null ? (thrown as Readonly<Record<string, unknown>>) : {};
}

function wireCode(code: unknown): { readonly code?: string | number } {
  if (typeof code === 'string') return { code: cut(code, maxCodeLength) };
  return typeof code === 'number' ? { code } : {};
}

/** Its `data` where that is all it has besides what every error has, else its own members. */
function ownData(thrown: object): unknown {
  // One of ours, from a call that the method made: what it knows of that other connection is not for this one.
  if (thrown instanceof RPCError) return thrown instanceof RemoteError ? thrown.data : undefined;
  const standard = new Set(['name', 'message', 'code', 'stack', 'cause']);
  const own = Object.entries(thrown).filter(([name]) => !standard.has(name));
  if (own.length === 0) return undefined;
  const [first] = own;
  return own.length === 1 && first?.[0] === 'data' ? first[1] : Object.fromEntries(own);
}

function wireData(data: unknown, codec: Codec): { readonly data?: unknown } {
  if (data === undefined) return {};
  try {
    const marshalled = codec.marshalByValue(data, 'error.data');
    return codec.encode([marshalled]).length <= maxDataBytes ? { data: marshalled } : {};
  } catch {
    // What cannot cross is left out: the error itself matters more.
    return {};
  }
}

/** Short enough, and such that UTF-8 has it: a cut may leave half a character, and so may the method's own text. */
function cut(text: string, maxLength: number): string {
  return wellFormed(text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text);
}
