import { describe, expect, it } from '@jest/globals';
import { fuzzServer } from './live-server.js';

describe('a server that strangers talk to', () => {
  it('ends each of their connections, and serves a good client all the while', async () => {
    const { faults, echoes } = await fuzzServer(400, 1);

    expect(faults).toEqual([]);
    expect(echoes).toBeGreaterThan(10);
  }, 60_000);
});
