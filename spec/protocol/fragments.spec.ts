import { describe, expect, it } from '@jest/globals';
import { readFragmentFrame } from '../../src/protocol/fragment-frame.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { LongMessage, Reassembly } from '../../src/protocol/fragments.js';
import { FrameWriter, SlabPool } from '../../src/protocol/framing.js';
import { fragmentBytes, maxPartialMessages } from '../../src/protocol/limits.js';
import type { FragmentMessage } from '../../src/protocol/messages.js';
import { type Piece, pieceOf } from '../../src/protocol/transferred.js';
import { filler, joined } from '../helpers/wire.js';

const full = filler(fragmentBytes);
const none = new Uint8Array(0);

/** Writes a whole message. @returns the pieces of each fragment's frame, as they are handed to the transport */
function writtenOf(message: LongMessage, slabs: SlabPool): Uint8Array[][] {
  const frames: Uint8Array[][] = [];
  while (message.remainingBytes > 0) {
    const writer = new FrameWriter(slabs);
    message.writeFragment(writer);
    frames.push(writer.takeFrames());
  }
  return frames;
}

function fragmentOf(pieces: readonly Uint8Array[]): FragmentMessage {
  return readFragmentFrame(joined(...pieces).subarray(4));
}

const given = (bytes: Uint8Array): Piece => ({ bytes, isGiven: true });

describe('LongMessage', () => {
  it.each([
    [fragmentBytes + 1, [fragmentBytes, 1]],
    [2 * fragmentBytes, [fragmentBytes, fragmentBytes]],
    [2 * fragmentBytes + 5, [fragmentBytes, fragmentBytes, 5]],
  ])('cuts %i bytes into full fragments and a rest', (size, expected) => {
    for (const piece of [given, pieceOf]) {
      const slabs = new SlabPool();
      const message = new LongMessage(7, [piece(filler(size))], slabs.fragments);
      const fragments = writtenOf(message, slabs).map((pieces) => fragmentOf(pieces));
      expect(fragments.map((fragment) => fragment[3].length)).toEqual(expected);
      expect(fragments.map((fragment) => fragment[2])).toEqual([...expected.slice(1).map(() => 0), 1]);
      expect(fragments.map((fragment) => fragment[1])).toEqual(expected.map(() => 7));
    }
  });

  it('does not copy bytes that were given away, but for what shares a fragment with others', () => {
    const slabs = new SlabPool();
    const bytes = filler(2 * fragmentBytes);
    const message = new LongMessage(1, [pieceOf(Uint8Array.of(1)), given(bytes)], slabs.fragments);
    const frames = writtenOf(message, slabs);
    expect(frames.map((pieces) => pieces.some(({ buffer }) => buffer === bytes.buffer))).toEqual([
      false,
      true,
      true,
    ]);
    expect(joined(...frames.map((pieces) => fragmentOf(pieces)[3]))).toEqual(joined(Uint8Array.of(1), bytes));
  });

  it('copies all others at once, each fragment in one piece of a buffer of the pool', () => {
    const slabs = new SlabPool();
    const bytes = filler(2 * fragmentBytes);
    const message = new LongMessage(
      1,
      [pieceOf(bytes.subarray(0, 100_000)), pieceOf(bytes.subarray(100_000))],
      slabs.fragments,
    );
    bytes.fill(0);
    const frames = writtenOf(message, slabs);
    expect(frames.map(({ length }) => length)).toEqual([1, 1]);
    for (const pieces of frames) expect(fragmentOf(pieces)[3]).toEqual(full);
    slabs.reclaim(frames.flat());
    expect(slabs.fragments.freeCount).toBe(2);
  });

  it('has begun once a fragment was written', () => {
    const slabs = new SlabPool();
    const message = new LongMessage(1, [pieceOf(filler(100_000))], slabs.fragments);
    const writer = new FrameWriter(slabs);
    expect(message.hasBegun).toBe(false);
    message.writeFragment(writer);
    expect(message.hasBegun).toBe(true);
    writer.takeFrames();
    message.abandon(writer);
    expect(fragmentOf(writer.takeFrames())).toEqual([13, 1, 2, none]);
  });
});

describe('Reassembly', () => {
  it('puts a message together in a buffer of its own', () => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    expect(reassembly.receive([13, 1, 0, full], false)).toBeUndefined();
    const whole = reassembly.receive([13, 1, 1, Uint8Array.of(1, 2)], false);
    expect(whole).toHaveLength(fragmentBytes + 2);
    expect(whole?.subarray(-3)).toEqual(Uint8Array.of(0x2a, 1, 2));
    expect(whole?.buffer).not.toBe(full.buffer);
  });

  it('takes a message of one fragment', () => {
    expect(new Reassembly(1_000, new FragmentPool()).receive([13, 1, 1, Uint8Array.of(5)], false)).toEqual(
      Uint8Array.of(5),
    );
  });

  it('puts interleaved messages together, each by its id', () => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full], false);
    for (let id = maxPartialMessages; id >= 1; id--) {
      expect(reassembly.receive([13, id, 1, Uint8Array.of(id)], false)?.at(-1)).toBe(id);
    }
  });

  it('uses an id again after its message', () => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(1)], false)).toHaveLength(1);
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(2)], false)).toEqual(Uint8Array.of(2));
  });

  it(`refuses to begin more than ${maxPartialMessages} messages at one time`, () => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full], false);
    expect(() => reassembly.receive([13, 99, 1, none], false)).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });

  it.each([1, 2] as const)('has room for another after one has ended with %i', (end) => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    for (let id = 1; id <= maxPartialMessages; id++) reassembly.receive([13, id, 0, full], false);
    reassembly.receive([13, 1, end, none], false);
    expect(reassembly.receive([13, 99, 0, full], false)).toBeUndefined();
  });

  it('forgets a message that is abandoned, also one that never began', () => {
    const reassembly = new Reassembly(1_000_000, new FragmentPool());
    reassembly.receive([13, 1, 0, full], false);
    expect(reassembly.receive([13, 1, 2, none], false)).toBeUndefined();
    expect(reassembly.receive([13, 2, 2, none], false)).toBeUndefined();
    expect(reassembly.receive([13, 1, 1, Uint8Array.of(3)], false)).toEqual(Uint8Array.of(3));
  });

  it.each([0, 1, fragmentBytes - 1, fragmentBytes + 1])(
    'refuses a fragment of %i bytes that is not the last',
    (size) => {
      expect(() =>
        new Reassembly(1_000_000, new FragmentPool()).receive([13, 1, 0, filler(size)], false),
      ).toThrow(expect.objectContaining({ code: 'protocol' }));
    },
  );

  it('takes a message of the bound, and refuses one byte more', () => {
    const max = 2 * fragmentBytes - 1;
    const reassembly = new Reassembly(max, new FragmentPool());
    reassembly.receive([13, 1, 0, full], false);
    expect(reassembly.receive([13, 1, 1, filler(fragmentBytes - 1)], false)).toHaveLength(max);
    reassembly.receive([13, 1, 0, full], false);
    expect(() => reassembly.receive([13, 1, 1, full], false)).toThrow(
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
    const reassembly = new Reassembly(4 * fragmentBytes, new FragmentPool());
    reassembly.receive([13, 1, 0, full], false);
    expect(() => reassembly.receive([13, 1, end, filler(size)], false)).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });

  it('holds at most twice the bound in all', () => {
    const reassembly = new Reassembly(fragmentBytes + 10, new FragmentPool());
    reassembly.receive([13, 1, 0, full], false);
    reassembly.receive([13, 2, 0, full], false);
    expect(() => reassembly.receive([13, 3, 0, full], false)).toThrow(
      expect.objectContaining({ code: 'limit-exceeded' }),
    );
  });

  it('counts no longer what was delivered or abandoned', () => {
    const reassembly = new Reassembly(fragmentBytes + 10, new FragmentPool());
    for (let round = 1; round <= 20; round++) {
      reassembly.receive([13, 1, 0, full], false);
      reassembly.receive([13, 2, 0, full], false);
      expect(reassembly.receive([13, 1, 1, none], false)).toHaveLength(fragmentBytes);
      expect(reassembly.receive([13, 2, 2, none], false)).toBeUndefined();
    }
  });

  it('copies what is not its own at once, and gives the buffers back when the message is whole', () => {
    const pool = new FragmentPool();
    const reassembly = new Reassembly(1_000_000, pool);
    const chunk = filler(fragmentBytes);
    reassembly.receive([13, 1, 0, chunk], false);
    chunk.fill(0);
    expect(reassembly.isWithinMessage).toBe(true);
    expect(pool.freeCount).toBe(0);
    expect(reassembly.receive([13, 1, 1, none], false)).toEqual(full);
    expect(reassembly.isWithinMessage).toBe(false);
    expect(pool.freeCount).toBe(1);
  });

  it('keeps what is its own where it is, and gives it back as well', () => {
    const pool = new FragmentPool();
    const reassembly = new Reassembly(1_000_000, pool);
    const [first, last] = [pool.take().subarray(9, 9 + fragmentBytes), pool.take().subarray(9, 12)];
    reassembly.receive([13, 1, 0, first.fill(1)], true);
    const whole = reassembly.receive([13, 1, 1, last.fill(2)], true);
    expect(pool.freeCount).toBe(2);
    pool.take().fill(3);
    pool.take().fill(3);
    expect(whole).toEqual(joined(new Uint8Array(fragmentBytes).fill(1), Uint8Array.of(2, 2, 2)));
  });

  it('gives back what an abandoned message held', () => {
    const pool = new FragmentPool();
    const reassembly = new Reassembly(1_000_000, pool);
    reassembly.receive([13, 1, 0, full], false);
    reassembly.receive([13, 1, 2, none], false);
    expect(pool.freeCount).toBe(1);
  });
});
