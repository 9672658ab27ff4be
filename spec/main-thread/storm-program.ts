/**
 * Four workers that call the main thread as fast as they can, first without waiting, then waiting for each result. The main
 * thread checks that each worker's calls come in their order, and prints what it has found as JSON. Bundled and started by `storm`.
 */
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import { mainThreadCallable, runOnMainThread, runOnMainThreadWithResult } from 'tandem-rpc';
import type { StormReport } from './storm.js';

const workers = 4;
/** What came last from each worker. */
const last = new Map<number, number>();
const faults: string[] = [];
let queued = 0;
let blocking = 0;

const note = mainThreadCallable('storm.note', (worker: number, index: number) => {
  const before = last.get(worker) ?? -1;
  if (index !== before + 1) faults.push(`worker ${worker}: ${index} came after ${before}`);
  last.set(worker, index);
  queued += 1;
});
const add = mainThreadCallable('storm.add', (one: number, other: number) => {
  blocking += 1;
  return one % 2 === 0 ? one + other : Promise.resolve(one + other);
});
const fault = mainThreadCallable('storm.fault', (text: string) => {
  faults.push(text);
});

function work(queuedCalls: number, blockingCalls: number): void {
  for (let index = 0; index < queuedCalls; index++) runOnMainThread(note, threadId, index);
  for (let index = 0; index < blockingCalls; index++) {
    const sum = runOnMainThreadWithResult(add, index, threadId);
    if (sum !== index + threadId) runOnMainThread(fault, `${index} + ${threadId} had another result`);
  }
}

if (isMainThread) {
  const [queuedCalls = 0, blockingCalls = 0] = process.argv.slice(2).map(Number);
  for (let index = 0; index < workers; index++) {
    new Worker(new URL(import.meta.url), { workerData: [queuedCalls, blockingCalls / workers] });
  }
  process.once('exit', () => {
    console.log(JSON.stringify({ queued, blocking, faults } satisfies StormReport));
  });
} else {
  const [queuedCalls, blockingCalls] = workerData as readonly [number, number];
  work(queuedCalls, blockingCalls);
}
