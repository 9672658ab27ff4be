/**
 * Rows of processes that die: F1, F2.
 */
import { percentile, type FaultRow, type Figures } from '../row.js';
import { nowMs, pass, resume, until, type Stage } from '../stage.js';
import { underLoad } from '../under-load.js';

/** How often the server is killed, and how. */
interface Killing {
  readonly kills: number;
  /** How long each connection is left, in milliseconds. */
  readonly uptimeMs: () => number;
  readonly isResuming: boolean;
}

/** The server is killed again and again, and another one takes its port. */
function killServers(stage: Stage, { kills, uptimeMs, isResuming }: Killing) {
  const options = isResuming ? { resume } : {};
  return underLoad(stage, { callsPerSecond: 500, ...options }, async (scene) => {
    const { client, made, away, port, ledger } = scene;
    let { server } = scene;
    let isGood = false;
    client.heartbeat$.subscribe(() => {
      isGood = true;
    });
    const detectMs: number[] = [];
    const reattach: { readonly ms: number; readonly wasGood: boolean }[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      await pass(uptimeMs());
      const next = stage.actor();
      const killedMs = await server.kill();
      const wasGood = isGood;
      server = next;
      await until(() => away.length > kill);
      const { atMs } = await server.ask('serve', { port, ...options }, ledger);
      isGood = false;
      await until(() => made.length > kill + 1);
      detectMs.push(away[kill]! - killedMs);
      reattach.push({ ms: Math.max(0, made[kill + 1]! - atMs), wasGood });
    }
    return { detectMs, reattach };
  });
}

/** The server is killed. */
export const f1: FaultRow = {
  id: 'F1',
  fault:
    'kill -9 of the server under 500 calls/s, up for 0 to 0.5 s or up to 8 s, and another one on its port',
  targets: {
    detectMaxMs: ['at most', 100],
    reattachP99Ms: ['at most', 1_000],
    lies: ['exactly', 0],
    duplicates: ['exactly', 0],
  },
  always: ['lies', 'duplicates'],
  play: async (stage) => {
    const kills = stage.scale(1_000, 1);
    const shortMs = (): number => stage.random() * 500;
    const anyMs = (): number => (stage.isShort || stage.random() < 0.5 ? shortMs() : stage.random() * 8_000);
    // Another process knows no session: what waited is to be told from what may have run.
    const [anew, resuming] = await stage.inTurn(
      [
        { kills, uptimeMs: anyMs, isResuming: false },
        { kills: Math.ceil(kills / 5), uptimeMs: shortMs, isResuming: true },
      ],
      (killing) => killServers(stage, killing),
    );
    const { detectMs, reattach } = anew!;
    // Pauses between attempts grow with connections that show no heartbeat; after one that did the first is made at once.
    const some = (which: boolean): number[] =>
      reattach.filter(({ wasGood }) => wasGood === which).map(({ ms }) => ms);
    const [good, others, all] = [some(true), some(false), reattach.map(({ ms }) => ms)];
    return {
      detectMaxMs: Math.max(...detectMs),
      reattachP99Ms: percentile(all, 0.99),
      reattachP50Ms: percentile(all, 0.5),
      ...(good.length > 0 && {
        goodReattachP99Ms: percentile(good, 0.99),
        goodReattachP50Ms: percentile(good, 0.5),
      }),
      ...(others.length > 0 && {
        otherReattachP99Ms: percentile(others, 0.99),
        otherReattachP50Ms: percentile(others, 0.5),
      }),
      lies: anew!.lies + resuming!.lies,
      duplicates: anew!.duplicates + resuming!.duplicates,
      kills,
      goodKills: good.length,
      calls: anew!.calls + resuming!.calls,
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

/** Clients are killed, one after the other: what they held is let go when the loss is noticed. */
async function killClients(stage: Stage): Promise<Figures> {
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0 });
  const kills = stage.scale(200, 3);
  const memoryMB = async () => {
    const heapMB = (await server.ask('rest')) / 1e6;
    return { heapMB, rssMB: (await server.ask('memory')) / 1e6 };
  };
  const freeMs: number[] = [];
  const cold = await memoryMB();
  // What is made once, and what the engine keeps for the next burst, is there by then.
  const warmKills = Math.min(20, Math.ceil(kills / 2));
  let [warm, half] = [cold, cold];
  for (let kill = 1; kill <= kills; kill += 1) {
    const client = stage.actor();
    await client.ask('crowd', 1, { port }, 0, true);
    await client.ask('entangle', 100);
    const killedMs = await client.kill();
    await until(async () => (await server.ask('state')).connections === 0);
    await until(async () => (await server.ask('state')).teardowns === kill * 100);
    freeMs.push(nowMs() - killedMs);
    if (kill === warmKills) warm = await memoryMB();
    if (kill === Math.ceil((warmKills + kills) / 2)) half = await memoryMB();
  }
  const { open } = await server.ask('state');
  const end = await memoryMB();
  return {
    freeMaxMs: Math.max(...freeMs),
    leftOpen: open,
    rssGrowthRatio: end.rssMB / warm.rssMB,
    coldRSSGrowthRatio: end.rssMB / cold.rssMB,
    coldRSSMB: cold.rssMB,
    warmRSSMB: warm.rssMB,
    halfRSSMB: half.rssMB,
    endRSSMB: end.rssMB,
    heapGrownMB: end.heapMB - warm.heapMB,
    kills,
    warmKills,
  };
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
    const [plain, withWindow] = await stage.inTurn([killClients, killWithWindow], (kill) => kill(stage));
    return { ...plain, ...withWindow };
  },
};
