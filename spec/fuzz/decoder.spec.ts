import { describe, expect, it } from '@jest/globals';
import { fuzzDecoder } from './decoder.js';

describe('what reads frames', () => {
  it('meets any bytes with its own errors only, quickly, and keeps nothing of them', () => {
    const { frames, accepted, faults } = fuzzDecoder(40_000, 1);

    expect(faults).toEqual([]);
    expect(accepted).toBeGreaterThan(frames / 50);
  }, 60_000);
});
