import { describe, expect, it } from '@jest/globals';

import { ProtocolError } from '../../src/errors.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import { Prescan } from '../../src/protocol/prescan.js';

/** Bytes written as hex; spaces are for the reader. */
function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Scans one value and gives where it ends. */
function scan(value: Uint8Array, limits: Partial<Limits> = {}): number {
  return new Prescan({ ...defaultLimits, ...limits }).scan(value, 0, value.length);
}

/** A map of `entries` keys of two letters, each with nil. */
function mapOf(entries: number): string {
  const keys = Array.from({ length: entries }, (_, index) => `a2 ${(0x3030 + index).toString(16)} c0`);
  return `de ${entries.toString(16).padStart(4, '0')} ${keys.join(' ')}`;
}

const whole: readonly (readonly [what: string, hex: string])[] = [
  ['nil, false, true', '93 c0 c2 c3'],
  ['small integers', '94 00 7f e0 ff'],
  [
    'integers of every size',
    '98 cc01 cd0102 ce01020304 cf0102030405060708 d001 d10102 d201020304 d30102030405060708',
  ],
  ['floats', '92 ca 01020304 cb 0102030405060708'],
  ['strings of every head', '94 a0 a161 d90161 da000161'],
  ['a string with a long head', 'db 00000001 61'],
  ['byte arrays of every head', '93 c4 01 00 c5 0001 00 c6 00000001 00'],
  ['arrays of every head', '93 91 c0 dc 0001 c0 dd 00000001 c0'],
  ['maps of every head', '93 81 a161 c0 de 0001 a161 c0 df 00000001 a161 c0'],
  ['keys of every head', '84 a161 c0 d90162 c0 da000163 c0 db00000001 64 c0'],
  ['an empty key', '81 a0 c0'],
  ['the same key in two maps', '92 81 a161 c0 81 a161 c0'],
  ['the same key in a map within a map', '82 a161 81 a161 c0 a162 c0'],
  ['keys that differ in the middle', '82 a3 616263 c0 a3 616463 c0'],
  ['a large map', mapOf(17)],
  ['a large map within a large map', `${mapOf(17).slice(0, -2)} ${mapOf(20)}`],
  ['large keys that differ by U+FEFF', `${mapOf(17).slice(0, -11)} a5 efbbbf3030 c0`],
  ['extensions without content', '92 c7 00 00 c7 00 01'],
  ['bigints', '94 d4 02 00 d5 02 00 01 d5 02 01 ff c7 09 02 00 8000000000000000'],
  ['a date', 'd7 03 0000000000000000'],
  ['an empty Map', 'd4 04 90'],
  ['a Map', 'c7 05 04 92 a161 a162'],
  ['a Set with a long head', 'c7 04 05 dc 0001 c0'],
  ['a Map with a long head', 'c7 07 04 dd 00000002 01 02'],
  ['an Error', 'c7 10 06 82 a4 6e616d65 a0 a7 6d657373616765 a0'],
  ['a text as an extension', 'd6 07 efbbbf61'],
  ['bytes with a type', '93 c7 00 10 d4 12 ff d7 1b 0000000000000000'],
  ['UTF-8 at its borders', 'd9 1b c280 dfbf e0a080 ecbfbf ed9fbf ee8080 efbfbf f0908080 f48fbfbf'],
];

const refused: readonly (readonly [what: string, hex: string, words: string])[] = [
  ['nothing', '', 'truncated: a value is missing'],
  ['an array without its items', '92 c0', 'truncated: 2 values, where 1 bytes are left'],
  ['an array whose last item is cut', '92 91 c0', 'truncated: a value is missing'],
  ['a string that is cut', 'a3 6162', 'truncated: 3 bytes of a string, where 2 bytes are left'],
  ['a size that is cut', 'da 00', 'truncated: 2 bytes of a size, where 1 bytes are left'],
  ['an integer that is cut', 'cd 00', 'truncated: 2 bytes of an integer'],
  ['a float that is cut', 'cb 00', 'truncated: 8 bytes of a float'],
  ['a byte array that is cut', 'c4 02 00', 'truncated: 2 bytes of a byte array'],
  ['a key that is cut', '81 a3 6162', 'truncated: 3 bytes of a string'],
  ['an extension that is cut', 'd6 00 00', 'truncated: 4 bytes of an extension'],
  ['an extension without its type', 'c7 00', 'truncated: 0 bytes of an extension, where 0 bytes are left'],
  ['a map without its entries', '82 a161 c0', 'truncated: 4 values, where 3 bytes are left'],
  [
    'four thousand million items',
    'dd ffffffff',
    'array items, at most 100000 are allowed (limits.maxArrayItems)',
  ],
  [
    'four thousand million entries',
    'df ffffffff',
    'map entries, at most 10000 are allowed (limits.maxMapEntries)',
  ],
  ['more items than bytes', 'dd 00010000', 'truncated: 65536 values, where 0 bytes are left'],
  ['0xC1', '91 c1', 'the byte 0xC1'],
  ['a number as a key', '81 01 c0', 'a map key that is no string'],
  ['nil as a key', '81 c0 c0', 'a map key that is no string'],
  ['an array as a key', '81 90 c0', 'a map key that is no string'],
  ['an empty extension as a key', '81 dc0000 c0', 'a map key that is no string'],
  ['the key __proto__', '81 a9 5f5f70726f746f5f5f c0', 'the map key __proto__'],
  ['the key __proto__ with a long head', '81 d909 5f5f70726f746f5f5f c0', 'the map key __proto__'],
  ['a key twice', '82 a3 616263 c0 a3 616263 c0', 'a map with the same key twice'],
  ['a key twice, with another head', '82 a161 c0 d90161 c0', 'a map with the same key twice'],
  ['an empty key twice', '82 a0 c0 a0 c0', 'a map with the same key twice'],
  ['a key twice, around a map', '82 a161 81 a162 c0 a161 c0', 'a map with the same key twice'],
  ['a key twice in a large map', `${mapOf(17).slice(0, -7)} 3030 c0`, 'a map with the same key twice'],
  ['a key twice, around a large map', `82 a161 ${mapOf(17)} a161 c0`, 'a map with the same key twice'],
  ['a key that is not UTF-8', '81 a1 ff c0', 'a string that is not UTF-8'],
  ['a continuation alone', 'a1 80', 'a string that is not UTF-8'],
  ['an overlong two', 'a2 c1bf', 'a string that is not UTF-8'],
  ['an overlong three', 'a3 e09fbf', 'a string that is not UTF-8'],
  ['an overlong four', 'a4 f08fbfbf', 'a string that is not UTF-8'],
  ['a surrogate', 'a3 eda080', 'a string that is not UTF-8'],
  ['more than U+10FFFF', 'a4 f4908080', 'a string that is not UTF-8'],
  ['a lead that never is', 'a4 f5808080', 'a string that is not UTF-8'],
  ['a character that ends too soon', 'a5 61626364c3', 'a string that is not UTF-8'],
  ['a character cut by another', 'a3 e28261', 'a string that is not UTF-8'],
  ['a second byte above its range', 'a2 c3c3', 'a string that is not UTF-8'],
  ['an unknown extension', 'd4 63 00', 'the extension type 99, which is unknown'],
  ['a kept extension', 'd4 0a 00', 'the extension type 10, which is unknown'],
  ['a reference that is no array', 'd4 08 00', 'an extension of type 8 whose bytes are not of its form'],
  ['a reference without contents', 'c7 00 09', 'an extension of type 9 whose bytes are not of its form'],
  ['a reference with bytes behind it', 'd6 09 91010000', 'an extension with 2 bytes after its contents'],
  ['a timestamp', 'd6 ff 00000000', 'the extension type -1, which is unknown'],
  ['undefined with a payload', 'd4 00 00', 'an extension of type 0 whose bytes are not of its form'],
  ['-0 with a payload', 'd4 01 00', 'an extension of type 1'],
  ['a bigint without a sign', 'c7 00 02', 'an extension of type 2'],
  ['a bigint with another sign', 'd5 02 02 01', 'an extension of type 2'],
  ['a bigint with a leading zero', 'd5 02 00 00', 'an extension of type 2'],
  ['the bigint -0', 'd4 02 01', 'an extension of type 2'],
  ['a short date', 'd6 03 00000000', 'an extension of type 3'],
  ['a Map without contents', 'c7 00 04', 'an extension of type 4'],
  ['a Map of a map', 'd4 04 80', 'an extension of type 4'],
  ['a Map with half an entry', 'd5 04 91 c0', 'an extension of type 4'],
  ['a Set of nil', 'd4 05 c0', 'an extension of type 5'],
  ['an Error of an array', 'd4 06 90', 'an extension of type 6'],
  ['a Set with more than its contents', 'd5 05 90 c0', 'an extension with 1 bytes after its contents'],
  ['a Set with less than its contents', '92 d5 05 92 c0 c0', 'truncated: 2 values, where 1 bytes are left'],
  [
    'a Set that ends within its contents',
    '92 d6 05 92 c0 a2 61 62',
    'truncated: 2 bytes of a string, where 1 bytes are left',
  ],
  ['a Set whose size lies outside', 'd5 05 dd 00 000001 c0', 'truncated: 1 values, where 0 bytes are left'],
  ['a text extension that is not UTF-8', 'd4 07 ff', 'a string that is not UTF-8'],
  ['half an element', 'd4 14 00', 'an extension of type 20 whose bytes are not of its form'],
];

const atTheBound: readonly (readonly [
  option: keyof Limits,
  bound: number,
  within: string,
  beyond: string,
  words: string,
])[] = [
  ['maxDepth', 4, '91 91 91 90', '91 91 91 91 90', '5 levels'],
  ['maxDepth', 4, '81a161 81a161 81a161 80', '81a161 81a161 81a161 81a161 80', '5 levels'],
  ['maxDepth', 4, '91 c7 09 05 91 c7 05 05 91 d5 05 91 c0', '91 91 91 91 d4 05 90', '5 levels'],
  ['maxNodes', 64, `dc 003f ${'c0'.repeat(63)}`, `dc 0040 ${'c0'.repeat(64)}`, '65 values'],
  [
    'maxNodes',
    64,
    `dc 003e d5 05 91 c0 ${'c0'.repeat(61)}`,
    `dc 003f d5 05 91 c0 ${'c0'.repeat(62)}`,
    '65 values',
  ],
  ['maxStringBytes', 256, `da 0100 ${'61'.repeat(256)}`, `da 0101 ${'61'.repeat(257)}`, '257 string bytes'],
  [
    'maxStringBytes',
    256,
    `c8 0100 07 ${'61'.repeat(256)}`,
    `c8 0101 07 ${'61'.repeat(257)}`,
    '257 string bytes',
  ],
  ['maxBinaryBytes', 8, `c4 08 ${'00'.repeat(8)}`, `c4 09 ${'00'.repeat(9)}`, '9 binary bytes'],
  ['maxBinaryBytes', 8, `d7 19 ${'00'.repeat(8)}`, `d8 19 ${'00'.repeat(16)}`, '16 binary bytes'],
  ['maxArrayItems', 64, `dc 0040 ${'c0'.repeat(64)}`, `dc 0041 ${'c0'.repeat(65)}`, '65 array items'],
  [
    'maxArrayItems',
    64,
    `c7 43 05 dc 0040 ${'c0'.repeat(64)}`,
    `c7 44 05 dc 0041 ${'c0'.repeat(65)}`,
    '65 array items',
  ],
  ['maxMapEntries', 16, mapOf(16), mapOf(17), '17 map entries'],
  [
    'maxMapEntries',
    16,
    `c7 23 04 dc 0020 ${'c0'.repeat(32)}`,
    `c7 25 04 dc 0022 ${'c0'.repeat(34)}`,
    '17 map entries',
  ],
  ['maxKeyBytes', 16, `81 b0 ${'61'.repeat(16)} c0`, `81 b1 ${'61'.repeat(17)} c0`, '17 key bytes'],
  [
    'maxBigintBits',
    64,
    `c7 09 02 00 ${'ff'.repeat(8)}`,
    `c7 0a 02 00 01 ${'00'.repeat(8)}`,
    '65 bigint bits',
  ],
];

describe('Prescan', () => {
  it.each(whole)('accepts %s', (_, hex) => {
    const value = bytes(hex);
    expect(scan(value)).toBe(value.length);
  });

  it.each(whole)('refuses each beginning of %s', (_, hex) => {
    const value = bytes(hex);
    for (let end = 0; end < value.length; end++) {
      expect(() => new Prescan(defaultLimits).scan(value, 0, end)).toThrow(ProtocolError);
    }
  });

  it.each(refused)('refuses %s', (_, hex, words) => {
    expect(() => scan(bytes(hex))).toThrow(ProtocolError);
    expect(() => scan(bytes(hex))).toThrow(words);
  });

  it.each(atTheBound)('accepts up to %s = %d, and no more', (option, bound, within, beyond, words) => {
    expect(scan(bytes(within), { [option]: bound })).toBe(bytes(within).length);
    expect(() => scan(bytes(beyond), { [option]: bound })).toThrow(words);
    expect(() => scan(bytes(beyond), { [option]: bound })).toThrow(
      `at most ${bound} are allowed (limits.${option})`,
    );
  });

  it('tells where a value ends that others follow, and begins anywhere', () => {
    const prescan = new Prescan(defaultLimits);
    const value = bytes('c1 91 a161 c1');
    expect(prescan.scan(value, 1, value.length)).toBe(4);
    expect(() => prescan.scan(value, 1, 3)).toThrow('truncated');
  });

  it('tells whether there was a byte array, each time anew', () => {
    const prescan = new Prescan(defaultLimits);
    const seen = ['91 c4 00', '91 c0', '91 c7 03 05 91 c4 00', '91 d4 12 00'].map((hex) => {
      prescan.scan(bytes(hex), 0, bytes(hex).length);
      return prescan.hasBinary;
    });
    expect(seen).toStrictEqual([true, false, true, false]);
  });

  it('starts anew after a refusal', () => {
    const prescan = new Prescan(defaultLimits);
    const good = bytes('82 a161 91 c0 a162 c0');
    for (const hex of ['82 a161 91 c1', `81 a161 ${mapOf(20).slice(0, -2)} c1`, 'd5 05 91 c1']) {
      expect(() => prescan.scan(bytes(hex), 0, bytes(hex).length)).toThrow(ProtocolError);
      expect(prescan.scan(good, 0, good.length)).toBe(good.length);
    }
  });

  it('remembers the keys of deeply nested maps', () => {
    const entries = 'a161 c0 a162 c0 a163 c0 a164 c0 a165 c0 a166 c0 a167 c0 a168 c0 a169 ';
    const nested = `${`89 ${entries}`.repeat(60)} c0`;
    expect(scan(bytes(nested))).toBe(bytes(nested).length);
    expect(() => scan(bytes(`${`89 ${entries}`.repeat(60)} 82 a161 c0 a161 c0`))).toThrow(
      'the same key twice',
    );
  });

  it.each([
    ['5 bytes that claim four thousand million items', bytes('dd ffffffff')],
    ['40 bytes that claim them eight times', bytes('dd ffffffff'.repeat(8))],
    ['10 KB that claim 100,000 items each', bytes('dd 000186a0'.repeat(2_000))],
    ['16 MB of nested arrays', new Uint8Array(16 * 1024 * 1024).fill(0x91)],
    ['16 MB of empty maps', new Uint8Array(16 * 1024 * 1024).fill(0x80).fill(0xdd, 0, 1).fill(0xff, 1, 5)],
    ['72 KB of nested extensions', bytes('c8 ffff 05 91 '.repeat(14_000))],
  ])('refuses at once: %s', (_, bomb) => {
    const before = process.memoryUsage().arrayBuffers;
    const start = process.hrtime.bigint();
    expect(() => scan(bomb)).toThrow(ProtocolError);
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(100);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});
