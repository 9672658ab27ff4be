/**
 * Rows of bytes that come late, in pieces, at once, or not at all: F8, F9, F10, F11, F12.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { RPCClient } from '../../../src/rpc/client.js';
import { FaultProxy, type FaultProxyOptions } from '../../../src/testing/fault-proxy.js';
import type { FaultDirection } from '../../../src/testing/fault-switches.js';
import type { FaultService } from '../actor.js';
import { echoTimes } from '../load.js';
import { percentile, type FaultRow, type Figures } from '../row.js';
import { nowMs, pass, until, type Actor, type Stage } from '../stage.js';

interface Scene {
  readonly server: Actor;
  readonly client: RPCClient;
  readonly proxy: FaultProxy;
  readonly port: number;
}

/** A server in a process of its own, a client in this one, and a proxy between them. */
async function withProxy(
  stage: Stage,
  options: Partial<FaultProxyOptions> & { readonly timeoutInSeconds?: number },
  play: (scene: Scene) => Promise<Figures>,
): Promise<Figures> {
  const { timeoutInSeconds = 10, ...proxyOptions } = options;
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0, timeoutInSeconds });
  const proxy = new FaultProxy({ target: { port }, ...proxyOptions });
  const client = new RPCClient({
    port: (await proxy.listen()).port,
    timeoutInSeconds,
    identifier: 'behind the proxy',
    localProxyObjects: { service: { sink: () => undefined } },
  });
  client.connectToServer();
  try {
    await client.whenConnected();
    return await play({ server, client, proxy, port });
  } finally {
    await client.dispose();
    await proxy.dispose();
  }
}

/** One direction is silent; then the other one too, before the end of the deaf side has crossed. */
function silence(stage: Stage, direction: FaultDirection): Promise<Figures> {
  const timeoutInSeconds = stage.isShort ? 0.3 : 10;
  return withProxy(stage, { timeoutInSeconds }, async ({ server, client, proxy }) => {
    const lost: { toServer?: number; toClient?: number } = {};
    client.disconnectionMade$.subscribe(() => (lost.toClient ??= nowMs()));
    // Late enough for its end to be lost as well.
    proxy.disturb({ latencyInSeconds: 0.1 });
    await pass(300);
    const other = direction === 'toServer' ? 'toClient' : 'toServer';
    const fromMs = nowMs();
    proxy.halfOpen(direction);
    const isDeaf = async (): Promise<boolean> => {
      if (lost.toServer === undefined && (await server.ask('state')).losses > 0) lost.toServer = nowMs();
      return lost[direction] !== undefined;
    };
    await until(isDeaf);
    proxy.halfOpen(other);
    await until(async () => (await isDeaf()) && lost.toServer !== undefined && lost.toClient !== undefined);
    return { deafMs: lost[direction]! - fromMs, unheardMs: lost[other]! - fromMs };
  });
}

/** A black hole one way. */
export const f8: FaultRow = {
  id: 'F8',
  fault: 'one-way black hole, each way, the end of the deaf side lost as well',
  targets: {
    deafServerMs: ['at most', 15_500],
    unheardClientMs: ['at most', 20_500],
    deafClientMs: ['at most', 15_500],
    unheardServerMs: ['at most', 20_500],
  },
  always: [],
  play: async (stage) => {
    const [up, down] = await Promise.all([silence(stage, 'toServer'), silence(stage, 'toClient')]);
    return {
      deafServerMs: up['deafMs']!,
      unheardClientMs: up['unheardMs']!,
      deafClientMs: down['deafMs']!,
      unheardServerMs: down['unheardMs']!,
    };
  },
};

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

/** Writers that are slow. */
export const f12: FaultRow = {
  id: 'F12',
  fault: '1,000 sockets that write 1 byte/s and never finish the handshake',
  targets: {
    closedMaxMs: ['at most', 5_500],
    bytesEach: ['at most', 32 * 1_024],
    connectP99Ms: ['at most', 50],
    stillOpen: ['exactly', 0],
  },
  always: ['stillOpen'],
  play: async (stage) => {
    const hello = await firstBytes();
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0, timeoutInSeconds: stage.isShort ? 0.4 : 10 });
    const count = stage.isShort ? 50 : 1_000;
    await server.ask('watch');
    const closedMs: number[] = [];
    const sockets: Socket[] = [];
    for (let number = 0; number < count; number += 1) {
      const socket = connect(port, '127.0.0.1').resume();
      socket.on('error', () => undefined);
      socket.once('connect', () => {
        const fromMs = nowMs();
        socket.once('close', () => closedMs.push(nowMs() - fromMs));
      });
      sockets.push(socket);
    }
    let at = 0;
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write(hello.subarray(at, at + 1));
      at += 1;
    }, 1_000);
    const connectMs: number[] = [];
    try {
      while (closedMs.length < count && connectMs.length < 5_000) {
        const client = new RPCClient({ port });
        const fromMs = nowMs();
        client.connectToServer();
        await client.whenConnected();
        connectMs.push(nowMs() - fromMs);
        await client.dispose();
        await pass(20);
      }
    } finally {
      clearInterval(drip);
      for (const socket of sockets) socket.destroy();
    }
    const { grownBytes } = await server.ask('watched');
    return {
      closedMaxMs: Math.max(...closedMs),
      bytesEach: grownBytes / count,
      connectP99Ms: percentile(connectMs, 0.99),
      stillOpen: count - closedMs.length,
      sockets: count,
    };
  },
};

/** What a client says first. */
async function firstBytes(): Promise<Uint8Array> {
  const listener = createServer();
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const client = new RPCClient({ port: (listener.address() as AddressInfo).port });
  client.connectToServer();
  const [socket] = (await once(listener, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Uint8Array];
  socket.destroy();
  await client.dispose();
  listener.close();
  return bytes;
}
