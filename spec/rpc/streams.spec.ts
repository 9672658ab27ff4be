import { describe, expect, it } from '@jest/globals';
import {
  BehaviorSubject,
  defer,
  from,
  isObservable,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  repeat,
  retry,
  share,
  Subject,
  switchMap,
  take,
  throwError,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';
import {
  currentCall,
  eachValueFrom,
  RemoteError,
  StreamLostError,
  UnknownMethodError,
  withCallOptions,
} from 'tandem-rpc';
import { served, servingSides, type Served } from '../helpers/served.js';
import { turn } from '../helpers/virtual-world.js';

/** What a subscription sees. */
function watched<T>(stream$: Observable<T>) {
  const seen: unknown[] = [];
  const subscription = stream$.subscribe({
    next: (value) => seen.push(value),
    error: (error: unknown) => seen.push(error),
    complete: () => seen.push('|'),
  });
  return { seen, subscription };
}

class Service {
  readonly subject = new Subject<unknown>();
  readonly subject$ = this.subject.asObservable();
  readonly balance$ = new BehaviorSubject(5);
  subscribed = 0;
  left = 0;
  readonly open$ = new Observable<number>((subscriber) => {
    this.subscribed += 1;
    subscriber.next(this.subscribed);
    return () => {
      this.left += 1;
    };
  });
  readonly failing$ = defer(() => {
    this.subscribed += 1;
    return this.subscribed % 3 === 0 ? of('well') : throwError(() => new Error(`failed ${this.subscribed}`));
  });
  readonly noStream$ = 5;
  range$(count: number): Observable<number> {
    return from(Array.from({ length: count }, (_, at) => at));
  }
  async later$(count: number): Promise<Observable<number>> {
    await turn();
    return this.range$(count);
  }
  *generated$(count: number): Generator<number> {
    for (let at = 0; at < count; at += 1) yield at;
  }
  async *generatedLater$(count: number): AsyncGenerator<number> {
    for (let at = 0; at < count; at += 1) {
      await turn();
      yield at;
    }
  }
  fail$(): Observable<never> {
    throw Object.assign(new TypeError('no such year'), { code: 'E_YEAR', data: { year: 1 } });
  }
  scaled$(values$: Observable<number>, factor: number): Observable<number> {
    return values$.pipe(map((value) => value * factor));
  }
  async sum({ nested: [values] }: { nested: AsyncIterable<number>[] }): Promise<number> {
    let sum = 0;
    for await (const value of values!) sum += value;
    return sum;
  }
  range(count: number): Observable<number> {
    return this.range$(count);
  }
  echo(value: unknown): unknown {
    return value;
  }
}

describe.each(servingSides)('streams that the %s serves', (side) => {
  const serve = async (settings = {}): Promise<Served<Service> & { readonly service: Service }> => {
    const service = new Service();
    return { ...(await served(side, service, settings)), service };
  };

  it('are values in order, and their completion', async () => {
    const { world, proxy, service, serving, using } = await serve();
    const { seen } = watched(proxy.subject$);
    await world.pass(0.01);
    for (const value of [1, 'two', { three: 3 }, undefined, null]) service.subject.next(value);
    service.subject.complete();
    expect(seen).toEqual([]);
    await world.pass(0.01);
    expect(seen).toEqual([1, 'two', { three: 3 }, undefined, null, '|']);
    for (const each of [serving, using]) expect(each.counts()).toMatchObject({ streams: 0, queuedBytes: 0 });
  });

  it('begin with their first credit: the first value takes one round trip', async () => {
    const { world, proxy } = await serve({ latencyInSeconds: 1 });
    const { seen } = watched(proxy.balance$);
    await world.pass(1.99);
    expect(seen).toEqual([]);
    await world.pass(0.02);
    expect(seen).toEqual([5]);
  });

  it.each(['range$', 'later$', 'generated$', 'generatedLater$'] as const)(
    'come from a method with arguments: %s',
    async (name) => {
      const { world, proxy } = await serve();
      const stream$ = (proxy as unknown as Record<string, (count: number) => Observable<number>>)[name]!(100);
      expect(await world.until(lastValueFrom(stream$.pipe(toArray())))).toEqual(
        Array.from({ length: 100 }, (_, at) => at),
      );
    },
  );

  it('come as the result of a method without $, and of a lent one', async () => {
    const { world, proxy, serving } = await serve();
    const range$ = await world.until(proxy.range(3));
    expect(isObservable(range$)).toBe(true);
    expect(await world.until(lastValueFrom(range$.pipe(toArray())))).toEqual([0, 1, 2]);
    expect(await world.until(lastValueFrom(range$.pipe(toArray())))).toEqual([0, 1, 2]);
    expect(serving.counts()).toMatchObject({ streams: 0, references: 1 });
  });

  it('are cold: each subscription is one there, and leaving it runs its teardown', async () => {
    const { world, proxy, service, serving, using } = await serve();
    const streams = [watched(proxy.open$), watched(proxy.open$)];
    await world.pass(0.01);
    expect([service.subscribed, service.left, streams.map(({ seen }) => seen)]).toEqual([2, 0, [[1], [2]]]);
    for (const each of [serving, using]) expect(each.counts().streams).toBe(2);
    streams[0]!.subscription.unsubscribe();
    expect(using.counts().streams).toBe(2); // until the other side has said that it knows
    await world.pass(0.01);
    for (const each of [serving, using]) expect(each.counts().streams).toBe(1);
    expect(service.left).toBe(1);
    streams[1]!.subscription.unsubscribe();
    await world.pass(0.01);
    for (const each of [serving, using]) expect(each.counts().streams).toBe(0);
    expect([service.left, world.errors]).toEqual([2, []]);
  });

  it('that are left at once end there as soon as they begin', async () => {
    const { world, proxy, service, serving, using } = await serve();
    const seen: unknown[] = [];
    proxy.open$.subscribe((value) => seen.push(value)).unsubscribe();
    proxy.open$.pipe(take(1)).subscribe((value) => seen.push(value));
    await world.pass(0.01);
    expect([service.subscribed, service.left, seen]).toEqual([2, 2, [2]]);
    for (const each of [serving, using]) expect(each.counts().streams).toBe(0);
  });

  it('end by the error of their source, which says that they ran', async () => {
    const { world, proxy, id } = await serve();
    const error = await world.failureOf(lastValueFrom(proxy.fail$()));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      message: 'no such year',
      remoteName: 'TypeError',
      remoteCode: 'E_YEAR',
      data: { year: 1 },
      executed: 'yes',
      connectionID: id,
      object: 'service',
      member: 'fail$',
    });
  });

  it.each([
    ['missing$', UnknownMethodError, '"service" has no method or stream "missing$"'],
    ['noStream$', Error, 'service.noStream$ holds no stream: an Observable or an AsyncIterable is needed'],
  ])('that are not there end by an error: %s', async (name, Kind, message) => {
    const { world, proxy } = await serve();
    const stream$ = Reflect.get(proxy, name) as Observable<unknown>;
    const error = await world.failureOf(lastValueFrom(stream$));
    expect(error).toBeInstanceOf(Kind);
    expect((error as Error).message).toContain(message);
  });

  it('are begun anew by retry and repeat', async () => {
    const { world, proxy, service } = await serve();
    expect(await world.until(lastValueFrom(proxy.failing$.pipe(retry(2))))).toBe('well');
    expect(service.subscribed).toBe(3);
    const twice$ = proxy.range$(2).pipe(repeat(2), toArray());
    expect(await world.until(lastValueFrom(twice$))).toEqual([0, 1, 0, 1]);
  });

  it('are shared, and switched, as local ones are', async () => {
    const { world, proxy, service } = await serve();
    const shared$ = proxy.open$.pipe(share());
    const subscriptions = [shared$.subscribe(), shared$.subscribe()];
    await world.pass(0.01);
    expect(service.subscribed).toBe(1);
    for (const each of subscriptions) each.unsubscribe();
    await world.pass(0.01);
    expect(service.left).toBe(1);

    const choice$ = new Subject<number>();
    const { seen } = watched(choice$.pipe(switchMap(() => proxy.open$)));
    for (const choice of [1, 2]) {
      choice$.next(choice);
      await world.pass(0.01);
    }
    expect([seen, service.left]).toEqual([[2, 3], 2]);
  });

  it('go the other way as arguments, also nested ones, and out again', async () => {
    const { world, proxy, serving, using } = await serve();
    let left = 0;
    const mine$ = new Observable<number>((subscriber) => {
      for (const value of [1, 2, 3]) subscriber.next(value);
      subscriber.complete();
      return () => (left += 1);
    });
    const scaled$ = proxy.scaled$(mine$, 10).pipe(toArray());
    expect(await world.until(lastValueFrom(scaled$))).toEqual([10, 20, 30]);
    expect(left).toBe(1);
    async function* values() {
      yield 4;
      await turn();
      yield 5;
    }
    expect(await world.until(proxy.sum({ nested: [values()] }))).toBe(9);
    await world.pass(0.01);
    for (const each of [serving, using]) expect(each.counts().streams).toBe(0);
  });

  it('of both directions end together when the reader leaves', async () => {
    const { world, proxy, serving, using } = await serve();
    let isLeft = false;
    const mine$ = new Observable<number>((subscriber) => {
      subscriber.next(1);
      return () => {
        isLeft = true;
      };
    });
    const { seen, subscription } = watched(proxy.scaled$(mine$, 2));
    await world.pass(0.01);
    expect([seen, serving.counts().streams, using.counts().streams]).toEqual([[2], 2, 2]);
    subscription.unsubscribe();
    await world.pass(0.01);
    expect([isLeft, serving.counts().streams, using.counts().streams]).toEqual([true, 0, 0]);
  });

  it('do not come after the answer to a call that was given after them', async () => {
    const subject = new Subject<string>();
    const service = {
      subject$: subject.asObservable(),
      echo(value: number) {
        subject.next(`before ${value}`);
        return value;
      },
    };
    const { world, proxy } = await served(side, service);
    const { seen } = watched(proxy.subject$);
    await world.pass(0.01);
    for (const value of [1, 2]) seen.push(await world.until(proxy.echo(value)));
    expect(seen).toEqual(['before 1', 1, 'before 2', 2]);
  });

  it('end when the connection does, each with an error that says whether it ran', async () => {
    const { world, proxy, service, serving, using } = await serve();
    const ran = watched(proxy.open$);
    const silent = watched(proxy.subject$);
    await world.pass(0.01);
    const unseen = watched(proxy.open$);
    world.network.cut();
    await world.pass(0.1);
    const details = { object: 'service', code: 'stream-lost' };
    expect(ran.seen).toEqual([1, expect.any(StreamLostError)]);
    expect(ran.seen[1]).toMatchObject({ ...details, member: 'open$', executed: 'yes' });
    expect(silent.seen).toEqual([expect.objectContaining({ ...details, executed: 'unknown' })]);
    expect(unseen.seen).toHaveLength(1);
    expect([service.left, serving.counts().streams, using.counts().streams]).toEqual([
      service.subscribed,
      0,
      0,
    ]);
    expect(world.errors).toEqual([]);
  });

  it('end by their signal, with its reason, and by their time', async () => {
    const { world, proxy, service } = await serve();
    const controller = new AbortController();
    const reason = new Error('enough');
    const signalled = watched(withCallOptions(proxy, { signal: controller.signal }).open$);
    const timed = watched(withCallOptions(proxy, { timeoutInSeconds: 5 }).open$);
    await world.pass(1);
    controller.abort(reason);
    expect(signalled.seen).toEqual([1, reason]);
    const late = watched(withCallOptions(proxy, { signal: controller.signal }).open$);
    expect(late.seen).toEqual([reason]);
    await world.pass(3.9);
    expect(timed.seen).toEqual([2]);
    await world.pass(0.2);
    expect(timed.seen[1]).toMatchObject({
      code: 'timeout',
      message: 'service.open$ did not end within 5 s',
      executed: 'yes',
    });
    expect([service.subscribed, service.left]).toEqual([2, 2]);
  });

  it('have a call whose signal fires when the reader leaves, or at its deadline, also before there is a source', async () => {
    const signals: AbortSignal[] = [];
    const service = {
      pending$: async () => {
        signals.push(currentCall().signal);
        return new Promise<Observable<number>>(() => undefined);
      },
      given$: () => {
        signals.push(currentCall().signal);
        return NEVER;
      },
    };
    const { world, proxy } = await served(side, service);
    const reader = [proxy.pending$().subscribe(), proxy.given$().subscribe()];
    const hurried = withCallOptions(proxy, { timeoutInSeconds: 2 });
    hurried.pending$().subscribe({ error: () => undefined });
    hurried.given$().subscribe({ error: () => undefined });
    await world.pass(0.5);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false, false]);
    for (const each of reader) each.unsubscribe();
    await world.pass(0.5);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false, false]);
    await world.pass(2);
    expect(signals.map(({ reason }) => (reason as Error).name)).toEqual([
      'AbortError',
      'AbortError',
      'TimeoutError',
      'TimeoutError',
    ]);
    expect(world.errors).toEqual([]);
  });

  it('report what an observer throws, and an error that nobody takes, and go on', async () => {
    const { world, proxy, service } = await serve();
    const bug = new Error('bug');
    const seen: unknown[] = [];
    proxy.subject$.subscribe((value) => {
      seen.push(value);
      if (value === 1) throw bug;
    });
    // eslint-disable-next-line rxjs-x/no-async-subscribe, @typescript-eslint/no-misused-promises -- as users do
    proxy.subject$.subscribe(async () => Promise.reject(bug));
    await world.pass(0.01);
    for (const value of [1, 2]) service.subject.next(value);
    service.subject.error(new Error('over'));
    await world.pass(0.01);
    expect(seen).toEqual([1, 2]);
    // Three by the observers, and an end for each of two subscriptions that handle none.
    expect(world.errors).toHaveLength(5);
    expect(world.errors.filter((error) => error === bug)).toHaveLength(3);
    expect(world.errors.filter((error) => error.message === 'over')).toHaveLength(2);
    expect(await world.until(proxy.echo('still there'))).toBe('still there');
  });

  it('outlive a teardown that throws, on either side', async () => {
    const bug = new Error('bug');
    const fail = (): never => {
      throw bug;
    };
    const service = { broken$: new Observable<number>(() => fail), echo: (value: number) => value };
    const { world, proxy, serving, using } = await served(side, service);
    const subscription = proxy.broken$.subscribe();
    const ending$ = new Observable<number>((subscriber) => {
      subscriber.add(fail);
      return proxy.broken$.subscribe(subscriber);
    });
    ending$.subscribe({ error: () => undefined });
    await world.pass(0.01);
    subscription.unsubscribe();
    await world.pass(0.01);
    expect(world.errors).toEqual([bug]);
    expect(await world.until(proxy.echo(1))).toBe(1);
    world.network.cut();
    await world.pass(0.1);
    expect(new Set(world.errors)).toEqual(new Set([bug]));
    for (const each of [serving, using]) expect(each.counts().streams).toBe(0);
  });

  it('end where a value cannot cross, which is named; those before it arrive', async () => {
    const { world, proxy, service, serving } = await serve();
    const { seen } = watched(proxy.subject$);
    await world.pass(0.01);
    service.subject.next(1);
    service.subject.next({ items: [Symbol('no')] });
    service.subject.next(3);
    await world.pass(0.01);
    expect(seen).toEqual([1, expect.objectContaining({ code: 'unserializable-value', executed: 'yes' })]);
    expect((seen[1] as Error).message).toContain('values[0].items[0]');
    expect(serving.counts().streams).toBe(0);
    expect(await world.until(proxy.echo('fine'))).toBe('fine');
  });

  it('are asked for by a loop, which the producer waits for', async () => {
    let asked = 0;
    let isOver = false;
    const service = {
      *numbers$(): Generator<number> {
        try {
          for (;;) yield (asked += 1);
        } finally {
          isOver = true;
        }
      },
    };
    const { world, proxy, serving } = await served(side, service);
    const values = eachValueFrom(proxy.numbers$().pipe(map((value) => value * 2)));
    const taken: number[] = [];
    for (let count = 0; count < 100; count += 1) {
      const { value } = (await world.until(values.next())) as IteratorYieldResult<number>;
      taken.push(value);
      await world.pass(0.01);
      // A few in advance, however long it waits.
      expect(asked).toBeLessThanOrEqual(count + 1 + 257);
    }
    expect(taken).toEqual(Array.from({ length: 100 }, (_, at) => (at + 1) * 2));
    await values.return?.();
    await world.pass(0.01);
    expect([isOver, serving.counts().streams]).toEqual([true, 0]);
  });

  it('return credit when the observer has run on its scheduler, not when values arrive', async () => {
    const held = new VirtualTimeScheduler();
    let produced = 0;
    const service = {
      *numbers$(): Generator<number> {
        while (produced < 10_000) yield (produced += 1);
      },
    };
    const { world, proxy, using } = await served(side, service, { using: { callbackScheduler: held } });
    held.flush();
    const values: number[] = [];
    proxy.numbers$().subscribe((value) => values.push(value));
    await world.pass(60);
    // The first credit, and what waits at the producer for the next: nothing ran here.
    expect([values, produced]).toEqual([[], expect.any(Number)]);
    expect(produced).toBeLessThanOrEqual(32 + 1);
    expect(using.counts().streams).toBe(1);
    for (let turns = 0; turns < 1_000 && using.counts().streams > 0; turns += 1) {
      held.flush();
      await world.pass(0.01);
    }
    held.flush();
    expect(values).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1));
  });
});
