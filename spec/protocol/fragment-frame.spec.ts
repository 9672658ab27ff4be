import { describe, expect, it } from '@jest/globals';
import { encode } from '@msgpack/msgpack';
import {
  isFragmentFrame,
  maxHeadBytes,
  readFragmentFrame,
  writeFragmentHead,
} from '../../src/protocol/fragment-frame.js';
import { fromHex, joined, toHex } from '../helpers/wire.js';

/** A frame's content of these parts, in hexadecimal digits. */
function frameOf(head: string, ...bytes: readonly number[]): Uint8Array {
  return joined(fromHex(head), Uint8Array.from(bytes));
}

describe('writeFragmentHead', () => {
  it.each([
    [1, '01'],
    [0x7f, '7f'],
    [0x80, 'cc80'],
    [0xff, 'ccff'],
    [0x100, 'cd0100'],
    [0xffff, 'cdffff'],
    [0x1_0000, 'ce00010000'],
    [0xffff_ffff, 'ceffffffff'],
    [0x1_0000_0000, 'cf0000000100000000'],
    [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  ])('writes the id %i as an encoder does', (id, hex) => {
    expect(toHex(encode(id))).toBe(hex);
    const target = new Uint8Array(100);
    const start = writeFragmentHead(target, 90, id, 0, 66_560);
    const content = `940d${hex}00c600010400`;
    const length = (66_560 + content.length / 2).toString(16).padStart(8, '0');
    expect(toHex(target.subarray(start, 90))).toBe(length + content);
    expect(90 - start).toBeLessThanOrEqual(maxHeadBytes);
    expect(target.subarray(90)).toEqual(new Uint8Array(10));
  });

  it('writes one without bytes', () => {
    const head = new Uint8Array(maxHeadBytes);
    const start = writeFragmentHead(head, maxHeadBytes, 5, 2, 0);
    expect(toHex(head.subarray(start))).toBe('00000009940d0502c600000000');
  });
});

describe('readFragmentFrame', () => {
  it('tells a fragment by its second byte', () => {
    expect(isFragmentFrame(fromHex('940d'))).toBe(true);
    expect(isFragmentFrame(fromHex('9403'))).toBe(false);
    expect(isFragmentFrame(fromHex('94'))).toBe(false);
  });

  it('gives the bytes where they are', () => {
    const frame = frameOf('940d0100c403', 7, 8, 9);
    const [, , , bytes] = readFragmentFrame(frame);
    expect(bytes).toEqual(Uint8Array.of(7, 8, 9));
    expect(bytes.buffer).toBe(frame.buffer);
  });

  it.each(['c402', 'c50002', 'c600000002'])('reads bytes behind the header %s', (header) => {
    expect(readFragmentFrame(frameOf(`940d0100${header}`, 7, 8))).toEqual([13, 1, 0, Uint8Array.of(7, 8)]);
  });

  it.each([
    ['07', 7],
    ['cc07', 7],
    ['cdffff', 0xffff],
    ['ceffffffff', 0xffff_ffff],
    ['cf001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['d007', 7],
    ['d17fff', 0x7fff],
    ['d27fffffff', 0x7fff_ffff],
    ['d30000000100000000', 0x1_0000_0000],
    ['ca40e00000', 7],
    ['cb401c000000000000', 7],
  ])('reads the id %s', (hex, id) => {
    expect(readFragmentFrame(frameOf(`940d${hex}01c401`, 9))).toEqual([13, id, 1, Uint8Array.of(9)]);
  });

  it.each(['00', '01', '02', 'cc02', 'd00000'.slice(0, 4), 'cd0001'])('reads the end %s', (hex) => {
    const [, , end] = readFragmentFrame(frameOf(`940d01${hex}c400`));
    expect(end).toBe(Number.parseInt(hex.slice(-1), 16));
  });

  it.each([
    ['the id 0', '940d0000c400'],
    ['a negative id in one byte', '940dff00c400'],
    ['a negative id', '940dd0ff00c400'],
    ['a negative id of 64 bits', '940dd3ffffffffffffffff00c400'],
    ['an id of more than 2^53 - 1', '940dcf002000000000000000c400'],
    ['an id that is no whole number', '940dcb3ff800000000000000c400'],
    ['an id that is a string', '940da13100c400'],
    ['an id that is cut short', '940dcd01'],
    ['no id', '940d'],
    ['an end of 3', '940d0103c400'],
    ['an end that is nil', '940d01c0c400'],
    ['no end', '940d01'],
    ['no bytes', '940d0100'],
    ['a header that is cut short', '940d0100c6000000'],
    ['bytes that are a string', '940d0100a0'],
    ['bytes that are an ArrayBuffer', '940d0100c70010'],
    ['an extension with the form of bytes', '940d0100c7'],
    ['bytes that are cut short', '940d0100c40207'],
    ['a byte behind', '940d0100c4010707'],
    ['a message behind', '940d0100c40193030102'],
    ['three fields', '930d0100c400'],
    ['five fields', '950d0100c400c0'],
    ['a map', '840d0100c400'],
  ])('refuses %s', (_what, hex) => {
    expect(() => readFragmentFrame(fromHex(hex))).toThrow(expect.objectContaining({ code: 'protocol' }));
  });
});
