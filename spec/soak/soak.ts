/**
 * The long forms of the randomised specs, one after the other; `npm run soak` starts this. `--minutes N` gives the
 * simulation so long in place of a number of seeds, `--seeds N` so many; `--part N` does a share of everything (0.01: a hundredth), and
 * `--only simulation`, `decoder`, `server`, `processes`, `flood`, `leaks`, `threads`, `busy` or `faults` one of them.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { fuzzDecoder } from '../fuzz/decoder.js';
import { fuzzServer } from '../fuzz/live-server.js';
import { scenarios } from '../processes/scenarios.js';
import { describeFailure, runSeeds } from '../simulation/run-seeds.js';
import { busy, faultsOf } from '../io-thread/busy.js';
import { storm } from '../main-thread/storm.js';
import { soakFaults } from './faults.js';
import { flood, floodKinds, type FloodKind } from './flood.js';
import { leak, leakKinds, type LeakKind } from './leaks.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seeds: { type: 'string', default: '200000' },
    part: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const part = Number(values.part);
const firstSeed = 1_000_000;

interface Row {
  readonly what: string;
  readonly runs: number;
  readonly figures: string;
  readonly seconds: number;
  readonly faults: readonly string[];
}

function* seeds(): Generator<number> {
  const endMs = values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000;
  const last = values.minutes === undefined ? firstSeed + Number(values.seeds) * part : Infinity;
  for (let seed = firstSeed; seed < last && performance.now() < endMs; seed++) yield seed;
}

async function simulation(): Promise<Omit<Row, 'seconds'>> {
  const report = await runSeeds(seeds());
  const { calls, succeeded, connections, slowestRecoveryMs, failure } = report;
  return {
    what: 'simulated seeds',
    runs: report.seeds,
    figures: `${calls} calls (${succeeded} succeeded), ${connections} connections, slowest recovery ${Math.round(slowestRecoveryMs)} virtual ms`,
    faults: failure === undefined ? [] : [describeFailure(failure)],
  };
}

function decoder(): Promise<Omit<Row, 'seconds'>> {
  const { frames, accepted, slowestMs, grownBytes, faults } = fuzzDecoder(1_000_000 * part, 7);
  return Promise.resolve({
    what: 'frames against the decoder',
    runs: frames,
    figures: `${accepted} accepted, slowest ${slowestMs.toFixed(1)} ms, memory ${mebibytes(grownBytes)}`,
    faults,
  });
}

async function liveServer(thread: boolean): Promise<Omit<Row, 'seconds'>> {
  const report = await fuzzServer(100_000 * part, 11, thread);
  const { conversations, echoes, slowestEchoMs, grownBytes, faults } = report;
  return {
    what: `strangers against a live server${threadSuffix(thread)}`,
    runs: conversations,
    figures: `${echoes} echoes of a good client meanwhile, slowest ${slowestEchoMs.toFixed(1)} ms, memory ${mebibytes(grownBytes)}`,
    faults,
  };
}

async function rounds(name: string, scenario: () => Promise<number>): Promise<Omit<Row, 'seconds'>> {
  const times: number[] = [];
  const faults: string[] = [];
  for (let round = 0; round < Math.max(1, 50 * part); round++) {
    try {
      times.push(await scenario());
    } catch (error) {
      faults.push(`round ${round}: ${String(error)}`);
    }
  }
  times.sort((one, other) => one - other);
  const median = times[Math.floor(times.length / 2)] ?? NaN;
  return {
    what: `processes: ${name}`,
    runs: times.length + faults.length,
    figures: `median ${Math.round(median)} ms, slowest ${Math.round(times.at(-1) ?? NaN)} ms`,
    faults,
  };
}

async function floods(kind: FloodKind, thread: boolean): Promise<Omit<Row, 'seconds'>> {
  const { produced, delivered, dropped, grownBytes, faults } = await flood(kind, Math.max(1, 60 * part), {
    serve: async (service, streams) => {
      const server = new RPCServer({ port: 0, thread });
      server.registerProxyObject('service', service, { streams });
      await server.start();
      const client = new RPCClient({ port: server.address()?.port ?? 0, thread });
      client.connectToServer();
      await client.whenConnected();
      return [server, client];
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now: () => performance.now(),
  });
  return {
    what: `100,000 values a second to a reader of 1,000: ${kind}${threadSuffix(thread)}`,
    runs: produced,
    figures: `${delivered} delivered, ${dropped} dropped, heap at most ${mebibytes(grownBytes)}`,
    faults,
  };
}

async function leaks(kind: LeakKind, thread: boolean): Promise<Omit<Row, 'seconds'>> {
  const { rounds: runs, grownBytes, faults } = await leak(kind, leakKinds[kind] * part, thread);
  return { what: `${kind}${threadSuffix(thread)}`, runs, figures: `heap ${mebibytes(grownBytes)}`, faults };
}

async function threads(): Promise<Omit<Row, 'seconds'>> {
  const calls = Math.ceil(25_000 * part) * 4;
  const report = await storm(calls, calls);
  const lost = 5 * calls - report.queued - report.blocking;
  return {
    what: 'calls of four workers to the main thread',
    runs: 5 * calls,
    figures: `${report.queued} queued, ${report.blocking} waited for, ${lost} lost`,
    faults: [...report.faults, ...(lost === 0 ? [] : [`${lost} calls were lost`])],
  };
}

async function busyMainThread(): Promise<Omit<Row, 'seconds'>> {
  const [seconds, bytes] = [Math.max(4, 30 * part), 1e9 * part];
  const report = await busy(seconds, bytes);
  const { longestLagMs, answeredMs, grownBytes } = report;
  return {
    what: `a main thread busy for ${seconds} s, while ${bytes / 1e6} MB are sent`,
    runs: 1,
    figures: `lag told ${longestLagMs} ms, a call answered after ${Math.round(answeredMs)} ms, memory meanwhile ${mebibytes(grownBytes)}`,
    faults: faultsOf(report, seconds, bytes),
  };
}

async function faultyNetwork(): Promise<Omit<Row, 'seconds'>> {
  const seconds = Math.max(5, 600 * part);
  const report = await soakFaults(seconds, 5);
  const { calls, succeeded, values, resumes, thrown, failed, serverGrownBytes, clientGrownBytes, faults } =
    report;
  const share = ((succeeded / calls) * 100).toFixed(3);
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  return {
    what: `a network and processes that fail for ${seconds} s`,
    runs: calls,
    figures: `${share} % succeeded, ${values} values, ${resumes} resumes, heap of the server ${mebibytes(serverGrownBytes)}, of a client at most ${mebibytes(clientGrownBytes)}; ${list(thrown)}; failed: ${list(failed)}`,
    faults,
  };
}

function inBothModes<Kind>(
  kinds: readonly Kind[],
  run: (kind: Kind, thread: boolean) => Promise<Omit<Row, 'seconds'>>,
): (() => Promise<Omit<Row, 'seconds'>>)[] {
  return kinds.flatMap((kind) => [false, true].map((thread) => () => run(kind, thread)));
}

function threadSuffix(thread: boolean): string {
  return thread ? ', with I/O threads' : '';
}

function mebibytes(bytes: number): string {
  return `${bytes < 0 ? '' : '+'}${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

const rows: Row[] = [];
const runs: Readonly<Record<string, readonly (() => Promise<Omit<Row, 'seconds'>>)[]>> = {
  simulation: [simulation],
  decoder: [decoder],
  server: [false, true].map((thread) => () => liveServer(thread)),
  processes: Object.entries(scenarios).map(
    ([name, scenario]) =>
      () =>
        rounds(name, scenario),
  ),
  flood: inBothModes(floodKinds, floods),
  threads: [threads],
  busy: [busyMainThread],
  faults: [faultyNetwork],
  leaks: inBothModes(Object.keys(leakKinds) as LeakKind[], leaks),
};
for (const run of values.only === undefined ? Object.values(runs).flat() : (runs[values.only] ?? [])) {
  const startMs = performance.now();
  const row = { ...(await run()), seconds: Math.round((performance.now() - startMs) / 1_000) };
  rows.push(row);
  console.log(
    `${row.faults.length === 0 ? 'ok  ' : 'FAIL'} ${row.what.padEnd(62)} ${String(row.runs).padStart(8)} runs ${String(row.seconds).padStart(6)} s  ${row.figures}`,
  );
  for (const fault of row.faults) console.log(`     ${fault}`);
}
const [cpu] = cpus();
console.log(
  JSON.stringify({
    node: process.version,
    cores: availableParallelism(),
    cpu: cpu?.model,
    platform: `${process.platform} ${process.arch}`,
    rows,
  }),
);
process.exitCode = rows.some(({ faults }) => faults.length > 0) ? 1 : 0;
