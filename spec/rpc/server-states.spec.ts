import { describe, expect, it } from '@jest/globals';
import {
  NotConnectedError,
  RPCClient,
  RPCError,
  RPCServer,
  ServerAlreadyRunningException,
  type ServerStatus,
} from 'tandem-rpc';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const { STATE_NOT_RUNNING, STATE_STARTING, STATE_RUNNING, STATE_STOPPING } = RPCServer;

describe('the states of an RPCServer', () => {
  it('have four different names', () => {
    expect(new Set([STATE_NOT_RUNNING, STATE_STARTING, STATE_RUNNING, STATE_STOPPING]).size).toBe(4);
  });

  it('are passed through in order, by status(), status$ and the hook', async () => {
    const world = new VirtualWorld();
    const told: ServerStatus[] = [];
    class Watched extends RPCServer {
      override statusChanged(newStatus: ServerStatus): void {
        told.push(newStatus);
      }
    }
    const server = world.server({}, Watched);
    const states = collected(server.status$);
    expect([server.status(), server.isRunning(), server.address()]).toEqual([
      STATE_NOT_RUNNING,
      false,
      undefined,
    ]);
    const started = server.start();
    expect([server.status(), server.isRunning()]).toEqual([STATE_STARTING, true]);
    await world.until(started);
    expect([server.status(), server.isRunning()]).toEqual([STATE_RUNNING, true]);
    expect(server.address()).toEqual({ host: '127.0.0.1', port: 9_000 });
    const stopped = server.stop();
    expect([server.status(), server.isRunning(), server.address()]).toEqual([
      STATE_STOPPING,
      false,
      undefined,
    ]);
    await world.until(stopped);
    await world.pass(0);
    expect(server.status()).toBe(STATE_NOT_RUNNING);
    // The start value is a value of the stream, and no change for the hook.
    expect(states).toEqual([STATE_NOT_RUNNING, ...told]);
    expect(told).toEqual([STATE_STARTING, STATE_RUNNING, STATE_STOPPING, STATE_NOT_RUNNING]);
  });

  it('begin again when the server starts again', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    await world.until(server.stop());
    await world.until(server.start());
    const client = await world.connectedClient();
    expect(server.connections()).toEqual([client.connectionID()]);
  });

  it('do not change by a second start or stop', async () => {
    const world = new VirtualWorld();
    const server = world.server();
    const states = collected(server.status$);
    await world.until(server.stop());
    await world.until(Promise.all([server.start(), server.start()]));
    await world.until(server.start());
    await world.until(Promise.all([server.stop(), server.stop()]));
    await world.pass(0);
    expect(states).toEqual([
      STATE_NOT_RUNNING,
      STATE_STARTING,
      STATE_RUNNING,
      STATE_STOPPING,
      STATE_NOT_RUNNING,
    ]);
  });

  it('reach running in the end when started while stopping', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair();
    const stopped = server.stop();
    const started = server.start();
    await world.until(stopped);
    await world.until(started);
    expect(server.status()).toBe(STATE_RUNNING);
    await world.until(client.whenConnected());
  });

  it('end at not running when stopped while starting: the start is rejected', async () => {
    const world = new VirtualWorld();
    const server = world.server();
    const started = server.start();
    const stopped = server.stop();
    await expect(started).rejects.toThrow('the server was stopped while it was starting');
    await expect(started).rejects.toBeInstanceOf(RPCError);
    await world.until(stopped);
    expect(server.status()).toBe(STATE_NOT_RUNNING);
    await world.until(server.start());
  });

  it('end at not running when the last word was stop, whatever was asked while stopping', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const first = server.stop();
    const started = server.start();
    const last = server.stop();
    await expect(started).rejects.toThrow('the server was stopped while it was starting');
    await world.until(Promise.all([first, last]));
    await world.pass(1);
    expect(server.status()).toBe(STATE_NOT_RUNNING);
  });

  it('end for good by dispose(), which completes every stream', async () => {
    const world = new VirtualWorld();
    const { server, id } = await world.pair();
    const streams = [
      server.status$,
      server.connections$,
      server.connectionMade$,
      server.disconnectionMade$,
      server.connectionStatus$(id),
      server.remoteProxyObjects$(id),
      server.remoteProxyObjectRegistered$,
      server.remoteProxyObjectUnregistered$,
      server.heartbeat$,
      server.errors$,
    ].map((stream$) => collected<unknown>(stream$));
    await world.until(server.dispose());
    await world.until(server[Symbol.asyncDispose]());
    await world.pass(0);
    expect(streams.map((seen) => seen.at(-1))).toEqual(streams.map(() => '|'));
    expect(server.status()).toBe(STATE_NOT_RUNNING);
    await expect(server.start()).rejects.toBeInstanceOf(NotConnectedError);
  });

  it('do not begin again after dispose(), although a start was asked for while stopping', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const stopped = server.stop();
    const started = server.start();
    const disposed = server.dispose();
    await expect(started).rejects.toBeInstanceOf(RPCError);
    await world.until(Promise.all([stopped, disposed]));
    await world.pass(1);
    expect(server.status()).toBe(STATE_NOT_RUNNING);
  });
});

describe('RPCServer.start()', () => {
  it('rejects with ServerAlreadyRunningException where another server runs, which does not notice', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair();
    const made = collected(server.connectionMade$);
    const second = world.server();
    const error = await world.failureOf(second.start());
    expect(error).toBeInstanceOf(ServerAlreadyRunningException);
    expect(error).toMatchObject({
      name: 'ServerAlreadyRunningException',
      code: 'server-already-running',
      message: 'a Tandem server already runs on 127.0.0.1:9000',
    });
    expect(second.status()).toBe(STATE_NOT_RUNNING);
    await world.pass(1);
    expect([made, client.isConnected(), server.connections().length]).toEqual([[], true, 1]);
    expect(world.errors).toEqual([]);
  });

  it('succeeds once that server has stopped', async () => {
    const world = new VirtualWorld();
    const first = await world.startedServer();
    const second = world.server();
    await world.failureOf(second.start());
    await world.until(first.stop());
    await world.until(second.start());
    expect(second.isRunning()).toBe(true);
  });

  it('looks again when the owner of the port is just going', async () => {
    const world = new VirtualWorld();
    const first = await world.startedServer();
    const second = world.server();
    world.network.refuseConnections = true;
    const started = second.start();
    await world.pass(0.15);
    await world.until(first.stop());
    await world.until(started);
    expect(second.isRunning()).toBe(true);
  });

  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ])('asks the loopback address where %s is taken', async (host, loopback) => {
    const world = new VirtualWorld();
    await world.startedServer({ host: loopback });
    await world.startedServer({ host });
    const error = await world.failureOf(world.server({ host }).start());
    expect(error).toBeInstanceOf(ServerAlreadyRunningException);
  });

  it('gives up with PortInUseError when the port stays taken and nobody answers', async () => {
    const world = new VirtualWorld();
    await world.startedServer();
    world.network.refuseConnections = true;
    const error = await world.failureOf(world.server().start());
    expect(error).toMatchObject({ name: 'PortInUseError', code: 'port-in-use', occupant: 'unknown' });
    expect(world.now).toBeLessThan(1.5);
  });

  it('gives up with PortInUseError when the owner accepts and says nothing', async () => {
    const world = new VirtualWorld();
    world.network.options.transport.listen(
      { host: '127.0.0.1', port: 9_000 },
      { onListening: () => undefined, onTransport: () => undefined, onFailed: () => undefined },
    );
    const error = await world.failureOf(world.server().start());
    expect(error).toMatchObject({ name: 'PortInUseError', occupant: 'unresponsive' });
    expect(world.now).toBeLessThan(1.5);
  });

  it('can be stopped while it asks who is there, and while it waits to look again', async () => {
    const world = new VirtualWorld();
    await world.startedServer();
    for (const seconds of [0.0005, 0.05]) {
      world.network.refuseConnections = seconds > 0.01;
      const server = world.server();
      const started = server.start();
      started.catch(() => undefined);
      await world.pass(seconds);
      await world.until(server.stop());
      await expect(started).rejects.toThrow('stopped while it was starting');
    }
  });

  it('rejects with the cause when the system does not let it listen', async () => {
    const world = new VirtualWorld();
    const cause = new Error('EACCES');
    const transport = {
      ...world.network.options.transport,
      listen: (_address: unknown, sink: { onFailed(failure: { kind: 'other'; error: Error }): void }) => {
        world.scheduler.schedule(() => {
          sink.onFailed({ kind: 'other', error: cause });
        });
        return { close: () => undefined };
      },
    };
    const error = await world.failureOf(world.server({ transport }).start());
    expect(error).toMatchObject({ message: 'cannot listen on 127.0.0.1:9000: EACCES', cause });
  });

  it('is undone, with a report, when the system takes the socket away', async () => {
    const world = new VirtualWorld();
    const { options } = world.network;
    const fails: (() => void)[] = [];
    const server = world.server({
      transport: {
        dial: (...parameters) => options.transport.dial(...parameters),
        listen: (address, sink) => {
          fails.push(() => {
            sink.onFailed({ kind: 'other', error: new Error('EMFILE') });
          });
          return options.transport.listen(address, sink);
        },
      },
    });
    await world.until(server.start());
    const client = await world.connectedClient();
    fails[0]?.();
    await world.pass(0.1);
    expect([server.status(), client.isConnected()]).toEqual([STATE_NOT_RUNNING, false]);
    expect(world.errors[0]?.message).toBe('cannot listen on 127.0.0.1:9000: EMFILE');
  });
});

describe('RPCServer.stop()', () => {
  it('tells every client why, and disconnects it', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const clients = [await world.connectedClient(), await world.connectedClient()];
    const ends = clients.map((client) => collected(client.disconnectionMade$));
    await world.until(server.stop());
    await world.pass(0.01);
    for (const end of ends) {
      expect(end).toMatchObject([
        { reason: { code: 'server-stopped', by: 'remote', message: 'the server stops' } },
      ]);
    }
    expect(clients.map((client) => client.status())).toEqual([
      RPCClient.STATUS_AUTO_CONNECTING,
      RPCClient.STATUS_AUTO_CONNECTING,
    ]);
  });

  it('lets running calls end first with drainInSeconds, and takes no new ones', async () => {
    const world = new VirtualWorld();
    let finish = (_text: string): void => undefined;
    const slow = () =>
      new Promise<string>((resolve) => {
        finish = resolve;
      });
    const { server, client } = await world.pair({ localProxyObjects: { service: { slow } } });
    const proxy = client.remoteProxyObject<{ slow(): Promise<string> }>('service')!;
    const running = proxy.slow();
    await world.pass(0.01);
    const stopped = server.stop({ drainInSeconds: 5 });
    const refused = await world.failureOf(proxy.slow());
    expect(refused).toMatchObject({ name: 'NotConnectedError', executed: 'no', member: 'slow' });
    expect(server.status()).toBe(STATE_STOPPING);
    finish('done');
    await expect(world.until(running)).resolves.toBe('done');
    await world.until(stopped);
    expect(world.now).toBeLessThan(1);
  });

  it('lets long results leave before it ends', async () => {
    const world = new VirtualWorld();
    const long = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return new Uint8Array(3_000_000).fill(7);
    };
    const { server, client } = await world.pair({ localProxyObjects: { service: { long } } });
    const running = client.remoteProxyObject<{ long(): Promise<Uint8Array> }>('service')!.long();
    await world.pass(0.01);
    const stopped = server.stop({ drainInSeconds: 5 });
    expect(await world.until(running)).toHaveLength(3_000_000);
    await world.until(stopped);
  });

  it('waits no longer than drainInSeconds', async () => {
    const world = new VirtualWorld();
    const hang = () => new Promise<never>(() => undefined);
    const { server, client } = await world.pair({ localProxyObjects: { service: { hang } } });
    const proxy = client.remoteProxyObject<{ hang(): Promise<never> }>('service')!;
    const running = rejectionOf(proxy.hang());
    await world.pass(0.01);
    const beganAt = world.now;
    await world.until(server.stop({ drainInSeconds: 3 }));
    expect(world.now - beganAt).toBeCloseTo(3, 1);
    expect(await world.until(running)).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' });
  });

  it('is over when it is over: a method that outlives the drain does not stop the server that runs again', async () => {
    const world = new VirtualWorld();
    let finish = (): void => undefined;
    const hang = () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      });
    const { server, client } = await world.pair({ localProxyObjects: { service: { hang } } });
    const running = rejectionOf(client.remoteProxyObject<{ hang(): Promise<void> }>('service')!.hang());
    await world.pass(0.01);
    await world.until(server.stop({ drainInSeconds: 1 }));
    await world.until(running);
    void server.start();
    await world.pass(10);
    expect(client.isConnected()).toBe(true);
    finish();
    await world.pass(1);
    expect([server.status(), client.isConnected()]).toEqual([RPCServer.STATE_RUNNING, true]);
  });

  it('ends with the last client: the time for the drain does not run on into the next start', async () => {
    const world = new VirtualWorld();
    const hang = () => new Promise<never>(() => undefined);
    const { server, client } = await world.pair({ localProxyObjects: { service: { hang } } });
    const running = rejectionOf(client.remoteProxyObject<{ hang(): Promise<never> }>('service')!.hang());
    await world.pass(0.01);
    const stopped = server.stop({ drainInSeconds: 5 });
    world.network.cut();
    await world.until(stopped);
    await world.until(running);
    void server.start();
    await world.pass(2);
    const id = client.connectionID();
    expect(id).toBeDefined();
    await world.pass(10);
    expect([server.status(), client.connectionID()]).toEqual([RPCServer.STATE_RUNNING, id]);
  });

  it('is at once when nothing runs, although it was told to drain', async () => {
    const world = new VirtualWorld();
    const { server } = await world.pair();
    const beganAt = world.now;
    await world.until(server.stop({ drainInSeconds: 60 }));
    expect(world.now - beganAt).toBeLessThan(0.1);
    const empty = await world.startedServer();
    await world.until(empty.stop({ drainInSeconds: 60 }));
    expect(world.now - beganAt).toBeLessThan(0.1);
  });

  it('ends a drain that is under way when called again without one', async () => {
    const world = new VirtualWorld();
    const hang = () => new Promise<never>(() => undefined);
    const { server, client } = await world.pair({ localProxyObjects: { service: { hang } } });
    const running = rejectionOf(client.remoteProxyObject<{ hang(): void }>('service')!.hang());
    await world.pass(0.01);
    const drained = server.stop({ drainInSeconds: 60 });
    const again = server.stop({ drainInSeconds: 30 });
    await world.pass(1);
    expect(server.status()).toBe(STATE_STOPPING);
    await world.until(Promise.all([drained, again, server.stop()]));
    expect(world.now).toBeLessThan(2);
    await world.until(running);
  });

  it('refuses clients that come meanwhile, in words that they can read', async () => {
    const world = new VirtualWorld();
    const hang = () => new Promise<never>(() => undefined);
    const { server, client } = await world.pair({ localProxyObjects: { service: { hang } } });
    const running = rejectionOf(client.remoteProxyObject<{ hang(): void }>('service')!.hang());
    await world.pass(0.01);
    world.network.latencyInSeconds = 0.1;
    const late = world.client();
    late.connectToServer();
    await world.pass(0.15);
    const stopped = server.stop({ drainInSeconds: 1 });
    await expect(world.failureOf(late.whenConnected({ timeoutInSeconds: 0.5 }))).resolves.toMatchObject({
      message: expect.stringContaining('the server stops'),
    });
    await world.until(stopped);
    await world.until(running);
  });

  it('refuses options that it does not have, or that cannot be', async () => {
    const server = new VirtualWorld().server();
    const stop = (options: object) => async () => server.stop(options);
    await expect(stop({ drain: 1 })).rejects.toThrow(
      'stop() has no option "drain"; there are drainInSeconds',
    );
    await expect(stop({ drainInSeconds: -1 })).rejects.toThrow(RangeError);
  });
});
