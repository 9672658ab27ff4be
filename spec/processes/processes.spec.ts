import { describe, expect, it } from '@jest/globals';
import { scenarios } from './scenarios.js';

describe('processes that meet', () => {
  it.each(Object.keys(scenarios))(
    '%s',
    async (name) => {
      await expect(scenarios[name]!()).resolves.toBeGreaterThanOrEqual(0);
    },
    60_000,
  );
});
