/** One of two files, so that two cores can run the seeds at the same time. */
import { describe, expect, it } from '@jest/globals';
import { seedsOfShare, troubleIn } from './run-seeds.js';

describe('a simulated server and its clients, even seeds', () => {
  it('keep every promise of the library, whatever the network and the users do', async () => {
    expect(await troubleIn(seedsOfShare(0, 2))).toEqual([]);
  }, 600_000);
});
