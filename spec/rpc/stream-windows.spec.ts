import { describe, expect, it } from '@jest/globals';
import { Subject, map, scan, share, throwError, type Observable } from 'rxjs';
import { droppedCount, eachValueFrom, notify, withOverflow, type RPCInterceptor } from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides } from '../helpers/served.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** A byte window so small that two values fill it. */
const smallWindow = { using: { limits: { maxStreamBytes: 65_536 } } };

const bytes = (size: number): Uint8Array => new Uint8Array(size);

class Numbers {
  pulled = 0;

  *count$(): Generator<number> {
    for (let value = 0; ; value += 1) {
      this.pulled += 1;
      yield value;
    }
  }
}

/** Follows how large the values of a stream are, and how it ends. */
function sizes(stream$: Observable<Uint8Array>): unknown[] {
  const seen: unknown[] = [];
  stream$.subscribe({
    next: ({ length }) => seen.push(length),
    error: (error: unknown) => seen.push(error),
  });
  return seen;
}

describe.each(servingSides)('the byte window of what the %s serves', (side) => {
  it('holds also where short values overtake a long one', async () => {
    const long = new Subject<Uint8Array>();
    const short = Array.from({ length: 6 }, () => new Subject<Uint8Array>());
    const service = { long$: long, short$: (at: number): Observable<Uint8Array> => short[at]! };
    const { world, proxy, using } = await served(side, service, smallWindow);
    const seen = sizes(proxy.long$);
    const others = short.map((_, at) => sizes(proxy.short$(at)));
    await world.pass(0.1);
    long.next(bytes(10_000));
    await world.pass(0.1);
    long.next(bytes(70_000));
    for (const each of short) each.next(bytes(16_000));
    await world.pass(1);
    expect(seen).toEqual([10_000, 70_000]);
    expect(others).toEqual(short.map(() => [16_000]));
    expect(using.counts().streams).toBe(7);
  });

  it('is returned by an idle stream too, where others wait for it', async () => {
    const idle = new Subject<Uint8Array>();
    const service = {
      idle$: idle,
      // Only the first values are known to be small when they are asked for.
      *busy$(): Generator<Uint8Array> {
        for (let made = 0; ; made += 1) yield bytes(made < 2 ? 10 : 60_000);
      },
    };
    const { world, proxy } = await served(side, service, smallWindow);
    const seen = sizes(proxy.idle$);
    const loop = eachValueFrom(proxy.busy$());
    await world.pass(0.1);
    idle.next(bytes(10_000));
    await world.pass(0.1);
    // The loop works on its first value from here on, whatever has arrived for it meanwhile.
    await world.until(loop.next());
    await world.pass(1);
    for (const size of [1, 2, 3]) {
      idle.next(bytes(size));
      await world.pass(1);
    }
    expect(seen).toEqual([10_000, 1, 2, 3]);
  });

  it('is not eaten up by streams of large values, beside which a small one goes on', async () => {
    const small = new Subject<Uint8Array>();
    const service = {
      small$: small,
      *large$(): Generator<Uint8Array> {
        for (;;) yield bytes(100_000);
      },
    };
    const { world, proxy } = await served(side, service, smallWindow);
    const seen = sizes(proxy.small$);
    await world.pass(0.1);
    small.next(bytes(10_000));
    await world.pass(0.1);
    const large = sizes(proxy.large$());
    await world.pass(0.1);
    for (let size = 1; size <= 10; size += 1) {
      small.next(bytes(size));
      await world.pass(0.02);
    }
    expect(seen).toEqual([10_000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(large.length).toBeGreaterThan(50);
  });

  it('bounds many long values together: those that find no room wait, and do not fail', async () => {
    const service = {
      *film$(): Generator<Uint8Array> {
        for (let made = 0; made < 3; made += 1) yield bytes(1_000_000);
      },
    };
    const limits = { maxQueuedBytes: 2_000_000 };
    const { world, proxy } = await served(side, service, { serving: { limits } });
    const all = Array.from({ length: 8 }, () => sizes(proxy.film$()));
    await world.pass(30);
    expect(all).toEqual(all.map(() => [1_000_000, 1_000_000, 1_000_000]));
  });

  it('is not overrun by values that leave before each call, where the transport is full', async () => {
    let size = 10;
    const service = {
      *values$(): Generator<Uint8Array> {
        for (;;) yield bytes(size);
      },
      tell: undefined as ((text: string) => Promise<void>) | undefined,
      keep(tell: (text: string) => void): void {
        this.tell = tell as never;
      },
    };
    const { world, proxy, serving, using } = await served(side, service, {
      using: { limits: { maxStreamBytes: 256 * 1024 * 1024 } },
    });
    await world.until(proxy.keep(() => undefined));
    proxy.values$().subscribe();
    await world.pass(0.05);
    size = 60_000;
    await world.pass(0.05);
    world.network.freeze();
    await world.pass(0.1);
    for (let told = 0; told < 300; told += 1) {
      notify(service.tell!)('something');
      await world.pass(0.000_1);
    }
    // The room of the transport, and not 300 times what leaves before a call.
    expect(serving.counts().queuedBytes).toBeLessThan(1_000_000);
    expect(using.counts().streams).toBe(1);
  });
});

describe.each(servingSides)('values that the %s gathers', (side) => {
  it('leave in messages of a bounded size, however they grow', async () => {
    const subject = new Subject<Uint8Array>();
    const limits = { maxMessageBytes: 1_000_000 };
    const { world, proxy } = await served(
      side,
      { values$: subject },
      { serving: { limits }, using: { limits } },
    );
    const seen = sizes(proxy.values$);
    await world.pass(0.1);
    // Small ones, so that the next message is to hold many.
    for (let made = 0; made < 200; made += 1) subject.next(bytes(1));
    await world.pass(0.5);
    for (let made = 0; made < 20; made += 1) subject.next(bytes(90_000));
    await world.pass(1);
    expect(seen).toEqual([...Array<number>(200).fill(1), ...Array<number>(20).fill(90_000)]);
  });

  it('are bounded by their declared window, whatever credit a peer gives', async () => {
    const world = new VirtualWorld();
    const subject = new Subject<string>();
    const latest = new Subject<string>();
    const server = await world.startedServer();
    server.registerProxyObject(
      'service',
      { values$: subject, latest$: latest },
      {
        streams: { values$: { window: 10 }, latest$: { overflow: 'latest' } },
      },
    );
    const peer = await rawClient(world);
    peer.registerAll();
    peer.send(MessageType.subscribe, 1, 'service', 'values$', [], 2 ** 31 - 1);
    peer.send(MessageType.subscribe, 2, 'service', 'latest$', [], 2 ** 31 - 1);
    await world.pass(0.01);
    // The peer returns no bytes: once the window is full nothing leaves any more.
    for (let round = 0; round < 200; round += 1) {
      for (const each of [subject, latest]) each.next('x'.repeat(100_000));
      await world.pass(0.01);
    }
    const received = peer.received.length;
    for (let made = 0; made < 5_000 && subject.observed; made += 1) {
      subject.next('small');
      latest.next('small');
    }
    await world.pass(1);
    expect(subject.observed).toBe(false);
    expect(latest.observed).toBe(true);
    expect(peer.received.length - received).toBeLessThan(3);
  });
});

describe.each(servingSides)('the pace of what the %s serves', (side) => {
  it('is that of a loop, through operators', async () => {
    const numbers = new Numbers();
    const { world, proxy } = await served(side, numbers);
    const loop = eachValueFrom(
      proxy.count$().pipe(
        map((value) => value * 2),
        scan((sum, value) => sum + value, 0),
      ),
    );
    expect(await world.until(loop.next())).toEqual({ done: false, value: 0 });
    await world.pass(10);
    expect(numbers.pulled).toBeLessThan(20);
    expect(await world.until(loop.next())).toEqual({ done: false, value: 2 });
    await loop.return?.();
  });

  it('gets ever more credit for a fast loop, which then waits for few round trips', async () => {
    const { world, proxy } = await served(side, new Numbers(), { latencyInSeconds: 0.01 });
    const fromSeconds = world.now;
    let sum = 0;
    const read = async (): Promise<void> => {
      for await (const value of eachValueFrom(proxy.count$())) {
        sum += value;
        if (value === 1_000) return;
      }
    };
    await world.until(read());
    expect(sum).toBe(500_500);
    // With the first credit of 2 it would be 10 s.
    expect(world.now - fromSeconds).toBeLessThan(0.5);
  });

  it('is that of whoever reads on, where a stream is shared', async () => {
    const numbers = new Numbers();
    const { world, proxy } = await served(side, numbers);
    const shared$ = proxy.count$().pipe(share());
    const slow = eachValueFrom(shared$);
    const fast = eachValueFrom(shared$);
    await world.until(Promise.all([slow.next(), fast.next()]));
    // The slow one works on its first value for ever; the other is not held up.
    for (let value = 1; value < 100; value += 1) {
      expect(await world.until(fast.next())).toEqual({ done: false, value });
    }
    await slow.return?.();
    expect(await world.until(fast.next())).toEqual({ done: false, value: 100 });
    await fast.return?.();
  });

  it('goes through a third side that relays the stream', async () => {
    const numbers = new Numbers();
    const { world, proxy, serving, using, id } = await served(side, numbers);
    const relay = {
      plain$: (): Observable<number> => proxy.count$(),
      mapped$: (): Observable<number> => proxy.count$().pipe(map((value) => value)),
      declared$: (): Observable<number> =>
        withOverflow(proxy.count$() as Observable<number>, { overflow: 'error', window: 100 }),
    };
    // The far side is whoever served: what it gave comes back to it through the other.
    using.registerProxyObject('relay', relay);
    await world.pass(0.1);
    const name = 'relay';
    const far =
      'connectToServer' in serving
        ? serving.remoteProxyObject<typeof relay>(name)
        : serving.remoteProxyObject<typeof relay>(id, name);
    for (const member of ['plain$', 'mapped$', 'declared$'] as const) {
      const before = numbers.pulled;
      const loop = eachValueFrom(far![member]());
      expect(await world.until(loop.next())).toEqual({ done: false, value: 0 });
      await world.pass(10);
      expect(numbers.pulled - before).toBeLessThan(100);
      await loop.return?.();
      await world.pass(0.1);
    }
    expect(serving.counts().streams).toBe(0);
  });
});

const passOn: RPCInterceptor = (call, next) => next(call);

describe.each([
  ['without interceptors', []],
  ['behind an interceptor', [passOn]],
])('a stream %s', (_, interceptors) => {
  it('obeys the overflow that is declared for what its method returns', async () => {
    const subject = new Subject<number>();
    const service = { prices$: (): Observable<number> => withOverflow(subject, { overflow: 'latest' }) };
    const { world, proxy } = await served('server', service, { serving: { interceptors } });
    const seen: number[] = [];
    const prices$ = proxy.prices$();
    prices$.subscribe((value) => seen.push(value));
    await world.pass(0.1);
    for (let price = 0; price < 1_000; price += 1) subject.next(price);
    await world.pass(1);
    expect(seen.at(-1)).toBe(999);
    expect(seen.length + droppedCount(prices$)).toBe(1_000);
    expect(droppedCount(prices$)).toBeGreaterThan(900);
  });

  it('fails alone where what its method promises throws at whatever is asked of it', async () => {
    const poisoned = new Proxy(
      {},
      {
        get: (_target, key) => {
          if (key === 'then') return undefined;
          throw new Error('poisoned');
        },
      },
    );
    const service = { later$: async () => Promise.resolve(poisoned) } as {
      later$: () => Promise<Observable<number>>;
    };
    const { world, proxy, serving } = await served('server', service, { serving: { interceptors } });
    const seen: unknown[] = [];
    proxy.later$().subscribe({ error: (error: unknown) => seen.push(error) });
    await world.pass(1);
    expect(seen).toMatchObject([{ message: 'poisoned', code: 'remote' }]);
    expect(serving.counts().streams).toBe(0);
  });
});

describe.each(servingSides)('an error of the %s that is more than a message may hold', (side) => {
  it('arrives shortened, of a call and of a stream, and nothing else ends', async () => {
    const failure = Object.assign(new Error('é'.repeat(1_000)), { data: 'x'.repeat(1_900) });
    const other = new Subject<number>();
    const service = {
      call(): void {
        throw failure;
      },
      stream$: throwError(() => failure),
      other$: other,
    };
    const limits = { maxMessageBytes: 2_048 };
    const { world, proxy } = await served(side, service, { serving: { limits }, using: { limits } });
    const seen: number[] = [];
    proxy.other$.subscribe((value) => seen.push(value));
    const shortened = { code: 'remote', executed: 'yes', message: expect.stringMatching(/^é+…$/) };
    expect(await world.failureOf(proxy.call())).toMatchObject(shortened);
    const failed: unknown[] = [];
    proxy.stream$.subscribe({ error: (error: unknown) => failed.push(error) });
    await world.pass(0.1);
    expect(failed).toMatchObject([shortened]);
    other.next(1);
    await world.pass(0.1);
    expect(seen).toEqual([1]);
  });
});
