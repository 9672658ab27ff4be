import { describe, expect, it, jest } from '@jest/globals';
import { FragmentPool, headRoomBytes, pooledBytes } from '../../src/protocol/fragment-pool.js';
import { FrameReader, FrameWriter, SlabPool } from '../../src/protocol/framing.js';
import { frameTargetBytes, maxFrameBytes } from '../../src/protocol/limits.js';
import { cut, filler, framed, frameOf, joined } from '../helpers/wire.js';

const isProtocolError = expect.objectContaining({ code: 'protocol' });

/** Reads every frame of these chunks. */
function framesOf(chunks: readonly Uint8Array[], maxBytes = maxFrameBytes): Uint8Array[] {
  const reader = new FrameReader(new FragmentPool());
  const frames: Uint8Array[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.read(maxBytes); frame !== undefined; frame = reader.read(maxBytes))
      frames.push(frame);
  }
  return frames;
}

/** Tells `work` of every array of bytes that is made meanwhile: how many bytes were reserved. */
function watchReserved(work: (reserved: number[]) => void): void {
  const reserved: number[] = [];
  const original = globalThis.Uint8Array;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args: unknown[]) {
      if (typeof args[0] === 'number') reserved.push(args[0]);
      return Reflect.construct(target, args) as Uint8Array;
    },
  });
  try {
    work(reserved);
  } finally {
    globalThis.Uint8Array = original;
  }
}

describe('FrameReader', () => {
  const contents = [filler(1), filler(300), Uint8Array.of(1, 2, 3)];
  const wire = joined(...contents.map((content) => framed(content)));

  it.each([1, 2, 3, 4, 5, 7, 100, 10_000])('reads frames cut into chunks of %i', (size) => {
    expect(framesOf(cut(wire, size))).toEqual(contents);
  });

  it('does not copy a frame that lies whole in a chunk', () => {
    const [frame] = framesOf([wire]);
    expect(frame?.buffer).toBe(wire.buffer);
  });

  it('does not copy a frame whose length came in the chunk before', () => {
    const bytes = framed(filler(10));
    const rest = bytes.slice(4);
    const [frame] = framesOf([bytes.slice(0, 4), rest]);
    expect(frame?.buffer).toBe(rest.buffer);
  });

  it('takes chunks of no bytes, at any place', () => {
    const none = new Uint8Array(0);
    const bytes = framed(filler(3));
    expect(framesOf([none, bytes.slice(0, 2), none, bytes.slice(2, 5), none, bytes.slice(5), none])).toEqual([
      filler(3),
    ]);
  });

  it('keeps what is not read for later, in order, and leaves the chunks to their owners', () => {
    const reader = new FrameReader(new FragmentPool());
    const [first, second] = [wire.slice(0, 200), wire.slice(200)];
    reader.push(first);
    expect(reader.read(maxFrameBytes)).toEqual(filler(1));
    reader.keep();
    first.fill(0xc1);
    reader.push(second);
    second.fill(0xc1);
    reader.keep();
    expect(reader.hasUnread).toBe(true);
    expect([reader.read(maxFrameBytes), reader.read(maxFrameBytes)]).toEqual(contents.slice(1));
    expect([reader.read(maxFrameBytes), reader.hasUnread]).toEqual([undefined, false]);
  });

  it('keeps no chunk that was read', () => {
    const reader = new FrameReader(new FragmentPool());
    reader.push(wire);
    while (reader.read(maxFrameBytes) !== undefined);
    expect([reader.hasUnread, reader.partialBytes]).toEqual([false, 0]);
    reader.push(wire);
    expect(reader.read(maxFrameBytes)?.buffer).toBe(wire.buffer);
  });

  it.each([1, maxFrameBytes - 1, maxFrameBytes])('reads a frame of %i bytes', (size) => {
    expect(framesOf([framed(filler(size))])[0]).toHaveLength(size);
  });

  it.each([0, maxFrameBytes + 1, 0x7fffffff, 0xffffffff])('refuses a frame of %i bytes', (announced) => {
    const reader = new FrameReader(new FragmentPool());
    reader.push(framed(filler(1), announced));
    expect(() => reader.read(maxFrameBytes)).toThrow(isProtocolError);
  });

  it('refuses by the length alone, before any of the content has come', () => {
    const reader = new FrameReader(new FragmentPool());
    reader.push(framed(new Uint8Array(0), 17));
    expect(() => reader.read(16)).toThrow('a frame of 17 bytes, where at most 16 are allowed');
    const other = new FrameReader(new FragmentPool());
    other.push(framed(new Uint8Array(0), 0));
    expect(() => other.read(16)).toThrow('a frame of no bytes');
  });

  it('says how much of a frame has come', () => {
    const reader = new FrameReader(new FragmentPool());
    const sizes: number[] = [reader.partialBytes];
    for (const chunk of cut(framed(filler(3)), 1)) {
      reader.push(chunk);
      reader.read(maxFrameBytes);
      sizes.push(reader.partialBytes);
    }
    expect(sizes).toEqual([0, 1, 2, 3, 4, 5, 6, 0]);
  });

  it.each([1, 7, 1_000, 65_536])('keeps no more than twice what has come, in chunks of %i', (size) => {
    const chunks = cut(framed(filler(50_000)), size);
    const reader = new FrameReader(new FragmentPool());
    let receivedBytes = 0;
    let largestShare = 0;
    watchReserved((reserved) => {
      for (const chunk of chunks) {
        receivedBytes += chunk.length;
        reader.push(chunk);
        reader.read(maxFrameBytes);
        largestShare = Math.max(largestShare, (reserved.at(-1) ?? 0) / receivedBytes);
      }
    });
    expect(largestShare).toBeLessThanOrEqual(2);
    expect(reader.partialBytes).toBe(0);
  });

  it('reserves nothing for an announced length', () => {
    const reader = new FrameReader(new FragmentPool());
    const chunk = framed(Uint8Array.of(1), maxFrameBytes);
    watchReserved((reserved) => {
      reader.push(chunk);
      reader.read(maxFrameBytes);
      expect(reserved).toEqual([2]);
    });
    expect(reader.partialBytes).toBe(5);
  });

  it('copies a frame in pieces a number of times that does not grow with it', () => {
    const reader = new FrameReader(new FragmentPool());
    const chunks = cut(framed(filler(65_536)), 1);
    watchReserved((reserved) => {
      for (const chunk of chunks) {
        reader.push(chunk);
        reader.read(maxFrameBytes);
      }
      expect(reserved.reduce((total, bytes) => total + bytes, 0)).toBeLessThan(4 * 65_536);
    });
  });
});

describe('FrameReader, with fragments', () => {
  const size = 66_560;
  const frame = frameOf([13, 1, 0, filler(size)]);
  const headBytes = frame.length - size;

  /** Reads chunks; tells how many buffers of the pool were lent after each, and the frame at the end. */
  function readIn(
    chunks: readonly Uint8Array[],
    isWithinMessage: boolean,
  ): { lent: number[]; read: Uint8Array } {
    const pool = new FragmentPool();
    const take = jest.spyOn(pool, 'take');
    const reader = new FrameReader(pool);
    let read: Uint8Array | undefined;
    const lent = chunks.map((chunk) => {
      reader.push(chunk);
      read = reader.read(maxFrameBytes, isWithinMessage);
      return take.mock.calls.length;
    });
    expect(read).toEqual(frame.subarray(4));
    expect(reader.isOwn).toBe(true);
    if (read === undefined) throw new Error('nothing was read');
    return { lent, read };
  }

  it('borrows a buffer when half of a fragment has come', () => {
    const half = pooledBytes / 2;
    const ends = [4, 5, 6, 100, 10_000, 4 + half, frame.length];
    const chunks = ends.map((end, at) => frame.slice(ends[at - 1] ?? 0, end));
    const { lent, read } = readIn(chunks, false);
    expect(lent).toEqual([0, 0, 0, 0, 0, 1, 1]);
    expect(read.buffer.byteLength).toBe(pooledBytes);
  });

  it('borrows it at once within a message, of which a whole fragment has come', () => {
    expect(readIn([frame.slice(0, 6), frame.slice(6, 7), frame.slice(7)], true).lent).toEqual([1, 1, 1]);
    expect(readIn([frame.slice(0, 5), frame.slice(5, 6), frame.slice(6)], true).lent).toEqual([0, 0, 1]);
  });

  it('never has more than twice reserved what has come', () => {
    for (const chunkBytes of [1_000, 20_000, 33_000, 34_000, 65_536]) {
      const reader = new FrameReader(new FragmentPool());
      watchReserved((reserved) => {
        let receivedBytes = 0;
        for (const chunk of cut(frame, chunkBytes)) {
          receivedBytes += chunk.length;
          reader.push(chunk);
          reader.read(maxFrameBytes);
          expect(reserved.at(-1) ?? 0).toBeLessThanOrEqual(2 * receivedBytes);
        }
      });
    }
  });

  it.each([
    ['that is no fragment', frameOf([2, 'a', 'b', [filler(60_000)]])],
    ['that is longer than a buffer', framed(joined(frame.subarray(4), filler(pooledBytes)))],
  ])('borrows nothing for a frame %s', (_what, wire) => {
    const pool = new FragmentPool();
    const take = jest.spyOn(pool, 'take');
    const reader = new FrameReader(pool);
    for (const chunk of cut(wire, 40_000)) {
      reader.push(chunk);
      reader.read(maxFrameBytes, true);
    }
    expect(reader.partialBytes).toBe(0);
    expect(take).not.toHaveBeenCalled();
  });

  it('finds the fragment wherever its frame begins in a chunk', () => {
    const reader = new FrameReader(new FragmentPool());
    reader.push(joined(framed(Uint8Array.of(1)), frame.slice(0, -1)));
    expect(reader.read(maxFrameBytes)).toEqual(Uint8Array.of(1));
    expect(reader.read(maxFrameBytes)).toBeUndefined();
    reader.push(frame.slice(-1));
    expect(reader.read(maxFrameBytes)?.buffer.byteLength).toBe(pooledBytes);
    expect(headBytes).toBeLessThan(headRoomBytes);
  });
});

describe('SlabPool', () => {
  it('reserves side by side, and in a new slab where there is no room', () => {
    const pool = new SlabPool();
    expect(pool.reserve(100)).toBe(0);
    const { slab } = pool;
    expect(pool.reserve(slab.length - 100)).toBe(100);
    expect(pool.slab).toBe(slab);
    expect(pool.reserve(1)).toBe(0);
    expect(pool.slab).not.toBe(slab);
    expect(pool.reserve(1_000_000)).toBe(0);
    expect(pool.slab).toHaveLength(1_000_000);
  });

  it('extends what was reserved last, as far as the slab goes', () => {
    const pool = new SlabPool();
    pool.reserve(100);
    const { slab } = pool;
    expect(pool.extend(slab, 100, 50)).toBe(true);
    expect(pool.extend(slab, 100, 50)).toBe(false);
    expect(pool.extend(slab, 150, slab.length)).toBe(false);
    expect(pool.extend(new Uint8Array(slab.length), 150, 1)).toBe(false);
    expect(pool.reserve(1)).toBe(150);
  });

  it('takes back the end of what was reserved last', () => {
    const pool = new SlabPool();
    pool.reserve(100);
    const { slab } = pool;
    pool.giveBack(new Uint8Array(1), 40, 100);
    pool.giveBack(slab, 40, 99);
    expect(pool.reserve(10)).toBe(100);
    pool.giveBack(slab, 104, 110);
    expect(pool.reserve(10)).toBe(104);
  });

  it('reclaims the buffers of large messages and fragments', () => {
    const pool = new SlabPool();
    const writer = new FrameWriter(pool);
    writer.append(Uint8Array.of(1));
    writer.addLarge([filler(50_000)], 50_000);
    writer.append(Uint8Array.of(2));
    pool.reclaim(writer.takeFrames());
    expect(pool.fragments.freeCount).toBe(1);
    expect(pool.reserve(1)).toBe(0);
  });

  it('reclaims pieces from the end, whatever is among them', () => {
    const pool = new SlabPool();
    pool.reserve(300);
    const { slab } = pool;
    const [first, second, third] = [slab.subarray(0, 100), slab.subarray(100, 200), slab.subarray(200, 300)];
    pool.reclaim([first, second]);
    expect(pool.reserve(1)).toBe(300);
    pool.giveBack(slab, 300, 301);
    pool.reclaim([second, new Uint8Array(300), third]);
    expect(pool.reserve(1)).toBe(100);
  });
});

describe('FrameWriter', () => {
  it('gathers one frame also where others gather from the same pool meanwhile', () => {
    const pool = new SlabPool();
    const writers = [new FrameWriter(pool), new FrameWriter(pool), new FrameWriter(pool)];
    for (let round = 0; round < 40; round += 1)
      writers.forEach((writer, at) => {
        writer.append(new Uint8Array(100).fill(at * 50 + round));
      });
    writers.forEach((writer, at) => {
      const expected = Array.from({ length: 40 }, (_, round) => Array<number>(100).fill(at * 50 + round));
      expect(framesOf(writer.takeFrames())).toEqual([Uint8Array.from(expected.flat())]);
    });
  });

  it('adds bytes that are not copied', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(Uint8Array.of(1, 2));
    const bytes = Uint8Array.of(5, 6);
    writer.addBytes(Uint8Array.of(0, 0, 0, 4, 3, 4));
    writer.addKept(bytes);
    writer.append(Uint8Array.of(8));
    expect(writer.pendingBytes).toBe(3 * 4 + 7);
    const pieces = writer.takeFrames();
    expect(pieces).toContain(bytes);
    expect(framesOf(pieces)).toEqual([[1, 2], [3, 4, 5, 6], [8]].map((frame) => Uint8Array.from(frame)));
  });

  it('gives a large message a frame of its own, in one piece that is a copy', () => {
    const pool = new SlabPool();
    const writer = new FrameWriter(pool);
    const parts = [Uint8Array.of(1, 2), filler(66_557), Uint8Array.of(3)];
    writer.append(Uint8Array.of(9));
    writer.addLarge(parts, 66_560);
    writer.append(Uint8Array.of(8));
    expect(writer.pendingBytes).toBe(5 + 66_564 + 5);
    const expected = joined(...parts);
    parts[1]?.fill(0);
    const pieces = writer.takeFrames();
    expect(framesOf(pieces)).toEqual([Uint8Array.of(9), expected, Uint8Array.of(8)]);
    expect(pieces.map(({ length }) => length)).toEqual([5, 66_564, 5]);
  });

  it('gathers the messages of a turn in one frame', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(Uint8Array.of(1, 2));
    writer.append(Uint8Array.of(3));
    expect(writer.takeFrames()).toEqual([Uint8Array.of(0, 0, 0, 3, 1, 2, 3)]);
  });

  it('writes nothing when there is nothing', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.finishFrame();
    expect(writer.takeFrames()).toEqual([]);
    expect(writer.pendingBytes).toBe(0);
  });

  it('counts what it holds until it is taken', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.addBytes(filler(8));
    writer.append(filler(10));
    expect(writer.pendingBytes).toBe(8 + 4 + 10);
    writer.finishFrame();
    expect(writer.pendingBytes).toBe(22);
    expect(joined(...writer.takeFrames())).toHaveLength(22);
    expect(writer.pendingBytes).toBe(0);
  });

  it('begins another frame after the present one was finished', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(Uint8Array.of(1));
    writer.finishFrame();
    writer.append(Uint8Array.of(2));
    expect(framesOf(writer.takeFrames())).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
  });

  it('closes a frame at its target size', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(filler(frameTargetBytes - 5));
    writer.append(filler(1));
    writer.append(filler(1));
    expect(framesOf(writer.takeFrames()).map(({ length }) => length)).toEqual([frameTargetBytes - 4, 1]);
  });

  it('takes the message that crosses the target size whole', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(filler(frameTargetBytes - 5));
    writer.append(filler(2 * frameTargetBytes));
    writer.append(filler(1));
    const frames = framesOf(writer.takeFrames());
    expect(frames.map(({ length }) => length)).toEqual([3 * frameTargetBytes - 5, 1]);
  });

  it('keeps every message and their order, whatever their sizes', () => {
    const writer = new FrameWriter(new SlabPool());
    const sizes = Array.from({ length: 200 }, (_, index) => 1 + ((index * 7_919) % 70_000));
    const messages = sizes.map((size, index) => new Uint8Array(size).fill(index));
    for (const message of messages) writer.append(message);
    const frames = framesOf(writer.takeFrames());
    expect(Buffer.compare(joined(...frames), joined(...messages))).toBe(0);
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(maxFrameBytes);
  });

  it('writes the length of a frame big-endian', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(filler(0x01_02_03));
    expect(joined(...writer.takeFrames()).slice(0, 4)).toEqual(Uint8Array.of(0, 1, 2, 3));
  });

  it('copies, so that the message may change afterwards', () => {
    const writer = new FrameWriter(new SlabPool());
    const message = Uint8Array.of(1);
    writer.append(message);
    message[0] = 9;
    expect(framesOf(writer.takeFrames())).toEqual([Uint8Array.of(1)]);
  });

  it('never writes again to what was taken, though writers share a pool', () => {
    const pool = new SlabPool();
    const [one, other] = [new FrameWriter(pool), new FrameWriter(pool)];
    const taken: Uint8Array[] = [];
    for (let round = 0; round < 100; round++) {
      for (const writer of [one, other]) {
        writer.append(new Uint8Array(3_000).fill(round));
        taken.push(...writer.takeFrames());
      }
    }
    taken.forEach((frame, index) => {
      expect(Buffer.compare(frame.slice(4), new Uint8Array(3_000).fill(Math.floor(index / 2)))).toBe(0);
    });
  });

  it('shares a slab among idle writers, so that each holds none', () => {
    const pool = new SlabPool();
    const buffers = new Set<ArrayBufferLike>();
    for (let count = 0; count < 50; count++) {
      const writer = new FrameWriter(pool);
      writer.append(filler(100));
      for (const frame of writer.takeFrames()) buffers.add(frame.buffer);
    }
    expect(buffers.size).toBe(1);
  });
});
