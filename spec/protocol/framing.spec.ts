import { describe, expect, it } from '@jest/globals';
import { FrameReader, FrameWriter, SlabPool } from '../../src/protocol/framing.js';
import { frameTargetBytes, maxFrameBytes } from '../../src/protocol/limits.js';
import { cut, filler, framed, joined } from '../helpers/wire.js';

const isProtocolError = expect.objectContaining({ code: 'protocol' });

/** Reads every frame of these chunks. */
function framesOf(chunks: readonly Uint8Array[], maxBytes = maxFrameBytes): Uint8Array[] {
  const reader = new FrameReader();
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

  it.each([1, maxFrameBytes - 1, maxFrameBytes])('reads a frame of %i bytes', (size) => {
    expect(framesOf([framed(filler(size))])[0]).toHaveLength(size);
  });

  it.each([0, maxFrameBytes + 1, 0x7fffffff, 0xffffffff])('refuses a frame of %i bytes', (announced) => {
    const reader = new FrameReader();
    reader.push(framed(filler(1), announced));
    expect(() => reader.read(maxFrameBytes)).toThrow(isProtocolError);
  });

  it('refuses by the length alone, before any of the content has come', () => {
    const reader = new FrameReader();
    reader.push(framed(new Uint8Array(0), 17));
    expect(() => reader.read(16)).toThrow('a frame of 17 bytes, where at most 16 are allowed');
    const other = new FrameReader();
    other.push(framed(new Uint8Array(0), 0));
    expect(() => other.read(16)).toThrow('a frame of no bytes');
  });

  it('says how much of a frame has come', () => {
    const reader = new FrameReader();
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
    const reader = new FrameReader();
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
    const reader = new FrameReader();
    const chunk = framed(Uint8Array.of(1), maxFrameBytes);
    watchReserved((reserved) => {
      reader.push(chunk);
      reader.read(maxFrameBytes);
      expect(reserved).toEqual([2]);
    });
    expect(reader.partialBytes).toBe(5);
  });

  it('copies a frame in pieces a number of times that does not grow with it', () => {
    const reader = new FrameReader();
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

describe('SlabPool', () => {
  it('lends at least what is asked for', () => {
    const pool = new SlabPool();
    expect(pool.take(1).length).toBeGreaterThanOrEqual(frameTargetBytes);
    expect(pool.take(1_000_000)).toHaveLength(1_000_000);
  });

  it('lends what was given back, once', () => {
    const pool = new SlabPool();
    const slab = new Uint8Array(3_000);
    pool.giveBack(slab, 1_000);
    expect(pool.take(2_000)).toBe(slab);
    expect(pool.used).toBe(1_000);
    expect(pool.take(2_000)).not.toBe(slab);
    expect(pool.used).toBe(0);
  });

  it('does not lend a rest that is too small for what is asked', () => {
    const pool = new SlabPool();
    const slab = new Uint8Array(3_000);
    pool.giveBack(slab, 1_000);
    expect(pool.take(2_001)).not.toBe(slab);
    expect(pool.used).toBe(0);
  });

  it('keeps no rest below 1,024 bytes', () => {
    const pool = new SlabPool();
    const slab = new Uint8Array(2_000);
    pool.giveBack(slab, 977);
    expect(pool.take(1)).not.toBe(slab);
  });
});

describe('FrameWriter', () => {
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

  it('closes a frame that has no room for the next message', () => {
    const writer = new FrameWriter(new SlabPool());
    writer.append(filler(frameTargetBytes - 5));
    writer.append(filler(2 * frameTargetBytes));
    const frames = framesOf(writer.takeFrames());
    expect(frames.map(({ length }) => length)).toEqual([frameTargetBytes - 5, 2 * frameTargetBytes]);
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
