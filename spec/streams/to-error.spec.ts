import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { RPCTimeoutError } from '../../src/errors.js';
import { quoted, toError } from '../../src/streams/to-error.js';

describe('toError', () => {
  it.each<[string, unknown]>([
    ['an error', new Error('error')],
    ['a subclass of Error', new RPCTimeoutError('too late')],
    ['a DOMException', new DOMException('aborted', 'AbortError')],
    ['an error of another realm', runInNewContext('new TypeError("foreign")')],
  ])('leaves %s as it is', (_, error) => {
    expect(toError(error)).toBe(error);
  });

  it.each<[string, unknown, string]>([
    ['a string', 'text', '"text"'],
    ['a number', 0, '0'],
    ['a bigint', 1n, '1'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', { toString: () => { throw new Error(); } }, 'an object'], // prettier-ignore
    ['what only claims to be an error', { name: 'Error', message: 'no' }, 'an object'],
    ['a function', () => {}, 'a function'],
    ['what cannot be asked', Object.defineProperty({}, Symbol.toStringTag, { get: () => { throw new Error(); } }), 'an object'], // prettier-ignore
  ])('makes %s the cause of one', (_, value, description) => {
    const error = toError(value);
    expect(error.message).toBe(`a value that is not an error was thrown: ${description}`);
    expect(error.cause).toBe(value);
  });
});

describe('quoted', () => {
  it.each([
    ['plain', '"plain"'],
    ['grüße 🙂', '"grüße 🙂"'],
    ['two\nlines', String.raw`"two\nlines"`],
    ['red \u001b[31m, \u009b31m', String.raw`"red \u001b[31m, \u009b31m"`],
    ['turned \u202e, parted \u2028', String.raw`"turned \u202e, parted \u2028"`],
    ['tagged \u{e0041}', String.raw`"tagged \udb40\udc41"`],
    ['x'.repeat(200), `"${'x'.repeat(200)}"`],
    ['x'.repeat(201), `"${'x'.repeat(200)}…"`],
  ])('makes %j fit for a message', (text, expected) => {
    expect(quoted(text)).toBe(expected);
  });
});
