/**
 * Plays rows of the fault matrix, one after the other, and prints a line of JSON for each; `npm run faults` starts this.
 * `--only F9,F10` plays some, `--short` the forms of the suite, `--part 0.1` a tenth of what can be divided, `--seed N` with other
 * chance. Fails where a target is missed or a row cannot be played.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { seededRandom } from 'tandem-rpc/testing';
import { misses, rounded, type FaultRow } from './row.js';
import { rows } from './rows.js';
import { Stage } from './stage.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    short: { type: 'boolean', default: false },
    part: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);
const only = values.only?.split(',');
for (const id of only ?? []) {
  if (!rows.some((row) => row.id === id)) throw new RangeError(`there is no row ${id}`);
}

async function played(row: FaultRow): Promise<object> {
  const stage = new Stage(values.short, Number(values.part), seededRandom(seed));
  const startMs = performance.now();
  try {
    const figures = await row.play(stage);
    const missedBy = misses(row.targets, figures);
    return {
      figure: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, rounded(value)])),
      target: row.targets,
      pass: Object.keys(missedBy).length === 0,
      missedBy,
    };
  } catch (error) {
    return { target: row.targets, pass: false, failure: String(error) };
  } finally {
    await stage.clear();
    console.error(`${row.id}: ${Math.round((performance.now() - startMs) / 1_000)} s`);
  }
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
for (const row of rows) {
  if (only?.includes(row.id) === false) continue;
  const line = { id: row.id, ...(await played(row)), seed, commit };
  if (!('pass' in line) || line.pass !== true) process.exitCode = 1;
  console.log(JSON.stringify(line));
}
