// What is measured: who calls, how many calls are in flight, and how a stretch of it is driven and timed.
import { performance } from 'node:perf_hooks';
import { checkBytes, checkReply, checkValue, makeBytes, makePayload, markBytes } from './payload.mjs';

/**
 * @typedef {object} End what a peer's `serve` and `connect` give: a function for each thing that this end of it can do
 * @property {number} [port] of a server
 * @property {(value: object) => Promise<object>} [echo] a call that is answered with its argument
 * @property {(bytes: Buffer) => Promise<Uint8Array>} [echoBytes] the same with bytes
 * @property {Stream} [stream] takes a stream of the other end
 * @property {Stream} [talk] gives a stream to the other end, which sends each value back
 * @property {(count: number) => Promise<number>} [upload] gives a stream to the other end, which checks the values and
 *   tells how many came; for those whose servers cannot ask for one
 * @property {() => Promise<void>} [enableCallbacks] of a client: lets the server call it
 * @property {(what: string, count: number) => Promise<void>} [grow] of a client: makes there be so many of something
 * @property {() => void | Promise<void>} close
 */

/** @typedef {(count: number, take: (value: object) => void) => Promise<void>} Stream */

/**
 * @typedef {object} Workload
 * @property {string} name as in the report
 * @property {keyof typeof kinds} kind
 * @property {'client' | 'server'} caller which end makes the calls, or takes the stream
 * @property {number} [inFlight] calls that are open at any moment
 * @property {number} [bytes] of each call
 * @property {boolean} [onOneCore] both processes on one core, which takes the wake-up of an idle core out of a latency
 * @property {number} [weight] how many times as long it takes as others
 * @property {Workload} [otherwise] takes its place for peers that cannot do it
 */

/** @type {readonly Workload[]} */
export const workloads = [
  { name: 'one at a time', kind: 'calls', caller: 'client', inFlight: 1, onOneCore: true, weight: 5 },
  { name: '64 in flight', kind: 'calls', caller: 'client', inFlight: 64 },
  { name: '1,024 in flight', kind: 'calls', caller: 'client', inFlight: 1_024 },
  { name: 'callback, 64 in flight', kind: 'calls', caller: 'server', inFlight: 64 },
  { name: 'stream down', kind: 'stream', caller: 'client' },
  {
    name: 'stream up',
    kind: 'stream',
    caller: 'server',
    otherwise: { name: 'stream up', kind: 'upload', caller: 'client' },
  },
  { name: 'stream both ways', kind: 'talk', caller: 'client' },
  { name: '64 KiB', kind: 'bytes', caller: 'client', inFlight: 4, bytes: 64 * 1024 },
  { name: '1 MiB', kind: 'bytes', caller: 'client', inFlight: 4, bytes: 1024 * 1024 },
  { name: 'connect and first reply', kind: 'connect', caller: 'client', onOneCore: true },
  { name: 'mixed', kind: 'mixed', caller: 'client', weight: 4 },
];

/** Values of one stream; the next one begins when it is over. */
const valuesOfStream = 20_000;
/** The value that small calls share a connection with. */
const mixedBytes = 16 * 1024 * 1024;

/**
 * @typedef {object} Stretch what a stretch of a workload came to
 * @property {number} calls answered, or values or connections
 * @property {number} ms that it took
 * @property {number[]} latenciesUs of each call, in microseconds; only where one call is made at a time
 * @property {number} [bytes] that went one way, and came back
 * @property {number} [values] that came besides
 */

/** For each kind of workload what an end must be able to do, and how it is driven until a moment. */
const kinds = {
  calls: { needs: ['echo'], drive: driveCalls },
  stream: { needs: ['stream'], drive: ({ stream }, _workload, isOver) => driveStreams(stream, isOver) },
  talk: { needs: ['talk'], drive: ({ talk }, _workload, isOver) => driveStreams(talk, isOver) },
  upload: { needs: ['upload'], drive: driveUploads },
  bytes: { needs: ['echoBytes'], drive: driveBytes },
  connect: { needs: ['echo'], drive: driveConnects },
  mixed: { needs: ['echo', 'echoBytes', 'stream'], drive: driveMixed },
};

/**
 * Finds the form of a workload that two ends are capable of.
 *
 * @param {Workload} workload
 * @param {Record<'client' | 'server', readonly string[]>} abilities
 * @returns {Workload | undefined}
 */
export function possibleForm(workload, abilities) {
  const { kind, caller, otherwise } = workload;
  if (kinds[kind].needs.every((ability) => abilities[caller].includes(ability))) return workload;
  return otherwise && possibleForm(otherwise, abilities);
}

/**
 * Drives a workload for a while.
 *
 * @param {End} end
 * @param {Workload} workload
 * @param {number} ms after which nothing new is begun; what is open is awaited and counts
 * @param {() => Promise<End>} connect makes one more connection
 * @returns {Promise<Stretch>}
 */
export async function drive(end, workload, ms, connect) {
  const start = performance.now();
  const isOver = () => performance.now() - start >= ms;
  const stretch = await kinds[workload.kind].drive(end, workload, isOver, connect);
  return { latenciesUs: [], ...stretch, ms: performance.now() - start };
}

/**
 * Makes calls over several connections for a while, the same number of them in flight on each.
 *
 * @param {readonly End[]} ends
 * @param {number} inFlight on all of them together
 * @param {number} ms
 * @returns {Promise<Stretch>}
 */
export async function driveSpread(ends, inFlight, ms) {
  const start = performance.now();
  const echoes = ends.map(({ echo }) => echo);
  const { calls } = await driveMany(echoes, inFlight, () => performance.now() - start >= ms);
  return { calls, ms: performance.now() - start, latenciesUs: [] };
}

/** Makes a number of calls, or as many as the time allows: until then the machine code is not what it will be. */
export async function warmUp(echo, calls, maxMs) {
  const start = performance.now();
  let made = 0;
  await together(64, async () => {
    while (made < calls && performance.now() - start < maxMs) await callOnce(echo, made++);
  });
}

async function callOnce(echo, number) {
  const payload = makePayload(number);
  checkReply(await echo(payload), payload);
}

/** Connects, makes one call, and gives the end. */
export async function connectOnce(connect) {
  const end = await connect();
  await callOnce(end.echo, 0);
  return end;
}

const together = (count, act) => Promise.all(Array.from({ length: count }, (_, index) => act(index)));

async function driveCalls({ echo }, { inFlight }, isOver) {
  return inFlight === 1
    ? timeEach((number) => callOnce(echo, number), isOver)
    : driveMany([echo], inFlight, isOver);
}

async function timeEach(act, isOver) {
  const latenciesUs = [];
  let now = performance.now();
  while (!isOver()) {
    await act(latenciesUs.length);
    const then = now;
    now = performance.now();
    latenciesUs.push((now - then) * 1_000);
  }
  return { calls: latenciesUs.length, latenciesUs };
}

async function driveMany(echoes, inFlight, isOver) {
  let calls = 0;
  await together(inFlight, async (index) => {
    const echo = echoes[index % echoes.length];
    // The clock is read once for so many calls: reading it is not what is measured.
    while (calls % 64 !== 0 || !isOver()) await callOnce(echo, calls++);
  });
  return { calls };
}

async function driveStreams(stream, isOver) {
  let calls = 0;
  while (!isOver()) {
    let taken = 0;
    await stream(valuesOfStream, (value) => checkValue(value, taken++));
    checkCount(taken);
    calls += taken;
  }
  return { calls };
}

async function driveUploads({ upload }, _workload, isOver) {
  let calls = 0;
  while (!isOver()) {
    checkCount(await upload(valuesOfStream));
    calls += valuesOfStream;
  }
  return { calls };
}

function checkCount(taken) {
  if (taken !== valuesOfStream)
    throw new Error(`${taken} values came, where ${valuesOfStream} were asked for`);
}

async function driveBytes({ echoBytes }, { inFlight, bytes }, isOver) {
  let calls = 0;
  await together(inFlight, async () => {
    const sent = makeBytes(bytes);
    while (!isOver()) {
      markBytes(sent, calls++);
      checkBytes(await echoBytes(sent), sent);
    }
  });
  return { calls, bytes: calls * bytes };
}

async function driveConnects(_end, _workload, isOver, connect) {
  return timeEach(async () => {
    const end = await connectOnce(connect);
    await end.close();
  }, isOver);
}

async function driveMixed(end, _workload, isOver) {
  const [small, large, streamed] = await Promise.all([
    timeEach((number) => callOnce(end.echo, number), isOver),
    driveBytes(end, { inFlight: 1, bytes: mixedBytes }, isOver),
    driveStreams(end.stream, isOver),
  ]);
  return { ...small, bytes: large.bytes, values: streamed.calls };
}
