// What is measured: who calls, how many calls are in flight, and how a stretch of it is driven and timed.
import { performance } from 'node:perf_hooks';
import { checkReply, checkValue, makePayload } from './payload.mjs';

/**
 * @typedef {object} Workload
 * @property {string} name as in the report
 * @property {'client' | 'server'} caller which end makes the calls
 * @property {number} [inFlight] calls that are open at any moment
 * @property {number} [values] in place of calls: one stream of so many values to the caller
 * @property {boolean} onOneCore both processes on one core, which takes the wake-up of an idle core out of a latency
 */

/** @type {readonly Workload[]} */
export const workloads = [
  { name: 'one at a time', caller: 'client', inFlight: 1, onOneCore: true },
  { name: '64 in flight', caller: 'client', inFlight: 64, onOneCore: false },
  { name: '1,024 in flight', caller: 'client', inFlight: 1_024, onOneCore: false },
  { name: 'callback, 64 in flight', caller: 'server', inFlight: 64, onOneCore: false },
  { name: 'stream down', caller: 'client', values: 200_000, onOneCore: false },
  { name: 'stream up', caller: 'server', values: 200_000, onOneCore: false },
];

/**
 * @typedef {object} Stretch what a stretch of a workload came to
 * @property {number} calls answered, or values that came
 * @property {number} ms that it took
 * @property {number[]} latenciesUs of each call, in microseconds; only where one call is made at a time
 */

/**
 * Makes calls for a while.
 *
 * @param {(value: object) => Promise<object>} echo
 * @param {number} inFlight
 * @param {number} ms after which no new call is made; those that are open are awaited and count
 * @returns {Promise<Stretch>}
 */
export function drive(echo, inFlight, ms) {
  return inFlight === 1 ? driveOne(echo, ms) : driveMany(echo, inFlight, ms);
}

/**
 * Takes one stream.
 *
 * @param {(count: number, take: (value: object) => void) => Promise<void>} stream
 * @param {number} values
 * @returns {Promise<Stretch>}
 */
export async function driveStream(stream, values) {
  let taken = 0;
  const start = performance.now();
  await stream(values, (value) => checkValue(value, taken++));
  if (taken !== values) throw new Error(`${taken} values came, where ${values} were asked for`);
  return { calls: taken, ms: performance.now() - start, latenciesUs: [] };
}

/** Makes a number of calls, whatever time they take: until then the machine code is not what it will be. */
export async function warmUp(echo, calls) {
  let made = 0;
  const caller = async () => {
    while (made < calls) {
      const payload = makePayload(made++);
      checkReply(await echo(payload), payload);
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
}

async function driveOne(echo, ms) {
  const latenciesUs = [];
  const start = performance.now();
  let now = start;
  while (now - start < ms) {
    const payload = makePayload(latenciesUs.length);
    checkReply(await echo(payload), payload);
    const then = now;
    now = performance.now();
    latenciesUs.push((now - then) * 1_000);
  }
  return { calls: latenciesUs.length, ms: now - start, latenciesUs };
}

async function driveMany(echo, inFlight, ms) {
  let isOver = false;
  let calls = 0;
  const caller = async () => {
    while (!isOver) {
      const payload = makePayload(calls++);
      checkReply(await echo(payload), payload);
    }
  };
  const start = performance.now();
  setTimeout(() => (isOver = true), ms);
  await Promise.all(Array.from({ length: inFlight }, caller));
  return { calls, ms: performance.now() - start, latenciesUs: [] };
}
