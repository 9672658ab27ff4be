/**
 * Starts the I/O thread from its text, which the build puts in (`scripts/io-worker.mjs`).
 *
 * Not from a file: its place would differ between sources, `dist`, and what each bundler makes of either, and most bundlers do not
 * copy it at all (webpack breaks even its address). The text costs 40 KB, and nobody has to set anything up.
 */
import { ioWorkerText } from '#io-worker';
import type { ThreadSink, ThreadWorker } from './io-thread.js';
import type { ThreadData } from './thread-messages.js';
import { workerThreads } from '../threads/worker-threads.js';

/**
 * The heap that the I/O thread may use, in MiB. What it holds for each connection is bounded, and lies outside of the heap: more
 * means that something is wrong, and then it is better that the thread ends than the process.
 */
const maxHeapMiB = 256;

/**
 * Starts a thread.
 * @param data - for it
 * @param sink - receives what it tells
 * @param heapMiB - the bound on its heap
 * @throws whatever the platform throws where threads are not to be had
 */
export function spawnIOWorker(data: ThreadData, sink: ThreadSink, heapMiB = maxHeapMiB): ThreadWorker {
  const { Worker } = workerThreads();
  const worker = new Worker(ioWorkerText, {
    eval: true,
    name: 'tandem-io',
    workerData: data,
    // Nothing of the program's own: no loaders, no preloaded modules, no flags that a worker refuses.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: heapMiB },
  });
  worker.on('message', (events: Parameters<ThreadSink['onEvents']>[0]) => {
    sink.onEvents(events);
  });
  worker.on('error', (error) => {
    sink.onDeath(error.message);
  });
  worker.on('exit', (code) => {
    sink.onDeath(`it exited with ${code}`);
  });
  return {
    post: (commands, buffers) => {
      worker.postMessage(commands, buffers);
    },
    ref: () => {
      worker.ref();
    },
    unref: () => {
      worker.unref();
    },
    terminate: () => {
      void worker.terminate();
    },
  };
}
