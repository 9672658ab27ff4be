import { encode, ExtData } from '@msgpack/msgpack';
import { describe, expect, it } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import { MsgpackrCoder } from '../../src/msgpackr/msgpackr-coder.js';
import { undefinedExtension, writeDate } from '../../src/protocol/extensions.js';

/** Encodes one value and gives its bytes, without the array around it. */
function written(value: unknown): Uint8Array {
  return new MsgpackrCoder().encode([value]).slice(1);
}

function keys(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]));
}

class Point {
  x = 1;
  y = 2;
}

const same: readonly (readonly [what: string, value: unknown])[] = [
  ['nil and booleans', [null, true, false]],
  ['small integers', [0, 1, 31, 32, 63, 64, 127, -1, -31, -32]],
  ['integers of every size', [128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, -33, -128, -129, -32_768, -32_769]],
  ['the least integer of 32 bits', -(2 ** 31)],
  ['other numbers', [1.5, -0.1, NaN, Infinity, -Infinity, Number.MIN_VALUE, 2 ** 64, 2 ** 100]],
  [
    'texts of every head',
    ['', 'a'.repeat(31), 'a'.repeat(32), 'a'.repeat(255), 'a'.repeat(256), 'a'.repeat(65_536)],
  ],
  [
    'texts whose head is longer than their characters say',
    ['é'.repeat(16), '€'.repeat(100), '€'.repeat(30_000)],
  ],
  ['texts beyond the first plane', ['𝄞', '𝄞'.repeat(40), '\0']],
  [
    'byte arrays of every head',
    [new Uint8Array(0), new Uint8Array(255), new Uint8Array(256), new Uint8Array(65_536)],
  ],
  ['a part of a buffer', new Uint8Array(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2)],
  ['arrays of every head', [[], new Array(15).fill(0), new Array(16).fill(0), new Array(65_536).fill(0)]],
  ['maps of every head', [{}, keys(15), keys(16), keys(65_536)]],
  [
    'keys that name members of Object',
    JSON.parse('{"constructor":1,"toJSON":2,"toString":3,"then":4,"hasOwnProperty":5}'),
  ],
  ['a map without a prototype', Object.assign(Object.create(null) as object, { toJSON: 1, a: [2] })],
  ['an instance of a class', new Point()],
  ['a map and an array of another realm', runInNewContext('({ a: [1, { b: "c" }] })')],
  ['undefined', [undefined, { a: undefined }]],
];

describe('MsgpackrCoder', () => {
  it.each(same)('writes as any encoder of MessagePack does: %s', (_what, value) => {
    expect(written(value)).toStrictEqual(encode(value));
  });

  it('writes a Buffer as bytes', () => {
    expect(written({ a: Buffer.from('abc') })).toStrictEqual(encode({ a: Uint8Array.from([97, 98, 99]) }));
  });

  it('writes a whole number beyond 32 bits as the same number', () => {
    const numbers = [2 ** 32, 2 ** 53 - 1, -(2 ** 31) - 1, -(2 ** 53) + 1];
    expect(new MsgpackrCoder().decode(encode(numbers))).toStrictEqual([numbers]);
    expect(new MsgpackrCoder().decode(written(numbers))).toStrictEqual([numbers]);
  });

  it.each<readonly [string, unknown]>([
    ['undefined as an extension', undefinedExtension],
    ['a date as an extension', [writeDate(0)]],
    ['a function', { a: () => 1 }],
    ['a symbol', [Symbol('a')]],
  ])('fails at %s, and is of use afterwards', (_what, value) => {
    const coder = new MsgpackrCoder();
    expect(() => coder.encode([1, value])).toThrow();
    expect(coder.encode([1])).toStrictEqual(encode([1]));
  });

  it('gives Uint8Arrays, whose slices are copies', () => {
    const coder = new MsgpackrCoder();
    const bytes = coder.encode(['a']);
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    const copy = bytes.slice();
    coder.encode(['b']);
    expect(copy).toStrictEqual(encode(['a']));
  });

  it('writes over its last message, whichever coder wrote it', () => {
    const [one, other] = [new MsgpackrCoder(), new MsgpackrCoder()];
    const first = one.encode(['a']);
    expect(other.encode(['b']).buffer).toBe(first.buffer);
    expect(first).toStrictEqual(encode(['b']));
  });

  it('writes what a getter sends meanwhile, however large, and then goes on', () => {
    const coder = new MsgpackrCoder();
    const inner: Uint8Array[] = [];
    const sending = {
      before: 'a'.repeat(3_000),
      get sent() {
        for (const size of [10, 3_000_000, 10]) inner.push(coder.encode(['i'.repeat(size)]).slice());
        return inner.length;
      },
      after: 'b'.repeat(30_000),
    };
    const { before, after } = sending;
    expect(coder.encode([sending])).toStrictEqual(encode([{ before, sent: 3, after }]));
    expect(inner.map(({ length }) => length)).toEqual([12, 3_000_006, 12]);
    coder.encode(['a'.repeat(2_000_000)]);
    expect(coder.encode(['a']).buffer.byteLength).toBeLessThan(100_000);
  });

  it('reads one message or more', () => {
    const coder = new MsgpackrCoder();
    const messages = [[1, { a: 'b' }], [], [new Uint8Array(3), [[null]]]];
    const bytes = messages.flatMap((message) => [...encode(message)]);
    expect(coder.decode(Uint8Array.from(bytes))).toStrictEqual(messages);
    expect(coder.decode(encode(['a']))).toStrictEqual([['a']]);
  });

  it('reads integers of 64 bits as numbers', () => {
    const bytes = Uint8Array.from(
      Buffer.from('94cf0020000000000000cfffffffffffffffffd3ffe0000000000000d3000000000000007f', 'hex'),
    );
    expect(new MsgpackrCoder().decode(bytes)).toStrictEqual([[2 ** 53, 2 ** 64, -(2 ** 53), 127]]);
  });

  it('reads bytes as plain views of what it was given', () => {
    const given = encode([new Uint8Array([1, 2])]);
    const [[view]] = new MsgpackrCoder().decode(given) as [[Uint8Array]];
    expect(Object.getPrototypeOf(view)).toBe(Uint8Array.prototype);
    expect(view.buffer).toBe(given.buffer);
    expect(Object.keys(view)).toEqual(['0', '1']);
  });

  it('reads what stands in a large buffer, of which it keeps nothing', () => {
    const large = new Uint8Array(2_000_000);
    large.set(encode([{ a: 1 }]));
    expect(new MsgpackrCoder().decode(large.subarray(0, 5))).toStrictEqual([[{ a: 1 }]]);
    expect(new MsgpackrCoder().decode(encode([2]))).toStrictEqual([[2]]);
  });

  it('is of use after what it cannot read', () => {
    const coder = new MsgpackrCoder();
    expect(() => coder.decode(encode([new ExtData(99, new Uint8Array(3))]))).toThrow();
    expect(coder.decode(encode([1]))).toStrictEqual([[1]]);
  });
});
