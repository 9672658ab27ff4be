// `npm run bench:guard`: measures this library and the floor in one short run, and fails where a ratio of the two is worse than what
// guard.json allows.
//
//   npm run bench:guard                fails with exit code 1
//   npm run bench:guard -- --report    only prints the table: on machines that do other things as well
//
// What guard.json allows is well below what is measured on a machine at rest: it finds what made something much slower,
// not by how much. `npm run bench` does that.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/prepare.mjs';

const { values } = parseArgs({ options: { report: { type: 'boolean', default: false } } });

ensureBuilt();
// Only now: these need what has just been installed.
const { base, floors, ours } = await import('./contenders.mjs');
const { median, ratiosOf } = await import('./figures.mjs');
const { measure } = await import('./measure.mjs');
const { toTable } = await import('./report.mjs');
const { workloads } = await import('./workloads.mjs');

/** @type {Record<string, { atLeast?: number, atMost?: number }>} what the ratio of a figure to that of the floor may be */
const allowed = JSON.parse(readFileSync(new URL('guard.json', import.meta.url), 'utf8'));
const [[name, entry]] = ours;

const { rounds, failures } = await measure(
  {
    peers: new Map([
      [base, floors.get(base)],
      [name, entry],
    ]),
    workloads: workloads.filter((workload) =>
      Object.keys(allowed).some((figure) => figure.startsWith(`${workload.name}: `)),
    ),
    rounds: 3,
    settleMs: 200,
    stretches: 2,
    stretchMs: 100,
    warmUpCalls: 15_000,
    warmUpMaxMs: 3_000,
    nodeFlags: [],
  },
  (text) => console.error(text),
);

const verdicts = Object.entries(allowed).map(([figure, { atLeast, atMost }]) => {
  const ratio = median(ratiosOf(rounds, figure, name, base));
  // A ratio that is not there, since something failed, is no number and not well.
  const isWell = atLeast === undefined ? ratio <= atMost : ratio >= atLeast;
  const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  return { figure, ratio: Number(ratio).toFixed(2), bound, isWell };
});

console.log(
  toTable(
    [`${name} / ${base}`, 'ratio', 'allowed', ''],
    verdicts.map(({ figure, ratio, bound, isWell }) => [figure, ratio, bound, isWell ? 'well' : 'worse']),
  ).join('\n'),
);
for (const { peer, workload, error } of failures) console.error(`${peer} failed at "${workload}": ${error}`);
const isWell = failures.length === 0 && verdicts.every((verdict) => verdict.isWell);
if (!isWell && !values.report) process.exitCode = 1;
