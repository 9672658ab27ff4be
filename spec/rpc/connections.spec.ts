import { describe, expect, it } from '@jest/globals';
import { RPCClient, ServerFullError, UnknownConnectionError } from 'tandem-rpc';
import { noCounts } from '../../src/rpc/counts.js';
import { rawClient, rawServer } from '../helpers/raw-peer.js';
import { collected, VirtualWorld } from '../helpers/virtual-world.js';

const service = { echo: (value: unknown) => value };

describe('the connections of an RPCServer', () => {
  it('have ids that are never used again, in connections() and connections$', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const lists = collected(server.connections$);
    const one = await world.connectedClient();
    const two = await world.connectedClient();
    const [first = '', second = ''] = [one.connectionID(), two.connectionID()];
    expect(server.connections()).toEqual([first, second]);
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    await one.disconnectFromServer();
    one.connectToServer();
    await world.until(one.whenConnected());
    await world.pass(0.01);
    const third = one.connectionID();
    expect(lists).toEqual([[], [first], [first, second], [second], [second, third]]);
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it('have a status, told by a stream that completes with the connection', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair();
    expect(server.connectionStatus(id)).toBe(RPCClient.STATUS_CONNECTED);
    const statuses = collected(server.connectionStatus$(id));
    const names = collected(server.remoteProxyObjects$(id));
    client.registerProxyObject('service', service);
    await world.pass(0.01);
    server.disconnect(id);
    server.disconnect(id);
    await world.pass(0.01);
    expect(statuses).toEqual([
      RPCClient.STATUS_CONNECTED,
      RPCClient.STATUS_DISCONNECTING,
      RPCClient.STATUS_DISCONNECTED,
      '|',
    ]);
    expect(names).toEqual([[], ['service'], '|']);
  });

  it('have a unique identifier: "" until it was told, and told again on each connection', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair();
    expect(server.connectionUniqueIdentifier(id)).toBe('');
    client.sendUniqueIdentifier('first');
    await world.pass(0.01);
    expect(server.connectionUniqueIdentifier(id)).toBe('first');
    client.sendUniqueIdentifier('second');
    world.network.cut();
    await world.until(client.whenConnected());
    await world.pass(0.5);
    expect(server.connections().map((each) => server.connectionUniqueIdentifier(each))).toEqual(['second']);
    client.sendUniqueIdentifier('');
    await world.pass(0.01);
    expect(server.connectionUniqueIdentifier(client.connectionID() ?? '')).toBe('');
  });

  it('have the identifier given in the options when connectionMade is delivered', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const seen: string[] = [];
    server.connectionMade$.subscribe((id) => seen.push(server.connectionUniqueIdentifier(id)));
    await world.connectedClient({ identifier: 'from the start' });
    expect(seen).toEqual(['from the start']);
  });

  it('have the last identifier, also when it was told in the middle of the handshake', async () => {
    for (let ms = 0; ms < 50; ms += 5) {
      const world = new VirtualWorld(0.01);
      const server = await world.startedServer();
      world.network.onLink((link) => {
        link.sliceBytes = 40;
      });
      const client = world.client({ identifier: 'first' });
      client.connectToServer();
      await world.pass(0.001 + ms / 1_000);
      client.sendUniqueIdentifier('second');
      await world.pass(0.1);
      expect(server.connectionUniqueIdentifier(client.connectionID() ?? '')).toBe('second');
    }
  });

  it('take no identifier that cannot be sent', () => {
    const client = new VirtualWorld().client();
    expect(() => client.sendUniqueIdentifier('x'.repeat(4_097))).toThrow('4097 characters; at most 4096');
    expect(() => client.sendUniqueIdentifier(5 as unknown as string)).toThrow('a string is needed');
    client.sendUniqueIdentifier('x'.repeat(4_096));
  });

  it('are readable inside disconnectionMade, and unknown after it', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({}, { identifier: 'me', localProxyObjects: { service } });
    const seen: unknown[] = [];
    server.disconnectionMade$.subscribe(({ connectionID }) => {
      seen.push(
        server.connectionStatus(connectionID),
        server.connectionUniqueIdentifier(connectionID),
        server.remoteProxyObjects(connectionID),
        server.connections(),
      );
      server.disconnect(connectionID);
    });
    await client.disconnectFromServer();
    await world.pass(0.01);
    expect(seen).toEqual([RPCClient.STATUS_DISCONNECTED, 'me', ['service'], []]);
    for (const ask of [
      () => server.connectionStatus(id),
      () => server.connectionStatus$(id),
      () => server.connectionUniqueIdentifier(id),
      () => server.remoteProxyObject(id, 'service'),
      () => server.remoteProxyObjects(id),
      () => server.remoteProxyObjects$(id),
      () => server.counts(id),
      () => server.disconnect(id),
    ]) {
      expect(ask).toThrow(UnknownConnectionError);
      expect(ask).toThrow(`there is no connection "${id}"`);
    }
  });

  it('are unknown while the handshake runs, and never made when it fails', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ timeoutInSeconds: 1 });
    const made = collected(server.connectionMade$);
    const ends = collected(server.disconnectionMade$);
    const stranger = await rawClient(world);
    expect(() => server.connectionStatus(stranger.connectionID ?? '')).toThrow(UnknownConnectionError);
    expect(server.connections()).toEqual([]);
    await world.pass(2);
    expect(stranger.end?.reason).toMatchObject({ code: 'handshake-timeout', by: 'remote' });
    expect([made, ends, world.errors]).toEqual([[], [], []]);
  });

  it('end with the reason that the server gives, cut where it is endless', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair();
    const ends = collected(client.disconnectionMade$);
    server.disconnect(id, `bye ${'x'.repeat(10_000)}`);
    await world.pass(0.01);
    expect(ends).toMatchObject([
      { reason: { code: 'disconnected', by: 'remote', message: expect.stringMatching(/^bye x+…$/) } },
    ]);
    expect(world.errors).toEqual([]);
  });

  it('count what is open on each, and on all', async () => {
    const world = new VirtualWorld();
    const hang = () => new Promise<never>(() => undefined);
    const { server, client, id } = await world.pair({ localProxyObjects: { service: { hang } } });
    const other = await world.connectedClient();
    expect(other.counts()).toEqual(noCounts);
    const call = client.remoteProxyObject<{ hang(): void }>('service')!.hang();
    call.catch(() => undefined);
    await world.pass(0.01);
    expect(client.counts()).toMatchObject({ calls: 1, incomingCalls: 0 });
    expect(server.counts(id)).toMatchObject({ calls: 0, incomingCalls: 1 });
    expect(server.counts()).toMatchObject({ incomingCalls: 1 });
    await client.disconnectFromServer();
    expect(client.counts()).toMatchObject({ calls: 0, incomingCalls: 0, queuedBytes: 0 });
  });
});

describe('heartbeats', () => {
  it('are told on both sides, a third of the timeout apart', async () => {
    const world = new VirtualWorld(0.01);
    const { server, client, id } = await world.pair({ timeoutInSeconds: 3 }, { timeoutInSeconds: 3 });
    const beats = [collected(server.heartbeat$), collected(client.heartbeat$)];
    await world.pass(3.5);
    for (const seen of beats) {
      expect(seen).toHaveLength(3);
      expect(seen[0]).toEqual({ connectionID: id, roundTripMs: 20, loopLagMs: 0, at: expect.any(Number) });
    }
  });

  it('end a connection that is silent for longer than the timeout, on both sides', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair({ timeoutInSeconds: 3 }, { timeoutInSeconds: 3 });
    const ends = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    world.network.halfOpen('toServer');
    world.network.halfOpen('toClient');
    await world.pass(3.2);
    for (const end of ends) expect(end).toMatchObject([{ reason: { code: 'timeout', by: 'local' } }]);
  });

  it.each(['server', 'client'] as const)(
    'follow setTimeout() of the %s, on an open connection',
    async (side) => {
      const world = new VirtualWorld();
      const { server, client } = await world.pair({ timeoutInSeconds: 60 }, { timeoutInSeconds: 60 });
      const changed = side === 'server' ? server : client;
      changed.setTimeout(1);
      await world.pass(30);
      expect(client.isConnected()).toBe(true);
      const ends = collected(changed.disconnectionMade$);
      world.network.halfOpen('toServer');
      world.network.halfOpen('toClient');
      await world.pass(1.5);
      expect(ends).toMatchObject([{ reason: { code: 'timeout' } }]);
      expect(() => changed.setTimeout(0)).toThrow('timeoutInSeconds is 0; allowed is a number from 0.01');
    },
  );

  it('follow setTimeout() in the middle of the handshake, too', async () => {
    const world = new VirtualWorld(0.1);
    const server = await world.startedServer({ timeoutInSeconds: 60 });
    const client = world.client({ timeoutInSeconds: 60 });
    const ends = [collected(client.disconnectionMade$), collected(server.disconnectionMade$)];
    client.connectToServer();
    await world.pass(0.15);
    client.setTimeout(1);
    await world.until(client.whenConnected());
    await world.pass(30);
    expect(ends).toEqual([[], []]);
  });
});

describe('maxConnectionsAllowed', () => {
  it('refuses one client too many, who reads why, and lets it in once there is room', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ maxConnectionsAllowed: 1, localProxyObjects: { service } });
    const first = await world.connectedClient();
    const excess = world.client();
    const errors = collected(excess.errors$);
    const made = collected(server.connectionMade$);
    excess.connectToServer();
    await world.pass(0.1);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(ServerFullError);
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('the server has all the clients it allows (1)'),
    });
    expect(excess.status()).toBe(RPCClient.STATUS_AUTO_CONNECTING);
    expect([made, first.isConnected()]).toEqual([[], true]);
    const echo = first.remoteProxyObject<typeof service>('service')!.echo(1);
    await expect(world.until(echo)).resolves.toBe(1);
    await first.disconnectFromServer();
    await world.until(excess.whenConnected());
    await world.pass(0.01);
    expect(server.connections()).toEqual([excess.connectionID()]);
  });

  it('changes on a running server: 0 refuses all, null admits all, nobody is sent away', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair();
    server.setMaxConnectionsAllowed(0);
    const second = world.client();
    second.connectToServer();
    await world.pass(10);
    expect([client.isConnected(), second.isConnected()]).toEqual([true, false]);
    server.setMaxConnectionsAllowed(2);
    await world.until(second.whenConnected());
    server.setMaxConnectionsAllowed(null);
    await world.connectedClient();
    expect(server.connections()).toHaveLength(3);
    expect(() => server.setMaxConnectionsAllowed(-1)).toThrow('maxConnectionsAllowed is -1');
  });

  it('is not lowered by clients that have ended and are not yet told of', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ maxConnectionsAllowed: 1 });
    const first = await world.connectedClient();
    await first.disconnectFromServer();
    await world.pass(0.005);
    await world.connectedClient();
    expect(world.errors).toEqual([]);
    expect(server.connections()).toHaveLength(1);
  });
});

describe('dedicatedPorts', () => {
  it('hand each client over to a port of its own', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ dedicatedPorts: true, localProxyObjects: { service } });
    const made = collected(server.connectionMade$);
    const clients = [await world.connectedClient(), await world.connectedClient()];
    const ports = world.network.links.map(({ address }) => address.port);
    expect([ports.length, ports.includes(9_000)]).toEqual([2, false]);
    expect(made).toEqual(clients.map((client) => client.connectionID()));
    const echo = clients[0]!.remoteProxyObject<typeof service>('service')!.echo('there');
    await expect(world.until(echo)).resolves.toBe('there');
    // Each port took one client, and is free again.
    for (const port of ports) await expect(rawClient(world, port)).rejects.toThrow('nobody listens');
    world.network.cut();
    await world.until(Promise.all(clients.map((client) => client.whenConnected())));
  });

  it('refuse a stranger with a wrong ticket, and keep waiting for the right one', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ dedicatedPorts: true });
    const { handover } = await rawClient(world);
    const port = handover!.port;
    for (const ticket of ['wrong', undefined]) {
      const stranger = await rawClient(world, port, ticket);
      expect(stranger.end?.reason).toMatchObject({
        code: 'disconnected',
        message: 'the ticket is not for this port',
      });
    }
    // It may be somebody who comes too late, where another is waited for.
    expect(world.errors).toEqual([]);
    const invited = await rawClient(world, port, handover!.ticket);
    invited.registerAll();
    await world.pass(0.01);
    expect(server.connections()).toEqual([invited.connectionID]);
    const misplaced = await rawClient(world, 9_000, handover!.ticket);
    expect(misplaced.end?.reason).toMatchObject({ message: 'the ticket is not for this port' });
  });

  it('admit one client for each ticket, however often it is shown', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ dedicatedPorts: true, maxConnectionsAllowed: 1 });
    const { handover } = await rawClient(world);
    const dials = await Promise.all([
      rawClient(world, handover!.port, handover!.ticket),
      rawClient(world, handover!.port, handover!.ticket),
    ]);
    for (const peer of dials) if (peer.connectionID !== undefined) peer.registerAll();
    await world.pass(0.01);
    expect(server.connections()).toHaveLength(1);
    expect(dials.map(({ end }) => end?.reason.message)).toEqual([
      undefined,
      'the ticket has been used, or has expired',
    ]);
  });

  it('count against the maximum while nobody comes, and no longer', async () => {
    const world = new VirtualWorld();
    await world.startedServer({ dedicatedPorts: true, maxConnectionsAllowed: 1, timeoutInSeconds: 3 });
    const { handover } = await rawClient(world);
    const excess = await rawClient(world);
    expect(excess.end?.reason.code).toBe('server-full');
    await world.pass(3);
    await expect(rawClient(world, handover!.port)).rejects.toThrow('nobody listens');
    expect((await rawClient(world)).handover).toBeDefined();
  });

  it('are closed when the client goes before it can be told', async () => {
    const world = new VirtualWorld();
    const { transport } = world.network.options;
    const server = world.server({
      dedicatedPorts: true,
      maxConnectionsAllowed: 1,
      transport: {
        dial: (...parameters) => transport.dial(...parameters),
        listen: (address, sink) =>
          transport.listen(address, {
            ...sink,
            onTransport: (accepted) => sink.onTransport(accepted),
            onFailed: (failure) => sink.onFailed(failure),
            // The system takes its time for a dedicated port.
            onListening: (bound) => {
              world.scheduler.schedule(() => sink.onListening(bound), address.port === 0 ? 100 : 0);
            },
          }),
      },
    });
    await world.until(server.start());
    const ended = collected(server.disconnectionMade$);
    const peer = await rawClient(world);
    world.network.cut();
    await world.pass(0.2);
    expect([peer.handover, peer.end?.reason.code]).toEqual([undefined, 'connection-lost']);
    const next = await rawClient(world);
    await world.pass(0.2);
    expect(next.handover).toBeDefined();
    expect([ended, world.errors]).toEqual([[], []]);
  });

  it('are closed when the server stops meanwhile', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ dedicatedPorts: true });
    const { handover } = await rawClient(world);
    await world.until(server.stop());
    await expect(rawClient(world, handover!.port)).rejects.toThrow('nobody listens');
  });

  it('tell of a port that cannot be had, and let the client try again', async () => {
    const world = new VirtualWorld();
    const { transport } = world.network.options;
    let isFailing = true;
    const server = world.server({
      dedicatedPorts: true,
      transport: {
        dial: (...parameters) => transport.dial(...parameters),
        listen: (address, sink) => {
          if (address.port !== 0 || !isFailing) return transport.listen(address, sink);
          world.scheduler.schedule(() => {
            sink.onFailed({ kind: 'other', error: new Error('no port') });
          });
          return { close: () => undefined };
        },
      },
    });
    await world.until(server.start());
    const client = world.client();
    client.connectToServer();
    await world.pass(1);
    expect(new Set(world.errors.map(({ message }) => message))).toEqual(new Set(['no port']));
    isFailing = false;
    await world.until(client.whenConnected());
  });

  it('are believed by a client only as far as they go: another attempt follows a dead end', async () => {
    const world = new VirtualWorld();
    const { peers, close } = await rawServer(world, (peer) => {
      peer.connection.handOver(49_999, 'ticket');
    });
    const client = world.client();
    client.connectToServer();
    await world.pass(1);
    expect(peers.length).toBeGreaterThan(1);
    close();
    await world.pass(1);
    await world.startedServer();
    await world.until(client.whenConnected());
  });
});
