import { describe, expect, it } from '@jest/globals';
import { seededRandom } from 'tandem-rpc/testing';
import { drawRestarts } from './restarts.js';

const seeds = Array.from({ length: 50 }, (_, seed) => seed);

describe('the restarts of a long run', () => {
  it('come at least once in three minutes, with a drain and without, for each seed', () => {
    for (const seed of seeds) {
      const restarts = drawRestarts(600, seededRandom(seed));
      const times = [0, ...restarts.map(({ atMs }) => atMs), 600_000];
      const pauses = times.slice(1).map((atMs, index) => atMs - times[index]!);
      expect(Math.min(...pauses)).toBeGreaterThan(0);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(180_000);
      const drained = restarts.filter(({ drainInSeconds }) => drainInSeconds > 0).length;
      expect(Math.abs(2 * drained - restarts.length)).toBeLessThanOrEqual(1);
    }
  });

  it('are drawn by the seed, and differ', () => {
    const draw = (seed: number) => JSON.stringify(drawRestarts(300, seededRandom(seed)));
    expect(draw(1)).toBe(draw(1));
    expect(new Set(seeds.map(draw)).size).toBe(seeds.length);
  });

  it.each([
    [59, 0],
    [60, 1],
    [90, 1],
    [91, 2],
    [3_600, 40],
  ])('of %i s are %i', (seconds, count) => {
    expect(drawRestarts(seconds, seededRandom(1))).toHaveLength(count);
  });
});
