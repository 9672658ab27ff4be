import { describe, expect, it } from '@jest/globals';
import { simulate, type Outcome } from './simulate.js';

describe('a seed of the simulation', () => {
  it('runs in exactly the same way each time', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const first = await simulate(seed);
      const second = await simulate(seed);

      expect(second).toEqual(first);
    }
  });

  it('differs from other seeds', async () => {
    const hashes = new Set<number>();
    for (let seed = 0; seed < 50; seed++) hashes.add((await simulate(seed)).traceHash);

    expect(hashes.size).toBe(50);
  });

  it('uses what the library offers: calls, reconnects, ends, streams and references', async () => {
    const outcomes: Outcome[] = [];
    for (let seed = 0; seed < 100; seed++) outcomes.push(await simulate(seed));
    const sum = (
      key:
        'calls' | 'succeeded' | 'connections' | 'streams' | 'streamsEnded' | 'values' | 'dropped' | 'stale',
    ) => outcomes.reduce((total, outcome) => total + outcome[key], 0);

    expect(sum('calls')).toBeGreaterThan(500);
    expect(sum('succeeded')).toBeLessThan(sum('calls'));
    expect(sum('connections')).toBeGreaterThan(150);
    expect(sum('streams')).toBeGreaterThan(sum('streamsEnded'));
    expect(sum('streamsEnded')).toBeGreaterThan(100);
    expect(sum('values')).toBeGreaterThan(5_000);
    expect(sum('dropped')).toBeGreaterThan(10);
    expect(sum('stale')).toBeGreaterThan(50);
  });
});
