import { describe, expect, it } from '@jest/globals';
import { catchError, finalize, map, of, retry, Subject, tap, throwError, type Observable } from 'rxjs';
import {
  eachValueFrom,
  notify,
  rx,
  withCallOptions,
  type InterceptedCall,
  type RPCInterceptor,
} from 'tandem-rpc';
import { served, servingSides, type ServingSide } from '../helpers/served.js';
import { collected, turn } from '../helpers/virtual-world.js';

class Service {
  runs = 0;
  readonly told: unknown[] = [];
  readonly subject = new Subject<number>();
  readonly subject$ = this.subject.asObservable();
  deposit(amount: number): number {
    this.runs += 1;
    return amount;
  }
  flaky(): string {
    this.runs += 1;
    if (this.runs < 3) throw new Error(`failed ${this.runs}`);
    return 'well';
  }
  fail(): void {
    throw new Error('failed');
  }
  tell(value: unknown): void {
    this.told.push(value);
  }
  *count$(to: number): Generator<number> {
    for (let at = 1; at <= to; at += 1) {
      this.runs += 1;
      yield at;
    }
  }
  async callBack(callback: (value: number) => number): Promise<number> {
    return callback(20);
  }
}

/** Writes down what passes, with its end. */
function recorder() {
  const log: string[] = [];
  const interceptor: RPCInterceptor = (call, next) => {
    const what = `${call.direction} ${call.kind} ${call.object}.${call.member}(${call.args.map(String).join()})`;
    log.push(what);
    return next(call).pipe(
      tap({
        next: (value) => log.push(`${what} = ${String(value)}`),
        error: (error: unknown) => log.push(`${what} failed: ${(error as Error).message}`),
      }),
      finalize(() => log.push(`${what} over`)),
    );
  };
  return { log, interceptor };
}

describe.each(servingSides)('interceptors around what the %s serves', (side: ServingSide) => {
  const serve = async (where: 'serving' | 'using', ...interceptors: RPCInterceptor[]) => {
    const service = new Service();
    return { service, ...(await served(side, service, { [where]: { interceptors } })) };
  };

  describe.each([
    ['serving', 'incoming', 'outgoing'],
    ['using', 'outgoing', 'incoming'],
  ] as const)('on the %s side', (where, forth, back) => {
    it('see calls, notifications, subscriptions and callbacks, and their ends', async () => {
      const { log, interceptor } = recorder();
      const { world, proxy, service } = await serve(where, interceptor);
      await world.until(proxy.deposit(5));
      notify(proxy).tell('word');
      await world.pass(0.01);
      expect(service.told).toEqual(['word']);
      const values = collected(proxy.count$(2));
      await world.pass(0.01);
      expect(values).toEqual([1, 2, '|']);
      await world.failureOf(proxy.fail());
      await world.until(proxy.callBack((value) => value + 1));
      await world.pass(0.01);
      const arrow = expect.stringMatching(new RegExp(`^${forth} call service.callBack\\(`));
      expect(log).toEqual([
        `${forth} call service.deposit(5)`,
        `${forth} call service.deposit(5) = 5`,
        `${forth} call service.deposit(5) over`,
        `${forth} notify service.tell(word)`,
        `${forth} notify service.tell(word)${where === 'serving' ? ' = undefined' : ' over'}`,
        ...(where === 'serving' ? [`${forth} notify service.tell(word) over`] : []),
        `${forth} subscribe service.count$(2)`,
        `${forth} subscribe service.count$(2) = 1`,
        `${forth} subscribe service.count$(2) = 2`,
        `${forth} subscribe service.count$(2) over`,
        `${forth} call service.fail()`,
        `${forth} call service.fail() failed: failed`,
        `${forth} call service.fail() over`,
        arrow,
        `${back} call reference.(20)`,
        `${back} call reference.(20) = 21`,
        `${back} call reference.(20) over`,
        arrow,
        arrow,
      ]);
    });

    it('change arguments and results', async () => {
      const doubled: RPCInterceptor = (call, next) =>
        next(call.with({ args: call.args.map((arg) => Number(arg) * 2) })).pipe(
          map((value) => -Number(value)),
        );
      const { world, proxy } = await serve(where, doubled);
      expect(await world.until(proxy.deposit(5))).toBe(-10);
      const values = collected(proxy.count$(2));
      await world.pass(0.01);
      expect(values).toEqual([-1, -2, -3, -4, '|']);
    });

    it('try again, answer by themselves, and refuse', async () => {
      const again: RPCInterceptor = (call, next) => next(call).pipe(retry(2));
      const { world, proxy, service } = await serve(where, again);
      expect(await world.until(proxy.flaky())).toBe('well');
      expect(service.runs).toBe(3);

      const cached: RPCInterceptor = () => of('cached');
      const other = await serve(where, cached);
      expect(await other.world.until(other.proxy.deposit(1))).toBe('cached');
      expect(other.service.runs).toBe(0);

      const refused: RPCInterceptor = (call) =>
        throwError(() => Object.assign(new Error(`${call.member} is not for you`), { code: 'EACCES' }));
      const third = await serve(where, refused);
      const error = await third.world.failureOf(third.proxy.deposit(1));
      expect(error).toMatchObject(
        where === 'serving'
          ? { name: 'RemoteError', remoteCode: 'EACCES', executed: 'no' }
          : { code: 'EACCES', message: 'deposit is not for you' },
      );
      const failed: unknown[] = [];
      third.proxy.count$(1).subscribe({ error: (each: unknown) => failed.push(each) });
      await third.world.pass(0.01);
      expect(failed).toHaveLength(1);
      expect(third.service.runs).toBe(0);
    });

    it('turn a failure into a value', async () => {
      const forgiving: RPCInterceptor = (call, next) => next(call).pipe(catchError(() => of('forgiven')));
      const { world, proxy } = await serve(where, forgiving);
      expect(await world.until(proxy.flaky())).toBe('forgiven');
    });

    it('leave the pace of a stream as it is', async () => {
      const { interceptor } = recorder();
      const { world, proxy, service } = await serve(where, interceptor);
      const values = eachValueFrom(proxy.count$(100_000));
      expect((await world.until(values.next())).value).toBe(1);
      await world.pass(1);
      expect(service.runs).toBeLessThan(300);
      await values.return?.();
      await world.pass(0.01);
      expect(service.runs).toBeLessThan(300);
    });

    it('hear of it when the caller gives up', async () => {
      let isLeft = false;
      const watching: RPCInterceptor = (call, next) => next(call).pipe(finalize(() => (isLeft = true)));
      const { world, proxy } = await serve(where, watching);
      const subscription = proxy.subject$.subscribe();
      await world.pass(0.01);
      subscription.unsubscribe();
      await world.pass(0.01);
      expect(isLeft).toBe(true);
    });
  });

  it('compose in order, on both sides', async () => {
    const log: string[] = [];
    const named =
      (name: string): RPCInterceptor =>
      (call, next) => {
        log.push(name);
        return next(call).pipe(tap(() => log.push(`${name} done`)));
      };
    const service = new Service();
    const { world, proxy } = await served(side, service, {
      using: { interceptors: [named('a'), named('b')] },
      serving: { interceptors: [named('c'), named('d')] },
    });
    await world.until(proxy.deposit(1));
    expect(log).toEqual(['a', 'b', 'c', 'd', 'd done', 'c done', 'b done', 'a done']);
  });

  it('know the call: its connection, metadata and signal', async () => {
    const calls: InterceptedCall[] = [];
    const keep: RPCInterceptor = (call, next) => {
      calls.push(call);
      return next(call);
    };
    const stamp: RPCInterceptor = (call, next) =>
      next(call.with({ metadata: { trace: 7, was: call.metadata } }));
    const service = new Service();
    const { world, proxy, id } = await served(side, service, {
      using: { interceptors: [keep, stamp] },
      serving: { interceptors: [keep] },
    });
    const { signal } = new AbortController();
    await world.until(withCallOptions(proxy, { metadata: 'mine', signal }).deposit(1));
    expect(calls).toMatchObject([
      { direction: 'outgoing', kind: 'call', connectionID: id, metadata: 'mine' },
      { direction: 'incoming', kind: 'call', connectionID: id, metadata: { trace: 7, was: 'mine' } },
    ]);
    expect(calls[0]?.signal).toBe(signal);
    const [cold] = collected(rx(proxy).deposit(2) as Observable<unknown>);
    expect(cold).toBeUndefined();
    await turn();
  });
});
