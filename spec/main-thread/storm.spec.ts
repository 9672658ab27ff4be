import { describe, expect, it } from '@jest/globals';
import { storm } from './storm.js';

describe('four workers that call the main thread at the same time', () => {
  it('lose nothing: each one’s calls run in their order, and every result is its own', async () => {
    expect(await storm(10_000, 10_000)).toEqual({ queued: 40_000, blocking: 10_000, faults: [] });
  }, 60_000);
});
