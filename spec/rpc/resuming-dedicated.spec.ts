import { describe, expect, it } from '@jest/globals';
import { RPCClient, type RPCServer } from 'tandem-rpc';
import { openCounts } from '../helpers/open-counts.js';
import { rawClient } from '../helpers/raw-peer.js';
import { collected, rejectionOf, VirtualWorld, type ServerExtras } from '../helpers/virtual-world.js';

const resume = { windowInSeconds: 20 };

class Desk {
  readonly ran: string[] = [];
  finish: () => void = () => undefined;

  wait(what: string): Promise<string> {
    this.ran.push(what);
    return new Promise((resolve) => {
      this.finish = () => {
        resolve(what);
      };
    });
  }

  note(what: string): string {
    this.ran.push(what);
    return what;
  }
}

/** A client on a port of its own; the ports of all links that there were, in their order. */
async function onItsPort(extras: ServerExtras = {}, latencyInSeconds?: number) {
  const world = new VirtualWorld(latencyInSeconds);
  const ports: number[] = [];
  world.network.onLink((link) => ports.push(link.address.port));
  const desk = new Desk();
  const server = await world.startedServer({
    dedicatedPorts: true,
    resume,
    localProxyObjects: { desk },
    ...extras,
  });
  const client = await world.connectedClient({ resume });
  await world.pass(0.5);
  return {
    world,
    ports,
    desk,
    server,
    client,
    proxy: client.remoteProxyObject<Desk>('desk')!,
    id: client.connectionID()!,
  };
}

/** Whether somebody listens at a port. */
async function isOpen(world: VirtualWorld, port: number): Promise<boolean> {
  return rawClient(world, port).then(
    (peer) => {
      peer.connection.close('disconnected', '');
      return true;
    },
    () => false,
  );
}

describe('a session of a client with a port of its own', () => {
  it('goes on by the common port, at once and without another port', async () => {
    const { world, ports, desk, server, client, proxy, id } = await onItsPort();
    const running = proxy.wait('running');
    await world.pass(0.01);
    for (let cut = 0; cut < 3; cut += 1) {
      world.network.cut();
      expect(await world.until(proxy.note(`${cut}`))).toBe(`${cut}`);
      await world.pass(0.5);
    }
    desk.finish();
    expect(await world.until(running)).toBe('running');
    expect([client.connectionID(), server.connections()]).toEqual([id, [id]]);
    expect(ports).toEqual([9_000, ports[1], 9_000, 9_000, 9_000]);
    expect(desk.ran).toEqual(['running', '0', '1', '2']);
    expect([world.errors, openCounts(server.counts())]).toEqual([[], []]);
  });

  it('goes on where another program has its port by now', async () => {
    const { world, ports, server, client, proxy, id } = await onItsPort();
    const strangers: unknown[] = [];
    world.network.options.transport.listen(
      { host: '127.0.0.1', port: ports[1]! },
      {
        onListening: () => undefined,
        onTransport: (transport) => {
          strangers.push(transport);
        },
        onFailed: ({ error }) => {
          throw error;
        },
      },
    );
    world.network.cut();
    expect(await world.until(proxy.note('back'))).toBe('back');
    expect([client.connectionID(), server.connections(), strangers]).toEqual([id, [id], []]);
  });

  it('goes on where the server is full', async () => {
    const { world, client, server, proxy, id } = await onItsPort({ maxConnectionsAllowed: 1 });
    for (let cut = 0; cut < 3; cut += 1) {
      world.network.cut();
      expect(await world.until(proxy.note('back'))).toBe('back');
    }
    expect([client.connectionID(), server.connections(), server.counts().refusedClients]).toEqual([
      id,
      [id],
      0,
    ]);
  });

  it('is taken over from its port, when its connection there only seems to live', async () => {
    const { world, server, client, proxy, id } = await onItsPort({ timeoutInSeconds: 60 });
    client.setTimeout(1);
    await world.pass(0.5);
    const [link] = world.network.links;
    link!.halfOpen('toClient');
    expect(await world.until(proxy.note('back'))).toBe('back');
    expect([client.connectionID(), server.connections()]).toEqual([id, [id]]);
    expect(world.network.links.map(({ address }) => address.port)).toEqual([9_000]);
  });

  it('goes on while its server drains', async () => {
    const { world, desk, server, proxy } = await onItsPort();
    const running = proxy.wait('running');
    await world.pass(0.01);
    const drained = server.stop({ drainInSeconds: 30 });
    await world.pass(0.1);
    world.network.cut();
    await world.pass(0.5);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(world.errors).toEqual([]);
  });

  it('ends where another server has the common port, which gives its client a new session on a new port', async () => {
    const { world, ports, server, client, proxy, id } = await onItsPort();
    const failure = rejectionOf(proxy.wait('running'));
    const lost = collected(client.disconnectionMade$);
    const made = collected(client.connectionMade$);
    await world.pass(0.01);
    // As if it had been killed: it says nothing.
    world.network.cut();
    await world.until(server.dispose());
    const desk = new Desk();
    const next = await world.startedServer({ dedicatedPorts: true, resume, localProxyObjects: { desk } });
    expect(await world.until(failure)).toMatchObject({ executed: 'unknown' });
    await world.until(client.whenConnected());
    await world.pass(0.5);
    expect(lost).toMatchObject([
      { connectionID: id, reason: { code: 'session-lost', message: expect.stringContaining('unknown') } },
    ]);
    expect(made).toEqual([client.connectionID()]);
    expect(next.connections()).toEqual([client.connectionID()]);
    // The new session goes on as the old one did.
    world.network.cut();
    expect(await world.until(proxy.note('back'))).toBe('back');
    expect(made).toHaveLength(1);
    expect(await isOpen(world, ports.at(-2)!)).toBe(false);
    expect(openCounts(next.counts())).toEqual([]);
  });

  it('that was away for too long is told so, on the new port', async () => {
    const { world, server, client, id } = await onItsPort({
      resume: { windowInSeconds: 1 },
      timeoutInSeconds: 1,
    });
    const lost = collected(client.disconnectionMade$);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(1.05);
    expect(server.connections()).toEqual([]);
    world.network.refuseConnections = false;
    await world.until(client.whenConnected());
    await world.pass(0.1);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'session-lost' } }]);
    expect(server.connections()).toEqual([client.connectionID()]);
  });

  it('survives cuts at any moment of being sent to a port, and leaves no port open', async () => {
    for (let at = 0; at < 40; at += 1) {
      const world = new VirtualWorld(0.005);
      const server = await world.startedServer({
        dedicatedPorts: true,
        resume,
        timeoutInSeconds: 2,
        maxConnectionsAllowed: 1,
        localProxyObjects: { desk: new Desk() },
      });
      const client = world.client({ resume, timeoutInSeconds: 2 });
      client.connectToServer();
      await world.pass(at / 1_000);
      world.network.cut();
      const proxy = await world.until(client.whenRemoteProxyObject<Desk>('desk'));
      world.network.cut();
      expect(await world.until(proxy.note('there'))).toBe('there');
      // A session that nobody knows of is kept for as long as any other.
      await world.pass(21);
      expect(server.connections()).toEqual([client.connectionID()]);
      expect(openCounts(server.counts())).toEqual([]);
      for (let port = 49_152; port < 49_156; port += 1) expect(await isOpen(world, port)).toBe(false);
      await world.until(Promise.all([client.dispose(), server.dispose()]));
    }
  });
});

describe('a port of one client', () => {
  /** A session that is away, and how to ask for it; and a port for another client. */
  async function withPort() {
    const world = new VirtualWorld();
    const server: RPCServer = await world.startedServer({ dedicatedPorts: true, resume });
    const invited = await rawClient(world, 9_000, undefined, { windowMs: 20_000 });
    const { port, ticket } = invited.handover!;
    const holder = await rawClient(world, port, ticket, { windowMs: 20_000 });
    holder.registerAll();
    await world.pass(0.5);
    const connectionID = holder.connectionID!;
    const session = {
      connectionID,
      token: holder.grant!.token,
      attempt: 1,
      received: holder.connection.receivedCount,
    };
    world.network.cut();
    await world.pass(0.01);
    const other = await rawClient(world);
    return { world, server, holder, connectionID, session, handover: other.handover! };
  }

  it('lets nobody take a session up who does not show its ticket', async () => {
    const { world, server, holder, connectionID, session, handover } = await withPort();
    for (const ticket of [undefined, 'wrong']) {
      const stranger = await rawClient(world, handover.port, ticket, { windowMs: 20_000, session }, holder);
      expect(stranger.end?.reason.message).toBe('the ticket is not for this port');
    }
    const misplaced = await rawClient(world, 9_000, handover.ticket, { windowMs: 20_000, session }, holder);
    expect(misplaced.end?.reason.message).toBe('the ticket is not for this port');
    expect(server.connectionStatus(connectionID)).toBe(RPCClient.STATUS_AUTO_CONNECTING);
    const back = await rawClient(world, 9_000, undefined, { windowMs: 20_000, session }, holder);
    await world.pass(0.01);
    expect([back.end, server.connectionStatus(connectionID)]).toEqual([
      undefined,
      RPCClient.STATUS_CONNECTED,
    ]);
  });

  it('is for a new session: which one goes on was said on the common port, and why not is said here', async () => {
    const { world, server, holder, connectionID, session } = await withPort();
    // It claims to have received what was never sent.
    const bad = { ...session, received: 1_000 };
    const asking = await rawClient(world, 9_000, undefined, { windowMs: 20_000, session: bad }, holder);
    const { port, ticket } = asking.handover!;
    expect(server.connections()).toEqual([]);
    const again = { ...bad, attempt: 2 };
    const peer = await rawClient(world, port, ticket, { windowMs: 20_000, session: again });
    expect(peer.connectionID).not.toBe(connectionID);
    expect(peer.grant).toMatchObject({ refusal: 'gap' });
    expect(await isOpen(world, port)).toBe(false);
  });
});
