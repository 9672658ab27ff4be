import { describe, expect, it } from '@jest/globals';
import { codecs } from '../helpers/codecs.js';
import { fuzzDecoder } from './decoder.js';

describe.each(codecs)('what reads frames, by %s', (_name, make) => {
  it('meets any bytes with its own errors only, quickly, and keeps nothing of them', () => {
    const { frames, accepted, faults } = fuzzDecoder(40_000, 1, make);

    expect(faults).toEqual([]);
    expect(accepted).toBeGreaterThan(frames / 50);
  }, 60_000);
});
