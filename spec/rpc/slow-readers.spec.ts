import { describe, expect, it } from '@jest/globals';
import { Subject, type Observable } from 'rxjs';
import {
  droppedCount,
  notify,
  RPCClient,
  StreamLostError,
  withCallOptions,
  type Limits,
  type RemoteProxy,
  type RPCServer,
} from 'tandem-rpc';
import { served, servingSides, type ServedSettings, type ServingSide } from '../helpers/served.js';
import { collected, rejectionOf, turn, VirtualWorld } from '../helpers/virtual-world.js';

const highWaterBytes = 200_000;
const limits: Partial<Limits> = { highWaterBytes };

/** As much as fits one fragment: it is no long message, and four of them are as much as may wait. */
const piece = 60_000;

/** What a transport in memory takes before it says that it has enough. */
const transportBytes = 65_536;

const bytes = (size: number): Uint8Array => new Uint8Array(size);

/** Notes what is asked of it; its results are as large as is asked for. */
class Service {
  readonly entered: string[] = [];
  readonly ends: (() => void)[] = [];
  readonly hot = new Subject<Uint8Array>();
  readonly hot$ = this.hot.asObservable();
  pulled = 0;
  take(name: string, given?: Uint8Array): number {
    this.entered.push(name);
    return given?.length ?? 0;
  }
  give(name: string, size: number): Uint8Array {
    this.entered.push(name);
    return bytes(size);
  }
  giveLater(name: string, size: number): Promise<Uint8Array> {
    this.entered.push(name);
    return new Promise((resolve) => {
      this.ends.push(() => {
        resolve(bytes(size));
      });
    });
  }
  fail(name: string): never {
    this.entered.push(name);
    throw new Error('as it should');
  }
  *pulled$(): Generator<Uint8Array> {
    for (let left = 200; left > 0; left -= 1) {
      this.pulled += 1;
      yield bytes(1_000);
    }
  }
  signalled(name: string, signal: AbortSignal): Promise<string> {
    this.entered.push(name);
    const aborted = `${name} aborted`;
    if (signal.aborted) return Promise.resolve(aborted);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(aborted);
      });
    });
  }
}

/** Makes so many calls, named by their numbers. */
function asked<Result>(count: number, ask: (name: string) => Result): Result[] {
  return Array.from({ length: count }, (_, at) => ask(`${at}`));
}

/** The direction in which a side that serves answers, and the one in which it is asked. */
const answersGo = { server: 'toClient', client: 'toServer' } as const;
const questionsGo = { server: 'toServer', client: 'toClient' } as const;

/** Two sides of which one serves; what either sends can be held up. */
async function slow(side: ServingSide, settings: ServedSettings = {}) {
  const service = new Service();
  const made = await served(side, service, {
    ...settings,
    serving: { limits, ...settings.serving },
    using: { limits, ...settings.using },
  });
  const { network } = made.world;
  return {
    ...made,
    service,
    holdQuestions: () => network.freeze(questionsGo[side]),
    letQuestions: () => network.thaw(questionsGo[side]),
    holdAnswers: () => network.freeze(answersGo[side]),
    letAnswers: () => network.thaw(answersGo[side]),
  };
}

/** Has so much answered that nothing more begins. */
function congest(proxy: RemoteProxy<Service>): Promise<unknown> {
  return Promise.all(asked(5, (name) => proxy.give(name, piece)));
}

const tooMuch = (limit: string) => ({
  name: 'LimitExceededError',
  code: 'limit-exceeded',
  executed: 'no',
  stage: 'queued',
  message: expect.stringContaining(`limits.${limit}`),
});

describe('the high-water mark', () => {
  const made = (given: Partial<Limits>): RPCClient => new RPCClient({ port: 1, limits: given });

  it('is no higher than the bound at which a connection ends', () => {
    expect(() => made({ highWaterBytes: 33_554_433 })).toThrow(
      new RangeError(
        'limits.highWaterBytes is 33554433; allowed is no more than limits.maxQueuedBytes, which is 33554432',
      ),
    );
    expect(() => made({ maxQueuedBytes: 65_536, highWaterBytes: 65_537 })).toThrow(RangeError);
    expect(() => made({ maxQueuedBytes: 65_536, highWaterBytes: 65_536 })).not.toThrow();
    expect(() => made({ highWaterBytes: 16_383 })).toThrow('limits.highWaterBytes is 16383');
    expect(() => made({ maxStallMs: 9 })).toThrow('limits.maxStallMs is 9');
    expect(() => made({ maxWaitingBytes: 0 })).toThrow('limits.maxWaitingBytes is 0');
  });

  it('follows that bound down where only that is given', async () => {
    const { proxy, holdQuestions, using, world } = await slow('server', {
      using: { limits: { maxQueuedBytes: 800_000 } },
    });
    holdQuestions();
    for (let count = 0; count < 6; count += 1) void rejectionOf(proxy.take('a', bytes(piece)));
    await turn();
    expect(using.counts().waitingCalls).toBe(2);
    expect(using.counts().queuedBytes).toBeLessThan(highWaterBytes + transportBytes);
    await world.pass(0.01);
  });
});

describe.each(servingSides)('to a peer that reads slowly, where the %s serves,', (side) => {
  it('calls wait in order, with arguments that are read when they leave, and what waits is counted', async () => {
    const { world, proxy, service, using, holdQuestions, letQuestions } = await slow(side);
    holdQuestions();
    const last = bytes(piece);
    const calls = ['1', '2', '3', '4', '5'].map((name) => proxy.take(name, bytes(piece)));
    calls.push(proxy.take('6', last));
    await world.pass(0.01);
    expect(using.counts()).toMatchObject({ calls: 6, waitingCalls: 2 });
    expect(using.counts().waitingBytes).toBeGreaterThan(2 * piece);
    expect(using.counts().queuedBytes).toBeLessThan(highWaterBytes + transportBytes);
    expect(service.entered).toEqual([]);
    letQuestions();
    expect(await world.until(Promise.all(calls))).toEqual(calls.map(() => piece));
    expect(service.entered).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(using.counts()).toMatchObject({ calls: 0, waitingCalls: 0, waitingBytes: 0, queuedBytes: 0 });
  });

  it('what is small is not sent before what waits, and what is large has its turn', async () => {
    const { world, proxy, service, using, holdQuestions, letQuestions } = await slow(side);
    holdQuestions();
    const before = asked(4, (name) => proxy.take(name, bytes(piece)));
    const large = proxy.take('large', bytes(16 * 1024 * 1024 - 1_000));
    const small = proxy.take('small');
    await world.pass(0.01);
    expect(using.counts().waitingCalls).toBe(2);
    letQuestions();
    expect(await world.until(Promise.all(before))).toEqual(before.map(() => piece));
    expect(await world.until(Promise.all([large, small]))).toEqual([16 * 1024 * 1024 - 1_000, 0]);
    // A long message is overtaken by shorter ones, as ever; it has begun before.
    expect(service.entered).toEqual(['0', '1', '2', '3', 'small', 'large']);
  });

  it('one message of the largest size passes, and holds up nobody while it does', async () => {
    const { world, proxy, serving, using } = await slow(side, { latencyInSeconds: 0.5 });
    const large = proxy.take('large', bytes(16 * 1024 * 1024 - 1_000));
    await world.pass(2);
    expect(using.counts().queuedBytes).toBeGreaterThan(14 * 1024 * 1024);
    const from = world.now;
    expect(await world.until(proxy.take('small'))).toBe(0);
    notify(proxy).take('told');
    expect(world.now - from).toBeLessThan(3);
    expect(await world.until(large)).toBe(16 * 1024 * 1024 - 1_000);
    expect([serving.counts().queuedBytes, using.counts().queuedBytes]).toEqual([0, 0]);
  });

  it('what waits is bounded in bytes, and what is beyond fails at once', async () => {
    const { world, proxy, using, holdQuestions, letQuestions } = await slow(side, {
      using: { limits: { ...limits, maxWaitingBytes: 150_000 } },
    });
    holdQuestions();
    const calls = asked(7, (name) => proxy.take(name, bytes(piece)));
    await world.pass(0.01);
    expect(using.counts().waitingCalls).toBe(3);
    expect(await rejectionOf(proxy.take('beyond', bytes(piece)))).toMatchObject(tooMuch('maxWaitingBytes'));
    // It may be as large as it likes where nothing else waits.
    letQuestions();
    await world.until(Promise.all(calls));
    holdQuestions();
    calls.push(...asked(4, (name) => proxy.take(name, bytes(piece))));
    calls.push(...asked(2, (name) => proxy.take(name, bytes(200_000))));
    expect(await rejectionOf(proxy.take('x'.repeat(100)))).toMatchObject(tooMuch('maxWaitingBytes'));
    letQuestions();
    await world.until(Promise.all(calls));
  });

  it('as many wait as may, and no more', async () => {
    const { world, proxy, holdQuestions, letQuestions } = await slow(side, {
      using: { limits: { ...limits, maxWaitingCalls: 1 } },
    });
    holdQuestions();
    const calls = asked(5, (name) => proxy.take(name, bytes(piece)));
    expect(await rejectionOf(proxy.take('3'))).toMatchObject(tooMuch('maxWaitingCalls'));
    await world.pass(0.01);
    const failed: unknown[] = [];
    proxy.hot$.subscribe({ error: (error: unknown) => failed.push(error) });
    await world.pass(0.01);
    expect(failed).toMatchObject([tooMuch('maxWaitingCalls')]);
    letQuestions();
    await world.until(Promise.all(calls));
  });

  it('notifications fail, since nobody waits for them', async () => {
    const { world, proxy, service, using, holdQuestions, letQuestions } = await slow(side);
    holdQuestions();
    for (let count = 0; count < 4; count += 1) notify(proxy).take(`${count}`, bytes(piece));
    expect(using.counts().queuedBytes).toBeLessThan(highWaterBytes + transportBytes);
    expect(() => {
      notify(proxy).take('beyond', bytes(piece));
    }).toThrow(expect.objectContaining(tooMuch('highWaterBytes')));
    notify(proxy).take('fits');
    letQuestions();
    await world.pass(0.1);
    expect(service.entered).toEqual(['0', '1', '2', '3', 'fits']);
    notify(proxy).take('again', bytes(piece));
    await world.pass(0.1);
    expect(service.entered.at(-1)).toBe('again');
  });

  it('subscriptions wait, and can be left before they begin', async () => {
    const { world, proxy, service, using, holdQuestions, letQuestions } = await slow(side);
    holdQuestions();
    const calls = asked(5, (name) => proxy.take(name, bytes(piece)));
    await world.pass(0.01);
    const seen = collected(proxy.hot$);
    const left = proxy.hot$.subscribe();
    await world.pass(0.01);
    expect(using.counts()).toMatchObject({ streams: 0, waitingCalls: 3 });
    left.unsubscribe();
    expect(using.counts().waitingCalls).toBe(2);
    letQuestions();
    await world.until(Promise.all(calls));
    await world.pass(0.01);
    expect(using.counts()).toMatchObject({ streams: 1, waitingCalls: 0 });
    service.hot.next(bytes(1));
    service.hot.complete();
    await world.pass(0.01);
    expect(seen).toEqual([bytes(1), '|']);
    // The places of those that were left, or have ended, are free.
    expect([...Array(3).keys()].map(() => collected(proxy.hot$).length)).toEqual([0, 0, 0]);
    await world.pass(0.1);
    expect(using.counts().streams).toBe(0);
  });

  it('subscriptions that wait count as open ones do', async () => {
    const { world, proxy, using, holdQuestions, letQuestions } = await slow(side, {
      using: { limits: { ...limits, maxStreams: 1 } },
    });
    holdQuestions();
    const calls = asked(4, (name) => proxy.take(name, bytes(piece)));
    calls.push(proxy.take('waits', bytes(piece)));
    // Behind what waits for room a subscription does not wait for a place.
    await world.pass(0.01);
    const waiting = proxy.hot$.subscribe();
    const errors: unknown[] = [];
    proxy.hot$.subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toMatchObject([tooMuch('maxStreams')]);
    expect(using.counts()).toMatchObject({ streams: 0, waitingCalls: 2 });
    waiting.unsubscribe();
    proxy.hot$.subscribe({ error: (error: unknown) => errors.push(error) });
    letQuestions();
    await world.until(Promise.all(calls));
    await world.pass(0.1);
    expect(errors).toHaveLength(1);
  });

  it('what waits ends by its time, its signal or its connection, and has not run', async () => {
    const { world, proxy, service, client, using, holdQuestions } = await slow(side);
    holdQuestions();
    const sent = Promise.all(asked(4, (name) => rejectionOf(proxy.take(name, bytes(piece)))));
    await world.pass(0.01);
    const late = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 0.5 }).take('late', bytes(piece)));
    const controller = new AbortController();
    const left = rejectionOf(
      withCallOptions(proxy, { signal: controller.signal }).take('left', bytes(piece)),
    );
    const lost = rejectionOf(proxy.take('lost', bytes(piece)));
    const streamed: unknown[] = [];
    proxy.hot$.subscribe({ error: (error: unknown) => streamed.push(error) });
    withCallOptions(proxy, { timeoutInSeconds: 0.25 }).hot$.subscribe({
      error: (error: unknown) => streamed.push(error),
    });
    controller.abort('gone');
    expect(await left).toBe('gone');
    expect(await world.until(late)).toMatchObject({
      code: 'timeout',
      executed: 'no',
      stage: 'queued',
      message: expect.stringMatching(/service\.take: others waited .* behind \d+ bytes, for 0\.5 s/),
    });
    expect(using.counts().waitingCalls).toBe(2);
    await world.until(client.disconnectFromServer());
    expect(await world.until(lost)).toMatchObject({
      code: 'connection-lost',
      executed: 'no',
      stage: 'queued',
    });
    // A client that serves says with its end that it has read none of them.
    const executed = side === 'server' ? 'unknown' : 'no';
    for (const error of await world.until(sent))
      expect(error).toMatchObject({ code: 'connection-lost', executed });
    expect(streamed).toMatchObject([
      { code: 'timeout', executed: 'no' },
      { executed: 'no', lastIndex: -1 },
    ]);
    expect(streamed[1]).toBeInstanceOf(StreamLostError);
    expect(service.entered).toEqual([]);
    expect(using.counts()).toMatchObject({ calls: 0, waitingCalls: 0, waitingBytes: 0 });
    expect(world.errors).toEqual([]);
  });

  it('a drain waits for what waits', async () => {
    const { world, proxy, server, client, holdQuestions, letQuestions } = await slow(side);
    holdQuestions();
    const calls = asked(6, (name) => proxy.take(name, bytes(piece)));
    await world.pass(0.01);
    const draining =
      side === 'server'
        ? client.disconnectFromServer({ drainInSeconds: 5 })
        : server.stop({ drainInSeconds: 5 });
    await world.pass(1);
    letQuestions();
    expect(await world.until(Promise.all(calls))).toEqual(calls.map(() => piece));
    await world.until(draining);
    expect(world.errors).toEqual([]);
  });

  it('a drain whose time is over ends what waits', async () => {
    const { world, proxy, server, client, holdQuestions } = await slow(side);
    holdQuestions();
    const calls = asked(6, (name) => rejectionOf(proxy.take(name, bytes(piece))));
    await world.pass(0.01);
    await world.until(
      side === 'server'
        ? client.disconnectFromServer({ drainInSeconds: 1 })
        : server.stop({ drainInSeconds: 1 }),
    );
    const errors = (await world.until(Promise.all(calls))) as { readonly executed: string }[];
    expect(errors.map(({ executed }) => executed)).toEqual([
      'unknown',
      'unknown',
      'unknown',
      'unknown',
      'no',
      'no',
    ]);
  });

  it('a session that is away keeps what waits, and sends it on the next connection', async () => {
    const resume = { windowInSeconds: 60 };
    const { world, proxy, service, using } = await slow(side, { serving: { resume }, using: { resume } });
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    const calls = asked(8, (name) => proxy.take(name, bytes(piece)));
    const seen = collected(proxy.hot$);
    await world.pass(0.01);
    expect(using.counts().waitingCalls).toBeGreaterThan(3);
    world.network.refuseConnections = false;
    expect(await world.until(Promise.all(calls))).toEqual(calls.map(() => piece));
    expect(service.entered).toEqual(calls.map((_, at) => `${at}`));
    await world.pass(0.1);
    service.hot.complete();
    await world.pass(0.1);
    expect(seen).toEqual(['|']);
  });

  it('a call that a method makes waits for its bytes, and not for a place', async () => {
    const made = await slow(side, {
      serving: { limits: { ...limits, maxOutgoingCalls: 1 } },
    });
    const { world, proxy, server, client, serving, using, holdAnswers, letAnswers } = made;
    const back: { ask?: (name: string, size: number) => Promise<number> } = {};
    serving.registerProxyObject('asking', {
      ask: (name: string, size: number) => back.ask?.(name, size),
    });
    using.registerProxyObject('back', { take: (_name: string, given: Uint8Array) => given.length });
    await world.pass(0.01);
    const { id } = made;
    interface Back {
      take(name: string, given: Uint8Array): number;
    }
    interface Asking {
      ask(name: string, size: number): Promise<number>;
    }
    const theirs =
      side === 'server' ? server.remoteProxyObject<Back>(id, 'back') : client.remoteProxyObject<Back>('back');
    const asking =
      side === 'server'
        ? client.remoteProxyObject<Asking>('asking')
        : server.remoteProxyObject<Asking>(id, 'asking');
    back.ask = (name, size) => theirs!.take(name, bytes(size));
    holdAnswers();
    const calls = asked(2, (name) => asking!.ask(name, piece));
    await world.pass(0.01);
    // One has a place: the other does not wait for that.
    expect(serving.counts()).toMatchObject({ calls: 2, waitingCalls: 0 });
    letAnswers();
    await world.until(Promise.all(calls));
    holdAnswers();
    const blocked = congest(proxy);
    const more = asking!.ask('more', piece);
    await world.pass(0.01);
    expect(serving.counts()).toMatchObject({ calls: 0, heldBack: 1 });
    calls.push(more);
    letAnswers();
    await world.until(blocked);
    expect(await world.until(Promise.all(calls))).toEqual(calls.map(() => piece));
  });

  it('what it asks for does not begin while answers wait to be read, and its cancels and credit are heeded', async () => {
    const { world, proxy, service, serving, holdAnswers, letAnswers } = await slow(side);
    const running = new AbortController();
    const ran = proxy.signalled('running', running.signal);
    const seen: number[] = [];
    const subscription = proxy.hot$.subscribe((value) => seen.push(value.length));
    await world.pass(0.01);
    holdAnswers();
    const calls = asked(7, (name) => proxy.give(name, piece));
    const held = new AbortController();
    const heldSignal = new AbortController();
    const cancelled = rejectionOf(withCallOptions(proxy, { signal: held.signal }).give('cancelled', piece));
    const signalled = proxy.signalled('signalled', heldSignal.signal);
    const failing = rejectionOf(proxy.fail('failing'));
    const second = collected(proxy.hot$);
    notify(proxy).take('told');
    await world.pass(0.01);
    // The fifth answer is the one that goes beyond the mark.
    expect(service.entered).toEqual(['running', '0', '1', '2', '3', '4']);
    expect(serving.counts()).toMatchObject({ heldBack: 7, incomingCalls: 7, streams: 2 });
    expect(serving.counts().queuedBytes).toBeLessThan(highWaterBytes + transportBytes + piece);
    held.abort('left');
    heldSignal.abort();
    running.abort();
    subscription.unsubscribe();
    expect(await cancelled).toBe('left');
    await world.pass(0.01);
    expect(serving.counts().streams).toBe(1);
    letAnswers();
    expect((await world.until(Promise.all(calls))).map(({ length }) => length)).toEqual(
      calls.map(() => piece),
    );
    expect(await world.until(Promise.all([ran, signalled]))).toEqual([
      'running aborted',
      'signalled aborted',
    ]);
    expect(await world.until(failing)).toMatchObject({ message: 'as it should', executed: 'yes' });
    service.hot.next(bytes(3));
    await world.pass(0.01);
    expect(second).toEqual([bytes(3)]);
    expect(service.entered.slice(6)).toEqual(['5', '6', 'signalled', 'failing', 'told']);
    expect(serving.counts()).toMatchObject({ heldBack: 0, incomingCalls: 0, unanswered: 0 });
    expect(world.errors).toEqual([]);
  });

  it('as much may wait to begin as may run, and the rest is refused', async () => {
    const { world, proxy, serving, service, holdAnswers, letAnswers } = await slow(side, {
      serving: { limits: { ...limits, maxIncomingCalls: 3, maxStreams: 1 } },
    });
    holdAnswers();
    const first = congest(proxy);
    await world.pass(0.01);
    const calls = Array.from({ length: 5 }, (_, at) => proxy.give(`${at + 1}`, 10));
    const streams = [collected(proxy.hot$)];
    const errors: unknown[] = [];
    const left = proxy.hot$.subscribe({ error: (error: unknown) => errors.push(error) });
    notify(proxy).take('told');
    const outcomes = Promise.allSettled(calls);
    await world.pass(0.01);
    expect(serving.counts()).toMatchObject({ heldBack: 4, refusedCalls: 3, refusedStreams: 1 });
    letAnswers();
    await world.until(first);
    expect((await world.until(outcomes)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    await world.pass(0.01);
    expect(errors).toMatchObject([{ executed: 'no', stage: 'received', code: 'limit-exceeded' }]);
    left.unsubscribe();
    service.hot.complete();
    await world.pass(0.01);
    expect(streams[0]).toEqual(['|']);
  });

  it('results that are there wait for their turn as they are, and each call has its place until then', async () => {
    const { world, proxy, service, serving, client, holdAnswers, letAnswers } = await slow(side);
    const calls = asked(7, (name) => proxy.giveLater(name, piece));
    const controller = new AbortController();
    const cancelled = rejectionOf(
      withCallOptions(proxy, { signal: controller.signal }).giveLater('cancelled', piece),
    );
    await world.pass(0.01);
    holdAnswers();
    for (const end of service.ends) end();
    await world.pass(0.01);
    expect(serving.counts()).toMatchObject({ unanswered: 3, incomingCalls: 3 });
    controller.abort('left');
    expect(await cancelled).toBe('left');
    await world.pass(0.01);
    expect(serving.counts()).toMatchObject({ unanswered: 2, incomingCalls: 2 });
    letAnswers();
    expect((await world.until(Promise.all(calls))).map(({ length }) => length)).toEqual(
      calls.map(() => piece),
    );
    expect(serving.counts()).toMatchObject({ unanswered: 0, incomingCalls: 0 });

    holdAnswers();
    const lost = asked(7, (name) => rejectionOf(proxy.giveLater(name, piece)));
    await world.pass(0.01);
    for (const end of service.ends) end();
    await world.pass(0.01);
    expect(serving.counts().unanswered).toBe(2);
    world.network.cut();
    for (const error of await world.until(Promise.all(lost)))
      expect(error).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    expect(serving.counts()).toMatchObject({ unanswered: 0, incomingCalls: 0, heldBack: 0 });
    await world.until(client.disconnectFromServer());
  });

  it('what has not begun when the connection ends never does, and a notification is told', async () => {
    const { world, proxy, service, serving, holdAnswers } = await slow(side);
    holdAnswers();
    congest(proxy).catch(() => undefined);
    await world.pass(0.01);
    void rejectionOf(proxy.give('1', 10));
    proxy.hot$.subscribe({ error: () => undefined });
    notify(proxy).take('told');
    await world.pass(0.01);
    expect(serving.counts().heldBack).toBe(3);
    world.network.cut();
    await world.pass(0.01);
    expect(service.entered).toEqual(['0', '1', '2', '3', '4']);
    // One side knows that it has not run, the other that it may not have arrived.
    expect(world.errors).toHaveLength(2);
    for (const executed of ['no', 'unknown'])
      expect(world.errors).toContainEqual(expect.objectContaining({ code: 'connection-lost', executed }));
    expect(serving.counts()).toMatchObject({ heldBack: 0, incomingCalls: 0, streams: 0 });
  });

  it('a source that can wait is not asked, and one that cannot has what was declared for it', async () => {
    const service = new Service();
    const made = await served(side, service, {
      serving: { limits },
      using: { limits },
      registration: { streams: { hot$: { window: 2, overflow: 'drop-oldest' } } },
    });
    const { world, proxy, serving } = made;
    const direction = answersGo[side];
    const values: number[] = [];
    const hot$: Observable<Uint8Array> = proxy.hot$;
    hot$.subscribe((value) => values.push(value.length));
    await world.pass(0.01);
    world.network.freeze(direction);
    const before = congest(proxy);
    await world.pass(0.01);
    proxy.pulled$().subscribe();
    const call = proxy.take('1');
    await world.pass(0.01);
    expect([service.pulled, serving.counts().heldBack]).toEqual([0, 2]);
    for (let size = 1; size <= 100; size += 1) service.hot.next(bytes(size));
    await world.pass(0.01);
    expect(serving.counts().queuedBytes).toBeLessThan(5 * piece + 1_000);
    world.network.thaw(direction);
    await world.until(Promise.all([before, call]));
    await world.pass(0.01);
    expect(values.length + droppedCount(hot$)).toBe(100);
    expect(values.at(-1)).toBe(100);
    expect(service.pulled).toBeGreaterThan(0);
  });

  it('a source that was asked before is asked no more, and again when there is room', async () => {
    const { world, proxy, service, serving, holdAnswers, letAnswers } = await slow(side);
    let taken = 0;
    proxy.pulled$().subscribe(() => (taken += 1));
    await world.pass(0.003);
    holdAnswers();
    const calls = congest(proxy);
    await world.pass(1);
    const { pulled } = service;
    const { queuedBytes } = serving.counts();
    expect(pulled).toBeLessThan(200);
    expect(queuedBytes).toBeGreaterThan(highWaterBytes);
    await world.pass(1);
    expect([service.pulled, serving.counts().queuedBytes]).toEqual([pulled, queuedBytes]);
    letAnswers();
    await world.until(calls);
    await world.pass(0.1);
    expect([service.pulled, taken]).toEqual([200, 200]);
  });
});

describe('two peers that both read slowly', () => {
  /** One that asks as it is asked, and answers with as much. */
  const talkers = async (latencyInSeconds: number) => {
    const service = { echo: (given: Uint8Array) => given, give: () => bytes(piece) };
    const world = new VirtualWorld(latencyInSeconds);
    const server: RPCServer = await world.startedServer({ limits, localProxyObjects: { talker: service } });
    const client = world.client({ limits, localProxyObjects: { talker: service } });
    client.connectToServer();
    await world.until(client.whenConnected());
    await world.pass(1);
    const id = client.connectionID() ?? '';
    const toServer = client.remoteProxyObject<typeof service>('talker');
    const toClient = server.remoteProxyObject<typeof service>(id, 'talker');
    if (toServer === undefined || toClient === undefined) throw new Error('the talkers were expected');
    return { world, server, client, toServer, toClient };
  };

  it('come to an end with everything, though both hold back what the other asks for', async () => {
    const { world, server, client, toServer, toClient } = await talkers(0.1);
    const calls = [...asked(30, () => toServer.give()), ...asked(30, () => toClient.give())];
    for (let left = 20; left > 0; left -= 1)
      calls.push(toServer.echo(bytes(piece)), toClient.echo(bytes(piece)));
    let held = 0;
    const all = Promise.all(calls);
    let isDone = false;
    void all.then(() => (isDone = true));
    const state = (): boolean => isDone;
    for (let round = 0; round < 1_000 && !state(); round += 1) {
      await world.pass(0.05);
      held = Math.max(held, Math.min(server.counts().heldBack, client.counts().heldBack));
      expect(server.counts().queuedBytes).toBeLessThan(2 * highWaterBytes);
      expect(client.counts().queuedBytes).toBeLessThan(2 * highWaterBytes);
    }
    expect((await world.until(all)).map(({ length }) => length)).toEqual(calls.map(() => piece));
    // It came to what could have been a deadlock.
    expect(held).toBeGreaterThan(0);
    for (const side of [server, client])
      expect(side.counts()).toMatchObject({ calls: 0, heldBack: 0, unanswered: 0, queuedBytes: 0 });
    expect(world.errors).toEqual([]);
  });

  it('hear each other all the while', async () => {
    const { world, server, client, toServer, toClient } = await talkers(0.5);
    const lost: unknown[] = [];
    client.disconnectionMade$.subscribe((event) => lost.push(event));
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (const talker of [toServer, toClient])
        for (let count = 0; count < 4; count += 1) calls.push(talker.echo(bytes(piece)));
      await world.pass(1);
    }
    await world.until(Promise.all(calls));
    expect(lost).toEqual([]);
    expect(server.counts().overLimits + client.counts().overLimits).toBe(0);
  });
});

describe.each(servingSides)('a peer of the %s that goes on sending and reads nothing', (side) => {
  const patient: ServedSettings = {
    serving: { limits },
    // It waits for longer than it is given.
    using: { timeoutInSeconds: 1_000, heartbeatIntervalInSeconds: 1 },
  };

  it('is disconnected after 30 s', async () => {
    const { world, proxy, serving, using, holdAnswers, letAnswers } = await slow(side, patient);
    holdAnswers();
    const from = world.now;
    const call = rejectionOf(proxy.give('0', 100_000));
    await world.pass(29.9);
    expect(serving.counts().overLimits).toBe(0);
    await world.pass(0.2);
    expect(serving.counts().overLimits).toBe(1);
    letAnswers();
    expect(await world.until(call)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    expect(world.now - from).toBeLessThan(31);
    expect(using.counts().calls).toBe(0);
  });

  it('is spared if it reads before, however slowly, and as long as nothing waits for it', async () => {
    const { world, proxy, serving, holdAnswers, letAnswers } = await slow(side, patient);
    for (let round = 0; round < 3; round += 1) {
      holdAnswers();
      const call = proxy.give('0', 400_000);
      await world.pass(29);
      letAnswers();
      expect((await world.until(call)).length).toBe(400_000);
    }
    holdAnswers();
    await world.pass(300);
    letAnswers();
    expect((await world.until(proxy.give('0', 1))).length).toBe(1);
    expect(serving.counts().overLimits).toBe(0);
  });

  it('is given the time that is asked for', async () => {
    const { world, proxy, serving, holdAnswers } = await slow(side, {
      serving: { limits: { ...limits, maxStallMs: 2_000 }, timeoutInSeconds: 1 },
      using: { timeoutInSeconds: 1_000, heartbeatIntervalInSeconds: 0.2 },
    });
    holdAnswers();
    void rejectionOf(proxy.give('0', 100_000));
    await world.pass(1.9);
    expect(serving.counts().overLimits).toBe(0);
    await world.pass(0.2);
    expect(serving.counts().overLimits).toBe(1);
  });

  it('is judged by its silence where it does not go on sending', async () => {
    const { world, proxy, service, serving } = await slow(side, {
      serving: { limits, timeoutInSeconds: 1_000 },
      using: { timeoutInSeconds: 1_000, heartbeatIntervalInSeconds: 1 },
    });
    const call = proxy.giveLater('0', 100_000);
    await world.pass(0.01);
    world.network.freeze();
    for (const end of service.ends) end();
    await world.pass(100);
    expect(serving.counts().overLimits).toBe(0);
    world.network.thaw();
    expect((await world.until(call)).length).toBe(100_000);
  });
});
