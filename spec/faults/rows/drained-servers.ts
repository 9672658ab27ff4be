/**
 * A row of servers that are told to stop while they are used, with another one up: F27.
 */
import { auditLedger } from '../ledger.js';
import { Load } from '../load.js';
import type { FaultRow } from '../row.js';
import { pass, until } from '../stage.js';
import { watchedClient } from '../watched-client.js';

/** How long a server may drain, in seconds. */
const drainInSeconds = 5;

/** Two servers take turns: one drains and is started again, while the other one serves. */
export const f27: FaultRow = {
  id: 'F27',
  fault:
    'drain of the server under 1,000 calls/s that say `whenDisconnected: "wait"`, with a second server up, in turn',
  targets: {
    failed: ['exactly', 0],
    lies: ['exactly', 0],
    duplicates: ['exactly', 0],
    drainMaxMs: ['at most', drainInSeconds * 1_000 + 1_000],
    handles: ['exactly', 0],
  },
  always: ['failed', 'lies', 'duplicates', 'handles'],
  play: async (stage) => {
    const ledger = stage.file('ledger');
    const servers = [stage.actor(), stage.actor()];
    const ports: number[] = [];
    for (const server of servers) ports.push((await server.ask('serve', { port: 0 }, ledger)).port);
    const urls = ports.map((port) => `tcp://127.0.0.1:${port}`);
    const { client, made } = watchedClient({ urls });
    await client.whenRemoteProxyObject('service');
    const load = new Load(client, 1_000, { whenDisconnected: 'wait' });
    const drains: { tookMs: number; handles: number }[] = [];
    try {
      for (let round = 0; round < stage.scale(20, 2); round += 1) {
        await pass(stage.isShort ? 200 : 1_000);
        const index = round % 2;
        drains.push(await servers[index]!.ask('drain', drainInSeconds));
        await until(() => made.length > round + 1);
        await servers[index]!.ask('serve', { port: ports[index]! }, ledger);
      }
      await load.end();
      return {
        calls: load.told.length,
        failed: load.told.filter(({ outcome }) => outcome !== 'ok').length,
        ...auditLedger(ledger, load.told),
        drainMaxMs: Math.max(...drains.map(({ tookMs }) => tookMs)),
        handles: Math.max(...drains.map(({ handles }) => handles)),
        moves: made.length - 1,
      };
    } finally {
      await load.end();
      await client.dispose();
    }
  },
};
