import { createContext, runInContext } from 'node:vm';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { codecPairs } from '../helpers/codecs.js';

/** Makes a value in another realm, whose `Date`, `Map` and `Object` are not ours. */
function foreign(expression: string): unknown {
  return runInContext(`(${expression})`, createContext({}));
}

class Point {
  x = 1;
  y = 2;
}

const backing = Uint8Array.from({ length: 64 }, (_, index) => index * 3).buffer;

const exact: readonly (readonly [name: string, value: unknown])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['undefined', undefined],
  ['undefined in an array', [undefined, 1, undefined]],
  ['undefined as a value', { absent: undefined, present: 1 }],
  ['-0', -0],
  ['-0 at depth', { a: [0, -0] }],
  ['NaN', [Number.NaN]],
  ['infinities', [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ['integers at every border', [127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]],
  [
    'negative integers',
    [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1],
  ],
  ['integers beyond the safe ones', [2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 64, 2 ** 100]],
  ['the extreme numbers', [Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON, 0.1, -1.5]],
  ['bigints', [0n, 1n, -1n, 127n, 128n, 255n, 256n, -256n, 2n ** 53n, 2n ** 64n, -(2n ** 64n)]],
  ['the largest bigints', [2n ** 8192n - 1n, -(2n ** 8192n) + 1n]],
  [
    'strings',
    ['', 'a', 'é', '€', '𝄞', '\0', 'x'.repeat(31), 'x'.repeat(32), 'ä'.repeat(300), '𝄞'.repeat(70_000)],
  ],
  ['strings that begin with U+FEFF', ['\ufeff', '\ufeffa', `\ufeff${'b'.repeat(300)}`, `c\ufeff`]],
  ['keys of any kind', { '': 1, 'a b': 2, é: 3, '10': 4, '\ufeff': 5 }],
  [
    'keys that name members of Object',
    JSON.parse('{"constructor":1,"prototype":2,"then":3,"toJSON":4,"toString":5}'),
  ],
  [
    'an object of 20 keys',
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key${index}`, index])),
  ],
  ['an object of 70,000 nodes', Array.from({ length: 70_000 }, (_, index) => index)],
  ['a date', new Date(1_234_567_890_123)],
  ['dates at the ends of time', [new Date(8.64e15), new Date(-8.64e15), new Date(0), new Date(-1)]],
  ['an empty Map', new Map()],
  [
    'a Map of anything',
    new Map<unknown, unknown>([
      [1, 'a'],
      ['1', undefined],
      [null, -0],
      [Number.NaN, 1n],
      [undefined, {}],
    ]),
  ],
  [
    'a Map of Sets of Maps',
    new Map([[new Set([new Map([[{ a: [1] }, new Set()]])]), new Map([['b', new Map()]])]]),
  ],
  ['a Set', new Set<unknown>([1, '1', 1n, undefined, null, Number.NaN, [1]])],
  ['bytes', new Uint8Array([1, 2, 3])],
  ['bytes in everything', new Map([[new Uint8Array([1]), { a: [new Set([new Uint8Array([2])])] }]])],
  ['a part of a buffer', new Uint8Array(backing, 5, 7)],
  ['no bytes', [new Uint8Array(0), new ArrayBuffer(0), new Float64Array(0)]],
  ['an ArrayBuffer', backing.slice(3, 20)],
  ['an Int8Array', new Int8Array(backing, 1, 5)],
  ['a Uint8ClampedArray', new Uint8ClampedArray(backing, 1, 5)],
  ['an Int16Array', new Int16Array(backing, 2, 5)],
  ['a Uint16Array', new Uint16Array(backing, 2, 5)],
  ['an Int32Array', new Int32Array(backing, 4, 5)],
  ['a Uint32Array', new Uint32Array(backing, 4, 5)],
  ['a Float32Array', new Float32Array(backing, 4, 5)],
  ['a Float64Array', new Float64Array(backing, 8, 5)],
  ['a BigInt64Array', new BigInt64Array(backing, 8, 5)],
  ['a BigUint64Array', new BigUint64Array(backing, 8, 5)],
  ['an Error', new Error('lost')],
  ['an Error of a class that JavaScript has', new RangeError('too far')],
  ['an Error with causes', new Error('a', { cause: new TypeError('b', { cause: { deep: [1n] } }) })],
  ['an Error with an undefined cause', new Error('a', { cause: undefined })],
  ['an Error with further members', Object.assign(new Error('a'), { code: 'E_A', at: new Date(5), then: 1 })],
];

/** Values that arrive in another shape than they left, and the shape. */
const changed: readonly (readonly [name: string, value: unknown, arrived: unknown])[] = [
  [
    'a hole of an array, as undefined',
    Object.assign(new Array<unknown>(3), { 1: 'a' }),
    [undefined, 'a', undefined],
  ],
  ['symbol keys, not at all', { a: 1, [Symbol('b')]: 2 }, { a: 1 }],
  ['symbol keys beside what needs conversion', { a: undefined, [Symbol('b')]: 2 }, { a: undefined }],
  ['a Buffer, as a Uint8Array', Buffer.from('abc'), new Uint8Array([97, 98, 99])],
  ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
  ['an instance of a class without methods', new Point(), { x: 1, y: 2 }],
  ['instances of a class, within what needs conversion', [new Point(), 1n], [{ x: 1, y: 2 }, 1n]],
  [
    'inherited values, not at all',
    Object.assign(Object.create({ inherited: 1 }) as object, { own: 2 }),
    { own: 2 },
  ],
  ['a DataView, with a buffer of its own', new DataView(backing, 3, 4), new DataView(backing.slice(3, 7))],
  ['a subclass of Array, as an array', class extends Array<number> {}.of(1, 2), [1, 2]],
  [
    'an array whose iterator lies',
    Object.assign([1, 2, 3], { [Symbol.iterator]: () => [9].values() }),
    [1, 2, 3],
  ],
  [
    'an own error class, as an Error of its name',
    Object.assign(new Error('a'), { name: 'OwnError' }),
    Object.assign(new Error('a'), { name: 'OwnError' }),
  ],
  ['a Map from another realm', foreign('new Map([[1, new Set([2n])]])'), new Map([[1, new Set([2n])]])],
  ['a Date from another realm', foreign('new Date(7)'), new Date(7)],
  ['an object from another realm', foreign('{ a: [undefined, { b: 1 }] }'), { a: [undefined, { b: 1 }] }],
  [
    'bytes from another realm',
    foreign('[new Uint8Array([1]), new Float32Array([2]), new ArrayBuffer(2)]'),
    [new Uint8Array([1]), new Float32Array([2]), new ArrayBuffer(2)],
  ],
  [
    'an Error from another realm',
    foreign('new TypeError("a", { cause: 1 })'),
    new TypeError('a', { cause: 1 }),
  ],
];

describe.each(codecPairs)('%s', (_names, sender, receiver) => {
  /** Sends a value as the only field of a message, and gives what arrives. */
  function cross(value: unknown): unknown {
    const codec = sender();
    const frame = codec.encode([codec.marshal(value, 'value')]).slice();
    return receiver().decodeFrame(frame, false)[0]?.[0];
  }

  describe('a value', () => {
    it.each(exact)('crosses exactly: %s', (_, value) => {
      expect(cross(value)).toStrictEqual(value);
    });

    it.each(changed)('crosses in its plain form: %s', (_, value, arrived) => {
      expect(cross(value)).toStrictEqual(arrived);
    });

    it('crosses exactly: an invalid date', () => {
      const date = cross(new Date(Number.NaN)) as Date;
      expect(date).toBeInstanceOf(Date);
      expect(date.getTime()).toBeNaN();
    });

    it('is not changed by being sent', () => {
      const value = { a: undefined, b: [1n, new Map([[1, { c: -0 }]])] };
      const copy = structuredClone(value);
      cross(value);
      expect(value).toStrictEqual(copy);
    });

    it('of any plain form crosses exactly', () => {
      const leaf = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.double(),
        fc.integer(),
        fc.bigInt(),
        fc.boolean(),
        fc.constantFrom(null, undefined, -0, '\ufeff'),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array(),
        fc.float64Array(),
        fc.bigInt64Array(),
      );
      const key = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text !== '__proto__');
      const { value: any } = fc.letrec((tie) => ({
        value: fc.oneof(
          { maxDepth: 5 },
          leaf,
          fc.array(tie('value')),
          fc.dictionary(key, tie('value'), { noNullPrototype: true, maxKeys: 30 }),
          fc.array(tie('value')).map((members) => new Set(members)),
          fc.array(fc.tuple(tie('value'), tie('value'))).map((entries) => new Map(entries)),
        ),
      }));
      fc.assert(
        fc.property(any, (value) => {
          expect(cross(value)).toStrictEqual(value);
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('an Error as a value', () => {
    it('leaves its stack behind', () => {
      const error = Object.assign(new Error('lost'), { code: 7 });
      const stack = { value: 'secret', enumerable: true };
      const arrived = cross(Object.defineProperty(error, 'stack', stack)) as Error;
      expect(arrived.stack).toBe('Error: lost');
    });

    it('keeps hidden what was hidden', () => {
      const arrived = cross(new AggregateError([new Error('a'), 2], 'both', { cause: 1 })) as AggregateError;
      expect(arrived).toMatchObject({ name: 'AggregateError', message: 'both', cause: 1 });
      expect(arrived.errors).toStrictEqual([new Error('a'), 2]);
      expect(Object.keys(arrived)).toStrictEqual([]);
    });

    it('takes a code that its class has', () => {
      const arrived = cross(new DOMException('stopped', 'AbortError'));
      expect(arrived).toBeInstanceOf(Error);
      expect(arrived).toMatchObject({ name: 'AbortError', message: 'stopped', code: 20 });
    });

    it('has a name and a message even where they are no strings', () => {
      const arrived = cross(Object.assign(new Error('a'), { name: 1, message: undefined })) as Error;
      expect([arrived.name, arrived.message]).toStrictEqual(['Error', '']);
    });
  });
});
