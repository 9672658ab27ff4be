import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { asyncScheduler, filter, firstValueFrom, timeout } from 'rxjs';
import {
  type CloseReason,
  RPCClient,
  RPCServer,
  ServerAlreadyRunningException,
  type RemoteProxy,
  type ServerOptions,
} from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';

class Commands {
  readonly printed: string[] = [];
  printMessage(message: string): void {
    this.printed.push(message);
  }
  echo(value: unknown): unknown {
    return value;
  }
}

class CustomServer extends RPCServer {
  readonly log: string[] = [];
  readonly bank: Promise<unknown>[] = [];
  override connectionMade(connectionID: string): void {
    this.log.push(`made ${this.connections().indexOf(connectionID)}`);
  }
  override disconnectionMade(_connectionID: string, reason: CloseReason): void {
    this.log.push(`lost ${reason.code}`);
  }
  override remoteProxyObjectRegistered(connectionID: string, name: string): void {
    this.log.push(`registered ${name}`);
    if (name !== 'clientCommands') return;
    const commands = this.remoteProxyObject<Commands>(connectionID, name)!;
    // A spec may be over before the answer comes.
    this.bank.push(commands.printMessage('give me all your money').catch(() => undefined));
  }
  override statusChanged(newStatus: string): void {
    this.log.push(newStatus);
  }
}

/** Waits for the first value that fits, two seconds at most. */
function first<T>(stream$: Parameters<typeof firstValueFrom<T>>[0], fits: (value: T) => boolean): Promise<T> {
  return firstValueFrom(stream$.pipe(filter(fits), timeout(2_000)));
}

describe.each(['memory', 'tcp', 'tcp on the I/O thread'] as const)('over %s', (carrier) => {
  let network: TestNetwork;
  let server: CustomServer;
  let port = 0;
  let serverCommands: Commands;
  let clientCommands: Commands;
  const clients: RPCClient[] = [];

  const options = (): Pick<ServerOptions, 'transport' | 'port' | 'thread'> =>
    carrier === 'memory'
      ? { transport: network.options.transport, port: 9_000 }
      : { port, thread: carrier !== 'tcp' };
  const makeClient = (extras: object = {}): RPCClient => {
    const client = new RPCClient({
      ...options(),
      localProxyObjects: { clientCommands },
      reconnect: { initialDelayInSeconds: 0.01, maxDelayInSeconds: 0.02 },
      ...extras,
    });
    client.errors$.subscribe();
    clients.push(client);
    return client;
  };
  const connected = async (extras: object = {}): Promise<{ client: RPCClient; id: string }> => {
    const client = makeClient(extras);
    const made = first<string>(server.connectionMade$, () => true);
    client.connectToServer();
    await client.whenConnected();
    return { client, id: await made };
  };

  beforeEach(async () => {
    network = new TestNetwork({ scheduler: asyncScheduler });
    [serverCommands, clientCommands] = [new Commands(), new Commands()];
    port = 0;
    server = new CustomServer({ ...options(), localProxyObjects: { serverCommands } });
    await server.start();
    port = server.address()!.port;
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.dispose()));
    await server.dispose();
  });

  it('a client calls an object of the server as if it were its own', async () => {
    const { client } = await connected();
    const proxy = client.remoteProxyObject<Commands>('serverCommands')!;
    await proxy.printMessage('Hello World!');
    expect(serverCommands.printed).toEqual(['Hello World!']);
  });

  it('a server calls an object of a client as if it were its own', async () => {
    const { id } = await connected();
    expect(server.connections()).toEqual([id]);
    const proxy = server.remoteProxyObject<Commands>(id, 'clientCommands')!;
    await proxy.printMessage('Hello World!');
    expect(clientCommands.printed).toContain('Hello World!');
  });

  it('a derived server is told of what happens, and calls from there', async () => {
    const { client, id } = await connected();
    await Promise.all(server.bank);
    expect(clientCommands.printed).toEqual(['give me all your money']);
    const lost = first(server.disconnectionMade$, ({ connectionID }) => connectionID === id);
    await client.disconnectFromServer();
    await lost;
    expect(server.log).toEqual([
      'starting',
      'running',
      'made 0',
      'registered clientCommands',
      'lost disconnected',
    ]);
  });

  it('there can be many clients, each with its id, status and identifier', async () => {
    const [one, two] = [await connected({ identifier: 'one' }), await connected()];
    two.client.sendUniqueIdentifier('two');
    await two.client.remoteProxyObject<Commands>('serverCommands')!.echo(1);
    expect(server.connections()).toEqual([one.id, two.id]);
    expect([one.client.connectionID(), two.client.connectionID()]).toEqual([one.id, two.id]);
    expect([one.id, two.id].map((id) => server.connectionUniqueIdentifier(id))).toEqual(['one', 'two']);
    expect(server.connectionStatus(one.id)).toBe(RPCClient.STATUS_CONNECTED);
    server.setMaxConnectionsAllowed(2);
    const excess = makeClient();
    const refused = first<Error>(excess.errors$, ({ name }) => name === 'ServerFullError');
    excess.connectToServer();
    await refused;
    expect(server.connections()).toHaveLength(2);
  });

  it('there can be only one server', async () => {
    const second = new RPCServer(options());
    await expect(second.start()).rejects.toBeInstanceOf(ServerAlreadyRunningException);
    expect(second.isRunning()).toBe(false);
  });

  it('a client finds a server that comes later or comes again', async () => {
    const { client, id } = await connected();
    const proxy = client.remoteProxyObject<Commands>('serverCommands')!;
    await server.stop();
    expect(server.status()).toBe(RPCServer.STATE_NOT_RUNNING);
    await first(client.status$, (status) => status === RPCClient.STATUS_AUTO_CONNECTING);
    await expect(proxy.echo(1)).rejects.toMatchObject({ executed: 'no' });
    const again = new RPCServer({ ...options(), localProxyObjects: { serverCommands } });
    await again.start();
    await client.whenConnected();
    expect(client.connectionID()).not.toBe(id);
    await expect(proxy.echo('again')).resolves.toBe('again');
    await again.dispose();
  });

  it('objects may be registered and unregistered at any time, on both sides', async () => {
    const { client, id } = await connected();
    const late = new Commands();
    server.registerProxyObject('late', late);
    await (await client.whenRemoteProxyObject<Commands>('late')).printMessage('to the server');
    const registered = first(server.remoteProxyObjectRegistered$, ({ name }) => name === 'late');
    client.registerProxyObject('late', late);
    await registered;
    await server.remoteProxyObject<Commands>(id, 'late')!.printMessage('to the client');
    expect(late.printed).toEqual(['to the server', 'to the client']);
    const gone = first(server.remoteProxyObjectUnregistered$, ({ name }) => name === 'late');
    client.unregisterProxyObject('late');
    await gone;
    expect(server.remoteProxyObject(id, 'late')).toBeUndefined();
  });

  it('heartbeats show that the other side is there', async () => {
    server.setTimeout(0.03);
    const { client } = await connected({ timeoutInSeconds: 5 });
    expect((await first(server.heartbeat$, () => true)).roundTripMs).toBeGreaterThanOrEqual(0);
    client.setTimeout(0.03);
    expect((await first(client.heartbeat$, () => true)).connectionID).toBe(client.connectionID());
  });

  it('dedicated ports serve in the same way', async () => {
    const dedicated = new RPCServer({
      ...options(),
      port: 0,
      dedicatedPorts: true,
      localProxyObjects: { serverCommands },
    });
    await dedicated.start();
    const client = makeClient({ port: dedicated.address()!.port });
    client.connectToServer();
    const proxy = await client.whenRemoteProxyObject<Commands>('serverCommands');
    await expect(proxy.echo('there')).resolves.toBe('there');
    await dedicated.dispose();
  });

  it.each([0, 64 * 1024, 64 * 1024 + 1, 1024 * 1024, 8 * 1024 * 1024])(
    'values of %i bytes cross both ways while small calls go on',
    async (bytes) => {
      const { client, id } = await connected();
      const both: RemoteProxy<Commands>[] = [
        client.remoteProxyObject<Commands>('serverCommands')!,
        server.remoteProxyObject<Commands>(id, 'clientCommands')!,
      ];
      const value = new Uint8Array(bytes).fill(7);
      const big = Promise.all(both.map((proxy) => proxy.echo(value)));
      const small = await Promise.all(both.map((proxy) => proxy.echo('small')));
      expect(small).toEqual(['small', 'small']);
      for (const echoed of await big) expect(Buffer.compare(value, echoed as Uint8Array)).toBe(0);
    },
  );

  it('a value of 16 MiB, all but its envelope, crosses both ways', async () => {
    const { client } = await connected();
    const value = new Uint8Array(16 * 1024 * 1024 - 100);
    value[1_000_000] = 9;
    const echoed = await client.remoteProxyObject<Commands>('serverCommands')!.echo(value);
    expect(Buffer.compare(value, echoed as Uint8Array)).toBe(0);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'grüße 👋'],
    ['numbers', [0, -0, 1.5, -1e300, NaN, Infinity, Number.MAX_SAFE_INTEGER]],
    ['bigints', [0n, -(2n ** 70n), 2n ** 63n]],
    ['a date', new Date(1_700_000_000_123)],
    ['a map', new Map<unknown, unknown>([[{ key: 1 }, new Set([1, 'a'])]])],
    ['bytes', new Uint8Array([1, 2, 3])],
    ['typed arrays', [new Float64Array([1.5]), new Int16Array([-1])]],
    ['an error', Object.assign(new RangeError('bad'), { code: 'E', extra: [1] })],
    ['nested values', { list: [{ deep: { date: new Date(0), absent: undefined } }] }],
    ['keys like constructor', { constructor: 1, toJSON: 2, prototype: 3 }],
  ])('%s crosses both ways as it is', async (_what, value) => {
    const { client, id } = await connected();
    await expect(client.remoteProxyObject<Commands>('serverCommands')!.echo(value)).resolves.toEqual(value);
    await expect(server.remoteProxyObject<Commands>(id, 'clientCommands')!.echo(value)).resolves.toEqual(
      value,
    );
  });
});
