/**
 * Rows of processes and threads that stand still, or lose a thread: F3, F25, F26.
 */
import { busy } from '../../io-thread/busy.js';
import type { FaultRow, Figures } from '../row.js';
import { nowMs, pass, resume, until, type Stage } from '../stage.js';
import { underLoad } from '../under-load.js';

/** The server is stopped for a while under calls; sessions go on, or begin anew. */
function stopServer(stage: Stage, isResuming: boolean) {
  const timeoutInSeconds = stage.isShort ? 0.5 : 10;
  const settings = { callsPerSecond: 100, timeoutInSeconds, ...(isResuming && { resume }) };
  return underLoad(stage, settings, async ({ server, made, away, resumed }) => {
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
      return { detectMs: away[0]! - stoppedMs, backMs: back[before]! - continuedMs };
    } finally {
      server.signal('SIGCONT');
    }
  });
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
  const settings = { callsPerSecond: 100, timeoutInSeconds: stage.isShort ? 0.3 : 10, resume };
  const { failedCalls, duplicates, ...figures } = await underLoad(stage, settings, async (scene) => {
    const { server, away, resumed, lost } = scene;
    await pass(200);
    const endedMs = await server.ask('block', seconds * 1_000);
    await until(() => resumed.length > 0);
    await pass(200);
    return { resumeMs: resumed[0]! - endedMs, resumedLosses: lost.length, timesAway: away.length };
  });
  return { ...figures, resumedFailedCalls: failedCalls, duplicates };
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
    const busyThread = async (): Promise<Figures> => {
      const on = await busy(seconds, bytes);
      return {
        threadLosses: on.losses + on.clientLosses,
        threadGrownMB: on.grownBytes / 1e6,
        lagErrorMs: Math.abs(on.longestLagMs - seconds * 1_000),
      };
    };
    const [blocked, busied] = await stage.inTurn([() => blockServer(stage, seconds), busyThread], (play) =>
      play(),
    );
    const figures = { ...blocked, ...busied, seconds };
    if (stage.isShort) return figures;
    const off = await busy(seconds, 1e6, false);
    return { ...figures, inlineLosses: off.losses + off.clientLosses };
  },
};

/** The I/O thread of a server is killed under calls; sessions go on, or begin anew. */
function killThread(stage: Stage, isResuming: boolean) {
  const settings = { callsPerSecond: 200, thread: true, ...(isResuming && { resume }) };
  return underLoad(stage, settings, async ({ server, made, away, resumed }) => {
    const deaths = stage.scale(2, 1);
    const [settleMs, backMs]: [number[], number[]] = [[], []];
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
    const exits = server.isAlive ? 0 : 1;
    return { settleMaxMs: Math.max(...settleMs), backMaxMs: Math.max(...backMs), exits, deaths };
  });
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
