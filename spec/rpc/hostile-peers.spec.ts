import { describe, expect, it } from '@jest/globals';
import { MessageType } from '../../src/protocol/messages.js';
import type { Transport } from '../../src/transports/transport.js';
import { rawClient, rawServer, type RawPeer } from '../helpers/raw-peer.js';
import { filler, framed, frameOf, joined, openingBytes } from '../helpers/wire.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const { request, response, notify, cancel, register, unregister, identify } = MessageType;

class Service {
  readonly count = 5;
  readonly #secret = 'secret';
  ran = 0;
  get accessor(): string {
    this.ran += 1;
    return this.#secret;
  }
  echo(value: unknown): unknown {
    this.ran += 1;
    return value;
  }
  hang(): Promise<never> {
    return new Promise(() => undefined);
  }
  _private(): void {
    this.ran += 1;
  }
}

/** A real side with a friend, and an established stranger to it. */
async function besieged(side: 'server' | 'client') {
  const world = new VirtualWorld();
  const service = new Service();
  if (side === 'server') {
    const server = await world.startedServer({ localProxyObjects: { service } });
    const friend = await world.connectedClient();
    const peer = await rawClient(world);
    peer.registerAll(['theirs', ['method']]);
    await world.pass(0.01);
    return { world, service, real: server, peer, friend };
  }
  const { peers } = await rawServer(world);
  const client = world.client({ localProxyObjects: { service } });
  client.connectToServer();
  await world.pass(0.01);
  const [peer] = peers as [RawPeer];
  peer.registerAll(['theirs', ['method']]);
  await world.pass(0.01);
  return { world, service, real: client, peer, friend: undefined };
}

describe.each(['server', 'client'] as const)('a %s with a hostile peer', (side) => {
  it.each<[string, readonly (readonly unknown[])[], string]>([
    [
      'an answer to a call that was never made',
      [[response, 99]],
      'an answer to call 99, which was never made',
    ],
    [
      'something more behind it',
      [
        [response, 99],
        [request, 1, 'service', 'hang', []],
      ],
      'an answer to call 99, which was never made',
    ],
    ['a name registered twice', [[register, [['theirs', []]]]], 'an object "theirs" was registered twice'],
    [
      'the objects at the start told twice',
      [[register, [], true]],
      'the objects at the start were told twice',
    ],
    ['an unknown name unregistered', [[unregister, ['nothing']]], 'an object "nothing" was unregistered'],
    [
      'the same id twice',
      [
        [request, 1, 'service', 'hang', []],
        [request, 1, 'service', 'hang', []],
      ],
      'a call 1 while a call of that id runs',
    ],
    ['a message of no known type', [[77]], 'unknown message type 77'],
    ['a call without arguments', [[request, 1, 'service', 'echo']], 'a REQUEST message has fields'],
    ['a name that cannot be', [[register, [['a b', []]]]], 'a REGISTER message has fields'],
  ])('closes that connection, says why once, and goes on: %s', async (_what, messages, message) => {
    const { world, peer, friend, real } = await besieged(side);
    const ends = collected(real.disconnectionMade$);
    for (const each of messages) peer.send(...each);
    await world.pass(0.05);
    expect(peer.end?.reason).toMatchObject({ code: 'protocol-error', by: 'remote' });
    expect(peer.end?.reason.message).toContain(message);
    expect(ends).toMatchObject([{ reason: { code: 'protocol-error', by: 'local' } }]);
    const told = world.errors.filter((error) => error.message.includes(message));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      name: 'ProtocolError',
      code: 'protocol',
      connectionID: peer.connectionID,
    });
    if (friend === undefined) return;
    const proxy = friend.remoteProxyObject<Service>('service')!;
    await expect(world.until(proxy.echo('still here'))).resolves.toBe('still here');
  });

  it.each([
    'constructor',
    '__proto__',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    '__defineGetter__',
    'then',
    'catch',
    'toJSON',
    'accessor',
    'count',
    'ran',
    '_private',
    '#secret',
    'echo$',
    'echo.call',
    '',
    'x'.repeat(10_000),
  ])('refuses the member %j, and touches nothing', async (member) => {
    const { world, peer, service } = await besieged(side);
    peer.send(request, 1, 'service', member, ['x']);
    peer.send(notify, 'service', member, ['x']);
    await world.pass(0.01);
    const [answer] = peer.responses;
    expect(answer).toMatchObject([response, 1, { code: 'unknown-method', executed: 'no' }]);
    expect(JSON.stringify(answer).length).toBeLessThan(400);
    expect([service.ran, peer.end]).toEqual([0, undefined]);
    expect(world.errors).toMatchObject([{ name: 'UnknownMethodError' }]);
  });

  it.each(['constructor', '__proto__', 'toString', 'nothing', 'x'.repeat(10_000)])(
    'refuses the object %j',
    async (object) => {
      const { world, peer, service } = await besieged(side);
      peer.send(request, 1, object, 'echo', []);
      await world.pass(0.01);
      expect(peer.responses).toMatchObject([[response, 1, { code: 'unknown-object', executed: 'no' }]]);
      expect([service.ran, peer.end]).toEqual([0, undefined]);
    },
  );

  it('believes no refusal of a kind that it does not know to be more than an RPCError', async () => {
    const { world, peer, real } = await besieged(side);
    const proxy =
      'connections' in real
        ? real.remoteProxyObject<{ method(): void }>(peer.connectionID ?? '', 'theirs')!
        : real.remoteProxyObject<{ method(): void }>('theirs')!;
    const errors = ['own', 'protocol', '__proto__'].map(() => rejectionOf(proxy.method()));
    await world.pass(0.01);
    ['own', 'protocol', '__proto__'].forEach((code, index) => {
      peer.send(response, index + 1, { code, message: 'made up', executed: 'no' });
    });
    await world.pass(0.01);
    expect(await Promise.all(errors)).toMatchObject([
      { name: 'RPCError', code: 'own', executed: 'no' },
      { name: 'RPCError', code: 'protocol' },
      { name: 'RPCError', code: '__proto__' },
    ]);
    const thrown = rejectionOf(proxy.method());
    await world.pass(0.01);
    peer.send(response, 4, { message: 'thrown' });
    // An answer that comes twice may have crossed a cancellation: it harms nobody.
    peer.send(response, 4, null, 1);
    peer.send(cancel, 99);
    await world.pass(0.01);
    expect(await thrown).toMatchObject({ name: 'RemoteError', remoteName: 'Error', executed: 'yes' });
    expect(peer.end).toBeUndefined();
  });
});

describe('a server with a hostile client', () => {
  it.each<[string, readonly unknown[]]>([
    ['a call', [request, 1, 'service', 'echo', []]],
    ['a notification', [notify, 'service', 'echo', []]],
    ['a cancellation', [cancel, 1]],
    ['an answer', [response, 1]],
    ['an end of a registration', [unregister, ['x']]],
  ])('accepts nothing before the objects at the start were told: %s', async (_what, message) => {
    const world = new VirtualWorld();
    const service = new Service();
    const server = await world.startedServer({ localProxyObjects: { service } });
    const made = collected(server.connectionMade$);
    const peer = await rawClient(world);
    peer.send(...message);
    await world.pass(0.01);
    expect(peer.end?.reason.message).toMatch(
      /a message of type \d+ before the objects at the start were told/,
    );
    expect([made, service.ran]).toEqual([[], 0]);
  });

  it('takes objects in several messages at the start', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const names: string[][] = [];
    server.connectionMade$.subscribe((id) => names.push(server.remoteProxyObjects(id)));
    const peer = await rawClient(world);
    peer.send(register, [['one', []]], false);
    peer.send(register, [['two', ['a', 'a']]]);
    peer.send(register, [], true);
    await world.pass(0.01);
    expect(names).toEqual([['one', 'two']]);
  });
});

/** What is said of a peer that goes on writing, and does not come to an end. */
const tooSlow = 'a frame that was begun did not end within 46 s';

describe('a peer that writes a byte a second', () => {
  it.each([undefined, { windowInSeconds: 60 }])(
    'behind a finished handshake is disconnected by the server after 46 s, and nobody else (resume: %p)',
    async (resume) => {
      const world = new VirtualWorld();
      const service = new Service();
      const options = resume === undefined ? {} : { resume };
      const server = await world.startedServer({ localProxyObjects: { service }, ...options });
      const friend = await world.connectedClient();
      const ends = collected(server.disconnectionMade$);
      const slow = await dripping(world, resume === undefined ? {} : { resume: { windowMs: 60_000 } });
      await world.pass(0.01);
      expect(server.connections()).toHaveLength(2);
      await slow.drip(45);
      expect([ends, slow.closedAtMs]).toEqual([[], undefined]);
      await slow.drip(2);
      expect(slow.closedAtMs).toBeCloseTo(slow.begunAtMs + 46_000, -2);
      expect(ends).toMatchObject([{ reason: { code: 'protocol-error', by: 'local', message: tooSlow } }]);
      expect(world.errors).toMatchObject([{ name: 'ProtocolError', executed: undefined }]);
      expect(friend.isConnected()).toBe(true);
      expect(server.connections()).toHaveLength(1);
      expect(service.ran).toBe(0);
    },
  );

  it('has each frame counted from its own beginning', async () => {
    const world = new VirtualWorld();
    const service = new Service();
    const server = await world.startedServer({ localProxyObjects: { service } });
    const slow = await dripping(world, {});
    const frame = frameOf([notify, 'service', 'echo', [1]]);
    for (let times = 0; times < 3; times += 1) await slow.drip(frame.length, frame);
    expect([service.ran, server.connections().length, world.errors]).toEqual([3, 1, []]);
    expect(frame.length * 3).toBeGreaterThan(46);
  });
});

/** A client that says all that a handshake takes at once, and then a byte a second. */
async function dripping(world: VirtualWorld, hello: object) {
  const end: { atMs?: number } = {};
  const { scheduler, network } = world;
  const transport = await world.until(
    new Promise<Transport>((resolve, reject) => {
      network.options.transport.dial(
        { host: '127.0.0.1', port: 9_000 },
        {
          onTransport: resolve,
          onFailed: ({ error }) => {
            reject(error);
          },
        },
      );
    }),
  );
  transport.open({
    onChunk: () => undefined,
    onWritable: () => undefined,
    onClosed: () => {
      end.atMs = scheduler.now();
    },
  });
  const greeting = [MessageType.hello, { version: 1, timeoutMs: 10_000, ...hello }];
  transport.write(joined(openingBytes, frameOf(greeting)));
  await world.pass(0.01);
  const sequence = 'resume' in hello ? [[MessageType.sequence, 1]] : [];
  transport.write(frameOf(...sequence, [register, [], true]));
  await world.pass(0.01);
  let at = 0;
  return {
    begunAtMs: scheduler.now(),
    get closedAtMs(): number | undefined {
      return end.atMs;
    },
    /** Writes for so many seconds; what is written is the beginning of a long frame unless it is given. */
    drip: async (seconds: number, bytes = framed(filler(60_000))): Promise<void> => {
      for (let left = seconds; left > 0; left -= 1) {
        if (end.atMs === undefined)
          transport.write(bytes.subarray(at % bytes.length, (at % bytes.length) + 1));
        at += 1;
        await world.pass(1);
      }
    },
  };
}

describe('a client with a hostile server', () => {
  it('has no identifier to be told', async () => {
    const { world, peer } = await besieged('client');
    peer.send(identify, 'you');
    await world.pass(0.01);
    expect(peer.end?.reason).toMatchObject({ code: 'protocol-error', message: 'a server has no identifier' });
  });

  it('lists some of the members only when there are very many, and none when there are none', async () => {
    const world = new VirtualWorld();
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`m${at}`, () => at]));
    const { client } = await world.pair({ localProxyObjects: { many, none: {} } });
    const call = (name: string) => client.remoteProxyObject<{ missing(): void }>(name)!.missing();
    await expect(call('many')).rejects.toThrow(/m18, m19 and 10 more$/);
    await expect(call('none')).rejects.toThrow('it has none');
  });
});
