import { describe, expect, it } from '@jest/globals';
import { transferred } from 'tandem-rpc';
import { roughBytes } from '../../src/rpc/rough-bytes.js';

const many = 1_000;

/** What is around the arguments, and each value at the least. */
const around = 64;
const each = 9;

describe('roughBytes', () => {
  it.each([
    ['nothing', [], 0],
    ['numbers, and what else is small', [1, true, null, undefined, () => 1], 5 * each],
    ['a text', ['x'.repeat(100)], each + 100],
    ['bytes', [new Uint8Array(100), new ArrayBuffer(10), new DataView(new ArrayBuffer(5))], 3 * each + 115],
    ['bytes that are given away', [transferred(new Uint8Array(50))], each + 50],
    ['what arrays, Sets and Maps hold', [['ab'], new Set(['cd']), new Map([['ef', 'gh']])], 7 * each + 8],
    ['what objects hold', [{ key: 'four' }, Object.assign(Object.create(null), { a: 1 })], 6 * each + 8],
    ['an object of a class, which is sent by reference or not at all', [new Date()], each],
  ])('adds up %s', (_name, values, expected) => {
    expect(roughBytes(values, many)).toBe(around + expected);
  });

  it('runs no code of the user', () => {
    const value = {
      get text(): string {
        throw new Error('it was run');
      },
    };
    const hostile = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error('it was asked');
        },
      },
    );
    expect(roughBytes([value, hostile], many)).toBe(around + 4 * each + 4);
  });

  it('comes to an end with what has none', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(roughBytes(circle, many)).toBe(around + many * each);
  });
});
