/**
 * What the I/O thread runs. Bundled by itself, and started from its text (`spawn-io-worker`): so it is found from sources, from
 * `dist`, and from whatever a bundler makes of this package.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { tcpTransports } from '../transports/tcp.js';
import { IOWorker } from './io-worker.js';
import { loopLagMs } from './loop-clock.js';
import type { ThreadCommand, ThreadData } from './thread-messages.js';

// Only the main thread's side starts this, with data of this shape.
const { loopClock } = workerData as ThreadData;
const worker = new IOWorker({
  transports: tcpTransports(),
  now: () => performance.now(),
  loopLagMs: () => loopLagMs(loopClock),
  post: (events, buffers) => {
    parentPort?.postMessage(events, buffers);
  },
});
parentPort?.on('message', (commands: readonly ThreadCommand[]) => {
  worker.receive(commands);
});
