import { describe, expect, it } from '@jest/globals';
import { FragmentPool, maxFreeBuffers, pooledBytes } from '../../src/protocol/fragment-pool.js';

/** Takes so many buffers. */
function takeMany(pool: FragmentPool, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => pool.take());
}

describe('FragmentPool', () => {
  it('lends what was given back last', () => {
    const pool = new FragmentPool();
    const [first, second] = [pool.take(), pool.take()];
    expect(first).toHaveLength(pooledBytes);
    expect(second.buffer).not.toBe(first.buffer);
    pool.giveBack(second);
    pool.giveBack(first.subarray(5, 10));
    expect(pool.take().buffer).toBe(first.buffer);
    expect(pool.take().buffer).toBe(second.buffer);
  });

  it('lends the whole of a buffer of which a part was given back', () => {
    const pool = new FragmentPool();
    pool.giveBack(pool.take().subarray(5, 10));
    expect(pool.take()).toHaveLength(pooledBytes);
  });

  it('never lends a buffer to two, however often it is given back', () => {
    const pool = new FragmentPool();
    const buffer = pool.take();
    pool.giveBack(buffer);
    pool.giveBack(buffer);
    expect(pool.freeCount).toBe(1);
    expect(pool.take().buffer).not.toBe(pool.take().buffer);
    pool.giveBack(buffer);
    expect(pool.freeCount).toBe(1);
  });

  it('ignores what it has not lent', () => {
    const pool = new FragmentPool();
    pool.giveBack(new Uint8Array(100));
    pool.giveBack(new Uint8Array(pooledBytes));
    pool.giveBack(new FragmentPool().take());
    expect(pool.freeCount).toBe(0);
  });

  it(`keeps ${maxFreeBuffers} unused buffers, and drops the others`, () => {
    const pool = new FragmentPool();
    const taken = takeMany(pool, maxFreeBuffers + 2);
    for (const buffer of taken) pool.giveBack(buffer);
    expect(pool.freeCount).toBe(maxFreeBuffers);
    const again = takeMany(pool, maxFreeBuffers + 2).map(({ buffer }) => buffer);
    expect(new Set(again).size).toBe(maxFreeBuffers + 2);
  });

  it('makes arrays to keep, which are never its own', () => {
    const pool = new FragmentPool();
    const made = pool.make(pooledBytes);
    expect(made).toEqual(new Uint8Array(pooledBytes));
    pool.giveBack(made);
    expect(pool.freeCount).toBe(0);
  });
});
