import { describe, expect, it } from '@jest/globals';
import { Observable, Subject } from 'rxjs';
import { dispose, notify, type RemoteFunction, type RPCInterceptor } from 'tandem-rpc';
import { z } from 'zod';
import { served, servingSides } from '../helpers/served.js';
import { collected, turn } from '../helpers/virtual-world.js';

/** Larger than a frame: it travels in fragments, and what is sent meanwhile goes between them. */
const long = (fill: number): Uint8Array => new Uint8Array(300_000).fill(fill);

describe.each(servingSides)('long values of streams that the %s serves', (side) => {
  it('arrive in order among short ones, and before the end', async () => {
    const subject = new Subject<unknown>();
    const { world, proxy, serving } = await served(side, { values$: subject.asObservable() });
    const seen = collected(proxy.values$);
    await world.pass(0.01);
    for (const value of [1, long(2), 3, long(4), long(5), 6]) subject.next(value);
    subject.complete();
    await world.pass(1);
    expect(seen.map((value) => (value instanceof Uint8Array ? value[0] : value))).toEqual([
      1,
      2,
      3,
      4,
      5,
      6,
      '|',
    ]);
    expect(serving.counts()).toMatchObject({ streams: 0, queuedBytes: 0 });
  });

  it('do not come after they are left, nor hold up the next stream', async () => {
    const subject = new Subject<unknown>();
    const { world, proxy, serving, using } = await served(side, { values$: subject.asObservable() });
    for (const wait of [0, 0.0005, 0.001, 0.002, 0.003]) {
      const seen: unknown[] = [];
      const subscription = proxy.values$.subscribe((value) => seen.push(value));
      await world.pass(0.01);
      subject.next(long(1));
      subject.next(2);
      await world.pass(wait);
      subscription.unsubscribe();
      const { length } = seen;
      await world.pass(1);
      expect(seen).toHaveLength(length);
      for (const each of [serving, using])
        expect(each.counts()).toMatchObject({ streams: 0, queuedBytes: 0 });
    }
    expect(world.errors).toEqual([]);
  });

  it('are ended by an error behind them, and lost with their connection', async () => {
    const subject = new Subject<unknown>();
    const { world, proxy } = await served(side, { values$: subject.asObservable() });
    const seen: unknown[] = [];
    const watch = () =>
      proxy.values$.subscribe({
        next: (value) => seen.push(value),
        error: (error: unknown) => seen.push(error),
      });
    watch();
    await world.pass(0.01);
    subject.next(long(1));
    subject.error(new Error('failed'));
    await world.pass(1);
    expect(seen).toEqual([long(1), expect.objectContaining({ message: 'failed' })]);
    world.network.cut();
  });

  it('are not overtaken by the word that their references are given back or aborted', async () => {
    const kept: RemoteFunction<() => number>[] = [];
    const signals: AbortSignal[] = [];
    const service = {
      keep(callback: () => number, _bytes?: Uint8Array): void {
        kept.push(callback as unknown as RemoteFunction<() => number>);
      },
      watch(signal: AbortSignal, _bytes: Uint8Array): void {
        signals.push(signal);
      },
      lend: () => service.lent,
      lent: () => 1,
      take: (lent: () => Promise<number>, _bytes: Uint8Array) => lent(),
    };
    const { world, proxy, serving, using } = await served(side, service);
    const controller = new AbortController();
    // The signal is lent in a long message, and aborted while that leaves.
    const watched = proxy.watch(controller.signal, long(1));
    await turn();
    controller.abort('enough');
    await world.until(watched);
    await world.pass(0.1);
    expect(signals[0]?.reason).toBe('enough');
    // A reference goes home in a long message, and is given back while that leaves.
    const lent = await world.until(proxy.lend());
    const taken = proxy.take(lent, long(2));
    await turn();
    dispose(lent);
    expect(await world.until(taken)).toBe(1);
    await world.pass(0.1);
    expect([serving.counts().references, using.counts().references]).toEqual([1, 1]); // the signal
    expect(world.errors).toEqual([]);
  });
});

describe.each(servingSides)('streams that the %s serves behind interceptors', (side) => {
  const through: RPCInterceptor = (call, next) => next(call);

  it('may come later, fail before they come, be none, or be refused by a schema', async () => {
    let left = 0;
    const service = {
      later$: async (to: number) => {
        await turn();
        return new Observable<number>((subscriber) => {
          for (let at = 1; at <= to; at += 1) subscriber.next(at);
          return () => (left += 1);
        });
      },
      *pulled$(to: number) {
        for (let at = 1; at <= to; at += 1) yield at;
      },
      laterPulled$: async (to: number) => Promise.resolve(service.pulled$(to)),
      rejects$: async (): Promise<Observable<number>> => Promise.reject(new Error('not today')),
      none$: () => 5 as unknown as Observable<number>,
      throws$: (): Observable<number> => {
        throw new Error('at once');
      },
    };
    const { world, proxy } = await served(side, service, {
      serving: { interceptors: [through] },
      registration: { schemas: { pulled$: [z.number().max(10)] } },
    });
    const ends = async (stream$: Observable<unknown>): Promise<unknown[]> => {
      const seen: unknown[] = [];
      stream$.subscribe({
        next: (value) => seen.push(value),
        error: (error: unknown) => seen.push(error),
        complete: () => seen.push('|'),
      });
      await world.pass(0.1);
      return seen;
    };
    const failed = (fields: object) => [expect.objectContaining(fields)];
    expect(await ends(proxy.pulled$(2))).toEqual([1, 2, '|']);
    expect(await ends(proxy.laterPulled$(3))).toEqual([1, 2, 3, '|']);
    expect(await ends(proxy.rejects$())).toEqual(
      failed({ remoteName: 'Error', message: 'not today', executed: 'yes' }),
    );
    expect(await ends(proxy.throws$())).toEqual(failed({ message: 'at once', executed: 'yes' }));
    expect(await ends(proxy.none$())).toEqual(
      failed({ message: expect.stringContaining('service.none$ holds no stream') }),
    );
    expect(await ends(proxy.pulled$(11))).toEqual(failed({ code: 'invalid-arguments', executed: 'no' }));
    const subscription = proxy.later$(2).subscribe();
    await world.pass(0.1);
    subscription.unsubscribe();
    await world.pass(0.1);
    expect([left, world.errors]).toEqual([1, []]);
  });

  it('say that they never ran where an interceptor refuses them', async () => {
    const service = { values$: new Subject<number>(), lend: () => new Subject<number>() };
    const refuse: RPCInterceptor = (call, next) => {
      if (call.kind === 'subscribe' && call.direction === 'incoming') throw new Error('not for you');
      return next(call);
    };
    const { world, proxy } = await served(side, service, { serving: { interceptors: [refuse] } });
    const lent$ = await world.until(proxy.lend());
    for (const stream$ of [proxy.values$, lent$]) {
      const seen: unknown[] = [];
      stream$.subscribe({ error: (error: unknown) => seen.push(error) });
      await world.pass(0.1);
      expect(seen).toMatchObject([{ message: 'not for you', executed: 'no' }]);
    }
  });
});

describe.each(servingSides)('a notification to what the %s serves', (side) => {
  it('that an interceptor refuses throws where it does so at once, and is reported where it does so later', async () => {
    const told: unknown[] = [];
    const service = { tell: (value: unknown) => void told.push(value) };
    const refuse: RPCInterceptor = (call, next) => {
      if (call.args[0] === 'now') throw new Error('refused at once');
      if (call.args[0] !== 'later') return next(call);
      return new Observable((subscriber) => {
        void turn().then(() => {
          subscriber.error(new Error('refused later'));
        });
      });
    };
    const { world, proxy } = await served(side, service, { using: { interceptors: [refuse] } });
    expect(() => {
      notify(proxy).tell('now');
    }).toThrow('refused at once');
    notify(proxy).tell('later');
    notify(proxy).tell('yes');
    await world.pass(0.1);
    expect(told).toEqual(['yes']);
    expect(world.errors).toMatchObject([{ message: 'refused later' }]);
  });
});
