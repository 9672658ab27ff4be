import { describe, expect, it } from '@jest/globals';
import { notify, RPCClient } from 'tandem-rpc';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const service = { echo: (value: unknown) => value };
type Service = typeof service;

describe('registered objects', () => {
  it('are known to the side that registered them', () => {
    const world = new VirtualWorld();
    for (const side of [
      world.server({ localProxyObjects: { one: service } }),
      world.client({ localProxyObjects: { one: service } }),
    ]) {
      side.registerProxyObject('two', service);
      expect(side.localProxyObjects()).toEqual(['one', 'two']);
      expect(side.localProxyObject('two')).toBe(service);
      expect(side.unregisterProxyObject('one')).toBe(true);
      expect(side.unregisterProxyObject('one')).toBe(false);
      expect(side.localProxyObject('one')).toBeUndefined();
      expect(() => side.registerProxyObject('two', service)).toThrow('"two" is registered already');
      expect(() => side.registerProxyObject('', service)).toThrow(TypeError);
    }
  });

  it('are known to the other side when connectionMade is delivered, and told one by one after it', async () => {
    const world = new VirtualWorld();
    const server = world.server({ localProxyObjects: { fromServer: service } });
    const client = world.client({ localProxyObjects: { fromClient: service } });
    const log: string[] = [];
    server.connectionMade$.subscribe((id) => log.push(`server: ${server.remoteProxyObjects(id).join()}`));
    client.connectionMade$.subscribe(() => log.push(`client: ${client.remoteProxyObjects().join()}`));
    server.remoteProxyObjectRegistered$.subscribe(({ name }) => log.push(`server registered: ${name}`));
    client.remoteProxyObjectRegistered$.subscribe(({ name }) => log.push(`client registered: ${name}`));
    await world.until(server.start());
    client.connectToServer();
    await world.pass(0.1);
    expect(log.filter((line) => line.startsWith('server'))).toEqual([
      'server: fromClient',
      'server registered: fromClient',
    ]);
    expect(log.filter((line) => line.startsWith('client'))).toEqual([
      'client: fromServer',
      'client registered: fromServer',
    ]);
  });

  it('reach every peer whenever they are registered or unregistered, in the middle of a handshake too', async () => {
    for (let ms = 0; ms <= 60; ms += 5) {
      const world = new VirtualWorld(0.01);
      const server = await world.startedServer({ localProxyObjects: { goes: service } });
      world.network.onLink((link) => {
        link.sliceBytes = 50;
      });
      const client = world.client({ localProxyObjects: { goes: service } });
      client.connectToServer();
      await world.pass(0.001 + ms / 1_000);
      for (const side of [server, client]) {
        side.registerProxyObject('comes', service);
        side.unregisterProxyObject('goes');
      }
      await world.pass(0.2);
      const id = client.connectionID() ?? '';
      expect([client.remoteProxyObjects(), server.remoteProxyObjects(id)]).toEqual([['comes'], ['comes']]);
    }
  });

  it('are told to a peer no more once its connection has ended, and anew on the next', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair();
    world.network.cut();
    await world.pass(0.0005);
    server.registerProxyObject('late', service);
    client.registerProxyObject('late', service);
    await world.until(client.whenRemoteProxyObject('late'));
    await world.pass(0.1);
    expect(server.remoteProxyObjects(client.connectionID() ?? '')).toEqual(['late']);
  });

  it('have streams of their names, on both sides', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair();
    const names = [collected(client.remoteProxyObjects$), collected(server.remoteProxyObjects$(id))];
    for (const side of [server, client]) {
      side.registerProxyObject('one', service);
      side.registerProxyObject('two', service);
      side.unregisterProxyObject('one');
    }
    await world.pass(0.01);
    const expected = [[], ['one'], ['one', 'two'], ['two']];
    expect(names).toEqual([expected, expected]);
    await client.disconnectFromServer();
    await world.pass(0);
    expect(names[0]).toEqual([...expected, []]);
  });
});

describe('RPCClient.remoteProxyObject()', () => {
  it('is undefined for what is not registered, and while there is no connection', async () => {
    const world = new VirtualWorld();
    const client = world.client();
    expect(client.remoteProxyObject('service')).toBeUndefined();
    await world.startedServer({ localProxyObjects: { service } });
    client.connectToServer();
    await world.until(client.whenConnected());
    expect(client.remoteProxyObject('other')).toBeUndefined();
    expect(client.remoteProxyObject('service')).toBe(client.remoteProxyObject('service'));
    await client.disconnectFromServer();
    expect(client.remoteProxyObject('service')).toBeUndefined();
  });

  it('gives proxies that serve again after a reconnect', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<Service>('service')!;
    world.network.cut();
    await world.pass(0.0005);
    const refused = await rejectionOf(proxy.echo(1));
    expect(refused).toMatchObject({
      name: 'NotConnectedError',
      executed: 'no',
      object: 'service',
      member: 'echo',
      message: expect.stringMatching(
        /^cannot call service\.echo: not connected to 127\.0\.0\.1:9000 \(the last/,
      ),
    });
    expect(() => {
      notify(proxy).echo(1);
    }).toThrow('cannot notify service.echo: not connected');
    expect('echo' in proxy).toBe(false);
    await world.until(client.whenConnected());
    expect('echo' in proxy).toBe(true);
    await expect(world.until(proxy.echo(2))).resolves.toBe(2);
    expect(client.remoteProxyObject('service')).toBe(proxy);
  });

  it('gives proxies whose calls fail with UnknownObjectError once the object is unregistered', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<Service>('service')!;
    server.unregisterProxyObject('service');
    // Sent before the word has come: refused over there.
    const crossing = await world.failureOf(proxy.echo(1));
    expect(crossing).toMatchObject({ name: 'UnknownObjectError', executed: 'no', connectionID: id });
    await world.pass(0.01);
    expect(client.remoteProxyObject('service')).toBeUndefined();
    expect(await rejectionOf(proxy.echo(1))).toMatchObject({
      name: 'UnknownObjectError',
      code: 'unknown-object',
      executed: 'no',
      connectionID: id,
      object: 'service',
      member: 'echo',
    });
  });

  it('lets calls that run go on when their object is unregistered', async () => {
    const world = new VirtualWorld();
    let finish = (_value: number): void => undefined;
    const slow = { wait: () => new Promise<number>((resolve) => (finish = resolve)) };
    const { server, client } = await world.pair({ localProxyObjects: { slow } });
    const call = client.remoteProxyObject<typeof slow>('slow')!.wait();
    await world.pass(0.01);
    server.unregisterProxyObject('slow');
    await world.pass(0.01);
    finish(7);
    await expect(world.until(call)).resolves.toBe(7);
  });
});

describe('RPCClient.remoteProxyObject$()', () => {
  it('gives the proxy while it is registered and connected, undefined else', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const client = world.client();
    const seen = collected(client.remoteProxyObject$<Service>('service'));
    client.connectToServer();
    await world.until(client.whenConnected());
    server.registerProxyObject('service', service);
    await world.pass(0.01);
    const proxy = client.remoteProxyObject('service');
    expect(seen).toEqual([undefined, proxy]);
    server.unregisterProxyObject('service');
    await world.pass(0.01);
    expect(seen).toEqual([undefined, proxy, undefined]);
    server.registerProxyObject('service', service);
    await world.pass(0.01);
    expect(collected(client.remoteProxyObject$('service'))).toHaveLength(1);
    await client.disconnectFromServer();
    await world.pass(0);
    expect(seen.map((each) => each !== undefined)).toEqual([false, true, false, true, false]);
  });
});

describe('RPCServer.remoteProxyObject()', () => {
  it('is undefined for what that client has not registered, and the same proxy each time for what it has', async () => {
    const world = new VirtualWorld();
    const { server, id } = await world.pair({}, { localProxyObjects: { service } });
    expect(server.remoteProxyObject(id, 'other')).toBeUndefined();
    expect(server.remoteProxyObject(id, 'service')).toBe(server.remoteProxyObject(id, 'service'));
    expect(() => server.remoteProxyObject('nobody', 'service')).toThrow('there is no connection "nobody"');
  });

  it('tells clients with an object of the same name apart', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    for (const name of ['a', 'b']) {
      await world.connectedClient({ localProxyObjects: { who: { whoAreYou: () => name } } });
    }
    const calls = server
      .connections()
      .map((id) => server.remoteProxyObject<{ whoAreYou(): string }>(id, 'who')!.whoAreYou());
    expect(await world.until(Promise.all(calls))).toEqual(['a', 'b']);
  });

  it('gives proxies that die with their connection', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({}, { localProxyObjects: { service } });
    const proxy = server.remoteProxyObject<Service>(id, 'service')!;
    await expect(world.until(proxy.echo('alive'))).resolves.toBe('alive');
    world.network.cut();
    await world.until(client.whenConnected());
    await world.pass(0.5);
    expect(client.status()).toBe(RPCClient.STATUS_CONNECTED);
    expect(await rejectionOf(proxy.echo('dead'))).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'no',
      connectionID: id,
      object: 'service',
      member: 'echo',
    });
    expect(() => server.remoteProxyObject(id, 'service')).toThrow('there is no connection');
  });
});
