import { describe, expect, it } from '@jest/globals';
import { withCallOptions, type RemoteProxy, type RPCClient, type RPCServer } from 'tandem-rpc';
import { pooledBytes } from '../../src/protocol/fragment-pool.js';
import { openCounts } from '../helpers/open-counts.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const resume = { windowInSeconds: 60 };

interface Taker {
  take(bytes: Uint8Array): void;
}

/** Clients that are lost one after the other, and that nobody lets back in. */
async function leftBehind(world: VirtualWorld, count: number): Promise<RPCClient[]> {
  const clients: RPCClient[] = [];
  for (let at = 0; at < count; at += 1) {
    const localProxyObjects = { taker: { take: () => undefined } };
    clients.push(await world.connectedClient({ resume, localProxyObjects }));
    await world.pass(1);
  }
  world.network.refuseConnections = true;
  for (const link of [...world.network.links]) {
    link.cut();
    await world.pass(1);
  }
  return clients;
}

function takerOf(server: RPCServer, client: RPCClient): RemoteProxy<Taker> {
  return server.remoteProxyObject<Taker>(client.connectionID() ?? '', 'taker')!;
}

describe('limits.maxAwayBytes', () => {
  it('ends sessions that are away, the oldest first, when too much is kept for all of them', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ resume, limits: { maxAwayBytes: 1_000_000 } });
    const clients = await leftBehind(world, 4);
    const ids = clients.map((client) => client.connectionID());
    const ended = collected(server.disconnectionMade$);
    // What is acknowledged holds no memory.
    expect(server.counts()).toMatchObject({ awaySessions: 4, awayBytes: 0 });
    const failures = clients.map((client) =>
      rejectionOf(takerOf(server, client).take(new Uint8Array(300_000))),
    );
    expect(server.counts().awaySessions).toBe(4);
    await world.pass(0.01);
    expect(ended).toMatchObject([
      {
        connectionID: ids[0],
        reason: { code: 'session-lost', message: expect.stringContaining('limits.maxAwayBytes') },
      },
    ]);
    expect(await world.until(failures[0]!)).toMatchObject({ executed: 'no', code: 'connection-lost' });
    expect(server.counts()).toMatchObject({ awaySessions: 3, evictedSessions: 1 });
    expect(server.counts().awayBytes).toBeGreaterThan(900_000);
    expect(server.counts().awayBytes).toBeLessThan(1_000_000);
    // One that takes more than all may have ends last, and by itself.
    failures.push(rejectionOf(takerOf(server, clients[3]!).take(new Uint8Array(1_100_000))));
    await world.pass(0.01);
    expect(server.connections()).toEqual([]);
    expect(openCounts(server.counts())).toEqual([]);
    await world.until(Promise.all(failures));
  });

  it('counts no more what was given up, and what comes back', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ resume, limits: { maxAwayBytes: 1_000_000 } });
    const clients = await leftBehind(world, 2);
    const controller = new AbortController();
    const taker = withCallOptions(takerOf(server, clients[0]!), { signal: controller.signal });
    const given = rejectionOf(taker.take(new Uint8Array(600_000)));
    await world.pass(0.01);
    expect(server.counts().awayBytes).toBeGreaterThan(500_000);
    controller.abort(new Error('enough'));
    await world.until(given);
    expect(server.counts().awayBytes).toBe(0);
    const taken = [clients[0]!, clients[1]!].map((client) =>
      takerOf(server, client).take(new Uint8Array(400_000)),
    );
    await world.pass(0.01);
    expect(server.counts()).toMatchObject({ awaySessions: 2, evictedSessions: 0 });
    world.network.refuseConnections = false;
    await world.until(Promise.all(taken));
    expect(server.counts()).toMatchObject({ awaySessions: 0, awayBytes: 0 });
    expect(world.errors).toEqual([]);
  });

  it('counts the buffers that are held, not only what is in them', async () => {
    const world = new VirtualWorld(0.05);
    const server = await world.startedServer({ resume });
    const client = await world.connectedClient({
      resume,
      localProxyObjects: { taker: { take: () => undefined } },
    });
    await world.pass(1);
    world.network.refuseConnections = true;
    void rejectionOf(takerOf(server, client).take(new Uint8Array(1)));
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.01);
    expect(server.counts()).toMatchObject({ awaySessions: 1, awayBytes: pooledBytes });
    await world.until(server.dispose());
  });
});

describe('limits.maxAwaySessions', () => {
  it('lets a session pass to another connection where as many are away as may be', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({
      resume,
      limits: { maxAwaySessions: 1 },
      timeoutInSeconds: 30,
    });
    const lost = await world.connectedClient({ resume });
    const kept = await world.connectedClient({ resume, timeoutInSeconds: 1 });
    await world.pass(1);
    const [first, second] = world.network.links;
    let isFirst = true;
    first!.cut();
    world.network.onLink((link) => {
      // The one that was cut does not come back, the other does.
      if (isFirst) link.cut();
      isFirst = false;
    });
    await world.pass(0.001);
    expect(server.counts().awaySessions).toBe(1);
    // The client hears nothing, the server everything: the session is taken over while its connection seems to live.
    second!.halfOpen('toClient');
    await world.pass(5);
    expect(kept.isConnected()).toBe(true);
    expect(server.counts().evictedSessions).toBe(0);
    expect(server.connections()).toEqual([lost.connectionID(), kept.connectionID()]);
  });
});
