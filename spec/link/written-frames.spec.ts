import { describe, expect, it } from '@jest/globals';
import { WrittenFrames } from '../../src/link/written-frames.js';
import { SlabPool } from '../../src/protocol/framing.js';

/** Frames in buffers of the pool, of so many bytes. */
function framesOf(slabs: SlabPool, ...sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size) => slabs.fragments.take().subarray(0, size));
}

describe('WrittenFrames', () => {
  it('gives back at once what the transport has handed on', () => {
    const slabs = new SlabPool();
    const written = new WrittenFrames(slabs);
    slabs.reserve(100);
    written.add([...framesOf(slabs, 10), slabs.slab.subarray(0, 100)], 0);
    expect(slabs.fragments.freeCount).toBe(1);
    expect(slabs.reserve(1)).toBe(0);
  });

  it('gives back the rest when it is handed on, in order', () => {
    const slabs = new SlabPool();
    const written = new WrittenFrames(slabs);
    const frames = framesOf(slabs, 10, 20, 30);
    written.add(frames, 60);
    const counts = [60, 51, 50, 49, 30, 1, 0].map((queuedBytes) => {
      written.release(queuedBytes);
      return slabs.fragments.freeCount;
    });
    expect(counts).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect(slabs.fragments.take().buffer).toBe(frames[2]?.buffer);
  });

  it('gives back in time where the queue is never empty', () => {
    const slabs = new SlabPool();
    const written = new WrittenFrames(slabs);
    for (let round = 0; round < 1_000; round += 1) {
      written.add(framesOf(slabs, 100), 150);
      expect(slabs.fragments.freeCount).toBeLessThanOrEqual(1);
    }
    written.add([], 0);
    expect(slabs.fragments.freeCount).toBe(3);
  });

  it('never has the memory of slabs written over that waited', () => {
    const slabs = new SlabPool();
    const written = new WrittenFrames(slabs);
    slabs.reserve(100);
    written.add([slabs.slab.subarray(0, 100)], 1);
    written.release(0);
    expect(slabs.reserve(1)).toBe(100);
  });
});
