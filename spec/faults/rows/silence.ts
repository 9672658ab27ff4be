/**
 * The row of a direction in which nothing arrives any more: F8.
 */
import type { FaultProxy } from '../../../src/testing/fault-proxy.js';
import type { FaultDirection } from '../../../src/testing/fault-switches.js';
import { withProxy } from '../behind-proxy.js';
import type { FaultRow, Figures } from '../row.js';
import { nowMs, pass, resume, until, type Actor, type Stage } from '../stage.js';
import { underLoad } from '../under-load.js';

/** One direction is silent from now on. @returns the other one, and since when */
async function fallSilent(server: Actor, proxy: FaultProxy, direction: FaultDirection) {
  // Late enough for the end of the deaf side to be lost as well.
  proxy.disturb({ latencyInSeconds: 0.1 });
  await pass(300);
  await until(async () => (await server.ask('connections')) === 1);
  proxy.halfOpen(direction);
  const other: FaultDirection = direction === 'toServer' ? 'toClient' : 'toServer';
  return { other, fromMs: nowMs() };
}

/** One direction is silent; then the other one too, before the end of the deaf side has crossed. */
function silence(stage: Stage, direction: FaultDirection): Promise<Figures> {
  const timeoutInSeconds = stage.isShort ? 0.3 : 10;
  return withProxy(stage, { timeoutInSeconds }, async ({ server, client, proxy }) => {
    const lost: { toServer?: number; toClient?: number } = {};
    client.disconnectionMade$.subscribe(() => (lost.toClient ??= nowMs()));
    const { other, fromMs } = await fallSilent(server, proxy, direction);
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

/** The same of a session that is to be resumed, under calls; once both sides know, everything passes again. */
function silenceResumed(stage: Stage, direction: FaultDirection) {
  const timeoutInSeconds = stage.isShort ? 0.3 : 10;
  const settings = { callsPerSecond: 100, timeoutInSeconds, resume, isProxied: true };
  return underLoad(stage, settings, async ({ server, proxy, away, resumed, lost }) => {
    const known: { toServer?: number; toClient?: number } = {};
    const look = async (): Promise<boolean> => {
      if (known.toServer === undefined && (await server.ask('state')).away > 0) known.toServer = nowMs();
      if (away[0] !== undefined) known.toClient ??= away[0];
      return known[direction] !== undefined;
    };
    const { other, fromMs } = await fallSilent(server, proxy, direction);
    await until(look);
    proxy.halfOpen(other);
    await until(async () => (await look()) && known.toServer !== undefined && known.toClient !== undefined);
    const healedMs = nowMs();
    proxy.heal();
    await until(() => resumed.length > 0);
    await pass(300);
    return {
      deafMs: known[direction]! - fromMs,
      unheardMs: known[other]! - fromMs,
      resumeMs: resumed[0]! - healedMs,
      losses: lost.length + (await server.ask('state')).losses,
    };
  });
}

/** A black hole one way. */
export const f8: FaultRow = {
  id: 'F8',
  fault: 'one-way black hole, each way, the end of the deaf side lost as well, with resuming and without',
  targets: {
    deafServerMs: ['at most', 15_500],
    unheardClientMs: ['at most', 20_500],
    deafClientMs: ['at most', 15_500],
    unheardServerMs: ['at most', 20_500],
    // What another row asks for where a link heals.
    resumeMaxMs: ['at most', 6_000],
    resumedLosses: ['exactly', 0],
    resumedFailedCalls: ['exactly', 0],
    duplicates: ['exactly', 0],
  },
  always: ['resumedLosses', 'resumedFailedCalls', 'duplicates'],
  play: async (stage) => {
    const [up, down, resumedUp, resumedDown] = await Promise.all([
      silence(stage, 'toServer'),
      silence(stage, 'toClient'),
      silenceResumed(stage, 'toServer'),
      silenceResumed(stage, 'toClient'),
    ]);
    return {
      deafServerMs: Math.max(up['deafMs']!, resumedUp.deafMs),
      unheardClientMs: Math.max(up['unheardMs']!, resumedUp.unheardMs),
      deafClientMs: Math.max(down['deafMs']!, resumedDown.deafMs),
      unheardServerMs: Math.max(down['unheardMs']!, resumedDown.unheardMs),
      resumeMaxMs: Math.max(resumedUp.resumeMs, resumedDown.resumeMs),
      resumedLosses: resumedUp.losses + resumedDown.losses,
      resumedFailedCalls: resumedUp.failedCalls + resumedDown.failedCalls,
      duplicates: resumedUp.duplicates + resumedDown.duplicates,
      calls: resumedUp.calls + resumedDown.calls,
    };
  },
};
