// How costs grow: with the number of connections, with what there is on a connection, and with the calls in flight.
//
// As everywhere, pairs take turns within a round, here: a pair that has so much of something with one that has none.
import { base, floors, ours } from './contenders.mjs';
import { median } from './figures.mjs';
import { Pair } from './pairs.mjs';
import { show, toTable } from './report.mjs';

const turns = 5;
const stretchMs = 200;
const warmUpCalls = 25_000;
const warmUpMaxMs = 6_000;

const levels = [1, 10, 100, 1_000];
const inFlightLevels = [1, 10, 100, 1_000, 10_000];
/** Spread evenly over the connections: the fewer there are on each, the fewer share a write and a read. */
const spreadInFlight = 1_000;
/** On each connection, whatever their number: as many share a write and a read, so that nothing but the number differs. */
const inFlightOnEach = 64;
/** Where there may be ten thousand at most, one of them is what is called. */
const amounts = [100, 1_000, 9_000];
const kinds = ['registered objects', 'open streams', 'pending calls', 'references'];

const [[oursName, oursEntry]] = ours;
const floorEntry = floors.get(base);

/**
 * Measures all of it.
 *
 * @param {(text: string) => void} tell
 */
export async function measureGrowth(tell) {
  tell('connections');
  const connections = await withPairs(floorEntry, oursEntry, (floor, subject) =>
    growConnections(floor, subject, (count) => inFlightOnEach * count),
  );
  tell('connections that share calls');
  const sharing = await withPairs(floorEntry, oursEntry, (floor, subject) =>
    growConnections(floor, subject, () => spreadInFlight),
  );
  tell('calls in flight');
  const inFlight = await withPairs(floorEntry, oursEntry, growInFlight);
  const held = {};
  for (const kind of kinds) {
    tell(kind);
    held[kind] = await withPairs(oursEntry, oursEntry, (without, having) => growHeld(without, having, kind));
  }
  const figures = { connections, sharing, inFlight, held };
  return { figures, markdown: toMarkdown(figures) };
}

async function withPairs(oneEntry, otherEntry, act) {
  const pairs = [];
  try {
    for (const entry of [oneEntry, otherEntry]) {
      const pair = await Pair.open(entry, []);
      pairs.push(pair);
      await pair.warmUp(warmUpCalls, warmUpMaxMs);
    }
    return await act(...pairs);
  } finally {
    for (const pair of pairs) pair.kill();
  }
}

async function growConnections(floor, subject, inFlightFor) {
  const rows = [];
  let held = 0;
  for (const count of levels) {
    for (const pair of [floor, subject]) await pair.hold(count - held);
    held = count;
    rows.push({
      count,
      ...(await takeTurns(floor, subject, (pair) => pair.runHeld(inFlightFor(count), stretchMs))),
    });
  }
  return rows;
}

async function growInFlight(floor, subject) {
  const rows = [];
  for (const count of inFlightLevels) {
    const workload = { kind: 'calls', caller: 'client', inFlight: count, onOneCore: count === 1 };
    rows.push({ count, ...(await takeTurns(floor, subject, (pair) => pair.run(workload, stretchMs))) });
  }
  return rows;
}

async function growHeld(without, having, kind) {
  const workload = { kind: 'calls', caller: 'client', inFlight: 64 };
  const rows = [];
  for (const count of amounts) {
    await having.grow(kind, count);
    rows.push({ count, ...(await takeTurns(without, having, (pair) => pair.run(workload, stretchMs))) });
  }
  return rows;
}

/** Runs both in turn; the first turn is for settling. */
async function takeTurns(one, other, run) {
  const runs = [[], []];
  for (let turn = 0; turn <= turns; turn++) {
    const order = [one, other].map((pair, index) => ({ pair, index }));
    for (const { pair, index } of turn % 2 === 0 ? order : order.reverse()) {
      const stretch = await run(pair);
      if (turn > 0) runs[index].push(costOf(stretch));
    }
  }
  const [beside, subject] = runs;
  const medianOf = (costs, key) => median(costs.map((cost) => cost[key]));
  const ratioOf = (key) => median(subject.map((cost, turn) => cost[key] / beside[turn][key]));
  return {
    baseCallsPerSecond: medianOf(beside, 'callsPerSecond'),
    callsPerSecond: medianOf(subject, 'callsPerSecond'),
    callsRatio: ratioOf('callsPerSecond'),
    baseCPUus: medianOf(beside, 'cpuUs'),
    cpuUs: medianOf(subject, 'cpuUs'),
    cpuRatio: ratioOf('cpuUs'),
  };
}

function costOf({ calls, ms, cpuSeconds }) {
  return { callsPerSecond: (calls / ms) * 1_000, cpuUs: (cpuSeconds / calls) * 1e6 };
}

function toMarkdown({ connections, sharing, inFlight, held }) {
  const beside = (what, than) => [
    what,
    `${than}: calls/s`,
    `${oursName}: calls/s`,
    'ratio',
    `${than}: CPU µs a call`,
    `${oursName}: CPU µs a call`,
    'ratio',
  ];
  const rowsOf = (rows) =>
    rows.map((row) => [
      row.count.toLocaleString('en'),
      ...['baseCallsPerSecond', 'callsPerSecond', 'callsRatio', 'baseCPUus', 'cpuUs', 'cpuRatio'].map((key) =>
        show(row[key]),
      ),
    ]);
  return [
    `${inFlightOnEach} calls in flight on each of so many connections:`,
    '',
    ...toTable(beside('connections', base), rowsOf(connections)),
    '',
    `${spreadInFlight.toLocaleString('en')} calls in flight, spread over so many connections:`,
    '',
    ...toTable(beside('connections', base), rowsOf(sharing)),
    '',
    'So many calls in flight on one connection:',
    '',
    ...toTable(beside('in flight', base), rowsOf(inFlight)),
    ...Object.entries(held).flatMap(([kind, rows]) => [
      '',
      `64 calls in flight, on a connection with so many ${kind}, and on one without:`,
      '',
      ...toTable(beside(kind, 'without'), rowsOf(rows)),
    ]),
  ].join('\n');
}
