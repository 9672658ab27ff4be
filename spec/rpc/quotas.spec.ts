import { describe, expect, it } from '@jest/globals';
import { NEVER, of, Subject, type Observable } from 'rxjs';
import { currentCall, notify, withCallOptions } from 'tandem-rpc';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides } from '../helpers/served.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

/** Methods that end when the spec says so, whatever their callers do. */
class Slow {
  readonly ends: (() => void)[] = [];
  ran = 0;
  work(): Promise<number> {
    this.ran += 1;
    const result = this.ran;
    return new Promise((resolve) => {
      this.ends.push(() => {
        resolve(result);
      });
    });
  }
  quick(value: unknown): unknown {
    return value;
  }
  endAll(): void {
    for (const end of this.ends.splice(0)) end();
  }
}

const tooMany = (limit: string) => ({
  name: 'LimitExceededError',
  code: 'limit-exceeded',
  executed: 'no',
  message: expect.stringContaining(`limits.${limit}`),
});

describe.each(servingSides)('calls to the %s', (side) => {
  it('are refused before they run while as many run as may, and the connection lives', async () => {
    const slow = new Slow();
    const { world, proxy, serving } = await served(side, slow, {
      serving: { limits: { maxIncomingCalls: 2 } },
    });
    const calls = [proxy.work(), proxy.work()];
    const refused = rejectionOf(proxy.work());
    expect(await world.until(refused)).toMatchObject(tooMany('maxIncomingCalls'));
    expect([slow.ran, serving.counts().incomingCalls, serving.counts().refusedCalls]).toEqual([2, 2, 1]);
    slow.endAll();
    expect(await world.until(Promise.all(calls))).toEqual([1, 2]);
    expect(await world.until(proxy.quick('again'))).toBe('again');
  });

  it('keep their place until the method has ended, not until they are cancelled', async () => {
    const slow = new Slow();
    const { world, proxy } = await served(side, slow, { serving: { limits: { maxIncomingCalls: 1 } } });
    const controller = new AbortController();
    const left = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).work());
    await world.pass(0.01);
    controller.abort('gone');
    expect(await world.until(left)).toBe('gone');
    await world.pass(1);
    expect(await world.failureOf(proxy.work())).toMatchObject(tooMany('maxIncomingCalls'));
    slow.endAll();
    await world.pass(0.01);
    expect(await world.until(proxy.quick(1))).toBe(1);
  });

  it('that are notifications count as well; the first refused is reported, until one may run again', async () => {
    const slow = new Slow();
    const { world, proxy, serving } = await served(side, slow, {
      serving: { limits: { maxIncomingCalls: 1 } },
    });
    for (let left = 5; left > 0; left -= 1) notify(proxy).work();
    await world.pass(0.01);
    expect([slow.ran, serving.counts().refusedCalls]).toEqual([1, 4]);
    expect(world.errors).toMatchObject([{ message: expect.stringContaining('limits.maxIncomingCalls') }]);
    slow.endAll();
    await world.pass(0.01);
    for (let left = 2; left > 0; left -= 1) notify(proxy).work();
    await world.pass(0.01);
    expect([slow.ran, world.errors.length]).toEqual([2, 2]);
  });

  it('wait for their turn in order where more are made than may be under way', async () => {
    const slow = new Slow();
    const { world, proxy, using } = await served(side, slow, { using: { limits: { maxOutgoingCalls: 2 } } });
    const all = Promise.all(Array.from({ length: 7 }, () => proxy.work()));
    await world.pass(0.01);
    expect(using.counts()).toMatchObject({ calls: 7, waitingCalls: 5 });
    for (const expected of [2, 4, 6, 7]) {
      expect(slow.ran).toBe(expected);
      slow.endAll();
      await world.pass(0.01);
    }
    expect(await world.until(all)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(using.counts()).toMatchObject({ calls: 0, waitingCalls: 0 });
  });

  it('fail at once where as many wait as may, or where they cannot be sent anyhow', async () => {
    const slow = new Slow();
    const limits = { maxOutgoingCalls: 1, maxWaitingCalls: 1 };
    const { world, proxy } = await served(side, slow, { using: { limits } });
    const calls = [proxy.work(), proxy.work()];
    expect(await rejectionOf(proxy.work())).toMatchObject(tooMany('maxWaitingCalls'));
    for (const each of calls.keys()) {
      await world.pass(0.01);
      expect(slow.ran).toBe(each + 1);
      slow.endAll();
    }
    await world.until(Promise.all(calls));
    const hanging = proxy.work();
    const unknown = (proxy as unknown as { unknown(): Promise<void> }).unknown();
    expect(await rejectionOf(unknown)).toMatchObject({ code: 'unknown-method', executed: 'no' });
    await world.pass(0.01);
    slow.endAll();
    await world.until(hanging);
  });

  it('that wait end by their time, their signal or their connection, and have not run', async () => {
    const slow = new Slow();
    const { world, proxy, client, using } = await served(side, slow, {
      using: { limits: { maxOutgoingCalls: 1 } },
    });
    const first = rejectionOf(proxy.work());
    const late = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 0.5 }).work());
    const controller = new AbortController();
    const left = rejectionOf(withCallOptions(proxy, { signal: controller.signal }).work());
    const lost = rejectionOf(proxy.work());
    controller.abort('gone');
    expect(await left).toBe('gone');
    expect(await world.until(late)).toMatchObject({ code: 'timeout', executed: 'no', member: 'work' });
    expect(using.counts().waitingCalls).toBe(1);
    await world.until(client.disconnectFromServer());
    expect(await world.until(lost)).toMatchObject({ code: 'connection-lost', executed: 'no' });
    expect(await world.until(first)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    expect([slow.ran, using.counts().calls]).toEqual([1, 0]);
  });

  it('that wait have what is left of their time when their turn comes', async () => {
    let leftInSeconds: number | undefined;
    const slow = Object.assign(new Slow(), {
      look(): void {
        leftInSeconds = currentCall().remainingTimeInSeconds;
      },
    });
    const { world, proxy } = await served(side, slow, { using: { limits: { maxOutgoingCalls: 1 } } });
    const first = proxy.work();
    const second = withCallOptions(proxy, { timeoutInSeconds: 10 }).look();
    const unsendable = rejectionOf(proxy.quick(Symbol('no')));
    await world.pass(4);
    slow.endAll();
    await world.until(Promise.all([first, second]));
    expect(leftInSeconds).toBeGreaterThan(5.9);
    expect(leftInSeconds).toBeLessThan(6.1);
    expect(await world.until(unsendable)).toMatchObject({ code: 'unserializable-value', executed: 'no' });
  });

  it('that have waited do not end any more by having waited', async () => {
    const slow = new Slow();
    const { world, proxy, using } = await served(side, slow, {
      using: { limits: { maxOutgoingCalls: 1 } },
    });
    // No whole millisecond, as ever with a real clock.
    await world.pass(0.0004);
    const first = proxy.work();
    const second = rejectionOf(withCallOptions(proxy, { timeoutInSeconds: 1.0003 }).work());
    await world.pass(0.01);
    slow.endAll();
    await world.until(first);
    await world.pass(0.01);
    expect([slow.ran, using.counts().waitingCalls]).toEqual([2, 0]);
    expect(await world.until(second)).toMatchObject({ code: 'timeout', executed: 'unknown' });
    expect(using.counts()).toMatchObject({ waitingCalls: 0, waitingBytes: 0 });
  });

  it('that a served method makes do not wait for those that may wait for it', async () => {
    const service = { call: (callback: () => Promise<number>) => callback(), inner: () => 42 };
    const { world, proxy } = await served(side, service, { using: { limits: { maxOutgoingCalls: 1 } } });
    const outer = proxy.call(() => proxy.inner());
    expect(await world.until(outer)).toBe(42);
    const deep = proxy.call(() => proxy.call(() => proxy.inner()));
    expect(await world.failureOf(deep)).toMatchObject({
      message: expect.stringContaining('maxOutgoingCalls'),
    });
  });
});

describe.each(servingSides)('streams of the %s', (side) => {
  const service = () => {
    const ends: (() => void)[] = [];
    const later = (value: Observable<unknown>): Promise<Observable<unknown>> =>
      new Promise((resolve) => {
        ends.push(() => {
          resolve(value);
        });
      });
    return {
      ends,
      never$: () => NEVER as Observable<unknown>,
      later$: () => later(of(1)),
      async *slow$() {
        await new Promise<void>((resolve) => ends.push(resolve));
        yield 1;
      },
    };
  };

  it('are refused before they begin while as many are open as may be', async () => {
    const { world, proxy, serving } = await served(side, service(), {
      serving: { limits: { maxStreams: 1 } },
    });
    const open = proxy.never$().subscribe();
    const errors: unknown[] = [];
    const refuse = (): void => {
      proxy.never$().subscribe({ error: (error: unknown) => errors.push(error) });
    };
    refuse();
    await world.pass(0.01);
    expect(errors).toMatchObject([tooMany('maxStreams')]);
    expect(serving.counts()).toMatchObject({ streams: 1, refusedStreams: 1 });
    open.unsubscribe();
    await world.pass(0.01);
    refuse();
    await world.pass(0.01);
    expect(errors).toHaveLength(1);
  });

  it('fail at once at their reader when it has as many open as may be', async () => {
    const { world, proxy } = await served(side, service(), { using: { limits: { maxStreams: 1 } } });
    proxy.never$().subscribe();
    const errors: unknown[] = [];
    proxy.never$().subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toMatchObject([tooMany('maxStreams')]);
    await world.pass(0.01);
    expect(errors).toHaveLength(1);
  });

  it.each(['later$', 'slow$'] as const)(
    'keep their place until %s has ended, not until they are left',
    async (name) => {
      const slow = service();
      const { world, proxy } = await served(side, slow, { serving: { limits: { maxStreams: 1 } } });
      const left = proxy[name]().subscribe();
      await world.pass(0.01);
      left.unsubscribe();
      await world.pass(1);
      const errors: unknown[] = [];
      const again = (): void => {
        proxy.never$().subscribe({ error: (error: unknown) => errors.push(error) });
      };
      again();
      await world.pass(0.01);
      expect(errors).toMatchObject([tooMany('maxStreams')]);
      for (const end of slow.ends) end();
      await world.pass(0.01);
      again();
      await world.pass(0.01);
      expect(errors).toHaveLength(1);
    },
  );
});

describe.each(servingSides)('references and the %s', (side) => {
  const lender = () => ({ keep: (...values: readonly unknown[]) => values.length, make: () => () => 1 });

  it('are not lent beyond the bound: what would lend them is not sent', async () => {
    const { world, proxy, using } = await served(side, lender(), { using: { limits: { maxReferences: 2 } } });
    const [one, two, three] = [() => 1, () => 2, () => 3];
    expect(await world.until(proxy.keep(one, two))).toBe(2);
    expect(await world.failureOf(proxy.keep(one, three))).toMatchObject(tooMany('maxReferences'));
    expect(using.counts()).toMatchObject({ references: 2, refusedReferences: 1 });
    expect(await world.until(proxy.keep(two, one))).toBe(2);
  });

  it('are not lent by a result beyond the bound: the method has run', async () => {
    const { world, proxy, serving } = await served(side, lender(), {
      serving: { limits: { maxReferences: 1 } },
    });
    expect(await world.until(((await world.until(proxy.make())) as () => Promise<number>)())).toBe(1);
    expect(await world.failureOf(proxy.make())).toMatchObject({ code: 'limit-exceeded', executed: 'yes' });
    expect(serving.counts()).toMatchObject({ references: 1, refusedReferences: 1 });
  });

  it('are not held beyond the bound: what brings them is refused, and they are given back', async () => {
    const { world, proxy, serving, using } = await served(side, lender(), {
      serving: { limits: { maxReferences: 2 } },
    });
    const [one, two, three] = [() => 1, () => 2, () => 3];
    expect(await world.until(proxy.keep(one, two))).toBe(2);
    expect(await world.failureOf(proxy.keep(one, three))).toMatchObject(tooMany('maxReferences'));
    await world.pass(0.01);
    expect([serving.counts().refusedReferences, using.counts().references]).toEqual([1, 2]);
    expect(await world.until(proxy.keep(two, one))).toBe(2);
  });

  it('of an answer are not held beyond the bound: the call fails, and has run', async () => {
    const { world, proxy, serving, using } = await served(side, lender(), {
      using: { limits: { maxReferences: 1 } },
    });
    const first = await world.until(proxy.make());
    expect(await world.failureOf(proxy.make())).toMatchObject({ code: 'limit-exceeded', executed: 'yes' });
    await world.pass(0.01);
    expect([typeof first, using.counts().refusedReferences, serving.counts().references]).toEqual([
      'function',
      1,
      1,
    ]);
  });
});

describe('cancels', () => {
  it('of more running calls than are borne end the connection', async () => {
    const world = new VirtualWorld();
    const aborted = new Subject<void>();
    const service = {
      // Ends as soon as it is cancelled: its place is free again.
      hang: () =>
        new Promise<void>((resolve) => {
          currentCall().signal.addEventListener('abort', () => {
            aborted.next();
            resolve();
          });
        }),
    };
    const server = await world.startedServer({ localProxyObjects: { service }, limits: { maxCancels: 10 } });
    const ends = collected(server.disconnectionMade$);
    const peer = await rawClient(world);
    peer.registerAll();
    await world.pass(0.01);
    let id = 0;
    const cancelSome = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left -= 1) {
        id += 1;
        peer.send(MessageType.request, id, 'service', 'hang', []);
        peer.send(MessageType.cancel, id);
        // Of a call that has ended, or never was, it is nothing to count.
        peer.send(MessageType.cancel, id);
      }
      await world.pass(0.01);
    };
    await cancelSome(10);
    await world.pass(10);
    await cancelSome(10);
    expect([peer.end, server.counts().cancels]).toEqual([undefined, 20]);
    await cancelSome(1);
    expect(peer.end?.reason).toMatchObject({ code: 'too-many-cancels', by: 'remote' });
    expect(ends).toMatchObject([{ reason: { code: 'too-many-cancels', by: 'local' } }]);
    expect(world.errors).toMatchObject([
      { name: 'LimitExceededError', message: expect.stringContaining('limits.maxCancels') },
    ]);
    expect(server.counts().overLimits).toBe(1);
  });

  it.each(servingSides)(
    'of a batch are told to the %s as often as is borne, the others later',
    async (side) => {
      const slow = new Slow();
      let aborts = 0;
      const service = {
        hang: () => {
          currentCall().signal.addEventListener('abort', () => (aborts += 1));
          return slow.work();
        },
      };
      const limits = { maxCancels: 10 };
      const { world, proxy, using } = await served(side, service, { serving: { limits }, using: { limits } });
      const controller = new AbortController();
      const calls = Array.from({ length: 14 }, () =>
        rejectionOf(withCallOptions(proxy, { signal: controller.signal }).hang()),
      );
      await world.pass(0.01);
      controller.abort('gone');
      expect(await world.until(Promise.all(calls))).toHaveLength(14);
      await world.pass(1);
      expect(aborts).toBe(5);
      await world.pass(10);
      expect(aborts).toBe(10);
      // Answered meanwhile: nothing is left to cancel.
      slow.endAll();
      await world.pass(20);
      expect([aborts, using.counts().calls, world.errors]).toEqual([10, 0, []]);
    },
  );

  it.each(servingSides)(
    'while a session is away are no more for the %s than it bears at once',
    async (side) => {
      let aborts = 0;
      const service = {
        hang: () =>
          new Promise<void>((resolve) => {
            currentCall().signal.addEventListener('abort', () => {
              aborts += 1;
              resolve();
            });
          }),
      };
      const options = { limits: { maxCancels: 4 }, resume: { windowInSeconds: 60 } };
      const { world, proxy, using, server } = await served(side, service, {
        serving: options,
        using: options,
      });
      const ends = collected(server.disconnectionMade$);
      const controllers = Array.from({ length: 12 }, () => new AbortController());
      const calls = controllers.map(({ signal }) => rejectionOf(withCallOptions(proxy, { signal }).hang()));
      await world.pass(0.1);
      world.network.refuseConnections = true;
      world.network.cut();
      for (const controller of controllers) {
        controller.abort('gone');
        await world.pass(3);
      }
      await world.until(Promise.all(calls));
      world.network.refuseConnections = false;
      await world.pass(10);
      expect(aborts).toBe(2);
      await world.pass(70);
      expect([aborts, using.counts().calls, ends]).toEqual([12, 0, []]);
    },
  );
});
