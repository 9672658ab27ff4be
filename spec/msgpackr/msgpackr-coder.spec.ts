import { decode, encode, ExtData } from '@msgpack/msgpack';
import { describe, expect, it } from '@jest/globals';
import { runInNewContext } from 'node:vm';

import { isNativeAccelerationEnabled } from 'msgpackr/index-no-eval';

import { MsgpackrCoder } from '../../src/msgpackr/msgpackr-coder.js';
import { undefinedExtension, writeDate } from '../../src/protocol/extensions.js';

/** Encodes one value and gives its bytes, without the array around it. */
function written(value: unknown): Uint8Array {
  return new MsgpackrCoder().encode([value]).slice(1);
}

/** Reads the only message of these bytes. */
function read(bytes: Uint8Array, coder = new MsgpackrCoder()): unknown {
  return coder.decode(bytes, 0, bytes.length);
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
    expect(read(encode(numbers))).toStrictEqual(numbers);
    expect(read(written(numbers))).toStrictEqual(numbers);
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

  it('reads messages wherever they stand, short or long', () => {
    const coder = new MsgpackrCoder();
    const messages = [[1, { a: 'b' }], [], ['a'.repeat(176)], ['a'.repeat(178)], [keys(300), [[null]]], [2]];
    const frame = Uint8Array.from(messages.flatMap((message) => [...encode(message)]));
    let start = 0;
    for (const message of messages) {
      const end = start + encode(message).length;
      expect(coder.decode(frame, start, end)).toStrictEqual(message);
      start = end;
    }
    expect(start).toBe(frame.length);
  });

  it.each(same)('reads what any encoder of MessagePack writes: %s', (_what, value) => {
    // What has no form of its own in MessagePack comes as what it was written as.
    expect(read(encode([value]))).toStrictEqual(decode(encode([value])));
  });

  it('reads integers of 64 bits as numbers', () => {
    const hex = '94cf0020000000000000cfffffffffffffffffd3ffe0000000000000d3000000000000007f';
    expect(read(Uint8Array.from(Buffer.from(hex, 'hex')))).toStrictEqual([2 ** 53, 2 ** 64, -(2 ** 53), 127]);
  });

  it.each([
    ['of a short message as copies', 100, false],
    ['of a long one as views of it', 300, true],
  ])('reads bytes %s', (_what, size, isView) => {
    const coder = new MsgpackrCoder();
    const given = encode([new Uint8Array(size).fill(1)]);
    const [bytes] = read(given, coder) as [Uint8Array];
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect(Object.keys(bytes)).toHaveLength(size);
    expect(bytes.buffer === given.buffer).toBe(isView);
    read(encode([new Uint8Array(size).fill(2)]), coder);
    expect(bytes).toStrictEqual(new Uint8Array(size).fill(1));
  });

  it('reads what stands in a large buffer', () => {
    const coder = new MsgpackrCoder();
    const large = new Uint8Array(2_000_000);
    const message = [keys(100)];
    large.set(encode(message), 1_000_000);
    expect(coder.decode(large, 1_000_000, 1_000_000 + encode(message).length)).toStrictEqual(message);
    expect(read(encode(message), coder)).toStrictEqual(message);
  });

  it.each([3, 300])('is of use after what it cannot read: an extension of %i bytes', (size) => {
    const coder = new MsgpackrCoder();
    expect(() => read(encode([new ExtData(99, new Uint8Array(size))]), coder)).toThrow();
    expect(read(encode([1]), coder)).toStrictEqual([1]);
  });

  it('keeps no text of a message alive by a short one of it', () => {
    // The native part of msgpackr would: what it gives are slices of one long text.
    expect(isNativeAccelerationEnabled).toBe(false);
  });
});
