// `npm run bench`: what a call costs, compared with the floor under any library of this kind. See docs/performance.md.
//
//   npm run bench                           this library and the floors, under two minutes
//   npm run bench -- --full                 all peers, and more and longer rounds
//   npm run bench -- --peers                all peers in short rounds
//   npm run bench -- --peer birpc           only the floor, this library and peers whose names contain this; may be repeated
//   npm run bench -- --msgpackr             this library with the codec of msgpackr as well
//   npm run bench -- --threads              this library with its sockets on a thread of their own as well
//   npm run bench -- --threads --unpinned   the same with processes left to the system's scheduler; with one end threaded, too
//   npm run bench -- --resume               this library with sessions that outlive connections, beside itself without
//   npm run bench -- --growth               how costs grow with connections, objects, streams, calls and references
//   npm run bench -- --crowds               5,000 connections: memory of idle ones beside bare sockets, all at once, all again
//   npm run bench -- --main-thread          runOnMainThreadWithResult, and the event loop's delay under mainThreadScheduler
//   npm run bench -- --rounds 3             so many rounds
//   npm run bench -- --workload '64'        only the workloads whose names contain this
//   npm run bench -- --before <dist folder> another build of this library beside this one, in the same rounds
//   npm run bench -- --profile <folder>     a CPU profile of each process into this folder; figures suffer
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled } from '../scripts/prepare.mjs';

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    peer: { type: 'string', multiple: true, default: [] },
    growth: { type: 'boolean', default: false },
    crowds: { type: 'boolean', default: false },
    'main-thread': { type: 'boolean', default: false },
    msgpackr: { type: 'boolean', default: false },
    threads: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    unpinned: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    workload: { type: 'string', default: '' },
    before: { type: 'string' },
    profile: { type: 'string' },
  },
});
const withPeers = values.full || values.peers || values.peer.length > 0;

ensureBuilt();
if (withPeers) ensureInstalled(fileURLToPath(new URL('.', import.meta.url)));
// Only now: these need what has just been installed.
const contenders = await import('./contenders.mjs');
const { base, findPeers, floors, halfThreaded, libraryAt, ours, packageFolders, resuming, threaded } =
  contenders;
const { measureGrowth } = await import('./growth.mjs');
const { isIdleWanted, measureIdle } = await import('./idle.mjs');
const { measure } = await import('./measure.mjs');
const pairs = await import('./pairs.mjs');
const { describe, describeMachine, toComparison, toMarkdown, writeJSON } = await import('./report.mjs');
const { workloads } = await import('./workloads.mjs');

const tell = (text) => console.error(text);
if (values.unpinned) pairs.leaveUnpinned();
const machine = describeMachine(pairs.cores.length > 0, packageFolders({ withPeers }));
const date = new Date().toISOString();

if (values.growth) {
  const growth = await measureGrowth(tell);
  console.log(`${describe(machine)}\n\n${growth.markdown}`);
  keep({ date, machine, growth: growth.figures });
} else if (values.crowds) {
  const { measureCrowds } = await import('./crowds.mjs');
  const crowds = await measureCrowds(tell);
  console.log(`${describe(machine)}\n\n${crowds.markdown}`);
  keep({ date, machine, crowds: crowds.figures });
} else if (values['main-thread']) {
  const { measureMainThread } = await import('./main-thread.mjs');
  const mainThread = await measureMainThread(tell);
  console.log(`${describe(machine)}\n\n${mainThread.markdown}`);
  keep({ date, machine, mainThread: mainThread.figures });
} else {
  await compare();
}

async function compare() {
  const peers = new Map([
    ...floors,
    ...ours,
    ...(withPeers || values.msgpackr ? contenders.withMsgpackr : []),
    ...(values.resume ? resuming : []),
    ...(values.threads ? threaded : []),
    ...(values.threads && values.unpinned ? halfThreaded : []),
    ...(withPeers ? findPeers() : []),
  ]);
  if (values.before !== undefined) {
    peers.set('before', libraryAt(values.before));
    if (values.resume) peers.set('before, resume', `${libraryAt(values.before)}#resume`);
    if (values.threads) peers.set('before, threads', `${libraryAt(values.before)}#thread`);
  }
  if (values.peer.length > 0) {
    const isWanted = (name) =>
      name === base || ours.has(name) || values.peer.some((part) => name.includes(part));
    for (const name of peers.keys()) if (!isWanted(name)) peers.delete(name);
  }
  const plan = {
    peers,
    workloads: workloads.filter(({ name }) => name.includes(values.workload)),
    rounds: Number(values.rounds ?? (values.full ? 9 : 3)),
    settleMs: values.full ? 1_000 : 200,
    stretches: values.full ? 6 : 2,
    stretchMs: values.full ? 300 : 100,
    warmUpCalls: 25_000,
    warmUpMaxMs: 6_000,
    nodeFlags:
      values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(values.profile)}`],
  };
  const withIdle = isIdleWanted(values.workload);
  if (plan.workloads.length === 0 && !withIdle) {
    throw new Error(`no workload has "${values.workload}" in its name`);
  }

  const { rounds, failures } =
    plan.workloads.length > 0 ? await measure(plan, tell) : { rounds: [], failures: [] };
  if (withIdle) {
    const idle = await measureIdle(peers, tell);
    // Memory hardly varies: it is measured once, and is part of the first round.
    rounds[0] ??= {};
    for (const [name, figures] of Object.entries(idle.figures))
      Object.assign((rounds[0][name] ??= {}), figures);
    failures.push(...idle.failures);
  }
  console.log(toMarkdown(machine, rounds, failures, base));
  // What resuming costs is the question, not how far both are from the floor.
  for (const [name] of values.resume ? resuming : [])
    console.log(`\n${toComparison(rounds, name, [...ours.keys()][0])}`);
  keep({ date, machine, plan: { ...plan, peers: [...peers] }, rounds, failures });
}

function keep(outcome) {
  tell(`every figure of every round: ${relative(process.cwd(), writeJSON(outcome).pathname)}`);
}
