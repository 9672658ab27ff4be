import { describe, expect, it } from '@jest/globals';
import { LimitExceededError, RPCClient, ServerFullError, type RPCServer } from 'tandem-rpc';
import { readOpenFiles } from '../../src/rpc/open-files.js';
import { Places, type PlacesSettings } from '../../src/rpc/places.js';
import { PrincipalKeys } from '../../src/rpc/principal-key.js';
import { isSamePrincipal } from '../../src/rpc/same-principal.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { rawClient } from '../helpers/raw-peer.js';
import { collected, VirtualWorld } from '../helpers/virtual-world.js';

const resume = { windowInSeconds: 60 };

/** Two clients too many, for a while; and what each of them is told. */
async function crowded(
  world: VirtualWorld,
  server: RPCServer,
  credentials: unknown[] = [undefined, undefined],
) {
  const statuses: string[][] = [];
  const errors: (Error | '|')[][] = [];
  const excess = credentials.map((each) => world.client({ credentials: each }));
  for (const client of excess) {
    statuses.push(collected(client.status$));
    errors.push(collected(client.errors$));
    client.connectToServer();
  }
  await world.pass(10);
  expect(server.connections()).not.toHaveLength(0);
  return { excess, statuses, errors };
}

describe('limits.maxConnections', () => {
  it('refuses one client too many, which says so, backs off, and comes in once there is a place', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxConnections: 2 } });
    const first = await world.connectedClient();
    await world.connectedClient();
    const reported = world.errors.length;
    const { excess, statuses, errors } = await crowded(world, server);
    expect(server.connections()).toHaveLength(2);
    for (const told of errors) {
      expect(told[0]).toBeInstanceOf(ServerFullError);
      expect(told[0]).toMatchObject({
        message: expect.stringContaining('the server has all the clients that it can have (2)'),
      });
      // At least a second apart, as the server asks.
      expect(told.length).toBeLessThan(10);
    }
    expect(excess.map((client) => client.status())).toEqual(
      excess.map(() => RPCClient.STATUS_AUTO_CONNECTING),
    );
    expect(new Set(statuses.flat())).not.toContain(RPCClient.STATUS_CONNECTED);
    expect(server.counts().refusedClients).toBe(errors.flat().length);
    // The server says it once, until somebody is let in again.
    const ofServer = world.errors.slice(reported).filter((error) => error instanceof LimitExceededError);
    expect(ofServer.map(({ message }) => message)).toEqual([
      'a client was refused: there are 2 clients, and may be no more (limits.maxConnections changes the bound)',
    ]);
    await first.disconnectFromServer();
    await world.until(Promise.race(excess.map((client) => client.whenConnected())));
    await world.pass(10);
    expect(server.connections()).toHaveLength(2);
  });

  it('holds however many the owner allows, and the owner may allow fewer', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxConnections: 2 }, maxConnectionsAllowed: 1 });
    await world.connectedClient();
    expect((await rawClient(world)).end?.reason.message).toBe('the server has all the clients it allows (1)');
    for (const allowed of [9, null]) {
      server.setMaxConnectionsAllowed(allowed);
      const peers = [await rawClient(world), await rawClient(world)];
      expect(peers.map(({ end }) => end?.reason.code)).toEqual([undefined, 'server-full']);
      peers[0]!.connection.close('disconnected', '');
      await world.pass(0.01);
    }
  });

  it('counts sessions that are away, which come back to their places', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxConnections: 2 }, resume });
    const clients = [await world.connectedClient({ resume }), await world.connectedClient({ resume })];
    const ids = server.connections();
    world.network.cut();
    const stranger = await rawClient(world);
    expect(stranger.end?.reason.code).toBe('server-full');
    await world.until(Promise.all(clients.map((client) => client.whenConnected())));
    await world.pass(0.01);
    expect(server.connections()).toEqual(ids);
    expect(clients.map((client) => client.connectionID())).toEqual(ids);
  });
});

describe('limits.maxOpenFiles', () => {
  it('leaves 64 of them to what is no client: fewer clients, and of those who are refused 32 at a time', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxOpenFiles: 66 } });
    await world.connectedClient();
    await world.connectedClient();
    const third = await rawClient(world);
    expect(third.end?.reason).toMatchObject({
      code: 'server-full',
      message: 'the server has all the clients that it can have (2)',
    });
    const waiting: Promise<unknown>[] = [];
    const ends: (Error | undefined)[] = [];
    for (let at = 0; at < 40; at += 1) {
      waiting.push(
        new Promise<void>((resolve, reject) => {
          world.network.options.transport.dial(
            { host: '127.0.0.1', port: 9_000 },
            {
              onTransport: (transport) => {
                transport.open({
                  onChunk: () => undefined,
                  onClosed: (error) => ends.push(error),
                  onWritable: () => undefined,
                });
                resolve();
              },
              onFailed: ({ error }) => reject(error),
            },
          );
        }),
      );
    }
    await world.until(Promise.all(waiting));
    await world.pass(0.1);
    expect(ends).toHaveLength(8);
    expect(server.counts()).toMatchObject({ handshakes: 32, refusedConnections: 8, refusedClients: 1 });
    expect(world.errors.map(({ message }) => message)).toEqual([
      'a client was refused: there are 2 clients of a process that may open 66 files, and may be no more (limits.maxOpenFiles changes the bound)',
      expect.stringMatching(/^a connection was turned away: 34 files are connections already/),
    ]);
  });

  it('is less where the system says less, asked when the server begins to listen', () => {
    const settings: PlacesSettings = {
      limits: { ...defaultLimits, maxOpenFiles: 1_000 },
      hasPrincipals: false,
      expected: () => 0,
      report: () => undefined,
    };
    const places = new Places(null, settings);
    const most = (): number => {
      let open = 0;
      while (places.hasFile(open)) open += 1;
      return open;
    };
    expect(most()).toBe(1_000 - 32);
    places.noteOpenFiles(100);
    expect(most()).toBe(100 - 32);
    places.noteOpenFiles(2_000);
    expect(most()).toBe(1_000 - 32);
    places.noteOpenFiles(undefined);
    expect(most()).toBe(1_000 - 32);
    // Too few for anybody: one client is let in, as far as the system lets it.
    places.noteOpenFiles(10);
    expect(places.refusalOf(undefined, false)).toBeUndefined();
    places.take({ hasPlace: true }, undefined);
    expect(places.refusalOf(undefined, false)).toMatchObject({ code: 'server-full' });
  });

  it('is read from what Linux tells, and harmless where nothing does', () => {
    const header = 'Limit                     Soft Limit           Hard Limit           Units     \n';
    const line = (soft: string): string =>
      `Max open files            ${soft}              1048576              files     \n`;
    expect(readOpenFiles(() => header + line('4096'))).toBe(4_096);
    expect(readOpenFiles(() => header + line('unlimited'))).toBeUndefined();
    expect(readOpenFiles(() => 'something else')).toBeUndefined();
    expect(readOpenFiles(() => undefined)).toBeUndefined();
    const missing = (): string => {
      throw new Error('ENOENT');
    };
    expect(readOpenFiles(missing)).toBeUndefined();
    // Here, whatever the system.
    expect(readOpenFiles() ?? 1).toBeGreaterThan(0);
  });
});

describe('limits.maxSessionsPerPrincipal', () => {
  const authenticate = (credentials: unknown): unknown => credentials;

  it('refuses one client too many of a principal, and nobody else', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ authenticate, limits: { maxSessionsPerPrincipal: 2 } });
    const ann = { name: 'ann', groups: ['a', 'b'] };
    const clients = [
      await world.connectedClient({ credentials: ann }),
      await world.connectedClient({ credentials: { groups: ['a', 'b'], name: 'ann' } }),
      await world.connectedClient({ credentials: { ...ann, name: 'bob' } }),
    ];
    const before = world.errors.length;
    const { excess, errors } = await crowded(world, server, [ann, { ...ann }]);
    expect(server.connections()).toHaveLength(3);
    for (const told of errors) {
      expect(told[0]).toBeInstanceOf(LimitExceededError);
      expect(told[0]).toMatchObject({
        message: expect.stringContaining(
          'the server has all the clients of this principal that it allows (2)',
        ),
      });
    }
    expect(excess.map((client) => client.status())).toEqual(
      excess.map(() => RPCClient.STATUS_AUTO_CONNECTING),
    );
    expect(server.counts()).toMatchObject({ refusedOfPrincipals: errors.flat().length, refusedClients: 0 });
    const ofServer = world.errors
      .slice(before)
      .filter(({ message }) => message.startsWith('a client was refused'));
    expect(ofServer.map(({ message }) => message)).toEqual([
      'a client was refused: one principal has 2 clients, and may be no more (limits.maxSessionsPerPrincipal changes the bound)',
    ]);
    await clients[0]!.disconnectFromServer();
    await world.until(Promise.race(excess.map((client) => client.whenConnected())));
  });

  it('lets a session come back that is one of them, and count as one', async () => {
    const world = new VirtualWorld();
    const limits = { maxSessionsPerPrincipal: 1 };
    const server = await world.startedServer({ authenticate, limits, resume });
    const client = await world.connectedClient({ credentials: 'ann', resume });
    const id = client.connectionID();
    for (let cut = 0; cut < 3; cut += 1) {
      world.network.cut();
      await world.pass(1);
    }
    expect([client.connectionID(), server.connections()]).toEqual([id, [id]]);
    await client.disconnectFromServer();
    await world.connectedClient({ credentials: 'ann' });
    expect(world.errors).toEqual([]);
  });

  it('holds for those that are sent to ports of their own', async () => {
    const world = new VirtualWorld();
    const limits = { maxSessionsPerPrincipal: 1 };
    const server = await world.startedServer({ authenticate, limits, dedicatedPorts: true });
    const clients = ['ann', 'ann', 'bob'].map((credentials) => world.client({ credentials }));
    for (const client of clients) client.connectToServer();
    await world.pass(5);
    expect(server.connections()).toHaveLength(2);
    expect(clients[2]!.isConnected()).toBe(true);
    expect(clients.filter((client) => client.isConnected())).toHaveLength(2);
  });

  it('is not for clients that are not told from each other', async () => {
    const limits = { maxSessionsPerPrincipal: 1 };
    for (const extras of [{}, { authenticate: () => true }]) {
      const world = new VirtualWorld();
      const server = await world.startedServer({ ...extras, limits });
      await world.connectedClient();
      await world.connectedClient();
      expect(server.connections()).toHaveLength(2);
    }
  });
});

describe('PrincipalKeys', () => {
  class Person {
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }
  }
  const ann = new Person('ann');
  const loop: Record<string, unknown> = {};
  for (const key of 'abcdefghij') loop[key] = loop;
  const deep = (leaf: unknown, depth: number): unknown => (depth === 0 ? leaf : [deep(leaf, depth - 1)]);
  const leaf = {};
  const identities: unknown[] = [
    ...['ann', '"ann"', '{"a":1}', '1', 'true', 'null', ''],
    ...[1, -0, 0, NaN, 1n, null, false, Symbol('s')],
    ...[{ a: 1 }, { a: 1, b: 2 }, { b: 2, a: 1 }, { a: '1' }, { a: undefined }, {}, [], [1], { 0: 1 }, [[1]]],
    ...[ann, new Person('ann'), { who: ann }, { who: ann }, { who: new Person('ann') }, () => 1],
    ...[loop, deep(leaf, 8), deep(leaf, 8), deep({}, 8), deep(leaf, 9), deep({}, 9), deep(1, 7), deep(1, 7)],
    ...[Object.assign(Object.create(null) as object, { a: 1 })],
  ];

  it('are the same exactly for those who are the same principal', () => {
    const keys = new PrincipalKeys();
    for (const one of identities) {
      for (const other of identities) {
        expect([one, other, keys.keyOf(one) === keys.keyOf(other)]).toEqual([
          one,
          other,
          isSamePrincipal(one, other),
        ]);
      }
    }
  });

  it('name nobody where there is no identity, or one that only says yes', () => {
    const keys = new PrincipalKeys();
    expect([keys.keyOf(undefined), keys.keyOf(true)]).toEqual([undefined, undefined]);
  });
});
