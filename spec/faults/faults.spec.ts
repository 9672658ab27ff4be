import { describe, expect, it } from '@jest/globals';
import { seededRandom } from 'tandem-rpc/testing';
import { misses } from './row.js';
import { rows } from './rows.js';
import { Stage } from './stage.js';

describe('the short form of', () => {
  it.each(rows.map((row) => [row.id, row.fault, row] as const))('%s: %s', async (_id, _fault, row) => {
    const stage = new Stage(true, 1, seededRandom(1));
    try {
      const figures = await row.play(stage);
      // How long things take is for the long form: a busy machine must not fail the suite.
      const always = row.always.map((name) => [name, row.targets[name]!] as const);
      expect(misses(Object.fromEntries(always), figures)).toEqual({});
      for (const name of Object.keys(row.targets)) expect(figures).toHaveProperty(name, expect.any(Number));
    } finally {
      await stage.clear();
    }
  });
});
