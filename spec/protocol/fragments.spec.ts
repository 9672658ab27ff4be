import { describe, expect, it } from '@jest/globals';
import { LongMessage, Reassembly } from '../../src/protocol/fragments.js';
import { fragmentBytes, maxPartialMessages } from '../../src/protocol/limits.js';
import type { FragmentMessage } from '../../src/protocol/messages.js';
import { filler } from '../helpers/wire.js';

const full = filler(fragmentBytes);
const none = new Uint8Array(0);

describe('LongMessage', () => {
  it.each([
    [fragmentBytes + 1, [fragmentBytes, 1]],
    [2 * fragmentBytes, [fragmentBytes, fragmentBytes]],
    [2 * fragmentBytes + 5, [fragmentBytes, fragmentBytes, 5]],
  ])('cuts %i bytes into full fragments and a rest', (size, expected) => {
    const message = new LongMessage(7, [filler(size)]);
    const fragments: FragmentMessage[] = [];
    while (message.remainingBytes > 0) fragments.push(message.takeFragment());
    expect(fragments.map((fragment) => fragment[3].length)).toEqual(expected);
    expect(fragments.map((fragment) => fragment[2])).toEqual([...expected.slice(1).map(() => 0), 1]);
    expect(fragments.map((fragment) => fragment[1])).toEqual(expected.map(() => 7));
  });

  it('does not copy its bytes', () => {
    const bytes = filler(100_000);
    expect(new LongMessage(1, [bytes]).takeFragment()[3].buffer).toBe(bytes.buffer);
  });

  it('has begun once a fragment was taken', () => {
    const message = new LongMessage(1, [filler(100_000)]);
    expect(message.hasBegun).toBe(false);
    message.takeFragment();
    expect(message.hasBegun).toBe(true);
    expect(message.abandonment()).toEqual([13, 1, 2, none]);
  });
});

describe('Reassembly', () => {
  it('puts a message together in a buffer of its own', () => {
    const reassembly = new Reassembly(1_000_000);
    expect(reassembly.receive([13, 1, 0, full])).toBeUndefined();
    const whole = reassembly.receive([13, 1, 1, Uint8Array.of(1, 2)]);
    expect(whole).toHaveLength(fragmentBytes + 2);
    expect(whole?.subarray(-3)).toEqual(Uint8Array.of(0x2a, 1, 2));
    expect(whole?.buffer).not.toBe(full.buffer);
  });

  it('takes a message of one fragment', () => {
    expect(new Reassembly(1_000).receive([13, 1, 1, Uint8Array.of(5)])).toEqual(Uint8Array.of(5));
  });

  it('puts interleaved messages together, each by its id', () => {
    const reassembly = new Reassembly(1_000_000);
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full]);
    for (let id = maxPartialMessages; id >= 1; id--) {
      expect(reassembly.receive([13, id, 1, Uint8Array.of(id)])?.at(-1)).toBe(id);
    }
  });

  it('uses an id again after its message', () => {
    const reassembly = new Reassembly(1_000_000);
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(1)])).toHaveLength(1);
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(2)])).toEqual(Uint8Array.of(2));
  });

  it(`refuses to begin more than ${maxPartialMessages} messages at one time`, () => {
    const reassembly = new Reassembly(1_000_000);
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full]);
    expect(() => reassembly.receive([13, 99, 1, none])).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });

  it.each([1, 2] as const)('has room for another after one has ended with %i', (end) => {
    const reassembly = new Reassembly(1_000_000);
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full]);
    reassembly.receive([13, 1, end, none]);
    expect(reassembly.receive([13, 99, 0, full])).toBeUndefined();
  });

  it('forgets a message that is abandoned, also one that never began', () => {
    const reassembly = new Reassembly(1_000_000);
    reassembly.receive([13, 1, 0, full]);
    expect(reassembly.receive([13, 1, 2, none])).toBeUndefined();
    expect(reassembly.receive([13, 2, 2, none])).toBeUndefined();
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(3)])).toEqual(Uint8Array.of(3));
  });

  it.each([0, 1, fragmentBytes - 1, fragmentBytes + 1])(
    'refuses a fragment of %i bytes that is not the last',
    (size) => {
      expect(() => new Reassembly(1_000_000).receive([13, 1, 0, filler(size)])).toThrow(
        expect.objectContaining({ code: 'protocol' }),
      );
    },
  );

  it('takes a message of the bound, and refuses one byte more', () => {
    const max = 2 * fragmentBytes - 1;
    const reassembly = new Reassembly(max);
    reassembly.receive([13, 1, 0, full]);
    expect(reassembly.receive([13, 1, 1, filler(fragmentBytes - 1)])).toHaveLength(max);
    reassembly.receive([13, 1, 0, full]);
    expect(() => reassembly.receive([13, 1, 1, full])).toThrow(
      expect.objectContaining({
        code: 'limit-exceeded',
        message: expect.stringContaining('maxMessageBytes'),
      }),
    );
  });

  it.each([
    ['a last fragment of more than full size', 1, fragmentBytes + 1],
    ['an abandoned one with bytes', 2, 1],
  ] as const)('refuses %s', (_what, end, size) => {
    const reassembly = new Reassembly(4 * fragmentBytes);
    reassembly.receive([13, 1, 0, full]);
    expect(() => reassembly.receive([13, 1, end, filler(size)])).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });

  it('holds at most twice the bound in all', () => {
    const reassembly = new Reassembly(fragmentBytes + 10);
    reassembly.receive([13, 1, 0, full]);
    reassembly.receive([13, 2, 0, full]);
    expect(() => reassembly.receive([13, 3, 0, full])).toThrow(
      expect.objectContaining({ code: 'limit-exceeded' }),
    );
  });

  it('counts no longer what was delivered or abandoned', () => {
    const reassembly = new Reassembly(fragmentBytes + 10);
    for (let round = 1; round <= 20; round++) {
      reassembly.receive([13, 1, 0, full]);
      reassembly.receive([13, 2, 0, full]);
      expect(reassembly.receive([13, 1, 1, none])).toHaveLength(fragmentBytes);
      expect(reassembly.receive([13, 2, 2, none])).toBeUndefined();
    }
  });
});
