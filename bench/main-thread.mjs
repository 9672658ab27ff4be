// What the main thread costs: a round trip of runOnMainThreadWithResult beside the least that such a thing can be, and how
// long the event loop waits while a hundred thousand callbacks are delivered.
//
// The least is what anybody would write by hand: a message over a port, Atomics.wait, the answer over the same port. Both are
// made by the same worker, in stretches that take turns; only ratios within a round count.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { mainThreadCallable, mainThreadScheduler } from '../dist/index.mjs';
import { median } from './figures.mjs';
import { show, toTable } from './report.mjs';

const rounds = 15;
const delayRuns = 5;
const events = 100_000;
const workers = 4;
/** What each event costs its callback. */
const eventUs = 10;

const echo = (value) => value;
mainThreadCallable('bench.echo', echo);

/**
 * Measures all of it.
 *
 * @param {(text: string) => void} tell
 */
export async function measureMainThread(tell) {
  tell('round trips');
  const trips = await measureRoundTrips();
  tell('event loop delay');
  const delays = [];
  for (const [name, deliver] of Object.entries(deliveries)) {
    const runs = [];
    for (let run = 0; run < delayRuns; run++) runs.push(await delayWhile(deliver, `${name}, ${run}`));
    const medianOf = (figure) => median(runs.map((run) => run[figure]));
    delays.push({ name, p99Ms: medianOf('p99Ms'), maxMs: medianOf('maxMs'), ms: medianOf('ms') });
  }
  const figures = { trips, delays };
  return { figures, markdown: toMarkdown(figures) };
}

async function measureRoundTrips() {
  const worker = startWorker('round trips', { rounds });
  worker.on('message', ({ port, word }) => {
    if (port === undefined) return;
    port.on('message', (value) => {
      port.postMessage(echo(value));
      Atomics.store(word, 0, 1);
      Atomics.notify(word, 0);
    });
    port.unref();
  });
  const { bare, ours } = await resultOf(worker);
  // The first round is for settling.
  const ratios = ours.slice(1).map((us, round) => us / bare[round + 1]);
  return { bareUs: median(bare.slice(1)), oursUs: median(ours.slice(1)), ratio: median(ratios) };
}

/** Ways in which so many events come. */
const deliveries = {
  'in one burst, called at once': async (callback) => {
    for (let event = 0; event < events; event++) callback();
  },
  'in one burst, on mainThreadScheduler': async (callback) => {
    for (let event = 0; event < events; event++) mainThreadScheduler.schedule(callback);
  },
  [`from ${workers} workers, by runOnMainThread`]: async (callback, name) => {
    mainThreadCallable(name, callback);
    const started = Array.from({ length: workers }, () =>
      startWorker('events', { name, events: events / workers }),
    );
    await Promise.all(started.map(resultOf));
  },
};

/** The event loop's delay while events are delivered: how much later than asked for a timer of 1 ms comes. */
async function delayWhile(deliver, name) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  let left = events;
  let resolve;
  const all = new Promise((done) => (resolve = done));
  const callback = () => {
    const endMs = performance.now() + eventUs / 1_000;
    while (performance.now() < endMs);
    left -= 1;
    if (left === 0) resolve();
  };
  // The events come in the middle of ordinary turns.
  histogram.enable();
  await new Promise((done) => setTimeout(done, 50));
  const startMs = performance.now();
  await deliver(callback, name);
  await all;
  const ms = performance.now() - startMs;
  await new Promise((done) => setTimeout(done, 5));
  histogram.disable();
  return { ms, p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6 };
}

function startWorker(task, options) {
  return new Worker(new URL('main-thread-worker.mjs', import.meta.url), { workerData: { task, ...options } });
}

function resultOf(worker) {
  return new Promise((resolve, reject) => {
    worker.on('message', ({ result }) => result !== undefined && resolve(result));
    worker.on('error', reject);
  });
}

function toMarkdown({ trips, delays }) {
  return [
    'One call of runOnMainThreadWithResult at a time, and the same by hand:',
    '',
    ...toTable(
      ['', 'by hand: µs', 'tandem-rpc: µs', 'ratio'],
      [['round trip', show(trips.bareUs), show(trips.oursUs), show(trips.ratio)]],
    ),
    '',
    `The delay of the event loop while ${events.toLocaleString('en')} events of ${eventUs} µs are delivered:`,
    '',
    ...toTable(
      ['events come', 'delay p99, ms', 'longest, ms', 'all delivered after, ms'],
      delays.map(({ name, p99Ms, maxMs, ms }) => [name, show(p99Ms), show(maxMs), show(ms)]),
    ),
  ].join('\n');
}
