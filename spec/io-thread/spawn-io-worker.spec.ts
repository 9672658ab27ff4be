import { describe, expect, it } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { IOThread, type ThreadSink, type ThreadWorker } from '../../src/io-thread/io-thread.js';
import { LoopClock } from '../../src/io-thread/loop-clock.js';
import { spawnIOWorker } from '../../src/io-thread/spawn-io-worker.js';
import type { ThreadData, ThreadEvent } from '../../src/io-thread/thread-messages.js';
import { threadTransports } from '../../src/io-thread/thread-transports.js';
import { first, RecordingDialSink, RecordingListenSink, RecordingSink } from '../helpers/recording-sinks.js';

const anyPort = { host: '127.0.0.1', port: 0 };

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker, and what it tells. */
function spawned(heapMiB?: number) {
  const events: ThreadEvent[] = [];
  const deaths: string[] = [];
  const worker = spawnIOWorker(
    { loopClock: new LoopClock().memory },
    { onEvents: (told) => events.push(...told), onDeath: (why) => deaths.push(why) },
    heapMiB,
  );
  return { worker, events, deaths };
}

describe('a spawned I/O thread', () => {
  it('does what it is told, until it is ended', async () => {
    const { worker, events, deaths } = spawned();
    worker.post([{ type: 'listen', id: 2, address: anyPort }], []);
    await until(() => events.length > 0);
    expect(events).toEqual([
      { type: 'listening', id: 2, address: { host: '127.0.0.1', port: expect.any(Number) } },
    ]);
    worker.unref();
    worker.ref();
    worker.terminate();
    await until(() => deaths.length > 0);
    expect(deaths).toEqual(['it exited with 1']);
  });

  it('tells why it died', async () => {
    const { worker, deaths } = spawned();
    // No command at all: what a fault of ours would look like.
    worker.post([null as never], []);
    await until(() => deaths.length > 1);
    expect(deaths[0]).toContain('null');
  });
});

describe('an I/O thread that runs out of heap', () => {
  it('ends, and the process lives', async () => {
    const { worker, deaths } = spawned(1);
    const limits = defaultLimits;
    const many = Array.from({ length: 100_000 }, (_, id) => ({ type: 'open', id, limits }) as const);
    worker.post(many, []);
    await until(() => deaths.length > 0);
    expect(deaths[0]).toMatch(/memory/);
  });
});

describe('an I/O thread that dies by a fault of its own', () => {
  it('ends its connections, not the process, and another one takes its place', async () => {
    const workers: ThreadWorker[] = [];
    const spawn = (data: ThreadData, sink: ThreadSink): ThreadWorker => {
      const worker = spawnIOWorker(data, sink);
      workers.push(worker);
      return worker;
    };
    const thread = new IOThread(spawn, () => performance.now());
    const provider = threadTransports(defaultLimits, thread);
    const listening = new RecordingListenSink();
    const listener = provider.listen(anyPort, listening);
    await until(() => listening.addresses.length > 0);
    const dialling = new RecordingDialSink();
    provider.dial(first(listening.addresses), dialling);
    await until(() => dialling.connected.length > 0 && listening.accepted.length > 0);
    const sink = new RecordingSink();
    first(dialling.connected).open(sink);
    first(workers).post([null as never], []);
    await until(() => sink.hasEnded);
    expect(sink.ends).toEqual([expect.objectContaining({ code: 'io-thread' })]);
    await until(() => workers.length === 2);
    const again = new RecordingDialSink();
    provider.dial(first(listening.addresses), again);
    await until(() => again.calls > 0);
    expect(again.failures).toEqual([]);
    first(again.connected).destroy();
    for (const transport of listening.accepted) transport.destroy();
    provider.dispose?.();
    let isClosed = false;
    listener.close(() => {
      isClosed = true;
    });
    await until(() => isClosed);
  });
});
