/**
 * Rows of too much: F23, F24.
 */
import { RPCClient } from '../../../src/rpc/client.js';
import type { RemoteProxy } from '../../../src/proxies/types.js';
import { RPCServer } from '../../../src/rpc/server.js';
import { FaultProxy } from '../../../src/testing/fault-proxy.js';
import { flood, floodKinds, type FloodKind } from '../../soak/flood.js';
import type { FaultService } from '../actor.js';
import { assaults, type Assault } from '../assault.js';
import { echoTimes } from '../load.js';
import { percentile, type FaultRow, type Figures } from '../row.js';
import { pass, resume, type Actor, type Stage } from '../stage.js';

const assaultCounts: Readonly<Record<Assault, number>> = {
  calls: 100_000,
  'cancelled calls': 1_000_000,
  references: 1_000_000,
  streams: 100_000,
};

/** The p99 of echoes while a socket in the server's process, which only reads and drops, is flooded: no less can be asked for. */
async function besideBareFlood(
  stage: Stage,
  server: Actor,
  service: RemoteProxy<FaultService>,
  seconds: number,
): Promise<number> {
  const bare = await server.ask('bare');
  const attacker = stage.actor();
  // On a machine that is full it would never be done, and the suite has no time for that.
  await attacker.ask(stage.isShort ? 'state' : 'giveWay');
  const pouring = attacker.ask('pour', bare, seconds + 0.2);
  const times = await echoTimes(service, seconds);
  await pouring;
  await attacker.kill();
  return percentile(times, 0.99);
}

/** Far more than is allowed. */
export const f23: FaultRow = {
  id: 'F23',
  fault:
    '100,000 calls that do not end, 1,000,000 that are cancelled at once, 1,000,000 references, 100,000 streams',
  targets: {
    mostRunning: ['at most', 1_024],
    grownMB: ['at most', 32],
    healthyP99Ratio: ['at most', 3],
    losses: ['exactly', 0],
  },
  always: ['mostRunning', 'losses'],
  play: async (stage) => {
    const server = stage.actor();
    const { port } = await server.ask('serve', { port: 0 });
    const client = new RPCClient({ port });
    let losses = 0;
    client.connectToServer();
    client.disconnectionMade$.subscribe(() => (losses += 1));
    const figures: Record<string, number> = {};
    try {
      const service = await client.whenRemoteProxyObject<FaultService>('service');
      const seconds = stage.isShort ? 0.2 : 5;
      await echoTimes(service, seconds);
      const before = percentile(await echoTimes(service, seconds), 0.99);
      const besideBare = await besideBareFlood(stage, server, service, seconds);
      let [grownMB, worst] = [0, 0];
      for (const kind of assaults) {
        const attacker = stage.actor();
        await attacker.ask(stage.isShort ? 'state' : 'giveWay');
        await server.ask('rest');
        await server.ask('watch');
        const count = stage.scale(assaultCounts[kind], 3_000);
        const attack = { isOver: false };
        const attacking = attacker.ask('assault', kind, port, count).finally(() => {
          attack.isOver = true;
        });
        const times: number[] = [];
        while (!attack.isOver) times.push(...(await echoTimes(service, 0.1)));
        const { asked, answered, disconnections } = await attacking;
        const grown = (await server.ask('watched')).grownBytes / 1e6;
        await attacker.kill();
        grownMB = Math.max(grownMB, grown);
        worst = Math.max(worst, percentile(times, 0.99));
        Object.assign(figures, {
          [`${kind}: asked`]: asked,
          [`${kind}: answered`]: answered,
          [`${kind}: disconnections`]: disconnections,
          [`${kind}: grownMB`]: grown,
          [`${kind}: p99Ms`]: percentile(times, 0.99),
        });
      }
      const { mostRunning } = await server.ask('state');
      return {
        mostRunning,
        grownMB,
        healthyP99Ratio: worst / before,
        losses,
        p99Ms: before,
        besideBareFloodP99Ms: besideBare,
        ratioToBareFlood: worst / besideBare,
        ...figures,
      };
    } finally {
      await client.dispose();
    }
  },
};

/** One policy, in front of a proxy that cuts sixty times. */
async function floodWithCuts(stage: Stage, kind: FloodKind, seconds: number) {
  const cuts = stage.isShort ? 3 : 60;
  const proxy = new FaultProxy({ target: { port: 0 } });
  const { port } = await proxy.listen();
  let [resumes, isOver] = [0, false];
  const cutting = async (): Promise<void> => {
    for (let cut = 0; cut < cuts; cut += 1) {
      await pass((seconds * 1_000) / (cuts + 1));
      if (isOver) return;
      proxy.cut();
    }
  };
  let cut = Promise.resolve();
  const report = await flood(kind, seconds, {
    serve: async (service, streams) => {
      const server = new RPCServer({ port: 0, resume });
      server.registerProxyObject('service', service, { streams });
      await server.start();
      proxy.target = { port: server.address()?.port ?? 0 };
      const reconnect = { initialDelayInSeconds: 0, maxDelayInSeconds: 0 };
      const client = new RPCClient({ port, resume, reconnect });
      client.connectToServer();
      client.resumed$.subscribe(() => (resumes += 1));
      await client.whenConnected();
      cut = cutting();
      return [server, client];
    },
    sleep: (ms) => pass(ms),
    now: () => performance.now(),
  });
  isOver = true;
  await cut;
  await proxy.dispose();
  return { ...report, resumes };
}

/** By how much values rise with each, by the method of least squares; 0 for fewer than two. */
function slopeOf(values: readonly number[]): number {
  const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const [middle, level] = [(values.length - 1) / 2, mean(values)];
  const spread = values.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
  const rise = values.reduce((sum, value, at) => sum + (at - middle) * (value - level), 0);
  return spread === 0 ? 0 : rise / spread;
}

/** A reader that is a hundred times too slow, and loses its connection again and again. */
export const f24: FaultRow = {
  id: 'F24',
  fault: 'a producer of 100,000/s, a consumer of 1,000/s for 10 min, each policy, with 60 cuts',
  targets: {
    slopeMBPerMinute: ['at most', 1],
    peakMB: ['at most', 64],
    missing: ['exactly', 0],
    faults: ['exactly', 0],
  },
  always: ['missing', 'faults'],
  play: async (stage) => {
    const seconds = stage.scale(600, 1);
    const figures: Record<string, number> = {};
    let [slopeMBPerMinute, peakMB, missing, faults, resumes] = [-Infinity, 0, 0, 0, 0];
    const playOne = async (kind: FloodKind): Promise<void> => {
      const report = await floodWithCuts(stage, kind, seconds);
      const { produced, delivered, dropped, grownBytes, grownBytesBySecond } = report;
      // In full, what comes after the first minute.
      const slope = slopeOf(grownBytesBySecond.slice(Math.floor(seconds / 10))) * 60;
      slopeMBPerMinute = Math.max(slopeMBPerMinute, slope / 1e6);
      peakMB = Math.max(peakMB, grownBytes / 1e6);
      missing += Math.abs(produced - delivered - dropped);
      faults += report.faults.filter((fault) => !fault.startsWith('the heap')).length;
      resumes += report.resumes;
      for (const fault of report.faults) console.error(`${kind}: ${fault}`);
      Object.assign(figures, {
        [`${kind}: produced`]: produced,
        [`${kind}: delivered`]: delivered,
        [`${kind}: dropped`]: dropped,
        [`${kind}: slopeMBPerMinute`]: slope / 1e6,
      } satisfies Figures);
    };
    await stage.inTurn(floodKinds, playOne);
    return { slopeMBPerMinute, peakMB, missing, faults, resumes, seconds, ...figures };
  },
};
