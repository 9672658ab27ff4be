import { afterEach, describe, expect, it } from '@jest/globals';
import { finalize, lastValueFrom, NEVER, of, retry, Subject, switchMap, timer, type Observable } from 'rxjs';
import { notify, rx, withCallOptions, type RPCInterceptor } from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides } from '../helpers/served.js';
import { rejectionOf, turn, VirtualWorld } from '../helpers/virtual-world.js';

const passOn: RPCInterceptor = (call, next) => next(call);

const never = async (): Promise<void> => new Promise(() => undefined);

describe.each(servingSides)('interceptors of the %s around what it serves', (side) => {
  it('are left when the caller gives up, and when its connection ends', async () => {
    let tries = 0;
    let left = 0;
    const again: RPCInterceptor = (call, next) =>
      call.direction === 'outgoing'
        ? next(call)
        : next(call).pipe(
            retry({ delay: () => timer(1_000, made.world.scheduler) }),
            finalize(() => (left += 1)),
          );
    const service = {
      fail(): void {
        tries += 1;
        throw new Error('no');
      },
    };
    const made = await served(side, service, { serving: { interceptors: [again] } });
    const { world, proxy, serving, client } = made;
    const controller = new AbortController();
    const result = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).fail());
    await world.pass(3.5);
    controller.abort('gone');
    expect(await world.until(result)).toBe('gone');
    await world.pass(10);
    expect({ tries, left }).toEqual({ tries: 4, left: 1 });
    expect(serving.counts().incomingCalls).toBe(0);

    const lost = rejectionOf(proxy.fail());
    await world.pass(0.5);
    await world.until(client.disconnectFromServer());
    expect(await world.until(lost)).toMatchObject({ code: 'connection-lost' });
    await world.pass(10);
    expect({ tries, left }).toEqual({ tries: 5, left: 2 });
  });

  it('are left at the deadline of the call', async () => {
    let left = 0;
    const interceptors: RPCInterceptor[] = [() => NEVER.pipe(finalize(() => (left += 1)))];
    const { world, proxy, serving } = await served(side, { never }, { serving: { interceptors } });
    const result = world.failureOf(withCallOptions(proxy, { timeoutInSeconds: 1 }).never());
    expect(await result).toMatchObject({ code: 'timeout' });
    await world.pass(1);
    expect(left).toBe(1);
    expect(serving.counts().incomingCalls).toBe(0);
  });

  it('may answer before the method has ended, whose slot is free only then', async () => {
    const work = new Subject<string>();
    const early: RPCInterceptor = (call, next) => {
      if (call.direction === 'incoming') next(call).subscribe();
      return call.direction === 'incoming' ? of('early') : next(call);
    };
    const service = { work: async () => lastValueFrom(work) };
    const { world, proxy, serving } = await served(side, service, { serving: { interceptors: [early] } });
    expect(await world.until(proxy.work())).toBe('early');
    await world.pass(1);
    expect(serving.counts().incomingCalls).toBe(1);
    work.next('done');
    work.complete();
    await turn();
    expect(serving.counts().incomingCalls).toBe(0);
  });

  it('go on around a notification, for which nobody waits', async () => {
    const hits: string[] = [];
    const slowly: RPCInterceptor = (call, next) =>
      call.direction === 'outgoing'
        ? next(call)
        : timer(1_000, made.world.scheduler).pipe(switchMap(() => next(call)));
    const service = { hit: (text: string) => hits.push(text) };
    const made = await served(side, service, { serving: { interceptors: [slowly] } });
    const { world, proxy, client } = made;
    notify(proxy).hit('before the end');
    await world.pass(0.1);
    await world.until(client.disconnectFromServer());
    await world.pass(2);
    expect(hits).toEqual(['before the end']);
  });
});

describe('a notification that its own interceptors hold', () => {
  it('is not made any more once its side is disposed of', async () => {
    let left = 0;
    const held: RPCInterceptor = () => NEVER.pipe(finalize(() => (left += 1)));
    const { proxy, using, world } = await served(
      'server',
      { hit: () => 1 },
      { using: { interceptors: [held] } },
    );
    notify(proxy).hit();
    expect(left).toBe(0);
    await world.until(using.dispose());
    expect(left).toBe(1);
  });

  it('throws at nobody while it is left', async () => {
    const broken: RPCInterceptor = () =>
      NEVER.pipe(
        finalize(() => {
          throw new Error('the teardown failed');
        }),
      );
    const { proxy, using, world } = await served(
      'client',
      { hit: () => 1 },
      { using: { interceptors: [broken] } },
    );
    notify(proxy).hit();
    await world.until(using.dispose());
    expect(world.errors.map(({ message }) => message)).toEqual(['the teardown failed']);
  });
});

describe('a signal', () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => {
    warnings.push(message);
  };

  afterEach(() => {
    process.off('warning', onWarning);
    warnings.length = 0;
  });

  it.each([
    ['without interceptors', []],
    ['with interceptors', [passOn]],
  ])('is shared by any number of calls and streams without a warning, %s', async (_, interceptors) => {
    process.on('warning', onWarning);
    const service = { never, values$: new Subject<number>() };
    const { world, proxy, using, server } = await served('server', service, { using: { interceptors } });
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = withCallOptions(proxy, { signal, whenDisconnected: 'wait' });
    const ends: unknown[] = [];
    const note = (error: unknown): void => {
      ends.push(error);
    };
    const makeAll = (): void => {
      for (let made = 0; made < 12; made += 1) {
        waiting.never().catch(note);
        waiting.values$.subscribe({ error: note });
        rx(waiting).never().subscribe({ error: note });
      }
    };
    makeAll();
    await world.pass(0.1);
    await world.until(server.stop());
    await world.pass(0.1);
    expect(ends).toHaveLength(36);
    // There is no connection: these wait for one.
    makeAll();
    await world.pass(0.1);
    controller.abort('enough');
    await world.pass(0.1);
    expect(ends.slice(36)).toEqual(Array<string>(36).fill('enough'));
    expect(using.counts()).toMatchObject({ calls: 0, streams: 0 });
    await turn();
    expect(warnings).toEqual([]);
  });

  it('that is aborted is so over there before what is sent after that arrives', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const peer = await rawClient(world);
    peer.registerAll(['theirs', ['take', 'next']]);
    await world.pass(0.01);
    interface Theirs {
      take(signal: AbortSignal): void;
      next(): void;
    }
    const theirs = server.remoteProxyObject<Theirs>(peer.connectionID ?? '', 'theirs')!;
    const controller = new AbortController();
    const calls = [rejectionOf(theirs.take(controller.signal))];
    await world.pass(0.01);
    controller.abort();
    calls.push(rejectionOf(theirs.next()));
    await world.pass(0.01);
    const { request, abort } = MessageType;
    const types = peer.received.map(([type]) => type).filter((type) => type === request || type === abort);
    expect(types).toEqual([request, abort, request]);
    await world.until(server.stop());
    await world.until(Promise.all(calls));
  });

  it('ends a call and a stream also where reading their arguments aborts it', async () => {
    const service = { never, values$: (_: unknown): Observable<number> => new Subject() };
    const { world, proxy, using, serving } = await served('server', service);
    const ends: unknown[] = [];
    const note = (error: unknown): void => {
      ends.push(error);
    };
    const aborting = (): readonly [AbortSignal, object] => {
      const controller = new AbortController();
      return [
        controller.signal,
        {
          get value(): number {
            controller.abort('gone');
            return 1;
          },
        },
      ];
    };
    const [ofCall, argument] = aborting();
    (withCallOptions(proxy, { signal: ofCall }).never as (value: unknown) => Promise<void>)(argument).catch(
      note,
    );
    const [ofStream, other] = aborting();
    withCallOptions(proxy, { signal: ofStream }).values$(other).subscribe({ error: note });
    await world.pass(1);
    expect(ends).toEqual(['gone', 'gone']);
    expect(using.counts()).toMatchObject({ calls: 0, streams: 0 });
    expect(serving.counts().streams).toBe(0);
  });

  it('that is aborted already crosses as such, also with a reason that cannot', async () => {
    class Reason {
      explain(): void {}
    }
    const service = {
      look: ({ aborted, reason }: AbortSignal): unknown[] => [aborted, (reason as Error).name, reason],
    };
    const { world, proxy, using } = await served('server', service);
    for (const reason of [new Reason(), { lent: () => 1, not: Symbol('s') }]) {
      const [isAborted, name] = await world.until(proxy.look(AbortSignal.abort(reason)));
      expect([isAborted, name]).toEqual([true, 'AbortError']);
    }
    await world.pass(0.1);
    // What was in the reason was not lent; the signals wait for their collection.
    expect(using.counts().references).toBe(2);
    expect(await world.until(proxy.look(AbortSignal.abort({ name: 'mine' })))).toEqual([
      true,
      'mine',
      { name: 'mine' },
    ]);
  });
});

describe('an object that is registered anew under its name', () => {
  it('with a method where a stream was, is what it is now, also for a proxy that is held', async () => {
    const { world, proxy, server } = await served<{ values$: unknown }>('server', { values$: of(1) });
    const held = proxy as unknown as {
      values$: Observable<number> & ((value: number) => Observable<number>);
    };
    const seen: number[] = [];
    const note = (value: number): void => {
      seen.push(value);
    };
    expect(held.values$).toBe(held.values$);
    held.values$.subscribe(note);
    await world.pass(0.1);
    server.unregisterProxyObject('service');
    server.registerProxyObject('service', { values$: (value: number) => of(value) });
    await world.pass(0.1);
    held.values$(7).subscribe(note);
    await world.pass(0.1);
    expect(seen).toEqual([1, 7]);
  });
});

describe('a call that is made behind the answer of the one that it belongs to', () => {
  it('is bound by its own time, no longer by the one of that call', async () => {
    const told: string[] = [];
    const service = {
      watch: (tell: (text: string) => void): string => {
        const { scheduler } = world;
        scheduler.schedule(() => {
          tell('soon');
        }, 1_000);
        void (async () => {
          await new Promise<void>((resolve) => {
            scheduler.schedule(() => {
              resolve();
            }, 7_000);
          });
          tell('late');
        })();
        return 'watching';
      },
    };
    const { world, proxy } = await served('server', service, { using: { callTimeoutInSeconds: 5 } });
    expect(await world.until(proxy.watch((text) => told.push(text)))).toBe('watching');
    await world.pass(10);
    expect(told).toEqual(['soon', 'late']);
    expect(world.errors).toEqual([]);
  });
});
