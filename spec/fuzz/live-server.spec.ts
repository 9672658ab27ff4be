import { describe, expect, it } from '@jest/globals';
import { fuzzServer } from './live-server.js';

describe('a server that strangers talk to', () => {
  it.each([false, true])(
    'ends each of their connections, and serves a good client all the while, thread: %s',
    async (thread) => {
      const { faults, echoes } = await fuzzServer(400, 1, thread);

      expect(faults).toEqual([]);
      expect(echoes).toBeGreaterThan(10);
    },
    60_000,
  );
});
