/**
 * Rows of many clients: F17, F18, F19, F20, F28.
 */
import { FaultProxy } from '../../../src/testing/fault-proxy.js';
import { percentile, type FaultRow } from '../row.js';
import { nowMs, pass, resume, until, type Actor, type Stage } from '../stage.js';

/** Processes of clients: one alone could not keep up with the server. */
function crowds(stage: Stage): Actor[] {
  return Array.from({ length: stage.isShort ? 1 : 5 }, () => stage.actor());
}

/** Has a server, and so many clients that are connected to it. */
async function connectedCrowd(stage: Stage, count: number, spreadMs: number) {
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0 });
  const clients = crowds(stage);
  // They load their program first.
  await Promise.all(clients.map((each) => each.ask('state')));
  const restBytes = await rssAtRest(server);
  await server.ask('watch');
  const fromMs = nowMs();
  const each = count / clients.length;
  const times = await Promise.all(clients.map((crowd) => crowd.ask('crowd', each, { port }, spreadMs, true)));
  const ms = nowMs() - fromMs;
  return { server, port, clients, restBytes, connectMs: times.flat(), ms, ...(await server.ask('watched')) };
}

async function rssAtRest(actor: Actor): Promise<number> {
  await actor.ask('rest');
  return actor.ask('memory');
}

async function sumOf(actors: readonly Actor[], name: 'losses' | 'connected' | 'dials'): Promise<number> {
  const states = await Promise.all(actors.map((actor) => actor.ask('state')));
  return states.reduce((sum, state) => sum + state[name], 0);
}

async function failuresOf(actors: readonly Actor[]): Promise<number> {
  const states = await Promise.all(actors.map((actor) => actor.ask('state')));
  return states.reduce((sum, { failures }) => sum + Object.values(failures).reduce((a, b) => a + b, 0), 0);
}

/** No more files. */
export const f17: FaultRow = {
  id: 'F17',
  fault:
    'no more files: a server that may open 256 with 1,000 clients more than it can take, a client process that may open 64',
  targets: {
    dialsPerClientPerSecond: ['at most', 1],
    recoveryMs: ['at most', 6_000],
    clientRecoveryMs: ['at most', 6_000],
    losses: ['exactly', 0],
    exits: ['exactly', 0],
  },
  always: ['losses', 'exits'],
  play: async (stage) => {
    const server = stage.actor(stage.isShort ? 128 : 256);
    const { port } = await server.ask('serve', { port: 0 });
    const [early, late, narrow] = [stage.actor(), stage.actor(), stage.actor(64)];
    // The suite does not wait for pauses of five seconds.
    const pauses = stage.isShort ? { reconnect: { maxDelayInSeconds: 0.2 } } : {};
    const [few, many] = stage.isShort ? [40, 60] : [180, 1_000];
    await early.ask('crowd', few, { port }, 0, true);
    await late.ask('crowd', many, { port, ...pauses }, 0, false);
    await pass(stage.isShort ? 100 : 10_000);
    const before = await late.ask('state');
    const seconds = stage.isShort ? 0.2 : 5;
    await pass(seconds * 1_000);
    const after = await late.ask('state');
    const waiting = many - after.connected;
    const full = (await server.ask('state')).connections;

    const freedMs = nowMs();
    const losses = (await early.ask('state')).losses;
    await early.ask('shrink', few);
    // Of those that wait as many come in as there are places; a few places may stay free for a moment.
    const places = Math.min(full, after.connected + waiting);
    await until(async () => (await server.ask('state')).connections >= places - 5);
    const recoveryMs = nowMs() - freedMs;

    const other = await early.ask('serve', { port: 0 });
    await narrow.ask('crowd', 80, { port: other.port, ...pauses }, 0, false);
    await pass(stage.isShort ? 200 : 5_000);
    const most = (await narrow.ask('state')).connected;
    const shrunkMs = nowMs();
    await narrow.ask('shrink', most - 10);
    await until(async () => (await narrow.ask('state')).connected >= Math.min(most, 90 - most) - 2);
    return {
      dialsPerClientPerSecond: (after.dials - before.dials) / seconds / waiting,
      recoveryMs,
      clientRecoveryMs: nowMs() - shrunkMs,
      losses,
      exits: [server, late, narrow].filter(({ isAlive }) => !isAlive).length,
      served: full,
      clientConnected: most,
    };
  },
};

/** Many that do nothing. */
export const f18: FaultRow = {
  id: 'F18',
  fault: '5,000 idle connections for 10 min',
  targets: { kibEach: ['at most', 20], cpuShare: ['at most', 0.1], losses: ['exactly', 0] },
  always: ['losses'],
  play: async (stage) => {
    const count = stage.isShort ? 100 : 5_000;
    const { server, clients, restBytes } = await connectedCrowd(stage, count, 0);
    const grownBytes = (await rssAtRest(server)) - restBytes;
    const seconds = stage.scale(600, 0.5);
    await server.ask('watch');
    await pass(seconds * 1_000);
    const { cpuMs } = await server.ask('watched');
    return {
      kibEach: grownBytes / 1_024 / count,
      cpuShare: cpuMs / (seconds * 1_000),
      losses: await sumOf(clients, 'losses'),
      connections: count,
      seconds,
    };
  },
};

/** Many that come. */
export const f19: FaultRow = {
  id: 'F19',
  fault: 'storm of 5,000 connects within 1 s',
  targets: { allInMs: ['at most', 5_000], failures: ['exactly', 0], p99DelayMs: ['at most', 100] },
  always: ['failures'],
  play: async (stage) => {
    const count = stage.isShort ? 200 : 5_000;
    const { server, clients, ms, connectMs, p99DelayMs, maxDelayMs } = await connectedCrowd(
      stage,
      count,
      1_000,
    );
    return {
      allInMs: ms,
      failures: await failuresOf([server, ...clients]),
      p99DelayMs,
      maxDelayMs,
      connectP99Ms: percentile(connectMs, 0.99),
      connections: count,
    };
  },
};

/** Many that come back. */
export const f20: FaultRow = {
  id: 'F20',
  fault: 'reconnect storm of 5,000, the server killed and away for 10 s',
  targets: { peakPer100Ms: ['at most', 250], returnP99Ms: ['at most', 6_000], missing: ['exactly', 0] },
  always: ['missing'],
  play: async (stage) => {
    const count = stage.isShort ? 50 : 5_000;
    const { server, port, clients } = await connectedCrowd(stage, count, 0);
    await server.kill();
    const next = stage.actor();
    await pass(stage.isShort ? 100 : 10_000);
    const { atMs } = await next.ask('serve', { port });
    // Seldom, and without counting what each of them has open: asking must not cost what is measured.
    await until(async () => (await next.ask('connections')) >= count, 60_000, 100);
    const returnedMs = (await next.ask('made')).map((madeMs) => madeMs - atMs);
    const perSlot = new Map<number, number>();
    for (const ms of returnedMs) {
      const slot = Math.floor(ms / 100);
      perSlot.set(slot, (perSlot.get(slot) ?? 0) + 1);
    }
    return {
      peakPer100Ms: Math.max(...perSlot.values()),
      returnP50Ms: percentile(returnedMs, 0.5),
      returnP99Ms: percentile(returnedMs, 0.99),
      missing: count - (await sumOf(clients, 'connected')),
      connections: count,
    };
  },
};

/** Those that are too many. */
export const f28: FaultRow = {
  id: 'F28',
  fault: '1,000 connections beyond the 100 that are allowed, 10 at a time',
  targets: {
    refusedMaxMs: ['at most', 100],
    others: ['exactly', 0],
    losses: ['exactly', 0],
    resumesRefused: ['exactly', 0],
  },
  always: ['others', 'losses', 'resumesRefused'],
  play: async (stage) => {
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0, maxConnectionsAllowed: 100, resume });
    const [allowed, beyond] = [stage.actor(), stage.actor()];
    const proxy = new FaultProxy({ target: { port } });
    await allowed.ask('crowd', 100, { port: (await proxy.listen()).port, resume }, 0, true);
    const count = stage.isShort ? 50 : 1_000;
    const { waitedMs, others } = await beyond.ask('refusals', count, 10, { port });
    // No place is free, yet those who have one come back to it.
    proxy.cut();
    // Right after the cut they do not know of it yet.
    let after = await allowed.ask('state');
    await until(async () => {
      after = await allowed.ask('state');
      return after.connected === 100 && after.resumes + after.losses >= 100;
    });
    const { losses, connected, resumes } = after;
    await proxy.dispose();
    return {
      refusedMaxMs: Math.max(...waitedMs),
      refusedP50Ms: percentile(waitedMs, 0.5),
      others,
      losses: losses + 100 - connected,
      resumesRefused: 100 - resumes,
      refused: count,
    };
  },
};
