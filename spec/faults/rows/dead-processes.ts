/**
 * Rows of processes that die or stand still: F1, F2, F3, F25, F26.
 */
import { RPCClient } from '../../../src/rpc/client.js';
import { busy } from '../../io-thread/busy.js';
import { auditLedger } from '../ledger.js';
import { Load } from '../load.js';
import { percentile, type FaultRow } from '../row.js';
import { nowMs, pass, until, type Stage } from '../stage.js';

/** A client of this process, and when its connections were made and lost. */
function watchedClient(port: number, timeoutInSeconds: number, thread = false) {
  const client = new RPCClient({ port, timeoutInSeconds, thread });
  const made: number[] = [];
  const lost: number[] = [];
  client.connectionMade$.subscribe(() => made.push(nowMs()));
  client.disconnectionMade$.subscribe(() => lost.push(nowMs()));
  client.connectToServer();
  return { client, made, lost };
}

/** @param isGood - whether each connection is left until a heartbeat was answered on it, or for half a second at most */
async function killServers(stage: Stage, kills: number, isGood: boolean) {
  const ledger = stage.file('ledger');
  let server = stage.actor();
  const { port } = await server.ask('serve', { port: 0 }, ledger);
  const { client, made, lost } = watchedClient(port, 10);
  await client.whenConnected();
  const load = new Load(client, 500);
  let heartbeats = 0;
  client.heartbeat$.subscribe(() => {
    heartbeats += 1;
  });
  const detectMs: number[] = [];
  const reattachMs: number[] = [];
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const before = heartbeats;
      await pass(50 + stage.random() * 450);
      if (isGood) await until(() => heartbeats > before);
      const next = stage.actor();
      const killedMs = await server.kill();
      server = next;
      await until(() => lost.length > kill);
      const { atMs } = await server.ask('serve', { port }, ledger);
      await until(() => made.length > kill + 1);
      detectMs.push(lost[kill]! - killedMs);
      reattachMs.push(Math.max(0, made[kill + 1]! - atMs));
    }
    await load.end();
    return { detectMs, reattachMs, ...auditLedger(ledger, load.told), calls: load.told.length };
  } finally {
    await load.end();
    await client.dispose();
  }
}

/** The server is killed. */
export const f1: FaultRow = {
  id: 'F1',
  fault: 'kill -9 of the server under 500 calls/s, and another one on its port',
  targets: {
    detectMaxMs: ['at most', 100],
    reattachP99Ms: ['at most', 1_000],
    lies: ['exactly', 0],
    duplicates: ['exactly', 0],
  },
  always: ['lies', 'duplicates'],
  play: async (stage) => {
    const kills = stage.scale(1_000, 1);
    const { detectMs, reattachMs, lies, duplicates, calls } = await killServers(stage, kills, false);
    // Pauses between attempts grow with connections that do not last, as these; what lasted is made again at once.
    const lasting = await killServers(stage, stage.isShort ? 0 : Math.ceil(100 * stage.part), true);
    return {
      detectMaxMs: Math.max(...detectMs),
      reattachP50Ms: percentile(reattachMs, 0.5),
      reattachP99Ms: percentile(reattachMs, 0.99),
      lies,
      duplicates,
      kills,
      calls,
      ...(lasting.reattachMs.length > 0 && {
        lastingReattachP50Ms: percentile(lasting.reattachMs, 0.5),
        lastingReattachMaxMs: Math.max(...lasting.reattachMs),
      }),
    };
  },
};

/** A client is killed. */
export const f2: FaultRow = {
  id: 'F2',
  fault: 'kill -9 of a client with references, streams and calls',
  // Without resuming there is no window to wait for: all is let go when the loss is noticed.
  targets: { freeMaxMs: ['at most', 1_000], leftOpen: ['exactly', 0], rssGrowthRatio: ['at most', 1.05] },
  always: ['leftOpen'],
  play: async (stage) => {
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0 });
    const kills = stage.scale(200, 3);
    const freeMs: number[] = [];
    let [startBytes, startHeapBytes] = [0, 0];
    for (let kill = 0; kill < kills; kill += 1) {
      const client = stage.actor();
      await client.ask('crowd', 1, { port }, 0, true);
      await client.ask('entangle', 100);
      const killedMs = await client.kill();
      await until(async () => (await server.ask('state')).connections === 0);
      await until(async () => (await server.ask('state')).teardowns === (kill + 1) * 100);
      freeMs.push(nowMs() - killedMs);
      // What is made once is made by then.
      if (kill === Math.min(20, Math.floor(kills / 4))) {
        startHeapBytes = await server.ask('rest');
        startBytes = await server.ask('memory');
      }
    }
    const { open } = await server.ask('state');
    const heapGrownMB = ((await server.ask('rest')) - startHeapBytes) / 1e6;
    return {
      freeMaxMs: Math.max(...freeMs),
      leftOpen: open,
      rssGrowthRatio: (await server.ask('memory')) / startBytes,
      heapGrownMB,
      kills,
    };
  },
};

/** The server is stopped for a while. */
export const f3: FaultRow = {
  id: 'F3',
  fault: 'SIGSTOP of the server for 20 s (detection; resuming is a row of its own)',
  targets: { detectMs: ['at most', 15_500], reattachMs: ['at most', 1_000], duplicates: ['exactly', 0] },
  always: ['duplicates'],
  play: async (stage) => {
    const ledger = stage.file('ledger');
    const server = stage.actor();
    const timeoutInSeconds = stage.isShort ? 0.5 : 10;
    const { port } = await server.ask('serve', { port: 0, timeoutInSeconds }, ledger);
    const { client, made, lost } = watchedClient(port, timeoutInSeconds);
    await client.whenConnected();
    const load = new Load(client, 100);
    try {
      await pass(200);
      server.signal('SIGSTOP');
      const stoppedMs = nowMs();
      await pass(stage.isShort ? 1_000 : 20_000);
      await until(() => lost.length > 0);
      const before = made.length;
      server.signal('SIGCONT');
      const continuedMs = nowMs();
      await until(() => made.length > before);
      await pass(200);
      await load.end();
      return {
        detectMs: lost[0]! - stoppedMs,
        reattachMs: made[before]! - continuedMs,
        ...auditLedger(ledger, load.told),
      };
    } finally {
      server.signal('SIGCONT');
      await load.end();
      await client.dispose();
    }
  },
};

/** A main thread is busy. */
export const f25: FaultRow = {
  id: 'F25',
  fault: 'main loop blocked for 30 s while the peer sends 1 GB, with the I/O thread and without',
  targets: {
    threadLosses: ['exactly', 0],
    threadGrownMB: ['at most', 16],
    lagErrorMs: ['at most', 1_000],
  },
  always: ['threadLosses'],
  play: async (stage) => {
    const seconds = stage.isShort ? 1 : Math.max(3, 30 * stage.part);
    const bytes = stage.isShort ? 1e6 : 1e9 * stage.part;
    const on = await busy(seconds, bytes);
    const figures = {
      threadLosses: on.losses + on.clientLosses,
      threadGrownMB: on.grownBytes / 1e6,
      lagErrorMs: Math.abs(on.longestLagMs - seconds * 1_000),
      seconds,
    };
    if (stage.isShort) return figures;
    const off = await busy(seconds, 1e6, false);
    return { ...figures, inlineLosses: off.losses + off.clientLosses };
  },
};

/** The I/O thread is killed. */
export const f26: FaultRow = {
  id: 'F26',
  fault: 'I/O thread of the server terminated under 200 calls/s',
  targets: {
    settleMaxMs: ['at most', 1_000],
    reattachMaxMs: ['at most', 2_000],
    lies: ['exactly', 0],
    duplicates: ['exactly', 0],
    exits: ['exactly', 0],
  },
  always: ['lies', 'duplicates', 'exits'],
  play: async (stage) => {
    const ledger = stage.file('ledger');
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0, thread: true }, ledger);
    const { client, made, lost } = watchedClient(port, 10);
    await client.whenConnected();
    const load = new Load(client, 200);
    const deaths = stage.scale(2, 1);
    const settleMs: number[] = [];
    const reattachMs: number[] = [];
    try {
      for (let death = 0; death < deaths; death += 1) {
        await pass(300);
        const diedMs = await server.ask('killThread');
        await until(() => lost.length > death);
        settleMs.push(lost[death]! - diedMs);
        await until(() => made.length > death + 1);
        reattachMs.push(made[death + 1]! - diedMs);
      }
      await load.end();
      return {
        settleMaxMs: Math.max(...settleMs),
        reattachMaxMs: Math.max(...reattachMs),
        ...auditLedger(ledger, load.told),
        exits: server.isAlive ? 0 : 1,
        deaths,
      };
    } finally {
      await load.end();
      await client.dispose();
    }
  },
};
