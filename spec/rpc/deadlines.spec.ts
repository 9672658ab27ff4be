import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, NEVER, timer, type Observable } from 'rxjs';
import { currentCall, withCallOptions, type RemoteFunction } from 'tandem-rpc';
import { served, servingSides } from '../helpers/served.js';
import { rejectionOf } from '../helpers/virtual-world.js';

type Ask = () => Promise<number | undefined>;

describe.each(servingSides)('the time of a call that the %s serves', (side) => {
  it('travels with it, and its signal fires at the end of it', async () => {
    const signals: AbortSignal[] = [];
    const service = {
      wait(): Promise<never> {
        signals.push(currentCall().signal);
        return new Promise(() => undefined);
      },
      timeLeft: () => currentCall().remainingTimeInSeconds,
    };
    const { world, proxy } = await served(side, service);
    expect(await world.until(proxy.timeLeft())).toBeUndefined();
    const hurried = withCallOptions(proxy, { timeoutInSeconds: 5 });
    expect(await world.until(hurried.timeLeft())).toBe(5);
    const late = rejectionOf(hurried.wait());
    await world.pass(4.9);
    expect(signals[0]?.aborted).toBe(false);
    await world.pass(0.2);
    expect(await late).toMatchObject({ code: 'timeout', executed: 'unknown' });
    expect(signals[0]?.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('is inherited by the calls made meanwhile, unless they say otherwise', async () => {
    let passed$: Observable<unknown> = NEVER;
    const service = {
      async ask(callback: Ask): Promise<(number | undefined)[]> {
        await firstValueFrom(passed$);
        const first = await callback();
        const own = await withCallOptions(callback, { timeoutInSeconds: 60 })();
        const none = await withCallOptions(callback, { timeoutInSeconds: null })();
        return [first, own, none];
      },
      async waitAndAsk(callback: RemoteFunction<Ask>): Promise<unknown> {
        await new Promise((resolve) => {
          currentCall().signal.addEventListener('abort', resolve);
        });
        return callback();
      },
    };
    const { world, proxy } = await served(side, service);
    passed$ = timer(1_000, world.scheduler);
    const asked: unknown[] = [];
    const timeLeft = (): Promise<number | undefined> => {
      asked.push(1);
      return Promise.resolve(currentCall().remainingTimeInSeconds);
    };
    const [first, own, none] = await world.until(
      withCallOptions(proxy, { timeoutInSeconds: 5 }).ask(timeLeft),
    );
    expect(first).toBeCloseTo(4, 2);
    expect([own, none]).toEqual([60, undefined]);
    expect(await world.until(proxy.ask(timeLeft))).toEqual([undefined, 60, undefined]);
    // What is called when nothing is left is not sent.
    asked.length = 0;
    await world.failureOf(withCallOptions(proxy, { timeoutInSeconds: 1 }).waitAndAsk(timeLeft));
    await world.pass(1);
    expect(asked).toEqual([]);
  });

  it('is told of what is called, or subscribed to, when nothing of it is left', async () => {
    const failures: unknown[] = [];
    const service = {
      async ask(callback: Ask, stream$: typeof NEVER): Promise<void> {
        await new Promise((resolve) => {
          currentCall().signal.addEventListener('abort', resolve);
        });
        failures.push(await rejectionOf(callback()), await rejectionOf(firstValueFrom(stream$)));
      },
    };
    const { world, proxy, id } = await served(side, service);
    const timeLeft: Ask = () => Promise.resolve(0);
    const call = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 1 }).ask(timeLeft, NEVER));
    await world.pass(2);
    await call;
    const details = { code: 'timeout', executed: 'no', connectionID: id, member: '' };
    expect(failures).toMatchObject([
      { ...details, object: 'reference' },
      { ...details, object: 'reference' },
    ]);
  });

  it('bounds the streams that are subscribed to meanwhile', async () => {
    const service = {
      async follow(stream$: typeof NEVER): Promise<unknown> {
        return new Promise((resolve) => {
          stream$.subscribe({ error: resolve });
        });
      },
    };
    const { world, proxy, serving, using } = await served(side, service);
    const call = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 2 }).follow(NEVER));
    await world.pass(0.5);
    expect(using.counts().streams).toBe(1);
    await world.pass(2);
    expect(await call).toMatchObject({ code: 'timeout' });
    for (const each of [serving, using]) expect(each.counts().streams).toBe(0);
  });
});

describe.each(servingSides)('an AbortSignal given to what the %s serves', (side) => {
  class Service {
    readonly signals: AbortSignal[] = [];
    keep(...signals: AbortSignal[]): void {
      this.signals.push(...signals);
    }
    keepNested({ options: [signal] }: { options: AbortSignal[] }): void {
      this.signals.push(signal!);
    }
    abortable(signal: AbortSignal): Promise<string> {
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve((signal.reason as Error).message);
        });
      });
    }
  }

  it('is mirrored, with its reason, wherever it stands', async () => {
    const service = new Service();
    const { world, proxy } = await served(side, service);
    const controller = new AbortController();
    const { signal } = controller;
    const message = proxy.abortable(signal);
    await world.until(proxy.keepNested({ options: [signal] }));
    await world.until(proxy.keep(signal, AbortSignal.abort('already')));
    const [nested, plain, already] = service.signals;
    expect(nested).toBe(plain);
    expect([nested?.aborted, already?.aborted, already?.reason]).toEqual([false, true, 'already']);
    expect(nested).toBeInstanceOf(AbortSignal);
    controller.abort(new RangeError('enough'));
    expect(await world.until(message)).toBe('enough');
    expect(nested?.reason).toBeInstanceOf(Error);
    expect(nested?.aborted).toBe(true);
  });

  it('is aborted without its reason when that cannot cross', async () => {
    const service = new Service();
    const { world, proxy } = await served(side, service);
    const controller = new AbortController();
    await world.until(proxy.keep(controller.signal));
    controller.abort(Symbol('no'));
    await world.pass(0.01);
    expect(service.signals[0]?.reason).toMatchObject({ name: 'AbortError' });
  });

  it('fires when the connection ends, since nobody can abort it any more', async () => {
    const service = new Service();
    const { world, proxy, serving, using } = await served(side, service);
    const controller = new AbortController();
    await world.until(proxy.keep(controller.signal));
    expect([serving.counts().references, using.counts().references]).toEqual([1, 1]);
    world.network.cut();
    await world.pass(0.1);
    expect([serving.counts().references, using.counts().references]).toEqual([0, 0]);
    expect(service.signals[0]?.reason).toMatchObject({ code: 'connection-lost' });
    controller.abort();
    await world.pass(0.1);
    expect(world.errors).toEqual([]);
  });
});
