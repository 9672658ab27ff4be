import { describe, expect, it } from '@jest/globals';
import {
  mainThreadScheduler,
  NotConnectedError,
  RPCClient,
  RPCTimeoutError,
  type ClientStatus,
} from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import { rawServer } from '../helpers/raw-peer.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const {
  STATUS_AUTO_CONNECTING,
  STATUS_DISCONNECTED,
  STATUS_CONNECTING,
  STATUS_CONNECTED,
  STATUS_DISCONNECTING,
} = RPCClient;

describe('the statuses of an RPCClient', () => {
  it('are passed through in order, by status(), status$ and the hook', async () => {
    const world = new VirtualWorld();
    const told: ClientStatus[] = [];
    class Watched extends RPCClient {
      override statusChanged(newStatus: ClientStatus): void {
        told.push(newStatus);
      }
    }
    const client = world.client({}, Watched);
    const statuses = collected(client.status$);
    expect([client.status(), client.canStart(), client.canStop()]).toEqual([
      STATUS_DISCONNECTED,
      true,
      false,
    ]);
    client.connectToServer();
    expect([client.status(), client.canStart(), client.canStop()]).toEqual([
      STATUS_AUTO_CONNECTING,
      false,
      true,
    ]);
    await world.pass(0.2);
    expect(client.isConnected()).toBe(false);
    const server = await world.startedServer();
    await world.until(client.whenConnected());
    expect([client.status(), client.isConnected()]).toEqual([STATUS_CONNECTED, true]);
    await world.until(server.stop());
    await world.pass(0.01);
    expect([client.status(), client.isConnected()]).toEqual([STATUS_AUTO_CONNECTING, false]);
    await world.until(server.start());
    await world.until(client.whenConnected());
    await client.disconnectFromServer();
    expect([client.status(), client.canStart(), client.canStop()]).toEqual([
      STATUS_DISCONNECTED,
      true,
      false,
    ]);
    await world.pass(0);
    expect(told).toEqual([
      STATUS_AUTO_CONNECTING,
      STATUS_CONNECTING,
      STATUS_CONNECTED,
      STATUS_AUTO_CONNECTING,
      STATUS_CONNECTING,
      STATUS_CONNECTED,
      STATUS_DISCONNECTING,
      STATUS_DISCONNECTED,
    ]);
    // The start value is a value of the stream, and no change for the hook.
    expect(statuses).toEqual([STATUS_DISCONNECTED, ...told]);
  });

  it('happen at their instants: a marble each', () => {
    const { scheduler, network } = new VirtualWorld(0.002);
    scheduler.run(({ expectObservable, cold }) => {
      const server = new VirtualWorld().server({ ...network.options });
      const client = new RPCClient(network.options);
      void server.start();
      cold('---a--------b').subscribe((what) => {
        if (what === 'a') client.connectToServer();
        else void client.disconnectFromServer();
      });
      cold('-------------------a').subscribe(() => void server.stop());
      expectObservable(client.status$).toBe('d--a-c---o--(xd)', {
        d: STATUS_DISCONNECTED,
        a: STATUS_AUTO_CONNECTING,
        c: STATUS_CONNECTING,
        o: STATUS_CONNECTED,
        x: STATUS_DISCONNECTING,
      });
    });
  });

  it('do not change by a second connect or disconnect', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair();
    const statuses = collected(client.status$);
    client.connectToServer();
    await world.pass(1);
    await Promise.all([client.disconnectFromServer(), client.disconnectFromServer()]);
    await client.disconnectFromServer();
    await world.pass(1);
    expect(statuses).toEqual([STATUS_CONNECTED, STATUS_DISCONNECTING, STATUS_DISCONNECTED]);
  });

  it('begin again when the client connects again, with another connection id', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair();
    await client.disconnectFromServer();
    expect(client.connectionID()).toBeUndefined();
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(client.connectionID()).not.toBe(id);
    expect(server.connections()).toEqual([client.connectionID()]);
  });

  it('end at disconnected when stopped before there is a connection, at any instant', async () => {
    for (const seconds of [0, 0.0005, 0.0015, 0.0025, 0.0035, 0.2]) {
      const world = new VirtualWorld();
      const server = await world.startedServer();
      if (seconds === 0.2) await world.until(server.stop());
      const client = world.client();
      client.connectToServer();
      await world.pass(seconds);
      await client.disconnectFromServer();
      const statuses = collected(client.status$);
      await world.pass(30);
      expect(statuses.at(-1)).toBe(STATUS_DISCONNECTED);
      expect([client.isConnected(), server.connections()]).toEqual([false, []]);
      expect(world.network.links).toEqual([]);
    }
  });

  it('may be turned round inside a call from the server: one new connection, and no other', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const client = world.client();
    const connectedMeanwhile: boolean[] = [];
    client.registerProxyObject('control', {
      restart() {
        void client.disconnectFromServer();
        connectedMeanwhile.push(client.isConnected());
        client.connectToServer();
      },
    });
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    const statuses = collected(client.status$);
    const ends = collected(client.disconnectionMade$);
    const [id = ''] = server.connections();
    server
      .remoteProxyObject<{ restart(): void }>(id, 'control')!
      .restart()
      .catch(() => undefined);
    await world.pass(30);
    expect(connectedMeanwhile).toEqual([false]);
    expect(statuses).toEqual([
      STATUS_CONNECTED,
      STATUS_DISCONNECTING,
      STATUS_DISCONNECTED,
      STATUS_AUTO_CONNECTING,
      STATUS_CONNECTING,
      STATUS_CONNECTED,
    ]);
    expect(ends).toMatchObject([{ connectionID: id, reason: { code: 'disconnected', by: 'local' } }]);
    expect(server.connections()).toEqual([client.connectionID()]);
    expect(world.network.links).toHaveLength(1);
  });

  it.each(['statusChanged', 'connectionMade', 'remoteProxyObjectRegistered'] as const)(
    'may end in %s, called at once: what had happened is told first',
    async (hook) => {
      const world = new VirtualWorld();
      await world.startedServer({ localProxyObjects: { one: {}, two: {} } });
      const client = world.client({ callbackScheduler: mainThreadScheduler });
      const heard: string[] = [];
      client.connectionMade$.subscribe(() => heard.push('made'));
      client.disconnectionMade$.subscribe(() => heard.push('lost'));
      client.remoteProxyObjectRegistered$.subscribe(() => heard.push('registered'));
      client[hook] = () => {
        if (client.isConnected()) void client.disconnectFromServer();
      };
      client.connectToServer();
      const waiting = client.whenConnected();
      await world.pass(1);
      await waiting;
      expect(heard).toEqual(['made', 'registered', 'registered', 'lost']);
      expect([client.status(), client.remoteProxyObjects()]).toEqual([STATUS_DISCONNECTED, []]);
    },
  );

  it('change nothing any more in what arrives with the words that end them', async () => {
    const world = new VirtualWorld();
    const { peers } = await rawServer(world);
    const client = world.client({
      localProxyObjects: { control: { leave: () => client.disconnectFromServer() } },
    });
    const registered = collected(client.remoteProxyObjectRegistered$);
    client.connectToServer();
    await world.pass(0.01);
    const [peer] = peers;
    peer?.registerAll(['theirs', []]);
    await world.pass(0.01);
    peer?.send(MessageType.request, 1, 'control', 'leave', []);
    peer?.send(MessageType.register, [['later', []]]);
    peer?.send(MessageType.unregister, ['theirs']);
    await world.pass(0.01);
    expect(registered).toMatchObject([{ name: 'theirs' }]);
    expect(client.status()).toBe(STATUS_DISCONNECTED);
  });

  it('change nothing when left before the first words of the server, which come with the call to leave', async () => {
    const world = new VirtualWorld();
    const { peers } = await rawServer(world);
    const client = world.client();
    const made = collected(client.connectionMade$);
    client.connectToServer();
    await world.pass(0.01);
    peers[0]?.registerAll();
    await client.disconnectFromServer();
    await world.pass(0.01);
    expect(made).toEqual([]);
  });

  it('end for good by dispose(), which completes every stream', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair();
    const streams = [
      client.status$,
      client.connectionMade$,
      client.disconnectionMade$,
      client.remoteProxyObjects$,
      client.remoteProxyObject$('service'),
      client.remoteProxyObjectRegistered$,
      client.remoteProxyObjectUnregistered$,
      client.heartbeat$,
      client.errors$,
    ].map((stream$) => collected<unknown>(stream$));
    await client.dispose();
    await client[Symbol.asyncDispose]();
    await world.pass(0);
    expect(streams.map((seen) => seen.at(-1))).toEqual(streams.map(() => '|'));
    const late = collected<unknown>(client.remoteProxyObject$('other'));
    await world.pass(0);
    expect(late).toEqual([undefined, '|']);
    expect(client.canStart()).toBe(false);
    expect(() => client.connectToServer()).toThrow(NotConnectedError);
    await expect(client.whenConnected()).rejects.toThrow('the client was disposed');
  });
});

describe('an RPCClient whose server is not there', () => {
  it('tries for ever, with pauses that grow to a ceiling and are drawn by chance, until it is told to stop', async () => {
    const world = new VirtualWorld(0);
    const dials: number[] = [];
    const { transport } = world.network.options;
    const chances = [0.5, 0, 1];
    const client = world.client({
      reconnect: { initialDelayInSeconds: 1, maxDelayInSeconds: 4 },
      random: () => {
        chances.push(chances[0] ?? 0);
        return chances.shift() ?? 0;
      },
      transport: {
        listen: (...parameters) => transport.listen(...parameters),
        dial: (...parameters) => {
          dials.push(world.now);
          return transport.dial(...parameters);
        },
      },
    });
    client.connectToServer();
    await world.pass(3_600);
    const pauses = dials.slice(1).map((at, index) => at - (dials[index] ?? 0));
    expect(pauses.slice(0, 6).map((pause) => Number(pause.toFixed(3)))).toEqual([
      0.55, 0.05, 4.05, 2.05, 0.05, 4.05,
    ]);
    expect(Math.max(...pauses)).toBeLessThan(4.1);
    expect(dials.length).toBeGreaterThan(1_000);
    await client.disconnectFromServer();
    const { length } = dials;
    await world.pass(3_600);
    expect(dials).toHaveLength(length);
  });

  it('tries again when a dial has no outcome, and when a server accepts and says nothing', async () => {
    const world = new VirtualWorld();
    const client = world.client({ timeoutInSeconds: 1 });
    world.network.freeze();
    client.connectToServer();
    await world.pass(5);
    world.network.thaw();
    const { peers, close } = await rawServer(world, () => undefined);
    await world.pass(10);
    expect(peers.length).toBeGreaterThan(2);
    close();
    await world.pass(1);
    await world.startedServer();
    await world.until(client.whenConnected());
  });

  it('is not sent away for longer than a minute by a server that says it is full', async () => {
    const world = new VirtualWorld();
    const { peers } = await rawServer(world, (peer) => {
      peer.connection.refuse('server-full', 'go away', 2_147_483_647);
    });
    const client = world.client();
    client.connectToServer();
    await world.pass(59);
    expect(peers).toHaveLength(1);
    await world.pass(10);
    expect(peers).toHaveLength(2);
    expect(world.errors.map(({ name }) => name)).toEqual(['ServerFullError', 'ServerFullError']);
  });
});

describe.each(['whenConnected', 'whenRemoteProxyObject'] as const)('RPCClient.%s()', (method) => {
  const wait = (client: RPCClient, options: Parameters<RPCClient['whenConnected']>[0] = {}) =>
    method === 'whenConnected'
      ? client.whenConnected(options)
      : client.whenRemoteProxyObject('service', options);

  it('resolves at once when it is there', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair({ localProxyObjects: { service: {} } });
    await expect(wait(client)).resolves.not.toBeNull();
  });

  it('resolves when it comes', async () => {
    const world = new VirtualWorld();
    const client = world.client();
    client.connectToServer();
    const waiting = [wait(client), wait(client, { timeoutInSeconds: 60 })];
    await world.pass(1);
    await world.startedServer({ localProxyObjects: { service: {} } });
    expect(await world.until(Promise.all(waiting))).toHaveLength(2);
    await world.pass(100);
  });

  it('rejects after its timeout, saying why there is none', async () => {
    const world = new VirtualWorld();
    const client = world.client();
    client.connectToServer();
    const error = await world.failureOf(wait(client, { timeoutInSeconds: 2 }));
    expect(error).toBeInstanceOf(RPCTimeoutError);
    expect((error as Error).message).toMatch(
      /127\.0\.0\.1:9000 \(the last attempt: nobody listens .*within 2 s/,
    );
    expect(world.now).toBeCloseTo(2, 3);
  });

  it('rejects with the reason of its signal, before and while', async () => {
    const world = new VirtualWorld();
    const client = world.client();
    client.connectToServer();
    await expect(wait(client, { signal: AbortSignal.abort('early') })).rejects.toBe('early');
    const controller = new AbortController();
    const waiting = rejectionOf(wait(client, { signal: controller.signal, timeoutInSeconds: 1 }));
    controller.abort('enough');
    expect(await waiting).toBe('enough');
  });

  it('rejects when the client is not started, is stopped, or disposed', async () => {
    const world = new VirtualWorld();
    const client = world.client();
    await expect(wait(client)).rejects.toThrow('the client is stopped: connectToServer() starts it');
    for (const end of [() => client.disconnectFromServer(), () => client.dispose()]) {
      client.connectToServer();
      const waiting = rejectionOf(wait(client));
      await end();
      expect(await waiting).toBeInstanceOf(NotConnectedError);
    }
  });

  it('refuses options that it does not have, or that cannot be', async () => {
    const client = new VirtualWorld().client();
    client.connectToServer();
    await expect(wait(client, { timeout: 1 } as object)).rejects.toThrow('waiting has no option "timeout"');
    await expect(wait(client, { timeoutInSeconds: 0 })).rejects.toThrow(RangeError);
    await client.dispose();
  });
});

describe('RPCClient.whenRemoteProxyObject()', () => {
  it('says after its timeout that the server has registered none, when it is connected', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair();
    const error = await world.failureOf(client.whenRemoteProxyObject('service', { timeoutInSeconds: 1 }));
    expect((error as Error).message).toBe('no object "service" was registered by the server within 1 s');
  });
});
