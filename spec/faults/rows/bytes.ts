/**
 * Rows of bytes that come in pieces, at once, or are not read: F9, F10, F11.
 */
import { connect } from 'node:net';
import { RPCClient } from '../../../src/rpc/client.js';
import type { FaultService } from '../actor.js';
import { withProxy } from '../behind-proxy.js';
import { echoTimes } from '../load.js';
import { percentile, type FaultRow } from '../row.js';
import { nowMs, until } from '../stage.js';

/** Bytes one by one. */
export const f9: FaultRow = {
  id: 'F9',
  fault: 'a message of 1 MiB in writes of one byte',
  targets: { cpuMs: ['at most', 200], grownRatio: ['at most', 2], wrong: ['exactly', 0] },
  always: ['wrong'],
  play: (stage) =>
    withProxy(stage, { conditions: { sliceBytes: 1 } }, async ({ server, client, proxy }) => {
      const bytes = stage.isShort ? 65_536 : 1_048_576;
      const service = await client.whenRemoteProxyObject<FaultService>('service');
      await service.sink(new Uint8Array(1_000));
      await server.ask('watch');
      const fromMs = nowMs();
      const sunk = await service.sink(new Uint8Array(bytes));
      const ms = nowMs() - fromMs;
      const { cpuMs, grownBytes } = await server.ask('watched');

      const bare = stage.actor();
      proxy.target = { port: await bare.ask('bare') };
      const socket = connect(proxy.address().port, '127.0.0.1');
      await bare.ask('watch');
      socket.write(new Uint8Array(bytes));
      await until(async () => (await bare.ask('bareBytes')) === bytes);
      const floor = await bare.ask('watched');
      socket.destroy();
      return {
        cpuMs,
        grownRatio: grownBytes / bytes,
        wrong: sunk === bytes ? 0 : 1,
        ms,
        bareCpuMs: floor.cpuMs,
        bareGrownRatio: floor.grownBytes / bytes,
      };
    }),
};

/** Many frames at once. */
export const f10: FaultRow = {
  id: 'F10',
  fault: '10,000 frames that arrive at once',
  targets: { maxDelayMs: ['at most', 50], lost: ['exactly', 0], disorder: ['exactly', 0] },
  always: ['lost', 'disorder'],
  play: (stage) =>
    withProxy(stage, { maxQueuedBytes: 64 * 1_048_576 }, async ({ server, client, proxy }) => {
      const frames = stage.isShort ? 2_000 : 10_000;
      const service = await client.whenRemoteProxyObject<FaultService>('service');
      await service.note(0);
      proxy.freeze();
      const calls: Promise<void>[] = [];
      for (let number = 1; number <= frames; number += 1) {
        calls.push(service.note(number));
        // What is sent in a turn of its own is a frame of its own.
        await new Promise((next) => setImmediate(next));
      }
      await server.ask('watch');
      proxy.thaw();
      await Promise.all(calls);
      const { maxDelayMs, cpuMs } = await server.ask('watched');
      const { lastNote, disorder } = await server.ask('state');
      return { maxDelayMs, lost: frames - lastNote, disorder, cpuMs, frames };
    }),
};

/** A reader that is slow. */
export const f11: FaultRow = {
  id: 'F11',
  fault: 'a reader of 1 KiB/s that is sent 16 MB/s',
  targets: {
    mostQueuedBytes: ['at most', 8 * 1_048_576],
    p99Ratio: ['at most', 2],
    closed: ['exactly', 1],
  },
  always: [],
  play: (stage) =>
    withProxy(stage, { maxQueuedBytes: 16_384 }, async ({ server, proxy, port }) => {
      const healthy = new RPCClient({ port });
      healthy.connectToServer();
      try {
        const service = await healthy.whenRemoteProxyObject<FaultService>('service');
        const seconds = stage.scale(60, 0.5);
        const before = await echoTimes(service, Math.min(10, seconds));
        proxy.disturb({ bytesPerSecond: 1_024 }, 'toClient');
        const flooding = server.ask('flood', 'behind the proxy', 16_384, seconds * 1_000);
        const meanwhile = await echoTimes(service, seconds);
        const flood = await flooding;
        return {
          mostQueuedBytes: flood.mostQueuedBytes,
          p99Ratio: percentile(meanwhile, 0.99) / percentile(before, 0.99),
          closed: flood.isOpen ? 0 : 1,
          refused: flood.refused,
          floodedMs: flood.ms,
          p99Ms: percentile(meanwhile, 0.99),
          calls: meanwhile.length,
        };
      } finally {
        await healthy.dispose();
      }
    }),
};
