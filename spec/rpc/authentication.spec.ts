import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import {
  AuthenticationError,
  currentCall,
  isSameSecret,
  RPCClient,
  RPCServer,
  sharedToken,
  type RPCInterceptor,
} from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import type { Transport, TransportProvider } from '../../src/transports/transport.js';
import { dialWire } from '../helpers/dial-wire.js';
import { rawServer } from '../helpers/raw-peer.js';
import { collected, rejectionOf, VirtualWorld, type ServerExtras } from '../helpers/virtual-world.js';

const secret = 'correct horse battery staple';
const whoAmI = { whoAmI: () => currentCall().identity };

/** Lets in those who say a name. */
function byName(credentials: unknown): { readonly name: string } | undefined {
  const { name, pin } = credentials as { readonly name: string; readonly pin: unknown };
  return isSameSecret(pin, '1234') ? { name } : undefined;
}

const ada = { name: 'ada', pin: '1234' };

/** Has those who dial come from an address. */
function from(remoteHost: string, transports: TransportProvider): TransportProvider {
  return {
    dial: (address, sink) => transports.dial(address, sink),
    listen: (address, sink) =>
      transports.listen(address, {
        ...sink,
        onListening: (where) => sink.onListening(where),
        onFailed: (failure) => sink.onFailed(failure),
        onTransport: (transport: Transport) => {
          sink.onTransport(Object.defineProperty(transport, 'remoteHost', { value: remoteHost }));
        },
      }),
  };
}

/** A server that asks, and a client that it has refused. */
async function refused(authenticate: ServerExtras['authenticate'], credentials: unknown = { pin: '1' }) {
  const world = new VirtualWorld();
  const server = await world.startedServer({ authenticate: authenticate!, random: () => 0.5 });
  const client = world.client({ credentials });
  const statuses = collected(client.status$);
  client.connectToServer();
  const error = await world.failureOf(client.whenConnected());
  await world.pass(0.1);
  return { world, server, client, statuses, error };
}

describe('credentials', () => {
  it.each<[string, unknown]>([
    ['a value', ada],
    ['a function', () => ada],
    ['an asynchronous function', async () => ada],
  ])('are shown by the client, and make its identity at the server: %s', async (_what, credentials) => {
    const seen: unknown[] = [];
    const interceptor: RPCInterceptor = (call, next) => {
      seen.push([call.direction, call.identity]);
      return next(call);
    };
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair(
      { authenticate: byName, interceptors: [interceptor], localProxyObjects: { whoAmI } },
      { credentials, localProxyObjects: { whoAmI } },
    );
    const proxy = client.remoteProxyObject<typeof whoAmI>('whoAmI')!;
    await expect(world.until(proxy.whoAmI())).resolves.toEqual({ name: 'ada' });
    const back = server.remoteProxyObject<typeof whoAmI>(id, 'whoAmI')!;
    await expect(world.until(back.whoAmI())).resolves.toBeUndefined();
    expect(server.connectionIdentity(id)).toEqual({ name: 'ada' });
    expect(seen).toEqual([
      ['incoming', { name: 'ada' }],
      ['outgoing', { name: 'ada' }],
    ]);
    expect(world.errors).toEqual([]);
  });

  it('are asked for before each attempt', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ authenticate: (shown) => shown });
    let count = 0;
    const client = await world.connectedClient({ credentials: () => (count += 1) });
    const identities = [server.connectionIdentity(client.connectionID()!)];
    world.network.cut();
    await world.pass(1);
    await world.until(client.whenConnected());
    await world.pass(0.01);
    identities.push(server.connectionIdentity(client.connectionID()!));
    expect(identities).toEqual([1, count]);
    expect(count).toBeGreaterThan(1);
  });

  it.each<[string, () => unknown, string]>([
    ['it fails', () => Promise.reject(new Error('hunter2')), 'the function failed'],
    [
      'it throws',
      () => {
        throw new Error('hunter2');
      },
      'the function failed',
    ],
    ['it hangs', () => new Promise(() => undefined), 'the function gave none within 10000 ms'],
    ['it gives what cannot be sent', () => ({ f: () => 1 }), 'what the function gave cannot be sent'],
    ['it gives too much', () => 'x'.repeat(20_000), 'what the function gave cannot be sent'],
  ])('are asked for again where the function gives none: %s', async (_what, first, text) => {
    const world = new VirtualWorld();
    await world.startedServer({ authenticate: byName });
    let count = 0;
    const client = world.client({ credentials: () => ((count += 1) === 1 ? first() : ada) });
    client.connectToServer();
    await world.until(client.whenConnected());
    expect(count).toBe(2);
    expect(world.errors).toMatchObject([{ code: 'authentication' }]);
    expect(world.errors[0]?.message).toBe(`there are no credentials: ${text}`);
  });

  it('are no longer asked for once the client is stopped', async () => {
    const world = new VirtualWorld();
    const client = world.client({ credentials: () => new Promise(() => undefined) });
    client.connectToServer();
    await client.disconnectFromServer();
    await world.pass(20);
    expect([client.status(), world.errors]).toEqual([RPCClient.STATUS_DISCONNECTED, []]);
  });

  it('are refused at the door where they cannot be sent', () => {
    expect(() => new RPCClient({ port: 1, credentials: { f: () => 1 } })).toThrow('credentials.f');
    expect(() => new RPCClient({ port: 1, credentials: 'x'.repeat(20_000) })).toThrow('20004 bytes');
  });

  it('are not looked at by a server that does not ask', async () => {
    const world = new VirtualWorld();
    const { server, id } = await world.pair({}, { credentials: ada });
    expect(server.connectionIdentity(id)).toBeUndefined();
  });
});

describe('a refused client', () => {
  it.each<[string, ServerExtras['authenticate']]>([
    ['undefined', () => undefined],
    ['null', () => null],
    ['false', async () => false],
    [
      'an error',
      () => {
        throw new Error('hunter2');
      },
    ],
    ['a rejection', () => Promise.reject(new Error('hunter2'))],
    ['a server that wants a shared token', sharedToken(secret)],
  ])('stops, and is told nothing but that: %s', async (_what, authenticate) => {
    const { world, client, server, statuses, error } = await refused(authenticate);
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(statuses).toEqual([
      RPCClient.STATUS_DISCONNECTED,
      RPCClient.STATUS_AUTO_CONNECTING,
      RPCClient.STATUS_CONNECTING,
      RPCClient.STATUS_DISCONNECTED,
    ]);
    expect(world.errors).toHaveLength(2);
    expect(world.errors.every(({ name }) => name === 'AuthenticationError')).toBe(true);
    expect(inspect([error, world.errors.map(({ message }) => message)])).not.toContain('hunter2');
    await world.pass(600);
    expect(world.errors).toHaveLength(2);
    expect([client.canStart(), server.connections()]).toEqual([true, []]);
    await expect(client.whenConnected()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(client.whenRemoteProxyObject('x')).rejects.toBeInstanceOf(AuthenticationError);
  });

  it('hears of it late, by 100 to 300 ms', async () => {
    for (const [random, atMs] of [
      [0, 102],
      [0.5, 202],
      [0.999, 302],
    ] as const) {
      const world = new VirtualWorld();
      await world.startedServer({ authenticate: () => undefined, random: () => random });
      const client = world.client();
      client.connectToServer();
      await world.failureOf(client.whenConnected());
      expect(Math.abs(world.now * 1_000 - atMs)).toBeLessThan(5);
    }
  });

  it.each(['setCredentials', 'connectToServer'] as const)('dials again after %s()', async (how) => {
    let known = ada.pin;
    const { world, client } = await refused(byName, () => ({
      name: 'ada',
      pin: known === '0' ? '1234' : 'x',
    }));
    if (how === 'setCredentials') client.setCredentials(ada);
    else {
      known = '0';
      client.connectToServer();
    }
    await world.until(client.whenConnected());
    expect(client.isConnected()).toBe(true);
  });

  it('goes on where it was given others before those that it had shown were refused', async () => {
    const world = new VirtualWorld();
    await world.startedServer({ authenticate: byName });
    const client = world.client({ credentials: { ...ada, pin: 'x' } });
    client.connectToServer();
    await world.pass(0.05);
    client.setCredentials(ada);
    await world.until(client.whenConnected());
    expect(world.errors.map(({ name }) => name)).toEqual(['AuthenticationError', 'AuthenticationError']);
  });

  it('stays stopped after disconnectFromServer(), whatever credentials it is given', async () => {
    const { world, client } = await refused(byName);
    await client.disconnectFromServer();
    client.setCredentials(ada);
    await world.pass(10);
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
    await expect(client.whenConnected()).rejects.toMatchObject({ code: 'not-connected' });
  });

  it('keeps its connection when it is given others', async () => {
    const world = new VirtualWorld();
    const { client, id } = await world.pair({ authenticate: byName }, { credentials: ada });
    client.setCredentials({ pin: 'wrong' });
    await world.pass(1);
    expect(client.connectionID()).toBe(id);
    expect(() => client.setCredentials({ f: () => 1 })).toThrow('credentials.f');
  });
});

describe('a server that asks', () => {
  it('tells where the client comes from, and when nobody waits any more', async () => {
    const world = new VirtualWorld();
    const infos: { readonly address: string | undefined; readonly signal: AbortSignal }[] = [];
    await world.startedServer({
      authenticate: (_credentials, info) => {
        infos.push(info);
        return new Promise(() => undefined);
      },
    });
    const client = world.client({ credentials: 1 });
    client.connectToServer();
    await world.pass(9.9);
    expect([infos.length, infos[0]?.signal.aborted, client.status()]).toEqual([
      1,
      false,
      RPCClient.STATUS_CONNECTING,
    ]);
    await world.pass(0.2);
    expect([infos[0]?.signal.aborted, infos[0]?.address]).toEqual([true, undefined]);
    await world.pass(1);
    expect(infos.length).toBeGreaterThan(1);
    await client.disconnectFromServer();
    await world.pass(0.1);
    expect(infos.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it('lets nobody in whose client has gone, and stops meanwhile', async () => {
    const world = new VirtualWorld();
    let decide: (identity: unknown) => void = () => undefined;
    const server = await world.startedServer({
      authenticate: () => new Promise((resolve) => (decide = resolve)),
    });
    const client = world.client({ credentials: 1 });
    client.connectToServer();
    await world.pass(1);
    await world.until(server.stop());
    decide('late');
    await world.pass(1);
    expect([server.connections(), world.errors]).toEqual([[], []]);
  });

  it('does not hear an address that fails too often, which comes again', async () => {
    const world = new VirtualWorld();
    const transport = from('203.0.113.7', world.network.options.transport);
    let asked = 0;
    const authenticate = (shown: unknown) => {
      asked += 1;
      return shown === 1 ? 'one' : undefined;
    };
    await world.startedServer({ authenticate, transport });
    for (let count = 0; count < 10; count += 1) {
      const client = world.client({ credentials: 0 });
      client.connectToServer();
      await world.failureOf(client.whenConnected());
    }
    const right = world.client({ credentials: 1 });
    right.connectToServer();
    await world.pass(1);
    expect([asked, right.isConnected()]).toEqual([10, false]);
    await world.until(right.whenConnected());
    expect(asked).toBe(11);
  });

  it('answers probes', async () => {
    const world = new VirtualWorld();
    await world.startedServer({ authenticate: () => undefined });
    const error = await world.failureOf(world.server().start());
    expect(error).toMatchObject({ name: 'ServerAlreadyRunningException' });
  });

  it('asks before it hands a client over, and again at its port', async () => {
    const world = new VirtualWorld();
    let asked = 0;
    const { server, id } = await world.pair(
      { dedicatedPorts: true, authenticate: (shown) => ((asked += 1), byName(shown)) },
      { credentials: ada },
    );
    expect([asked, server.connectionIdentity(id)]).toEqual([2, { name: 'ada' }]);
  });
});

describe('a shared token', () => {
  it('lets client and server know each other', async () => {
    const world = new VirtualWorld();
    for (const credentials of [sharedToken(secret), async () => sharedToken(secret)]) {
      const server = await world.startedServer({ authenticate: sharedToken(secret) });
      const client = await world.connectedClient({ credentials });
      expect(server.connectionIdentity(client.connectionID()!)).toBe('shared-token');
      await client.dispose();
      await world.until(server.dispose());
    }
    expect(world.errors).toEqual([]);
  });

  it.each<[string, ServerExtras]>([
    ['has another token', { authenticate: sharedToken('another') }],
    ['asks for nothing', {}],
    ['asks for credentials', { authenticate: () => 'anybody' }],
    ['refuses everybody', { authenticate: () => undefined }],
    ['would hand the client over', { dedicatedPorts: true }],
  ])('has a client go on looking for its server when another %s', async (_what, impostor) => {
    const world = new VirtualWorld();
    const other = await world.startedServer({ ...impostor, localProxyObjects: { whoAmI } });
    const client = world.client({ credentials: sharedToken(secret), localProxyObjects: { whoAmI } });
    const made = collected(other.connectionMade$);
    client.connectToServer();
    await world.pass(3);
    expect([client.canStart(), client.isConnected(), made]).toEqual([false, false, []]);
    expect(world.errors.some((error) => error instanceof AuthenticationError)).toBe(true);
    await world.until(other.dispose());
    await world.startedServer({ authenticate: sharedToken(secret) });
    await world.until(client.whenConnected());
  });

  it('says nothing to an impostor but HELLO, in which there is nothing to learn', async () => {
    const world = new VirtualWorld();
    const { peers } = await rawServer(world);
    const client = world.client({ credentials: sharedToken(secret), localProxyObjects: { whoAmI } });
    client.connectToServer();
    await world.pass(2);
    expect(peers.length).toBeGreaterThan(2);
    expect(peers.flatMap(({ received }) => received)).toEqual([]);
    const nonces = peers.map(({ hello }) => inspect(hello?.nonce));
    expect(new Set(nonces).size).toBe(peers.length);
    expect(inspect(peers.map(({ hello }) => hello))).not.toContain(secret);
  });

  it('has the server refuse a client with a wrong, a sent back or a replayed proof, and one with none', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ authenticate: sharedToken(secret) });
    const { openings, answers } = await attack(world);
    expect(openings).toBe(4);
    expect(answers.every((code) => code === 'unauthenticated')).toBe(true);
    expect(server.connections()).toEqual([]);
  });

  it('shows itself to nobody', () => {
    const token = sharedToken(secret);
    expect(inspect(token, { depth: 9 })).not.toContain(secret);
    expect(JSON.stringify(token)).toBe('{}');
    expect(() => sharedToken('')).toThrow(RangeError);
    expect(() => sharedToken('\ud800')).toThrow('lone surrogate');
    expect(() => sharedToken(7 as never)).toThrow(TypeError);
    expect(() => new RPCServer({ port: 0, authenticate: 'secret' as never })).toThrow(TypeError);
  });

  it('may be bytes, which are those of a text', async () => {
    const bytes = new TextEncoder().encode(secret);
    const world = new VirtualWorld();
    const { client } = await world.pair(
      { authenticate: sharedToken(bytes) },
      { credentials: sharedToken(secret) },
    );
    expect(client.isConnected()).toBe(true);
  });
});

describe('isSameSecret', () => {
  it('compares texts and bytes, and takes nothing else for a secret', () => {
    const bytes = new TextEncoder().encode('a');
    expect([isSameSecret('a', 'a'), isSameSecret('a', bytes), isSameSecret(bytes, 'a')]).toEqual([
      true,
      true,
      true,
    ]);
    for (const other of ['b', 'ab', '', undefined, null, 7, ['a'], {}])
      expect(isSameSecret(other, 'a')).toBe(false);
  });
});

describe.each([false, true])('over TCP, with thread: %p', (thread) => {
  it('authenticates both ways', async () => {
    await using server = new RPCServer({
      port: 0,
      thread,
      authenticate: sharedToken(secret),
      localProxyObjects: { whoAmI },
    });
    await server.start();
    const port = server.address()!.port;
    await using client = new RPCClient({ port, thread, credentials: sharedToken(secret) });
    client.connectToServer();
    const proxy = await client.whenRemoteProxyObject<typeof whoAmI>('whoAmI');
    expect(await proxy.whoAmI()).toBe('shared-token');
    server.errors$.subscribe();
    await using stranger = new RPCClient({ port, thread, credentials: ada });
    stranger.errors$.subscribe();
    stranger.connectToServer();
    expect(await rejectionOf(stranger.whenConnected())).toBeInstanceOf(AuthenticationError);
  });

  it('tells where a client comes from', async () => {
    const authenticate = (_shown: unknown, { address }: { readonly address: string | undefined }) => address;
    await using server = new RPCServer({ port: 0, thread, authenticate, localProxyObjects: { whoAmI } });
    await server.start();
    await using client = new RPCClient({ port: server.address()!.port, thread });
    client.connectToServer();
    const proxy = await client.whenRemoteProxyObject<typeof whoAmI>('whoAmI');
    expect(await proxy.whoAmI()).toBe('127.0.0.1');
  });
});

/** Four strangers, each with a proof that it has not made itself. */
async function attack(world: VirtualWorld) {
  const nonce = new Uint8Array(32).fill(1);
  const hello = [MessageType.hello, { version: 1, timeoutMs: 10_000, nonce }];
  const first = await dialWire(world, hello);
  const [, , serverProof] = first.messages[0] as [number, Uint8Array, Uint8Array];
  first.say([MessageType.proof, serverProof]);
  const second = await dialWire(world, hello);
  second.say([MessageType.proof, serverProof]);
  const third = await dialWire(world, hello);
  third.say([MessageType.proof, new Uint8Array(32)]);
  const fourth = await dialWire(world, [MessageType.hello, { version: 1, timeoutMs: 10_000 }]);
  await world.pass(1);
  const all = [first, second, third, fourth];
  return { openings: all.length, answers: all.map(({ messages }) => messages.at(-1)?.[1]) };
}
