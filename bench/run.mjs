// `npm run bench`: what a call costs, compared with the floor under any library of this kind. See docs/performance.md.
//
//   npm run bench                           under two minutes
//   npm run bench -- --full                 more and longer rounds
//   npm run bench -- --workload '64'        only the workloads whose names contain this
//   npm run bench -- --before <dist folder> another build of this library beside this one, in the same rounds
//   npm run bench -- --profile <folder>     a CPU profile of each process into this folder; figures suffer
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuilt, root } from '../scripts/prepare.mjs';

ensureBuilt();
// Only now: these need what has just been installed.
const { measure } = await import('./measure.mjs');
const { cores } = await import('./pairs.mjs');
const { describeMachine, toMarkdown, writeJSON } = await import('./report.mjs');
const { workloads } = await import('./workloads.mjs');

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    workload: { type: 'string', default: '' },
    before: { type: 'string' },
    profile: { type: 'string' },
  },
});

const entryOf = (dist) => pathToFileURL(resolve(dist, 'index.mjs')).href;
const peers = new Map([
  ['floor', 'floor'],
  ['tandem-rpc', import.meta.resolve('tandem-rpc')],
]);
if (values.before !== undefined) {
  if (!existsSync(resolve(values.before, 'index.mjs'))) throw new Error(`${values.before} holds no build`);
  peers.set('before', entryOf(values.before));
}

const plan = {
  peers,
  workloads: workloads.filter(({ name }) => name.includes(values.workload)),
  rounds: Number(values.rounds ?? (values.full ? 9 : 5)),
  settleMs: values.full ? 1_000 : 700,
  stretches: values.full ? 6 : 4,
  stretchMs: values.full ? 300 : 200,
  warmUpCalls: 25_000,
  nodeFlags: values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(values.profile)}`],
};
if (plan.workloads.length === 0) throw new Error(`no workload has "${values.workload}" in its name`);

const machine = describeMachine(root, cores.length > 0);
const date = new Date().toISOString();
const rounds = await measure(plan, (text) => console.error(text));
console.log(toMarkdown(machine, rounds, 'floor'));
console.error(
  `every figure of every round: ${relative(process.cwd(), writeJSON({ date, machine, plan: { ...plan, peers: [...peers] }, rounds }).pathname)}`,
);
