import { describe, expect, it } from '@jest/globals';
import { Observable, Subject } from 'rxjs';
import { currentCall, notify, RPCClient, RPCServer, withCallOptions } from 'tandem-rpc';
import { openCounts } from '../helpers/open-counts.js';
import { rawClient, rawServer, type RawPeer } from '../helpers/raw-peer.js';
import { served, servingSides, type ServingSide } from '../helpers/served.js';
import { collected, rejectionOf, VirtualWorld, type ClientExtras } from '../helpers/virtual-world.js';

/** Seconds: far more than anything takes that ends by itself. */
const drainInSeconds = 30;

/** A method that ends when the spec says so. */
class Desk {
  ran: string[] = [];
  #finish: ((text: string) => void)[] = [];

  wait(what: string): Promise<string> {
    this.ran.push(what);
    return new Promise((resolve) => {
      this.#finish.push(() => {
        resolve(what);
      });
    });
  }

  note(what: string): string {
    this.ran.push(what);
    return what;
  }

  async ask(question: (text: string) => Promise<string>): Promise<string> {
    const first = await question('one');
    return `${first} ${await question('two')}`;
  }

  finish(): void {
    for (const finish of this.#finish.splice(0)) finish('');
  }
}

function drain(side: RPCServer | RPCClient, seconds = drainInSeconds): Promise<void> {
  const options = { drainInSeconds: seconds };
  return side instanceof RPCServer ? side.stop(options) : side.disconnectFromServer(options);
}

function stop(side: RPCServer | RPCClient): Promise<void> {
  return side instanceof RPCServer ? side.stop() : side.disconnectFromServer();
}

const refusal = { name: 'NotConnectedError', code: 'not-connected', executed: 'no' };

describe.each(servingSides)('a drain of the side that serves, the %s', (serves) => {
  it('answers what runs, refuses what is new here, and ends when nothing is open', async () => {
    const desk = new Desk();
    const { world, serving, proxy } = await served(serves, desk);
    const running = proxy.wait('running');
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(0.01);
    expect(await world.failureOf(proxy.note('new'))).toMatchObject({ ...refusal, member: 'note' });
    await world.pass(20);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(world.now).toBeLessThan(21);
    expect(desk.ran).toEqual(['running']);
    expect(world.errors).toEqual([]);
  });

  it('refuses also what has arrived with that, and waits for its turn', async () => {
    const drained: Promise<void>[] = [];
    const service = {
      stop: () => void drained.push(drain(serving)),
      note: (what: string) => what,
    };
    const { world, serving, proxy } = await served(serves, service, {
      serving: { limits: { maxTurnMessages: 1 } },
    });
    const calls = [proxy.stop(), ...Array.from({ length: 20 }, (_, at) => proxy.note(`${at}`))];
    const outcomes = await world.until(Promise.allSettled(calls));
    expect(outcomes[0]).toMatchObject({ status: 'fulfilled' });
    for (const outcome of outcomes.slice(1)) expect(outcome).toMatchObject({ reason: refusal });
    await world.until(Promise.all(drained));
    expect(world.now).toBeLessThan(1);
  });

  it('refuses what crosses its word on the way; notifications are acted on, since nobody could be told', async () => {
    const desk = new Desk();
    const { world, serving, proxy } = await served(serves, desk, { latencyInSeconds: 0.05 });
    const running = proxy.wait('running');
    await world.pass(0.06);
    const drained = drain(serving);
    const crossing = rejectionOf(proxy.note('crossing'));
    notify(proxy).note('notified');
    expect(await world.until(crossing)).toMatchObject(refusal);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(desk.ran).toEqual(['running', 'notified']);
    expect(world.errors).toEqual([]);
  });

  it('calls back, and is answered, for what runs: also new callbacks, one after the other', async () => {
    const { world, serving, proxy } = await served(serves, new Desk());
    const answers: ((text: string) => void)[] = [];
    const asked: string[] = [];
    const question = (text: string) =>
      new Promise<string>((resolve) => {
        asked.push(text);
        answers.push(resolve);
      });
    const running = proxy.ask(question);
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(1);
    answers[0]?.('yes');
    await world.pass(1);
    expect(asked).toEqual(['one', 'two']);
    answers[1]?.('no');
    expect(await world.until(running)).toBe('yes no');
    await world.until(drained);
    expect(world.now).toBeLessThan(3);
  });

  it('ends at the end of its time what has not ended: calls that may have run, streams with a reason', async () => {
    const source = new Subject<number>();
    const desk = Object.assign(new Desk(), { ticks$: source.asObservable() });
    const { world, serving, proxy } = await served(serves, desk);
    const stream = collected(
      new Observable<unknown>((out) =>
        proxy.ticks$.subscribe({
          next: (value) => out.next(value),
          error: (error: unknown) => {
            out.next(error);
            out.complete();
          },
        }),
      ),
    );
    const running = rejectionOf(proxy.wait('for ever'));
    await world.pass(0.01);
    const startedAt = world.now;
    const drained = drain(serving, 2);
    await world.pass(1);
    source.next(1);
    await world.until(drained);
    expect(world.now - startedAt).toBeCloseTo(2, 1);
    expect(await world.until(running)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    await world.pass(0.1);
    expect(stream).toEqual([
      1,
      expect.objectContaining({
        code: 'stream-lost',
        executed: 'yes',
        message: expect.stringContaining('the time that it gave its streams to end is over'),
      }),
      '|',
    ]);
    expect(source.observed).toBe(false);
  });

  it('waits for streams, and ends with the last of them', async () => {
    const source = new Subject<number>();
    const { world, serving, proxy } = await served(serves, { ticks$: source.asObservable() });
    const seen = collected(proxy.ticks$);
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(5);
    source.next(1);
    source.complete();
    await world.until(drained);
    await world.pass(0.1);
    expect(world.now).toBeLessThan(6);
    expect(seen).toEqual([1, '|']);
  });

  it('waits for a stream until its reader leaves it', async () => {
    const source = new Subject<number>();
    const { world, serving, proxy } = await served(serves, { ticks$: source.asObservable() });
    const reader = proxy.ticks$.subscribe();
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(5);
    reader.unsubscribe();
    await world.until(drained);
    expect(world.now).toBeLessThan(6);
  });

  it('is over at once when it is asked for again without time', async () => {
    const desk = new Desk();
    const { world, serving, proxy } = await served(serves, desk);
    const running = rejectionOf(proxy.wait('running'));
    await world.pass(0.01);
    const drained = Promise.all([drain(serving), drain(serving, 10)]);
    await world.pass(1);
    void stop(serving);
    await world.until(drained);
    expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
    expect(world.now).toBeLessThan(1.1);
  });

  it('lets long results leave, and with resuming on arrive, before it ends', async () => {
    const long = new Uint8Array(2_000_000).fill(7);
    const desk = new Desk();
    const service = Object.assign(desk, { long: async () => (await desk.wait('long'), long) });
    const resume = { windowInSeconds: 20 };
    const { world, serving, proxy } = await served<{ long(): Promise<Uint8Array> }>(serves, service, {
      serving: { resume },
      using: { resume },
      latencyInSeconds: 0.02,
    });
    const running = proxy.long();
    await world.pass(0.05);
    const drained = drain(serving);
    await world.pass(0.05);
    desk.finish();
    expect(await world.until(running)).toHaveLength(2_000_000);
    await world.until(drained);
    expect(world.errors).toEqual([]);
  });

  it('leaves nothing open, and nothing that is due', async () => {
    const desk = new Desk();
    const { world, serving, server, client, proxy } = await served(serves, desk);
    const running = proxy.wait('running');
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(0.01);
    desk.finish();
    await world.until(Promise.all([running, drained]));
    await world.until(Promise.all([server.dispose(), client.dispose()]));
    await world.pass(1.1);
    expect([openCounts(server.counts()), openCounts(client.counts())]).toEqual([[], []]);
    expect(world.scheduler.actions).toEqual([]);
  });
});

describe('calls within calls, while one side drains', () => {
  /** The desk of one side asks the other, which asks back by name. */
  function nested(side: ServingSide) {
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const desk = {
      start: async (confirm: () => Promise<string>) => {
        await gate;
        return `started: ${await confirm()}`;
      },
      detail: () => 'detail',
    };
    return { desk, goOn, side };
  }

  it.each(servingSides)('are served where a call of the %s, which drains, waits for them', async (side) => {
    const { desk, goOn } = nested(side);
    const { world, serving, proxy } = await served(side, desk);
    const running = proxy.start(async () => `with ${await proxy.detail()}`);
    await world.pass(0.01);
    const drained = drain(serving);
    await world.pass(0.1);
    goOn();
    expect(await world.until(running)).toBe('started: with detail');
    await world.until(drained);
    expect(world.now).toBeLessThan(1);
  });

  it.each(servingSides)('are served where both drain, the %s first', async (first) => {
    const { desk, goOn } = nested('server');
    const { world, server, client, proxy } = await served('server', desk);
    const running = proxy.start(async () => `with ${await proxy.detail()}`);
    await world.pass(0.01);
    const sides = first === 'server' ? [server, client] : [client, server];
    const drained: Promise<void>[] = [];
    for (const side of sides) {
      drained.push(drain(side));
      await world.pass(0.01);
    }
    goOn();
    expect(await world.until(running)).toBe('started: with detail');
    await world.until(Promise.all(drained));
    expect(world.now).toBeLessThan(1);
    expect(world.errors).toEqual([]);
  });

  it('are served where both drain at the same moment', async () => {
    const { desk, goOn } = nested('server');
    const { world, server, client, proxy } = await served('server', desk, { latencyInSeconds: 0.02 });
    const running = proxy.start(async () => `with ${await proxy.detail()}`);
    await world.pass(0.05);
    const drained = Promise.all([drain(server), drain(client)]);
    await world.pass(0.2);
    goOn();
    expect(await world.until(running)).toBe('started: with detail');
    await world.until(drained);
    expect(world.now).toBeLessThan(2);
  });

  it('by references lent with a call are served, by others refused', async () => {
    const kept: ((text: string) => Promise<string>)[] = [];
    const desk = new Desk();
    const service = {
      keep: (callback: (text: string) => Promise<string>) => void kept.push(callback),
      wait: (what: string) => desk.wait(what),
      use: async (callback: (text: string) => Promise<string>, go: () => Promise<string>) => {
        await go();
        return callback('lent');
      },
    };
    const { world, client, proxy } = await served('server', service);
    await world.until(proxy.keep(async (text) => text));
    const running = proxy.use(
      async (text) => `${text} back`,
      () => desk.wait('gate'),
    );
    await world.pass(0.01);
    const drained = drain(client);
    await world.pass(0.01);
    expect(await world.failureOf(kept[0]!('kept'))).toMatchObject(refusal);
    desk.finish();
    expect(await world.until(running)).toBe('lent back');
    await world.until(drained);
  });

  it('are a matter of the call that is really open: what a peer claims is looked up', async () => {
    const desk = new Desk();
    const world = new VirtualWorld();
    const server = await world.startedServer({ localProxyObjects: { desk } });
    const peer = await rawClient(world);
    peer.registerAll(['theirs', ['method']]);
    peer.send(0, 1, 'desk', 'wait', ['running']);
    await world.pass(0.01);
    const theirs = server.remoteProxyObject<{ method(): string }>(peer.connectionID ?? '', 'theirs');
    void rejectionOf(theirs!.method());
    void drain(server);
    await world.pass(0.01);
    // Its own call, one that was never made, and the one that is open.
    for (const [at, within] of [
      [2, 1_000],
      [3, 2],
      [4, 1],
    ] as const)
      peer.send(0, at, 'desk', 'note', [`${at}`], { within });
    await world.pass(0.01);
    expect(desk.ran).toEqual(['running', '4']);
    expect(peer.responses).toMatchObject([
      [1, 2, { code: 'not-connected', executed: 'no', data: expect.closeTo(1_500) }],
      [1, 3, { code: 'not-connected', executed: 'no' }],
      [1, 4, null, '4'],
    ]);
    await world.until(server.dispose());
  });

  it('that a client refuses are refused by its server, with the time of its first word', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const peer = await rawClient(world);
    peer.registerAll(['theirs', ['method']]);
    await world.pass(0.01);
    peer.connection.sendGoAway('disconnected', 2_000);
    peer.connection.sendGoAway('disconnected', 9_000);
    await world.pass(0.01);
    const theirs = server.remoteProxyObject<{ method(): string }>(peer.connectionID ?? '', 'theirs')!;
    expect(await world.failureOf(theirs.method())).toMatchObject({ ...refusal, retryAfterInSeconds: 2 });
  });

  it('are no matter of a connection that is told of its end before it is made', async () => {
    const world = new VirtualWorld();
    const { peers } = await rawServer(world);
    const client = world.client();
    client.connectToServer();
    await world.pass(0.01);
    const lost = collected(client.disconnectionMade$);
    // Before it is known what there is: the connection is not made yet.
    for (const code of ['server-stopped', 'disconnected'] as const)
      peers[0]?.connection.sendGoAway(code, 1_000);
    peers[0]?.registerAll();
    await world.pass(0.01);
    expect(lost).toMatchObject([{ reason: { code: 'server-stopped' } }]);
    await world.pass(1.5);
    expect(peers).toHaveLength(2);
    await client.dispose();
  });
});

const resume = { windowInSeconds: 60 };
const resuming = { serving: { resume }, using: { resume } };

describe('a client that drains', () => {
  it('is disconnecting until what it has open has ended, and disconnected then', async () => {
    const desk = new Desk();
    const { world, client, server, proxy } = await served('server', desk);
    const statuses = collected(client.status$);
    const lost = [collected(client.disconnectionMade$), collected(server.disconnectionMade$)];
    const running = proxy.wait('running');
    await world.pass(0.01);
    const drained = drain(client);
    expect([client.status(), client.isConnected(), client.canStop(), client.canStart()]).toEqual([
      RPCClient.STATUS_DISCONNECTING,
      false,
      true,
      true,
    ]);
    expect(client.counts().calls).toBe(1);
    await world.pass(1);
    expect(lost[1]).toEqual([]);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    await world.pass(0.01);
    expect(statuses.slice(1)).toEqual([RPCClient.STATUS_DISCONNECTING, RPCClient.STATUS_DISCONNECTED]);
    expect(lost).toMatchObject([
      [{ reason: { code: 'disconnected', by: 'local' } }],
      [{ reason: { code: 'disconnected', by: 'remote' } }],
    ]);
  });

  it('rejects those who wait, and calls that say that they wait', async () => {
    const desk = new Desk();
    const { world, client, proxy } = await served('server', desk);
    void proxy.wait('running');
    await world.pass(0.01);
    const drained = drain(client);
    expect(await world.failureOf(client.whenConnected())).toMatchObject({ name: 'NotConnectedError' });
    const waiting = withCallOptions(proxy, { whenDisconnected: 'wait' }).note('new');
    expect(await world.failureOf(waiting)).toMatchObject(refusal);
    desk.finish();
    await world.until(drained);
  });

  it('may be started again meanwhile: what is open ends in the background', async () => {
    const desk = new Desk();
    const { world, client, proxy } = await served('server', desk);
    const running = proxy.wait('running');
    await world.pass(0.01);
    const drained = drain(client);
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(await world.until(proxy.note('new'))).toBe('new');
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(client.status()).toBe(RPCClient.STATUS_CONNECTED);
  });

  it('may be started, and drain, again meanwhile: the first time is the time of both', async () => {
    const desk = new Desk();
    const { world, client, server, proxy } = await served('server', desk);
    const running = [rejectionOf(proxy.wait('one'))];
    await world.pass(0.01);
    const drained = [drain(client, 3)];
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    running.push(rejectionOf(proxy.wait('two')));
    await world.pass(0.01);
    drained.push(drain(client, 30));
    await world.pass(0.01);
    expect(server.connections()).toHaveLength(2);
    await world.until(Promise.all(drained));
    expect(world.now).toBeLessThan(3.2);
    expect(await world.until(Promise.all(running))).toMatchObject([{ executed: 'unknown' }, {}]);
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
  });

  it('that is disposed of ends at once', async () => {
    const desk = new Desk();
    const { world, client, proxy } = await served('server', desk);
    const running = rejectionOf(proxy.wait('running'));
    await world.pass(0.01);
    const drained = drain(client);
    await world.until(Promise.all([client.dispose(), drained]));
    expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
  });

  it('has done at once when nothing is open, or it is not connected', async () => {
    const { world, client } = await served('server', new Desk());
    const startedAt = world.now;
    await world.until(drain(client));
    await world.until(drain(client));
    const lonely = world.client({ port: 9_999 });
    lonely.connectToServer();
    await world.pass(0.1);
    await world.until(drain(lonely));
    expect(lonely.status()).toBe(RPCClient.STATUS_DISCONNECTED);
    expect(world.now - startedAt).toBeLessThan(0.3);
  });

  it('refuses options that it does not have, or that cannot be', () => {
    const client = new VirtualWorld().client();
    expect(() => client.disconnectFromServer({ drain: 1 } as object)).toThrow(
      'disconnectFromServer() has no option "drain"; there are drainInSeconds',
    );
    expect(() => client.disconnectFromServer({ drainInSeconds: -1 })).toThrow(RangeError);
  });

  it('comes back for what is open where its connection is lost meanwhile, before, or again', async () => {
    for (const cutBefore of [false, true]) {
      const desk = new Desk();
      const { world, client, server, proxy } = await served('server', desk, resuming);
      const running = proxy.wait('running');
      await world.pass(0.5);
      if (cutBefore) world.network.cut();
      const drained = drain(client);
      await world.pass(0.01);
      for (let cut = 0; cut < 3; cut += 1) {
        world.network.cut();
        await world.pass(0.5);
      }
      expect([client.status(), client.isConnected()]).toEqual([RPCClient.STATUS_DISCONNECTING, false]);
      expect(await world.failureOf(proxy.note('new'))).toMatchObject(refusal);
      desk.finish();
      expect(await world.until(running)).toBe('running');
      await world.until(drained);
      expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
      await world.pass(0.01);
      expect([server.connections(), desk.ran]).toEqual([[], ['running']]);
      expect(world.errors).toEqual([]);
    }
  });

  it('waits no longer for a server that has gone, nor than it has time for one that does not answer', async () => {
    for (const hasGone of [true, false]) {
      const desk = new Desk();
      const { world, client, proxy } = await served('server', desk, resuming);
      const running = rejectionOf(proxy.wait('running'));
      await world.pass(0.5);
      const startedAt = world.now;
      const drained = drain(client);
      await world.pass(0.01);
      world.network.refuseConnections = hasGone;
      world.network.cut();
      if (!hasGone) world.network.freeze();
      await world.until(drained);
      expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
      expect(world.now - startedAt).toBeGreaterThan(hasGone ? 0.2 : drainInSeconds - 1);
      expect(world.now - startedAt).toBeLessThan(hasGone ? 3 : drainInSeconds + 1);
      expect([client.status(), client.counts().calls]).toEqual([RPCClient.STATUS_DISCONNECTED, 0]);
    }
  });

  it('ends at once also while it is coming back', async () => {
    const desk = new Desk();
    const { world, client, server, proxy } = await served('server', desk, {
      ...resuming,
      latencyInSeconds: 0.1,
    });
    const running = rejectionOf(proxy.wait('running'));
    await world.pass(0.5);
    const drained = drain(client);
    await world.pass(0.2);
    world.network.cut();
    // The dial has arrived, the handshake has not.
    await world.pass(0.17);
    await world.until(Promise.all([client.disconnectFromServer(), drained]));
    expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
    await world.until(server.dispose());
    await world.pass(2);
    expect([world.network.links, world.scheduler.actions]).toEqual([[], []]);
  });
});

describe('a session that is away when its server drains', () => {
  it('ends at once when nothing of it runs', async () => {
    const { world, server } = await served('server', new Desk(), { serving: { resume }, using: { resume } });
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(1);
    const startedAt = world.now;
    await world.until(drain(server));
    expect(world.now - startedAt).toBeLessThan(0.1);
  });

  it('may come back until it ends: it is told, and answered', async () => {
    const desk = new Desk();
    let signal = new AbortController().signal;
    const service = {
      wait: () => {
        ({ signal } = currentCall());
        return desk.wait('running');
      },
    };
    const { world, server, client, proxy } = await served('server', service, resuming);
    const running = proxy.wait();
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(1);
    const drained = drain(server);
    await world.pass(5);
    expect([signal.aborted, server.status()]).toEqual([false, RPCServer.STATE_STOPPING]);
    desk.finish();
    await world.pass(5);
    expect(server.status()).toBe(RPCServer.STATE_STOPPING);
    world.network.refuseConnections = false;
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(client.counts()).toMatchObject({ calls: 0 });
    expect(world.errors).toEqual([]);
  });

  it('comes back when its connection is lost during the drain, as often as that happens', async () => {
    const desk = new Desk();
    const ticks = new Subject<number>();
    const service = Object.assign(desk, { ticks$: ticks.asObservable() });
    const { world, server, client, proxy } = await served('server', service, resuming);
    const running = proxy.wait('running');
    const seen = collected(proxy.ticks$);
    await world.pass(0.5);
    const drained = drain(server);
    for (let cut = 0; cut < 5; cut += 1) {
      await world.pass(0.3);
      world.network.cut();
      ticks.next(cut);
    }
    await world.pass(1);
    ticks.complete();
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(seen).toEqual([0, 1, 2, 3, 4, '|']);
    expect(desk.ran).toEqual(['running']);
    // It was left at once, and no other server is there.
    expect(client.isConnected()).toBe(false);
    expect(world.errors).toEqual([]);
  });

  it('ends at the end of the time, when it has not come back: what ran may have run', async () => {
    const desk = new Desk();
    const { world, server, proxy } = await served('server', desk, resuming);
    const running = rejectionOf(proxy.wait('running'));
    await world.pass(0.5);
    const startedAt = world.now;
    const drained = drain(server, 3);
    await world.pass(0.1);
    world.network.freeze();
    world.network.cut();
    await world.until(drained);
    expect(world.now - startedAt).toBeCloseTo(3, 1);
    world.network.thaw();
    expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
    expect(world.now - startedAt).toBeLessThan(6);
  });
});

describe('a server that drains', () => {
  it('listens for sessions that may come back, and refuses all others with a time to come again', async () => {
    const desk = new Desk();
    const { world, server, proxy } = await served('server', desk, resuming);
    const running = proxy.wait('running');
    await world.pass(0.5);
    const drained = drain(server);
    await world.pass(0.1);
    expect(server.address()).toBeUndefined();
    for (const offer of [undefined, { windowMs: 1_000 }]) {
      const stranger = await rawClient(world, 9_000, undefined, offer);
      expect(stranger.end).toMatchObject({ reason: { code: 'server-stopped' }, retryAfterMs: 1_500 });
    }
    const thief = { connectionID: 'unknown', token: new Uint8Array(32), attempt: 1, received: 0 };
    const other = await rawClient(world, 9_000, undefined, { windowMs: 1_000, session: thief });
    expect(other.end?.reason.code).toBe('server-stopped');
    const successor = world.server();
    expect(await world.failureOf(successor.start())).toMatchObject({ code: 'server-already-running' });
    desk.finish();
    await world.until(Promise.all([running, drained]));
    await world.until(successor.start());
  });

  it('frees its port at once where no session may come back, and otherwise with the last of them', async () => {
    const desk = new Desk();
    const { world, server, proxy } = await served('server', desk, { serving: { resume } });
    const running = proxy.wait('running');
    const mortal = await world.connectedClient({ resume, timeoutInSeconds: 1 });
    await world.pass(0.5);
    const drained = drain(server);
    const successor = world.server();
    expect(await world.failureOf(successor.start())).toMatchObject({ code: 'server-already-running' });
    await world.until(mortal.disconnectFromServer());
    await world.pass(0.1);
    expect(server.status()).toBe(RPCServer.STATE_STOPPING);
    await world.until(successor.start());
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
  });

  it('is not hindered by the loss of its port: it only cannot take anybody back', async () => {
    const desk = new Desk();
    let lose = (): void => undefined;
    const world = new VirtualWorld();
    const { transport } = world.network.options;
    const server = world.server({
      resume,
      localProxyObjects: { desk },
      transport: {
        dial: (...parameters) => transport.dial(...parameters),
        listen: (address, sink) => {
          const listener = transport.listen(address, sink);
          lose = () => {
            listener.close(() => undefined);
            sink.onFailed({ kind: 'other', error: new Error('taken away') });
          };
          return listener;
        },
      },
    });
    await world.until(server.start());
    const client = await world.connectedClient({ resume });
    const running = client.remoteProxyObject<Desk>('desk')!.wait('running');
    await world.pass(0.5);
    const drained = drain(server);
    lose();
    await world.pass(1);
    expect(server.status()).toBe(RPCServer.STATE_STOPPING);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(world.errors).toMatchObject([{ message: expect.stringContaining('taken away') }]);
    await world.until(server.start());
  });
});

describe('a session that comes back in vain', () => {
  /** Whoever listens where its server did; answers each HELLO in this way. */
  const answers: readonly (readonly [string, (peer: RawPeer) => void, string])[] = [
    ...(['server-stopped', 'server-full', 'too-many-sessions'] as const).map(
      (code) =>
        [
          `is refused with ${code}`,
          (peer: RawPeer) => peer.connection.refuse(code, 'no place', 50),
          'no place',
        ] as const,
    ),
    ['gets a new one', (peer) => peer.connection.welcome('new'), 'it resumes none'],
  ];
  const ofThoseThatWereLeft: typeof answers = [
    ...answers,
    ['is sent to a port', (peer) => peer.connection.handOver(9_999, 'ticket'), 'it has a port for a new one'],
    ['is not known', (peer) => peer.connection.refuse('unauthenticated', 'not you', undefined), 'not you'],
  ];

  async function replaced(isLeft: boolean, answer: (peer: RawPeer) => void) {
    const world = new VirtualWorld();
    let lose = (): void => undefined;
    const { transport } = world.network.options;
    const listening = {
      dial: (...parameters: Parameters<typeof transport.dial>) => transport.dial(...parameters),
      listen: (...[address, sink]: Parameters<typeof transport.listen>) => {
        const listener = transport.listen(address, sink);
        lose = () => {
          listener.close(() => undefined);
        };
        return listener;
      },
    };
    const desk = new Desk();
    const server = await world.startedServer({ resume, localProxyObjects: { desk }, transport: listening });
    const client = await world.connectedClient({ resume });
    const running = rejectionOf(client.remoteProxyObject<Desk>('desk')!.wait('running'));
    await world.pass(0.5);
    if (isLeft) void drain(client);
    await world.pass(0.1);
    lose();
    const asked: RawPeer[] = [];
    await rawServer(world, (peer) => {
      asked.push(peer);
      answer(peer);
    });
    world.network.cut();
    return { world, server, client, running, asked };
  }

  it.each(ofThoseThatWereLeft)('ends when it was left, and %s', async (_, answer, why) => {
    const { world, client, running, asked } = await replaced(true, answer);
    const failure = await world.until(running);
    expect(failure).toMatchObject({ executed: 'unknown', message: expect.stringContaining(why) });
    await world.pass(1);
    expect([asked.length, client.status()]).toEqual([1, RPCClient.STATUS_DISCONNECTED]);
    expect(asked[0]?.hello?.resume?.session).toMatchObject({ attempt: 1 });
    await client.dispose();
  });

  it.each(answers)('ends when it %s', async (_, answer, why) => {
    const { world, client, running, asked } = await replaced(false, answer);
    const lost = collected(client.disconnectionMade$);
    const failure = await world.until(running);
    expect(failure).toMatchObject({ executed: 'unknown', message: expect.stringContaining(why) });
    await world.pass(0.1);
    expect(lost).toMatchObject([{ reason: { code: 'session-lost' } }]);
    expect(asked[0]?.hello?.resume?.session).toMatchObject({ attempt: 1 });
    // It is not asked for again.
    await world.pass(3);
    expect(asked.slice(1).map(({ hello }) => hello?.resume?.session)).toEqual(
      asked.slice(1).map(() => undefined),
    );
    await client.dispose();
  });

  it('is tried again where its server only could not be asked', async () => {
    let count = 0;
    const { world, client, running, asked } = await replaced(true, (peer) => {
      count += 1;
      if (count === 1) world.network.cut();
      else if (count === 2) peer.connection.refuse('throttled', 'later', 500);
      else peer.connection.welcome('new');
    });
    await world.until(running);
    expect(asked.map(({ hello }) => hello?.resume?.session?.attempt)).toEqual([1, 2, 3]);
    await client.dispose();
  });
});

describe('a session that comes back while its server drains', () => {
  const resume = { windowInSeconds: 60 };

  it('goes on until nothing of it is open, also where its lost connection only seems to live', async () => {
    const desk = new Desk();
    const { world, server, client, id, proxy } = await served('client', desk, {
      serving: { resume, timeoutInSeconds: 1 },
      using: { resume, timeoutInSeconds: 60 },
      latencyInSeconds: 0.1,
    });
    const running = proxy.wait('running');
    await world.pass(0.3);
    const lost = collected(client.disconnectionMade$);
    for (const link of world.network.links) link.freeze();
    await world.pass(1);
    for (let step = 0; step < 100 && server.counts().handshakes === 0; step += 1) await world.pass(0.01);
    expect([server.counts().handshakes, server.connectionStatus(id)]).toEqual([
      1,
      RPCClient.STATUS_CONNECTED,
    ]);
    const drained = drain(server);
    await world.pass(1);
    expect(server.status()).toBe(RPCServer.STATE_STOPPING);
    desk.finish();
    expect(await world.until(running)).toBe('running');
    await world.until(drained);
    expect(lost).toMatchObject([{ connectionID: id, reason: { code: 'server-stopped' } }]);
    await world.pass(1);
    expect(openCounts(client.counts())).toEqual([]);
  });
});

describe('a client of several servers', () => {
  const urls = [9_000, 9_001].map((port) => `tcp://127.0.0.1:${port}`);

  function clientOf(world: VirtualWorld, extras: ClientExtras = {}): RPCClient {
    const { transport, scheduler, callbackScheduler, random } = world.network.options;
    const client = new RPCClient({ transport, scheduler, callbackScheduler, random, urls, ...extras });
    client.errors$.subscribe((error) => world.errors.push(error));
    return client;
  }

  async function pairOfServers(extras: ClientExtras = {}) {
    const world = new VirtualWorld();
    const desks = [new Desk(), new Desk()] as const;
    const first = await world.startedServer({ localProxyObjects: { desk: desks[0] } });
    const second = await world.startedServer({ port: 9_001, localProxyObjects: { desk: desks[1] } });
    const client = clientOf(world, extras);
    client.connectToServer();
    const desk = await world.until(client.whenRemoteProxyObject<Desk>('desk'));
    return { world, desks, first, second, client, desk };
  }

  it('moves on when one takes no new calls, and what runs there is answered there', async () => {
    const { world, desks, first, second, client, desk } = await pairOfServers();
    const events = [collected(client.connectionMade$), collected(client.disconnectionMade$)];
    const oldID = client.connectionID();
    const running = desk.wait('on the first');
    await world.pass(0.01);
    const drained = drain(first);
    await world.pass(0.1);
    expect(client.isConnected()).toBe(true);
    expect(second.connections()).toEqual([client.connectionID()]);
    expect(await world.until(desk.note('on the second'))).toBe('on the second');
    desks[0].finish();
    expect(await world.until(running)).toBe('on the first');
    await world.until(drained);
    await world.pass(1);
    expect(desks.map(({ ran }) => ran)).toEqual([['on the first'], ['on the second']]);
    expect(events).toMatchObject([
      [client.connectionID()],
      [{ connectionID: oldID, reason: { code: 'server-stopped', by: 'remote' } }],
    ]);
    expect(client.status()).toBe(RPCClient.STATUS_CONNECTED);
    expect(world.errors).toEqual([]);
  });

  it('that has stopped and started again leaves alone what it has moved from since', async () => {
    const { world, desks, first, second, client, desk } = await pairOfServers();
    const running = [rejectionOf(desk.wait('lost'))];
    await world.pass(0.01);
    const drained = drain(client, 2);
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    const kept = desk.wait('kept');
    await world.pass(0.01);
    void drain(first);
    await world.until(drained);
    expect(await world.until(running[0]!)).toMatchObject({ executed: 'unknown' });
    await world.pass(0.2);
    expect(second.connections()).toEqual([client.connectionID()]);
    desks[0].finish();
    expect(await world.until(kept)).toBe('kept');
  });

  it('lets go of the oldest of many servers that send it away', async () => {
    const world = new VirtualWorld();
    const client = clientOf(world);
    client.connectToServer();
    const failures: Promise<unknown>[] = [];
    for (let at = 0; at < 18; at += 1) {
      const server = await world.startedServer({
        port: 9_000 + (at % 2),
        localProxyObjects: { desk: new Desk() },
      });
      const desk = await world.until(client.whenRemoteProxyObject<Desk>('desk'));
      failures.push(rejectionOf(desk.wait(`${at}`)));
      await world.pass(0.01);
      void drain(server, 1_000);
      await world.pass(0.02);
    }
    expect(client.counts().calls).toBe(16);
    expect(await world.until(failures[0]!)).toMatchObject({ executed: 'unknown' });
    await client.dispose();
    expect(client.counts().calls).toBe(0);
    await world.until(Promise.all(failures));
  });

  it('moves calls that say that they wait, also those that cross the word of the first', async () => {
    const { world, desks, first, desk } = await pairOfServers();
    world.network.latencyInSeconds = 0.02;
    const patient = withCallOptions(desk, { whenDisconnected: 'wait', timeoutInSeconds: 5 });
    const running = desk.wait('running');
    await world.pass(0.05);
    const drained = drain(first);
    const crossing = [patient.note('a'), patient.note('b')];
    const hasty = rejectionOf(desk.note('c'));
    await world.pass(0.03);
    const later = patient.note('d');
    expect(await world.until(Promise.all([...crossing, later]))).toEqual(['a', 'b', 'd']);
    expect(await world.until(hasty)).toMatchObject(refusal);
    desks[0].finish();
    await world.until(Promise.all([running, drained]));
    expect(desks[1].ran.sort()).toEqual(['a', 'b', 'd']);
    expect(desks[0].ran).toEqual(['running']);
  });

  it('moves streams that say that they wait, also those that cross the word of the first', async () => {
    const { world, desks, first, second, client, desk } = await pairOfServers();
    const sources = [new Subject<number>(), new Subject<number>()] as const;
    first.registerProxyObject('feed', { ticks$: sources[0].asObservable() });
    second.registerProxyObject('feed', { ticks$: sources[1].asObservable() });
    world.network.latencyInSeconds = 0.02;
    await world.pass(0.05);
    const feed = client.remoteProxyObject<{ readonly ticks$: Observable<number> }>('feed')!;
    const patient = withCallOptions(feed, { whenDisconnected: 'wait', timeoutInSeconds: 5 });
    const running = desk.wait('running');
    await world.pass(0.05);
    const drained = drain(first);
    const hasty: unknown[] = [];
    feed.ticks$.subscribe({ error: (error: unknown) => hasty.push(error) });
    const left = patient.ticks$.subscribe();
    const seen = collected(patient.ticks$);
    await world.pass(0.005);
    left.unsubscribe();
    await world.pass(0.2);
    expect(sources.map(({ observed }) => observed)).toEqual([false, true]);
    expect(hasty).toMatchObject([refusal]);
    sources[1].next(1);
    sources[1].complete();
    await world.pass(0.1);
    expect(seen).toEqual([1, '|']);
    desks[0].finish();
    await world.until(Promise.all([running, drained]));
    expect(world.errors).toEqual([]);
  });

  it('says in its refusals when to try again', async () => {
    const { world, client, first } = await pairOfServers();
    const lonely = await world.connectedClient();
    const desk = lonely.remoteProxyObject<Desk>('desk')!;
    void rejectionOf(desk.wait('running'));
    await world.pass(0.01);
    const drained = drain(first, 3);
    await world.pass(0.1);
    const failure = (await world.failureOf(desk.note('new'))) as { retryAfterInSeconds?: number };
    expect(failure).toMatchObject(refusal);
    expect(failure.retryAfterInSeconds).toBeGreaterThan(0.8);
    expect(failure.retryAfterInSeconds).toBeLessThan(2);
    expect(client.isConnected()).toBe(true);
    await world.until(drained);
    await lonely.dispose();
  });

  it('comes to the second when the first is not there', async () => {
    const world = new VirtualWorld();
    const second = await world.startedServer({ port: 9_001 });
    const client = clientOf(world);
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(world.now).toBeLessThan(0.1);
    expect(second.connections()).toHaveLength(1);
  });

  it('names them all where there is none', async () => {
    const world = new VirtualWorld();
    const client = clientOf(world);
    client.connectToServer();
    expect(await world.failureOf(client.whenConnected({ timeoutInSeconds: 2 }))).toMatchObject({
      message: expect.stringContaining('127.0.0.1:9000 or 127.0.0.1:9001'),
    });
  });

  it('keeps to the server of a session that can be resumed, until that has ended', async () => {
    const resume = { windowInSeconds: 2 };
    const world = new VirtualWorld();
    await world.startedServer({ resume });
    const second = await world.startedServer({ port: 9_001, resume });
    const client = clientOf(world, { resume, timeoutInSeconds: 1 });
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(0.5);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.5);
    world.network.refuseConnections = false;
    const resumed = collected(client.resumed$);
    await world.pass(1);
    expect(resumed).toHaveLength(1);
    expect(second.connections()).toEqual([]);
  });

  it('that was refused by the second keeps what is open on the first, until it is told to stop', async () => {
    const { world, desks, first, second, client, desk } = await pairOfServers({
      resume,
      credentials: 'wrong',
    });
    await world.until(second.stop());
    const strict = await world.startedServer({ port: 9_001, authenticate: () => undefined });
    const running = rejectionOf(desk.wait('running'));
    await world.pass(0.01);
    void drain(first);
    await world.pass(1);
    expect([client.status(), client.counts().calls]).toEqual([RPCClient.STATUS_DISCONNECTED, 1]);
    await world.until(client.dispose());
    expect(await world.until(running)).toMatchObject({ executed: 'unknown' });
    desks[0].finish();
    await world.until(strict.stop());
    expect(client.counts().calls).toBe(0);
  });

  it('that drains itself as well, on either connection, ends with the last of what is open', async () => {
    const { world, desks, first, client, desk } = await pairOfServers();
    const running = [desk.wait('on the first')];
    await world.pass(0.01);
    const drained = [drain(first)];
    await world.pass(0.1);
    running.push(desk.wait('on the second'));
    await world.pass(0.01);
    drained.push(drain(client));
    expect(client.counts().calls).toBe(2);
    await world.pass(1);
    desks[0].finish();
    await world.pass(1);
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTING);
    desks[1].finish();
    expect(await world.until(Promise.all(running))).toEqual(['on the first', 'on the second']);
    await world.until(Promise.all(drained));
    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
  });

  it('ends a stream that waits and is left, or whose time is over, before there is another server', async () => {
    const { world, first, second, client } = await pairOfServers();
    await world.until(second.stop());
    first.registerProxyObject('feed', { ticks$: new Subject<number>() });
    await world.pass(0.01);
    const feed = client.remoteProxyObject<{ readonly ticks$: Observable<number> }>('feed')!;
    world.network.latencyInSeconds = 0.02;
    void rejectionOf(client.remoteProxyObject<Desk>('desk')!.wait('running'));
    await world.pass(0.05);
    void drain(first);
    const errors: unknown[] = [];
    const patient = withCallOptions(feed, { whenDisconnected: 'wait', timeoutInSeconds: 3 });
    const left = patient.ticks$.subscribe({ error: (error: unknown) => errors.push(error) });
    patient.ticks$.subscribe({ error: (error: unknown) => errors.push(error) });
    await world.pass(1);
    left.unsubscribe();
    expect(errors).toEqual([]);
    await world.pass(2.1);
    expect(errors).toMatchObject([{ code: 'timeout', executed: 'no' }]);
    await client.dispose();
  });

  it('loses no call while its servers drain in turn, a thousand calls a second', async () => {
    const world = new VirtualWorld(0.003);
    const desk = {
      work: (value: number) =>
        new Promise<number>((resolve) => {
          world.scheduler.schedule(() => {
            resolve(value);
          }, value % 40);
        }),
    };
    const localProxyObjects = { desk };
    const servers = [
      await world.startedServer({ localProxyObjects }),
      await world.startedServer({ port: 9_001, localProxyObjects }),
    ] as const;
    const clients = Array.from({ length: 5 }, () => clientOf(world));
    const proxies: Desk[] = [];
    for (const client of clients) {
      client.connectToServer();
      const proxy = await world.until(client.whenRemoteProxyObject<typeof desk>('desk'));
      proxies.push(withCallOptions(proxy, { whenDisconnected: 'wait', timeoutInSeconds: 20 }) as never);
    }
    const results: Promise<number>[] = [];
    const call = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 1) {
        const proxy = proxies[at % proxies.length] as unknown as typeof desk;
        results.push(proxy.work(results.length));
        await world.pass(0.001);
      }
    };
    await call(100);
    for (const server of [servers[0], servers[1], servers[0]]) {
      const startedAt = world.now;
      let endedAt = Infinity;
      void drain(server, 2).then(() => (endedAt = world.now));
      await call(300);
      expect(endedAt - startedAt).toBeLessThan(2.1);
      expect(openCounts(server.counts())).toEqual([]);
      await world.until(server.start());
      await call(50);
    }
    expect(await world.until(Promise.all(results))).toEqual(results.map((_, at) => at));
    expect(world.errors).toEqual([]);
  });
});
