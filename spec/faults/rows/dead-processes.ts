/**
 * Rows of processes that die or stand still: F1, F2, F3, F25, F26.
 */
import { busy } from '../../io-thread/busy.js';
import { auditLedger } from '../ledger.js';
import { Load } from '../load.js';
import { percentile, type FaultRow, type Figures } from '../row.js';
import { nowMs, pass, until, type Stage } from '../stage.js';
import { watchedClient } from '../watched-client.js';

/** What both sides are told where sessions are to be resumed. */
const resume = { windowInSeconds: 60 };

/** @param isGood - whether each connection is left until a heartbeat was answered on it, or for half a second at most */
async function killServers(stage: Stage, kills: number, isGood: boolean, isResuming = false) {
  const options = isResuming ? { resume } : {};
  const ledger = stage.file('ledger');
  let server = stage.actor();
  const { port } = await server.ask('serve', { port: 0, ...options }, ledger);
  const { client, made, away } = watchedClient({ port, ...options });
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
      await until(() => away.length > kill);
      const { atMs } = await server.ask('serve', { port, ...options }, ledger);
      await until(() => made.length > kill + 1);
      detectMs.push(away[kill]! - killedMs);
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
    // Another process knows no session: what waited is to be told from what may have run.
    const resuming = await killServers(stage, stage.isShort ? 1 : Math.ceil(kills / 5), false, true);
    return {
      detectMaxMs: Math.max(...detectMs),
      reattachP50Ms: percentile(reattachMs, 0.5),
      reattachP99Ms: percentile(reattachMs, 0.99),
      lies: lies + resuming.lies,
      duplicates: duplicates + resuming.duplicates,
      kills,
      calls: calls + resuming.calls,
      ...(lasting.reattachMs.length > 0 && {
        lastingReattachP50Ms: percentile(lasting.reattachMs, 0.5),
        lastingReattachMaxMs: Math.max(...lasting.reattachMs),
      }),
    };
  },
};

/** Clients are killed whose sessions could be resumed: everything is kept for the window, and not longer. */
async function killWithWindow(stage: Stage): Promise<Figures> {
  const windowInSeconds = stage.isShort ? 0.5 : 60;
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0, resume: { windowInSeconds } });
  const killedMs: number[] = [];
  const kills = stage.scale(50, 2);
  for (let kill = 0; kill < kills; kill += 1) {
    const client = stage.actor();
    await client.ask('crowd', 1, { port, resume: { windowInSeconds } }, 0, true);
    await client.ask('entangle', 100);
    killedMs.push(await client.kill());
  }
  await until(async () => (await server.ask('state')).teardowns === kills * 100, 120_000, 50);
  const { open } = await server.ask('state');
  const lost = await server.ask('lost');
  const errorsMs = killedMs.map((atMs, kill) => Math.abs(lost[kill]! - atMs - windowInSeconds * 1_000));
  return { windowErrorMaxMs: Math.max(...errorsMs), windowLeftOpen: open, windowKills: kills };
}

/** A client is killed. */
export const f2: FaultRow = {
  id: 'F2',
  fault: 'kill -9 of a client with references, streams and calls',
  // Without resuming there is no window to wait for: all is let go when the loss is noticed.
  targets: {
    freeMaxMs: ['at most', 1_000],
    leftOpen: ['exactly', 0],
    rssGrowthRatio: ['at most', 1.05],
    windowErrorMaxMs: ['at most', 1_000],
    windowLeftOpen: ['exactly', 0],
  },
  always: ['leftOpen', 'windowLeftOpen'],
  play: async (stage) => {
    // Both at once in the suite only: else one would disturb the other's figures.
    const window = stage.isShort ? killWithWindow(stage) : undefined;
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
      ...(await (window ?? killWithWindow(stage))),
    };
  },
};

/** The server is stopped for a while under calls; sessions go on, or begin anew. */
async function stopServer(stage: Stage, isResuming: boolean) {
  const ledger = stage.file('ledger');
  const server = stage.actor();
  const options = { timeoutInSeconds: stage.isShort ? 0.5 : 10, ...(isResuming && { resume }) };
  const { port } = await server.ask('serve', { port: 0, ...options }, ledger);
  const { client, made, away, resumed } = watchedClient({ port, ...options });
  await client.whenConnected();
  const load = new Load(client, 100);
  try {
    await pass(200);
    server.signal('SIGSTOP');
    const stoppedMs = nowMs();
    await pass(stage.isShort ? 1_000 : 20_000);
    await until(() => away.length > 0);
    const back = isResuming ? resumed : made;
    const before = back.length;
    server.signal('SIGCONT');
    const continuedMs = nowMs();
    await until(() => back.length > before);
    await pass(200);
    await load.end();
    return {
      detectMs: away[0]! - stoppedMs,
      backMs: back[before]! - continuedMs,
      failedCalls: load.told.filter(({ outcome }) => outcome !== 'ok').length,
      ...auditLedger(ledger, load.told),
    };
  } finally {
    server.signal('SIGCONT');
    await load.end();
    await client.dispose();
  }
}

/** The server is stopped for a while. */
export const f3: FaultRow = {
  id: 'F3',
  fault: 'SIGSTOP of the server for 20 s, with resuming and without',
  targets: {
    detectMs: ['at most', 15_500],
    reattachMs: ['at most', 1_000],
    resumeMs: ['at most', 1_000],
    duplicates: ['exactly', 0],
    lies: ['exactly', 0],
    resumedFailedCalls: ['exactly', 0],
  },
  always: ['duplicates', 'lies', 'resumedFailedCalls'],
  play: async (stage) => {
    const [anew, resumed] = await Promise.all([stopServer(stage, false), stopServer(stage, true)]);
    return {
      detectMs: Math.max(anew.detectMs, resumed.detectMs),
      reattachMs: anew.backMs,
      resumeMs: resumed.backMs,
      duplicates: anew.duplicates + resumed.duplicates,
      lies: anew.lies + resumed.lies,
      resumedFailedCalls: resumed.failedCalls,
    };
  },
};

/** The main loop of a server without I/O thread is blocked: its sessions go on afterwards. */
async function blockServer(stage: Stage, seconds: number): Promise<Figures> {
  const ledger = stage.file('ledger');
  const server = stage.actor();
  const options = { timeoutInSeconds: stage.isShort ? 0.3 : 10, resume };
  const { port } = await server.ask('serve', { port: 0, ...options }, ledger);
  const { client, away, resumed, lost } = watchedClient({ port, ...options });
  await client.whenConnected();
  const load = new Load(client, 100);
  try {
    await pass(200);
    const endedMs = await server.ask('block', seconds * 1_000);
    await until(() => resumed.length > 0);
    await pass(200);
    await load.end();
    return {
      resumeMs: resumed[0]! - endedMs,
      resumedLosses: lost.length,
      timesAway: away.length,
      resumedFailedCalls: load.told.filter(({ outcome }) => outcome !== 'ok').length,
      duplicates: auditLedger(ledger, load.told).duplicates,
    };
  } finally {
    await load.end();
    await client.dispose();
  }
}

/** A main thread is busy. */
export const f25: FaultRow = {
  id: 'F25',
  fault: 'main loop blocked for 30 s while the peer sends 1 GB, with the I/O thread and without',
  targets: {
    threadLosses: ['exactly', 0],
    threadGrownMB: ['at most', 16],
    lagErrorMs: ['at most', 1_000],
    resumeMs: ['at most', 1_000],
    resumedFailedCalls: ['exactly', 0],
    duplicates: ['exactly', 0],
  },
  always: ['threadLosses', 'resumedFailedCalls', 'duplicates'],
  play: async (stage) => {
    const seconds = stage.isShort ? 1 : Math.max(3, 30 * stage.part);
    const bytes = stage.isShort ? 1e6 : 1e9 * stage.part;
    const blocked = blockServer(stage, seconds);
    // Both at once in the suite only: else one would disturb the other's figures.
    if (!stage.isShort) await blocked;
    const on = await busy(seconds, bytes);
    const figures = {
      ...(await blocked),
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

/** The I/O thread of a server is killed under calls; sessions go on, or begin anew. */
async function killThread(stage: Stage, isResuming: boolean) {
  const ledger = stage.file('ledger');
  const server = stage.actor();
  const options = isResuming ? { resume } : {};
  const { port } = await server.ask('serve', { port: 0, thread: true, ...options }, ledger);
  const { client, made, away, resumed } = watchedClient({ port, ...options });
  await client.whenConnected();
  const load = new Load(client, 200);
  const deaths = stage.scale(2, 1);
  const [settleMs, backMs]: [number[], number[]] = [[], []];
  try {
    const back = isResuming ? resumed : made;
    for (let death = 0; death < deaths; death += 1) {
      await pass(300);
      const before = back.length;
      const diedMs = await server.ask('killThread');
      await until(() => away.length > death);
      settleMs.push(away[death]! - diedMs);
      await until(() => back.length > before);
      backMs.push(back[before]! - diedMs);
    }
    await load.end();
    return {
      settleMaxMs: Math.max(...settleMs),
      backMaxMs: Math.max(...backMs),
      failedCalls: load.told.filter(({ outcome }) => outcome !== 'ok').length,
      ...auditLedger(ledger, load.told),
      exits: server.isAlive ? 0 : 1,
      deaths,
    };
  } finally {
    await load.end();
    await client.dispose();
  }
}

/** The I/O thread is killed. */
export const f26: FaultRow = {
  id: 'F26',
  fault: 'I/O thread of the server terminated under 200 calls/s, with resuming and without',
  targets: {
    settleMaxMs: ['at most', 1_000],
    reattachMaxMs: ['at most', 2_000],
    resumeMaxMs: ['at most', 2_000],
    lies: ['exactly', 0],
    duplicates: ['exactly', 0],
    exits: ['exactly', 0],
    resumedFailedCalls: ['exactly', 0],
  },
  always: ['lies', 'duplicates', 'exits', 'resumedFailedCalls'],
  play: async (stage) => {
    const [anew, resumed] = await Promise.all([killThread(stage, false), killThread(stage, true)]);
    return {
      settleMaxMs: Math.max(anew.settleMaxMs, resumed.settleMaxMs),
      reattachMaxMs: anew.backMaxMs,
      resumeMaxMs: resumed.backMaxMs,
      lies: anew.lies + resumed.lies,
      duplicates: anew.duplicates + resumed.duplicates,
      exits: anew.exits + resumed.exits,
      resumedFailedCalls: resumed.failedCalls,
      deaths: anew.deaths,
    };
  },
};
