/**
 * What schemas find wrong, as it may stand in an error and cross: bounded, since both the values that were refused and the
 * words for them may come from a peer. Nothing here runs code of theirs: keys are taken as text, or not at all.
 */
import type { ArgumentIssue } from '../errors.js';
import { wellFormed } from '../protocol/bytes.js';
import { printable } from '../protocol/close-reason.js';

/** Issues of one error: who gets more has enough to repair. */
export const maxIssues = 32;

/** Longest message of an issue, in UTF-16 code units. */
const maxMessageLength = 256;

/** Keys of a path, the argument's position among them; a longer one ends with an ellipsis. */
export const maxPathKeys = 32;

/** Longest key of a path, in UTF-16 code units: a Map's key may be as long as a message. */
const maxKeyLength = 64;

/** Longest sentence about an issue, in UTF-16 code units. */
const maxSentenceLength = 768;

/**
 * Makes an issue of what a schema, or a peer, says.
 *
 * @param message - anything
 * @param path - position of the argument, then keys: anything
 */
export function toIssue(message: unknown, path: readonly unknown[]): ArgumentIssue {
  return {
    message: cut(typeof message === 'string' ? message : 'refused', maxMessageLength),
    path:
      path.length > maxPathKeys
        ? [...Array.from(path.slice(0, maxPathKeys - 1), toKey), '…']
        : Array.from(path, toKey),
  };
}

/** An issue as a sentence that can stand in a log line: `arguments[0].items[3]: what is wrong`. */
export function describeIssue({ message, path }: ArgumentIssue): string {
  const [argument, ...keys] = path;
  return printable(
    `arguments[${String(argument)}]${keys.map(describeKey).join('')}: ${message}`,
    maxSentenceLength,
  );
}

function describeKey(key: string | number): string {
  if (typeof key === 'string' && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)) return `.${key}`;
  return `[${typeof key === 'string' ? JSON.stringify(key) : key}]`;
}

/** Of an array or object a key is a number or text; of a Map or Set it may be anything, whose `toString` is not trusted. */
function toKey(key: unknown): string | number {
  if (typeof key === 'number') return key;
  if (typeof key === 'string') return cut(key, maxKeyLength);
  if (typeof key === 'symbol') return cut(String(key), maxKeyLength);
  return `(${key === null ? 'null' : typeof key})`;
}

/** Short enough, and such that UTF-8 has it: a cut may leave half a character. */
function cut(text: string, maxLength: number): string {
  return wellFormed(text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text);
}
