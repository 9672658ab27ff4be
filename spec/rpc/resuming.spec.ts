import { describe, expect, it } from '@jest/globals';
import { Subject, type SchedulerAction, type SchedulerLike } from 'rxjs';
import { ConnectionLostError, NotConnectedError, RPCClient, withCallOptions } from 'tandem-rpc';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import { served, servingSides, type ServedSettings } from '../helpers/served.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const resume = { windowInSeconds: 20 };
const both: ServedSettings = { serving: { resume }, using: { resume } };

const empty = new Uint8Array(0);

/** Runs everything so much later. */
function later(scheduler: SchedulerLike, ms: number): SchedulerLike {
  return {
    now: () => scheduler.now(),
    schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) =>
      scheduler.schedule<T>(work, delay + ms, state),
  };
}

class Counter {
  readonly ran: number[] = [];
  #release: (() => void)[] = [];

  add(value: number): number {
    this.ran.push(value);
    return value;
  }

  hold(value: number): Promise<number> {
    this.ran.push(value);
    return new Promise((resolve) => {
      this.#release.push(() => {
        resolve(value);
      });
    });
  }

  release(): void {
    for (const release of this.#release) release();
  }
}

describe.each(servingSides)('a session that can be resumed, where the %s serves', (side) => {
  it('goes on after a cut: calls in flight are answered, each has run once', async () => {
    const counter = new Counter();
    const { world, server, client, id, proxy } = await served(side, counter, both);
    const made = collected(server.connectionMade$);
    const lost = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    const resumed = [collected(server.resumed$), collected(client.resumed$)];
    const held = proxy.hold(1);
    await world.pass(0.01);
    const onTheWay = proxy.add(2);
    world.network.cut();
    const after = proxy.add(3);
    expect(await world.until(Promise.all([onTheWay, after]))).toEqual([2, 3]);
    counter.release();
    expect(await world.until(held)).toBe(1);
    expect(counter.ran).toEqual([1, 2, 3]);
    expect(lost).toEqual([[], []]);
    expect(made).toEqual([]);
    expect(resumed).toEqual([[id], [id]]);
    expect(client.connectionID()).toBe(id);
    expect(world.errors).toEqual([]);
  });

  it('survives a cut at any moment of a burst of calls', async () => {
    for (let cutAt = 0; cutAt < 12; cutAt += 1) {
      const counter = new Counter();
      const { world, proxy } = await served(side, counter, { ...both, latencyInSeconds: 0.005 });
      const results: Promise<number>[] = [];
      for (let at = 0; at < 40; at += 1) {
        results.push(proxy.add(at));
        await world.pass(0.001);
        if (at % 13 === cutAt) world.network.cut();
      }
      const expected = results.map((_, at) => at);
      expect(await world.until(Promise.all(results))).toEqual(expected);
      expect(counter.ran).toEqual(expected);
      expect(world.errors).toEqual([]);
    }
  });

  it('loses, repeats and reorders no value of a stream', async () => {
    const ticks = new Subject<number>();
    const { world, proxy } = await served(side, { ticks$: ticks.asObservable() }, both);
    const seen: number[] = [];
    proxy.ticks$.subscribe((value) => seen.push(value));
    await world.pass(0.01);
    for (let at = 0; at < 300; at += 1) {
      ticks.next(at);
      await world.pass(0.003);
      if (at % 37 === 0) world.network.cut();
    }
    await world.pass(10);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, at) => at));
  });

  it('brings long messages over, begun before the cut', async () => {
    const sizes: number[] = [];
    const service = {
      take: (bytes: Uint8Array) => {
        sizes.push(bytes.length);
        return bytes;
      },
    };
    const { world, proxy } = await served(side, service, { ...both, latencyInSeconds: 0.005 });
    const sent = new Uint8Array(1_000_000).map((_, at) => at % 251);
    const results = [proxy.take(sent), proxy.take(sent.subarray(1))];
    await world.pass(0.006);
    world.network.cut();
    const [one, two] = await world.until(Promise.all(results));
    expect(Buffer.compare(one ?? empty, sent)).toBe(0);
    expect(Buffer.compare(two ?? empty, sent.subarray(1))).toBe(0);
    expect(sizes).toEqual([1_000_000, 999_999]);
  });

  it('ends when it was away for too long, and says of each call what is true', async () => {
    const counter = new Counter();
    const { world, server, client, id, proxy } = await served(side, counter, both);
    const held = rejectionOf(proxy.hold(1));
    await world.pass(0.01);
    world.network.refuseConnections = true;
    const lost = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    world.network.cut();
    await world.pass(0.01);
    const never = rejectionOf(proxy.add(2));
    expect(await world.until(held)).toMatchObject({ executed: 'unknown', code: 'connection-lost' });
    expect(await world.until(never)).toMatchObject({ executed: 'no', code: 'connection-lost' });
    await world.pass(20);
    const ended = [
      { connectionID: id, reason: expect.objectContaining({ code: 'session-lost' }) as unknown },
    ];
    expect(lost).toEqual([ended, ended]);
    expect(counter.ran).toEqual([1]);
    world.network.refuseConnections = false;
    await world.until(client.whenConnected());
    expect(client.connectionID()).not.toBe(id);
    expect(client.counts()).toMatchObject({ calls: 0, streams: 0 });
  });

  it('refuses calls while it is away where they say so', async () => {
    const { world, proxy } = await served(side, new Counter(), both);
    world.network.cut();
    await world.pass(0.001);
    const failing = withCallOptions(proxy, { whenDisconnected: 'fail' });
    const error = await world.failureOf(failing.add(1));
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error).toMatchObject({ executed: 'no', object: 'service', member: 'add' });
    const waiting = withCallOptions(proxy, { whenDisconnected: 'wait' });
    expect(await world.until(waiting.add(2))).toBe(2);
  });

  it('gives up a call that waits for it at its deadline, or with its signal: it never ran', async () => {
    const counter = new Counter();
    const { world, proxy } = await served(side, counter, both);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.001);
    const timely = withCallOptions(proxy, { timeoutInSeconds: 1 });
    expect(await world.failureOf(timely.add(1))).toMatchObject({ code: 'timeout', executed: 'no' });
    const controller = new AbortController();
    const aborted = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).add(2));
    controller.abort(new Error('enough'));
    expect(await world.until(aborted)).toEqual(new Error('enough'));
    world.network.refuseConnections = false;
    expect(await world.until(proxy.add(3))).toBe(3);
    expect(counter.ran).toEqual([3]);
  });

  it('keeps references and callbacks', async () => {
    const service = {
      watch: (callback: (value: number) => Promise<number>) => ({ again: () => callback(7) }),
    };
    const { world, proxy } = await served(side, { ...service }, both);
    const told: number[] = [];
    const callback = (value: number): number => {
      told.push(value);
      return value * 2;
    };
    const lent = proxy.watch(callback);
    const handle = (await world.until(lent)) as unknown as { again: () => Promise<number> };
    world.network.cut();
    expect(await world.until(handle.again())).toBe(14);
    expect(told).toEqual([7]);
  });
});

describe('a client whose session is away', () => {
  it('is not connected, and says so; the server too', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    const clientStatuses = collected(client.status$);
    const serverStatuses = collected(server.connectionStatus$(id));
    world.network.cut();
    await world.pass(0.002);
    expect(client.isConnected()).toBe(false);
    expect(server.connectionStatus(id)).toBe(RPCClient.STATUS_AUTO_CONNECTING);
    expect(server.connections()).toEqual([id]);
    await world.until(client.whenConnected());
    expect(client.isConnected()).toBe(true);
    await world.pass(0.01);
    expect(clientStatuses).toEqual([
      RPCClient.STATUS_CONNECTED,
      RPCClient.STATUS_AUTO_CONNECTING,
      RPCClient.STATUS_CONNECTING,
      RPCClient.STATUS_CONNECTED,
    ]);
    expect(serverStatuses).toEqual([
      RPCClient.STATUS_CONNECTED,
      RPCClient.STATUS_AUTO_CONNECTING,
      RPCClient.STATUS_CONNECTED,
    ]);
  });

  it('dials at once after each loss of a good connection, also of one that was resumed', async () => {
    const world = new VirtualWorld();
    const reconnect = { initialDelayInSeconds: 3, maxDelayInSeconds: 9 };
    const { client } = await world.pair({ resume }, { resume, reconnect, random: () => 0.9 });
    for (let loss = 0; loss < 3; loss += 1) {
      await world.pass(20);
      world.network.cut();
      await world.pass(0.1);
      expect(client.isConnected()).toBe(true);
    }
  });

  it('learns of what was registered meanwhile, on both sides', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    world.network.cut();
    await world.pass(0.001);
    server.registerProxyObject('late', new Counter());
    client.registerProxyObject('mine', new Counter());
    client.sendUniqueIdentifier('me');
    await world.until(client.whenRemoteProxyObject('late'));
    await world.pass(0.01);
    expect(server.remoteProxyObjects(id)).toEqual(['mine']);
    expect(server.connectionUniqueIdentifier(id)).toBe('me');
  });

  it('begins anew with another server process', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    const lost = collected(client.disconnectionMade$);
    world.network.cut();
    await world.until(server.stop());
    const next = await world.startedServer({ resume });
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'session-lost' } }]);
    expect(next.connections()).toEqual([client.connectionID()]);
  });

  it('leaves no session behind when it is stopped, nor when it is told to stop while away', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    const lost = collected(client.disconnectionMade$);
    await world.until(client.disconnectFromServer());
    await world.pass(0.01);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'disconnected', by: 'local' } }]);
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
    const lostThere = collected(server.disconnectionMade$);
    await world.pass(21);
    expect(lostThere).toMatchObject([{ connectionID: id, reason: { code: 'session-lost' } }]);
    expect(world.scheduler.actions).toEqual([]);
  });

  it('ends its session where the other side does not resume', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({}, { resume });
    const lost = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    world.network.cut();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    const ended = [{ connectionID: id, reason: { code: 'connection-lost' } }];
    expect(lost).toMatchObject([ended, ended]);
  });
});

describe('a server whose client is away', () => {
  it('disconnects it when told to: the client begins anew', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    const lost = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    world.network.cut();
    await world.pass(0.001);
    server.disconnect(id, 'enough');
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(lost).toMatchObject([
      [{ connectionID: id, reason: { code: 'disconnected', message: 'enough', by: 'local' } }],
      [{ connectionID: id, reason: { code: 'session-lost' } }],
    ]);
    expect(server.connections()).toEqual([client.connectionID()]);
  });

  it('stops at once, and ends its sessions', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair({ resume }, { resume });
    world.network.cut();
    await world.pass(0.001);
    const lost = collected(server.disconnectionMade$);
    await world.until(server.stop());
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'server-stopped' } }]);
    await client.dispose();
  });

  it('ends once, also if the client comes back before the end is told', async () => {
    const world = new VirtualWorld();
    const short = { windowInSeconds: 0.1 };
    const server = await world.startedServer({
      resume: short,
      callbackScheduler: later(world.scheduler, 200),
    });
    const client = await world.connectedClient({ resume: short, timeoutInSeconds: 60 });
    await world.pass(1);
    const lost = [collected(server.disconnectionMade$), collected(client.disconnectionMade$)];
    const id = client.connectionID() ?? '';
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.11);
    world.network.refuseConnections = false;
    await world.until(client.whenConnected());
    expect(client.connectionID()).not.toBe(id);
    await world.pass(1);
    const reason = expect.objectContaining({ code: 'session-lost' }) as unknown;
    expect(lost).toEqual([[{ connectionID: id, reason }], [{ connectionID: id, reason }]]);
    expect(server.connections()).toEqual([client.connectionID()]);
    expect(world.errors).toEqual([]);
  });

  it('keeps no more of them than the limit: the one that is away for the longest time ends', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ resume, limits: { maxAwaySessions: 2 } });
    const clients = [];
    for (let at = 0; at < 3; at += 1) clients.push(await world.connectedClient({ resume }));
    const ids = server.connections();
    const lost = collected(server.disconnectionMade$);
    world.network.refuseConnections = true;
    for (const link of world.network.links) {
      link.cut();
      await world.pass(0.01);
    }
    expect(lost).toMatchObject([{ connectionID: ids[0], reason: { code: 'session-lost' } }]);
    expect(server.connections()).toEqual(ids.slice(1));
    world.network.refuseConnections = false;
    for (const client of clients) await world.until(client.whenConnected());
    expect(clients.map((client) => client.connectionID()).slice(1)).toEqual(ids.slice(1));
  });

  it('keeps its place where the server is full', async () => {
    const world = new VirtualWorld();
    const { client, id } = await world.pair({ resume, maxConnectionsAllowed: 1 }, { resume });
    world.network.cut();
    await world.until(client.whenConnected());
    expect(client.connectionID()).toBe(id);
  });

  it('takes it over from a connection that only seems to live', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair(
      { resume, timeoutInSeconds: 60 },
      { resume, timeoutInSeconds: 1 },
    );
    client.registerProxyObject('mine', new Counter());
    await world.pass(0.1);
    const mine = server.remoteProxyObject<Counter>(id, 'mine');
    world.network.halfOpen('toClient');
    const call = mine?.add(5);
    await world.pass(1.5);
    world.network.heal();
    await world.until(client.whenConnected());
    expect(client.connectionID()).toBe(id);
    expect(await world.until(call ?? Promise.reject(new Error('no proxy')))).toBe(5);
    expect(world.errors).toEqual([]);
  });
});

describe.each(servingSides)('a session that is away for long, where the %s serves', (side) => {
  const limits = { maxQueuedBytes: 524_288, maxWaitingBytes: 262_144 };
  const full: ServedSettings = { serving: { resume, limits }, using: { resume, limits } };

  it('lets calls time out and streams be left, however much waits', async () => {
    const { world, proxy, using } = await served(side, new Counter(), full);
    const held = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 1 }).hold(1));
    const controller = new AbortController();
    const aborted = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).hold(2));
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    const waiting = Array.from({ length: 400 }, () =>
      proxy.add('x'.repeat(2_000) as never).then(
        () => 'answered',
        (error: unknown) => (error as { executed: string }).executed,
      ),
    );
    using.registerProxyObject('late', new Counter());
    controller.abort(new Error('enough'));
    expect(await world.until(aborted)).toEqual(new Error('enough'));
    expect(await world.until(held)).toMatchObject({ code: 'timeout' });
    world.network.refuseConnections = false;
    await world.pass(5);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['answered', 'no']));
    expect(world.errors).toEqual([]);
  });

  it('keeps results until they can leave, however large they are', async () => {
    const service = {
      big: (size: number) => new Promise<string>((resolve) => later.push(() => resolve('x'.repeat(size)))),
    };
    const later: (() => void)[] = [];
    const { world, proxy, serving } = await served(side, service, full);
    const calls = Array.from({ length: 40 }, () => proxy.big(60_000));
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    for (const answer of later) answer();
    await world.pass(0.01);
    const { queuedBytes, unanswered, incomingCalls } = serving.counts();
    expect(queuedBytes).toBeLessThan(131_072 + 2 * 61_000);
    expect([unanswered > 35, incomingCalls]).toEqual([true, unanswered]);
    world.network.refuseConnections = false;
    const results = await world.until(Promise.all(calls));
    expect(results.map(({ length }) => length)).toEqual(calls.map(() => 60_000));
    expect(serving.counts()).toMatchObject({ unanswered: 0, incomingCalls: 0 });
  });

  it('ends when what cannot wait piles up beyond twice what may be queued', async () => {
    const { world, proxy, serving } = await served(side, new Counter(), full);
    const held = rejectionOf(proxy.hold(1));
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    const methods = Array.from({ length: 200 }, (_, at) => [`${'m'.repeat(50)}${at}`, () => at] as const);
    for (let at = 0; at < 120; at += 1) serving.registerProxyObject(`o${at}`, Object.fromEntries(methods));
    await world.pass(0.01);
    world.network.refuseConnections = false;
    expect(await world.until(held)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
  });
});

describe('a session with another codec', () => {
  it('keeps it', async () => {
    const extras = { resume, codec: msgpackrCodec() };
    const { world, client, proxy } = await served('server', new Counter(), {
      serving: extras,
      using: extras,
    });
    world.network.cut();
    expect(await world.until(proxy.add(1))).toBe(1);
    expect(client.codec()).toBe('msgpackr');
    expect(world.errors).toEqual([]);
  });
});

describe('a session that cannot be resumed', () => {
  it('ends with its connection, as ever', async () => {
    const { world, proxy } = await served('server', new Counter());
    const held = rejectionOf(proxy.hold(1));
    await world.pass(0.01);
    world.network.cut();
    expect(await world.until(held)).toBeInstanceOf(ConnectionLostError);
  });
});

describe('the option resume', () => {
  it.each([
    [{ windowInSeconds: 0 }, 'resume.windowInSeconds is 0'],
    [{ windowInSeconds: '1' }, 'resume.windowInSeconds is "1"'],
    [{ maxBytes: 1 }, 'resume.maxBytes is 1'],
    [{ window: 1 }, 'resume has no option "window"'],
    [true, 'resume needs an object of options'],
  ])('refuses %p', (given, text) => {
    const world = new VirtualWorld();
    expect(() => world.client({ resume: given as never })).toThrow(text);
    expect(() => world.server({ resume: given as never })).toThrow(text);
  });
});
