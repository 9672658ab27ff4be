import { describe, expect, it } from '@jest/globals';

import { isUtf8, orderBytes, utf8Length } from '../../src/protocol/bytes.js';

describe('orderBytes', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  it.each([
    [1, [1, 2, 3, 4, 5, 6, 7, 8]],
    [2, [2, 1, 4, 3, 6, 5, 8, 7]],
    [4, [4, 3, 2, 1, 8, 7, 6, 5]],
    [8, [8, 7, 6, 5, 4, 3, 2, 1]],
  ])(
    'turns each number of %d bytes round on a big-endian machine, and leaves the original',
    (size, turned) => {
      expect([...orderBytes(bytes, size, false)]).toStrictEqual(turned);
      expect([...orderBytes(orderBytes(bytes, size, false), size, false)]).toStrictEqual([...bytes]);
      expect(bytes[0]).toBe(1);
    },
  );

  it('leaves numbers as they are on a little-endian machine', () => {
    expect(orderBytes(bytes, 4, true)).toBe(bytes);
  });
});

describe('isUtf8', () => {
  it('agrees with TextDecoder about every two bytes, and every end of longer ones', () => {
    const strict = new TextDecoder('utf-8', { fatal: true });
    const isText = (bytes: Uint8Array): boolean => {
      try {
        strict.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    const tails = [[], [0x80], [0xbf, 0x80], [0x61], [0x80, 0x61]];
    const disagreed: number[][] = [];
    for (let first = 0x7f; first < 0x100; first++) {
      for (let second = 0x7f; second < 0x100; second++) {
        for (const tail of tails) {
          const bytes = Uint8Array.of(first, second, ...tail);
          if (isUtf8(bytes, 0, bytes.length) !== isText(bytes)) disagreed.push([...bytes]);
        }
      }
    }
    expect(disagreed).toStrictEqual([]);
  });
});

describe('utf8Length', () => {
  it.each(['', 'a', 'é', '€', '𝄞', 'aé€𝄞\u07ff\u0800\uffff'])('counts the bytes of %p', (text) => {
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
  });
});
