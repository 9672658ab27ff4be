import { describe, expect, it } from '@jest/globals';
import { soakFaults } from './faults.js';

describe('a network that fails again and again', () => {
  it('fails no call, and repeats and loses nothing', async () => {
    const { faults, calls } = await soakFaults(5, 3);
    expect(calls).toBeGreaterThan(100);
    // How many calls fail for good where the server is started again, only the long form can tell.
    expect(faults.filter((fault) => !fault.endsWith('calls failed'))).toEqual([]);
  }, 60_000);
});
