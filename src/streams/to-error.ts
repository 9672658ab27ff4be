/**
 * Errors out of whatever was thrown, and texts out of errors, without trusting either.
 *
 * Judged by what an object is before its class: errors of another realm (a `vm` context, a frame, a test runner) are not
 * instances of our `Error`.
 */

/**
 * Makes an error of any value.
 *
 * @param value - what was thrown, or rejected with
 * @returns `value` itself if it is an error (`DOMException` included), else an error with `value` as its `cause`
 */
export function toError(value: unknown): Error {
  if (isError(value)) {
    return value;
  }
  return new Error(`a value that is not an error was thrown: ${describe(value)}`, { cause: value });
}

/**
 * Makes text from elsewhere fit for a message or log: cut, on one line, without control characters.
 *
 * @param text - what somebody else wrote
 */
export function quoted(text: string): string {
  const cut = text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text;
  return JSON.stringify(cut).replace(UNPRINTABLE, escaped);
}

function escaped(char: string): string {
  const units = char.split(''); // by UTF-16, as JSON writes them
  return units.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
}

function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  try {
    // The second for what has the prototype alone, as the errors that rxjs makes.
    return ERROR_TAGS.has(Object.prototype.toString.call(value)) || value instanceof Error;
  } catch {
    return false; // a revoked Proxy, or a `Symbol.toStringTag` that throws
  }
}

function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}

const ERROR_TAGS: ReadonlySet<string> = new Set(['[object Error]', '[object DOMException]']);
const MAX_QUOTED_CHARS = 200;
/** Control and format characters (terminal escapes, direction marks) and line breaks that JSON lets through. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
