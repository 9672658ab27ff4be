/**
 * What the Python library that is re-created here says of itself, sentence by sentence, on real sockets.
 */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { filter, firstValueFrom, type Observable, toArray } from 'rxjs';
import {
  type CloseReason,
  ConnectionLostError,
  RPCClient,
  RPCServer,
  type ServerOptions,
  UnknownConnectionError,
} from 'tandem-rpc';

class Commands {
  readonly printed: string[] = [];

  printMessage(message: string) {
    this.printed.push(message);
    return this.printed.length;
  }
}

/** Each sentence is true with the sockets on the main thread, and on the I/O thread. */
const modes = [{ thread: false }, { thread: true }] as const;

let mode: (typeof modes)[number] = modes[0];

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startServer(options: Partial<ServerOptions> = {}, Kind = RPCServer): Promise<RPCServer> {
  const server = new Kind({ port: 0, ...mode, ...options });
  cleanups.push(() => server.dispose());
  await server.start();
  return server;
}

function makeClient(server: RPCServer, options: Partial<ConstructorParameters<typeof RPCClient>[0]> = {}) {
  const client = new RPCClient({ port: portOf(server), ...mode, ...options });
  cleanups.push(() => client.dispose());
  return client;
}

/** Connects, and waits until both ends know of it. */
async function connectTo(server: RPCServer, options: Parameters<typeof makeClient>[1] = {}) {
  const client = makeClient(server, options);
  client.connectToServer();
  await client.whenConnected();
  await until(server.connections$, (ids) => ids.includes(client.connectionID()!));
  return client;
}

function portOf(server: RPCServer): number {
  return server.address()!.port;
}

function until<Value>(stream$: Observable<Value>, isSo: (value: Value) => boolean): Promise<Value> {
  return firstValueFrom(stream$.pipe(filter(isSo)));
}

describe.each(modes)('RPCClient, %o', (present) => {
  beforeEach(() => {
    mode = present;
  });

  it('keeps trying to connect until there is a server', async () => {
    const first = await startServer();
    const client = makeClient(first, { reconnect: { maxDelayInSeconds: 0.05 } });
    const port = portOf(first);
    await first.stop();
    client.connectToServer();
    expect(client.status()).toBe(RPCClient.STATUS_AUTO_CONNECTING);
    await startServer({ port });
    await client.whenConnected();
    expect(client.isConnected()).toBe(true);
  });

  it('tries again after a disconnect, and is another connection then', async () => {
    const server = await startServer();
    const client = await connectTo(server, { reconnect: { maxDelayInSeconds: 0.05 } });
    const before = client.connectionID()!;
    const again = firstValueFrom(client.connectionMade$);
    server.disconnect(before);
    expect(await again).not.toBe(before);
    expect(client.connectionID()).toBe(await again);
  });

  it('stops connecting on disconnectFromServer(), which may be called twice', async () => {
    const client = await connectTo(await startServer());
    await Promise.all([client.disconnectFromServer(), client.disconnectFromServer()]);
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
    expect(client.connectionID()).toBeUndefined();
  });

  it('says whether it can start and stop', async () => {
    const client = makeClient(await startServer());
    expect([client.canStart(), client.canStop()]).toEqual([true, false]);
    client.connectToServer();
    expect([client.canStart(), client.canStop()]).toEqual([false, true]);
    await client.disconnectFromServer();
    expect([client.canStart(), client.canStop()]).toEqual([true, false]);
  });

  it('calls an object that the server has registered, by name', async () => {
    const serverCommands = new Commands();
    const client = await connectTo(await startServer({ localProxyObjects: { serverCommands } }));
    expect(await client.remoteProxyObject<Commands>('serverCommands')!.printMessage('Hello World!')).toBe(1);
    expect(serverCommands.printed).toEqual(['Hello World!']);
    expect(client.remoteProxyObject('nothing')).toBeUndefined();
  });

  it('has the connection id by which the server knows it', async () => {
    const server = await startServer();
    const client = await connectTo(server);
    expect(server.connections()).toEqual([client.connectionID()]);
  });
});

describe.each(modes)('RPCServer, %o', (present) => {
  beforeEach(() => {
    mode = present;
  });

  it('knows the unique identifier of a client, and nothing before it is sent', async () => {
    const server = await startServer({ localProxyObjects: { serverCommands: new Commands() } });
    const client = await connectTo(server);
    const [id = ''] = server.connections();
    expect(server.connectionUniqueIdentifier(id)).toBe('');
    client.sendUniqueIdentifier('anna');
    // Messages keep their order.
    await client.remoteProxyObject<Commands>('serverCommands')!.printMessage('done');
    expect(server.connectionUniqueIdentifier(id)).toBe('anna');
  });

  it('calls an object that a client has registered', async () => {
    const clientCommands = new Commands();
    const server = await startServer();
    await connectTo(server, { localProxyObjects: { clientCommands } });
    const [id = ''] = server.connections();
    await server.remoteProxyObject<Commands>(id, 'clientCommands')!.printMessage('Hello World!');
    expect(clientCommands.printed).toEqual(['Hello World!']);
    expect(server.remoteProxyObject(id, 'nothing')).toBeUndefined();
  });

  it('throws for an id that is none', async () => {
    const server = await startServer();
    expect(() => server.remoteProxyObject('nobody', 'clientCommands')).toThrow(UnknownConnectionError);
  });

  it('keeps a proxy tied to its connection', async () => {
    const server = await startServer();
    const client = await connectTo(server, { localProxyObjects: { clientCommands: new Commands() } });
    const commands = server.remoteProxyObject<Commands>(client.connectionID()!, 'clientCommands')!;
    const gone = firstValueFrom(server.disconnectionMade$);
    await client.disconnectFromServer();
    await gone;
    await expect(commands.printMessage('too late')).rejects.toBeInstanceOf(ConnectionLostError);
  });

  it('gives the status of a connection, still while its end is told', async () => {
    const told: string[] = [];
    class CustomServer extends RPCServer {
      override disconnectionMade(connectionID: string, reason: CloseReason) {
        told.push(
          this.connectionUniqueIdentifier(connectionID),
          this.connectionStatus(connectionID),
          reason.code,
        );
      }
    }
    const server = await startServer({}, CustomServer);
    const client = await connectTo(server, { identifier: 'anna' });
    const id = client.connectionID()!;
    expect(server.connectionStatus(id)).toBe(RPCClient.STATUS_CONNECTED);
    const gone = firstValueFrom(server.disconnectionMade$);
    await client.disconnectFromServer();
    await gone;
    expect(told).toEqual(['anna', RPCClient.STATUS_DISCONNECTED, 'disconnected']);
    expect(() => server.connectionStatus(id)).toThrow(UnknownConnectionError);
  });

  it('lets in at most as many clients as it allows, and more when that is raised', async () => {
    const server = await startServer({ maxConnectionsAllowed: 1 });
    await connectTo(server);
    const second = makeClient(server, { reconnect: { maxDelayInSeconds: 0.05 } });
    const refused = firstValueFrom(second.errors$);
    second.connectToServer();
    expect((await refused).name).toBe('ServerFullError');
    expect(server.connections()).toHaveLength(1);
    server.setMaxConnectionsAllowed(null);
    await second.whenConnected();
    await until(server.connections$, (ids) => ids.length === 2);
  });

  it('changes the timeout of open connections: heartbeats come as often as the new one needs', async () => {
    const server = await startServer({ timeoutInSeconds: 1_000 });
    await connectTo(server, { timeoutInSeconds: 1_000 });
    const heartbeat = firstValueFrom(server.heartbeat$);
    server.setTimeout(0.3);
    expect(await heartbeat).toMatchObject({ connectionID: server.connections()[0] });
  });

  it('is running from its start to its stop, and disconnects its clients then', async () => {
    const server = new RPCServer({ port: 0, ...mode });
    const states = firstValueFrom(server.status$.pipe(toArray()));
    expect(server.isRunning()).toBe(false);
    const started = server.start();
    expect([server.isRunning(), server.status()]).toEqual([true, RPCServer.STATE_STARTING]);
    await started;
    const client = await connectTo(server);
    const gone = firstValueFrom(client.disconnectionMade$);
    await server.stop();
    expect((await gone).reason.code).toBe('server-stopped');
    expect([server.isRunning(), server.address()]).toEqual([false, undefined]);
    await server.dispose();
    expect(await states).toEqual([
      RPCServer.STATE_NOT_RUNNING,
      RPCServer.STATE_STARTING,
      RPCServer.STATE_RUNNING,
      RPCServer.STATE_STOPPING,
      RPCServer.STATE_NOT_RUNNING,
    ]);
  });

  it('gives each client a port of its own, if it is asked to', async () => {
    const server = await startServer({ dedicatedPorts: true });
    const client = await connectTo(server);
    expect(client.isConnected()).toBe(true);
    // The port to knock at is still there for the next one.
    await connectTo(server);
    expect(server.connections()).toHaveLength(2);
  });

  it('refuses to listen beyond this machine unless that is said', () => {
    expect(() => new RPCServer({ port: 0, host: '0.0.0.0' })).toThrow('allowInsecure');
  });

  it('reports a stranger that connects, and is not troubled by it', async () => {
    const server = await startServer();
    const reported = firstValueFrom(server.errors$);
    connect(portOf(server), '127.0.0.1').end('hello').resume();
    expect((await reported).name).toBe('ProtocolError');
    expect((await connectTo(server)).isConnected()).toBe(true);
  });
});
