import { describe, expect, it } from '@jest/globals';
import { Observable, Subject, VirtualTimeScheduler } from 'rxjs';
import {
  droppedCount,
  eachValueFrom,
  StreamOverflowError,
  withOverflow,
  type OverflowOptions,
} from 'tandem-rpc';
import { MessageType, type ReceivedNextMessage } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides, type ServedSettings } from '../helpers/served.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** What a slow observer has waiting in front of it, and at the producer behind that nothing yet. */
const firstCredit = 32;

/** A producer of 1, 2, 3, … when told, and a reader that runs when told. */
async function slow(
  side: (typeof servingSides)[number],
  overflow?: OverflowOptions,
  settings: ServedSettings = {},
) {
  const reader = new VirtualTimeScheduler();
  const subject = new Subject<unknown>();
  let made = 0;
  let isLeft = false;
  const produce = (count: number): void => {
    for (let left = count; left > 0; left -= 1) subject.next((made += 1));
  };
  const service = {
    values$: new Observable((subscriber) => {
      subscriber.add(() => (isLeft = true));
      return subject.subscribe(subscriber);
    }),
    echo: (value: unknown) => value,
  };
  const made_ = await served(side, service, {
    ...settings,
    using: { callbackScheduler: reader, ...settings.using },
    ...(overflow === undefined ? {} : { registration: { streams: { values$: overflow } } }),
  });
  reader.flush();
  const seen: unknown[] = [];
  const values$ = made_.proxy.values$;
  const subscription = values$.subscribe({
    next: (value) => seen.push(value),
    error: (error: unknown) => seen.push(error),
    complete: () => seen.push('|'),
  });
  await made_.world.pass(0.01);
  /** Lets the reader run until nothing comes any more. */
  const readAll = async (): Promise<void> => {
    for (let before = -1; before !== seen.length;) {
      before = seen.length;
      await made_.world.pass(0.01);
      reader.flush();
    }
  };
  return {
    ...made_,
    values$,
    subscription,
    subject,
    produce,
    seen,
    readAll,
    isLeft: () => isLeft,
    made: () => made,
  };
}

describe.each(servingSides)('a slow reader of a stream that the %s serves', (side) => {
  it('ends it with an error after 4,096 values that wait, by default', async () => {
    const { world, produce, seen, readAll, isLeft, values$, serving } = await slow(side);
    produce(firstCredit + 4_096);
    await world.pass(1);
    expect(isLeft()).toBe(false);
    produce(1);
    expect(isLeft()).toBe(true);
    produce(10); // nobody is there
    await readAll();
    expect(seen).toHaveLength(firstCredit + 1);
    expect(seen.slice(0, -1)).toEqual(Array.from({ length: firstCredit }, (_, at) => at + 1));
    expect(seen.at(-1)).toBeInstanceOf(StreamOverflowError);
    expect(seen.at(-1)).toMatchObject({
      message: expect.stringMatching(/more than 4096 values waited .* \(declare another window or overflow/),
      code: 'stream-overflow',
      executed: 'yes',
      object: 'service',
      member: 'values$',
    });
    expect(droppedCount(values$)).toBe(4_097);
    expect(serving.counts().streams).toBe(0);
  });

  it('loses none that fit', async () => {
    const { world, subject, produce, seen, readAll } = await slow(side, { window: 10 });
    produce(firstCredit);
    await world.pass(1);
    produce(10);
    subject.complete();
    await readAll();
    expect(seen).toEqual([...Array.from({ length: 42 }, (_, at) => at + 1), '|']);
  });

  it.each([
    ['drop-oldest', { window: 3, overflow: 'drop-oldest' }, [998, 999, 1_000], 965],
    ['drop-newest', { window: 3, overflow: 'drop-newest' }, [33, 34, 35], 965],
    ['latest', { overflow: 'latest' }, [1_000], 967],
  ] as const)('obeys "%s"', async (_name, overflow, expected, dropped) => {
    const { world, produce, seen, readAll, values$, subject, made } = await slow(side, overflow);
    produce(firstCredit);
    await world.pass(1);
    produce(1_000 - firstCredit);
    await world.pass(1);
    expect(seen).toEqual([]);
    await readAll();
    const first = Array.from({ length: firstCredit }, (_, at) => at + 1);
    expect(seen).toEqual([...first, ...expected]);
    expect(droppedCount(values$)).toBe(dropped);
    subject.complete();
    await readAll();
    expect(seen.pop()).toBe('|');
    expect(seen.length + droppedCount(values$)).toBe(made());
  });

  it('counts what is dropped exactly, whenever it is dropped', async () => {
    for (const overflow of ['drop-oldest', 'drop-newest', 'latest'] as const) {
      const { world, produce, seen, readAll, values$, subject, made } = await slow(side, {
        window: 5,
        overflow,
      });
      for (let round = 0; round < 30; round += 1) {
        produce(round * 3);
        if (round % 4 === 0) await readAll();
        else await world.pass(0.001 * (round % 3));
      }
      subject.complete();
      await readAll();
      expect(seen.pop()).toBe('|');
      expect(seen.length + droppedCount(values$)).toBe(made());
      expect(seen).toEqual([...(seen as number[])].sort((left, right) => left - right));
    }
  });

  it('holds up neither calls, nor heartbeats, nor other streams', async () => {
    const { world, produce, proxy, seen, serving, using } = await slow(side, undefined, {
      serving: { timeoutInSeconds: 2 },
      using: { timeoutInSeconds: 2 },
    });
    produce(4_000);
    await world.pass(1);
    const others: unknown[] = [];
    const taking = (async () => {
      for await (const value of eachValueFrom(proxy.values$)) {
        others.push(value);
        if (others.length === 10) break;
      }
    })();
    await world.pass(0.01);
    produce(10);
    expect(await world.until(proxy.echo('quick'))).toBe('quick');
    await world.pass(60);
    expect([serving.counts().streams > 0, using.counts().streams > 0, seen]).toEqual([true, true, []]);
    expect(world.errors).toEqual([]);
    void taking;
  });

  it('of what was lent obeys what was declared for it', async () => {
    const reader = new VirtualTimeScheduler();
    const subject = new Subject<number>();
    const service = {
      give: () => withOverflow(subject, { overflow: 'latest' }),
      take$(values$: Observable<number>) {
        return values$;
      },
    };
    const { world, proxy } = await served(side, service, { using: { callbackScheduler: reader } });
    const given$ = await world.until(proxy.give());
    const seen: number[] = [];
    given$.subscribe((value) => seen.push(value));
    await world.pass(0.01);
    for (let at = 1; at <= 100; at += 1) {
      subject.next(at);
      if (at === 50) await world.pass(0.01);
    }
    for (let turns = 0; turns < 10; turns += 1) {
      reader.flush();
      await world.pass(0.01);
    }
    expect(seen.slice(-1)).toEqual([100]);
    expect(seen.length + droppedCount(given$)).toBe(100);
  });
});

describe('many small values', () => {
  it('leave in one message, and a call behind them does not wait', async () => {
    const world = new VirtualWorld();
    const subject = new Subject<number>();
    await world.startedServer({ localProxyObjects: { service: { values$: subject.asObservable() } } });
    const peer = await rawClient(world);
    peer.registerAll();
    peer.send(MessageType.subscribe, 1, 'service', 'values$', [], 10_000);
    await world.pass(0.01);
    peer.received.length = 0;
    for (let at = 0; at < 2_000; at += 1) subject.next(at);
    await world.pass(0.01);
    const sizes = peer.received.map(([type, , values]) => {
      expect(type).toBe(MessageType.next);
      return (values as readonly unknown[]).length;
    });
    // The first is alone: it is not known yet how large values are.
    expect(sizes).toEqual([1, 1_024, 975]);
  });
});

describe('the bytes of values', () => {
  it('are bounded over all streams, and one that has none out may always send', async () => {
    const world = new VirtualWorld();
    const subjects = [new Subject<Uint8Array>(), new Subject<Uint8Array>()] as const;
    const [first$, second$] = subjects.map((subject) => subject.asObservable());
    const server = await world.startedServer({ localProxyObjects: { service: { first$, second$ } } });
    const peer = await rawClient(world);
    peer.registerAll();
    peer.send(MessageType.subscribe, 1, 'service', 'first$', [], 1_000);
    peer.send(MessageType.subscribe, 2, 'service', 'second$', [], 1_000);
    await world.pass(0.01);
    const valuesOf = (id: number): number =>
      peer.received
        .filter((message) => message[0] === MessageType.next && message[1] === id)
        .reduce((sum, message) => sum + (message[2] as readonly unknown[]).length, 0);
    const kilobytes100 = new Uint8Array(100_000);
    for (let at = 0; at < 100; at += 1) subjects[0].next(kilobytes100);
    await world.pass(1);
    // Of 4 MiB, the default of limits.maxStreamBytes, one stream takes half, so that there is room for another.
    expect(valuesOf(1)).toBe(21);
    for (let at = 0; at < 100; at += 1) subjects[1].next(kilobytes100);
    await world.pass(1);
    expect([valuesOf(1), valuesOf(2)]).toEqual([21, 11]);
    expect(server.counts().queuedBytes).toBe(0);
    const [, , , , bytes] = peer.received.find(([type]) => type === MessageType.next) as ReceivedNextMessage;
    peer.send(MessageType.credit, 1, 0, 10 * bytes);
    await world.pass(1);
    const out = valuesOf(1) + valuesOf(2) - 10;
    expect(out).toBeGreaterThan(22);
    expect(out * bytes).toBeLessThan(4 * 1_024 * 1_024);
  });
});
