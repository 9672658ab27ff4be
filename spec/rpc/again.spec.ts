import { describe, expect, it } from '@jest/globals';
import { type Observable, Subject } from 'rxjs';
import { type StreamLostError, withCallOptions } from 'tandem-rpc';
import { rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

const never = new Promise<never>(() => undefined);

class Service {
  readonly ran: string[] = [];
  readonly ticks = new Subject<number>();
  subscribed = 0;

  /** Runs for ever the first so many times. */
  patience = 1;

  answer(what: string): Promise<string> | string {
    this.ran.push(what);
    this.patience -= 1;
    return this.patience >= 0 ? never : what;
  }

  get ticks$(): Observable<number> {
    this.subscribed += 1;
    return this.ticks.asObservable();
  }
}

async function connected(extras: object = {}, clientExtras: object = {}) {
  const world = new VirtualWorld();
  const service = new Service();
  const { server, client, id } = await world.pair(
    { localProxyObjects: { service }, ...extras },
    clientExtras,
  );
  const proxy = client.remoteProxyObject<Service>('service');
  if (proxy === undefined) throw new Error('the service was expected to be there');
  return { world, service, server, client, id, proxy };
}

describe('a call that is idempotent', () => {
  it('is made again on the next session', async () => {
    const { world, service, proxy } = await connected();
    const answer = withCallOptions(proxy, { idempotent: true }).answer('a');
    await world.pass(0.01);
    world.network.cut();
    expect(await world.until(answer)).toBe('a');
    expect(service.ran).toEqual(['a', 'a']);
  });

  it('is made again when a session that could be resumed was not', async () => {
    const resume = { windowInSeconds: 1 };
    const { world, service, proxy } = await connected({ resume }, { resume, timeoutInSeconds: 1 });
    const answer = withCallOptions(proxy, { idempotent: true }).answer('a');
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(5);
    world.network.refuseConnections = false;
    expect(await world.until(answer)).toBe('a');
    expect(service.ran).toEqual(['a', 'a']);
  });

  it('is made five times at most', async () => {
    const { world, service, client, proxy } = await connected();
    service.patience = 100;
    const failure = rejectionOf(withCallOptions(proxy, { idempotent: true }).answer('a'));
    for (let at = 0; at < 6; at += 1) {
      await world.until(client.whenConnected());
      await world.pass(0.01);
      world.network.cut();
      await world.pass(0.001);
    }
    expect(await world.until(failure)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    expect(service.ran).toHaveLength(5);
  });

  it('has one time for all attempts', async () => {
    const { world, service, client, proxy } = await connected();
    service.patience = 100;
    const options = { idempotent: true, timeoutInSeconds: 3 };
    const start = world.now;
    const failure = rejectionOf(withCallOptions(proxy, options).answer('a'));
    await world.pass(1);
    world.network.cut();
    expect(await world.until(failure)).toMatchObject({ code: 'timeout', executed: 'unknown' });
    expect(world.now - start).toBeCloseTo(3, 3);
    expect(client.counts().calls).toBe(0);
  });

  it('says that it may have run, though its last attempt did not', async () => {
    const { world, service, server, proxy } = await connected();
    const failure = rejectionOf(withCallOptions(proxy, { idempotent: true }).answer('a'));
    await world.pass(0.01);
    server.unregisterProxyObject('service');
    world.network.cut();
    expect(await world.until(failure)).toMatchObject({ code: 'unknown-object', executed: 'unknown' });
    expect(service.ran).toEqual(['a']);
  });

  it('ends with the error of its session when the client is stopped, and with the reason of its signal', async () => {
    const { world, service, client, proxy } = await connected();
    service.patience = 100;
    const failure = rejectionOf(withCallOptions(proxy, { idempotent: true }).answer('a'));
    const { signal, ...controller } = aborting();
    const aborted = rejectionOf(withCallOptions(proxy, { idempotent: true, signal }).answer('b'));
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    controller.abort(new Error('enough'));
    expect(await world.until(aborted)).toEqual(new Error('enough'));
    await client.disconnectFromServer();
    expect(await world.until(failure)).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
  });

  it('is called once where it throws', async () => {
    const { world, server, client } = await connected();
    let ran = 0;
    server.registerProxyObject('thrower', {
      fail() {
        ran += 1;
        throw new Error('no');
      },
    });
    await world.pass(0.01);
    const thrower = client.remoteProxyObject<{ fail(): void }>('thrower');
    if (thrower === undefined) throw new Error('expected it to be there');
    await world.failureOf(withCallOptions(thrower, { idempotent: true }).fail());
    expect(ran).toBe(1);
  });
});

describe('a stream that is lost', () => {
  it('says which value was the last', async () => {
    const { world, service, proxy } = await connected();
    const errors: unknown[] = [];
    proxy.ticks$.subscribe({ error: (error: unknown) => errors.push(error) });
    const none: unknown[] = [];
    await world.pass(0.01);
    service.ticks.next(1);
    service.ticks.next(2);
    await world.pass(0.01);
    proxy.ticks$.subscribe({ error: (error: unknown) => none.push(error) });
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.01);
    expect(errors).toMatchObject([{ code: 'stream-lost', lastIndex: 1, executed: 'yes', stage: 'received' }]);
    expect(none).toMatchObject([{ code: 'stream-lost', lastIndex: -1, executed: 'unknown', stage: 'sent' }]);
  });

  it('is subscribed to again where it says so, and tells of the gap before what follows', async () => {
    const { world, service, client, proxy } = await connected();
    const seen: unknown[] = [];
    const resubscribe = (gap: StreamLostError): void => {
      seen.push(['gap', gap.lastIndex]);
    };
    const subscription = withCallOptions(proxy, { resubscribe }).ticks$.subscribe((value) =>
      seen.push(value),
    );
    await world.pass(0.01);
    service.ticks.next(1);
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.001);
    await world.until(client.whenConnected());
    await world.pass(0.01);
    service.ticks.next(2);
    await world.pass(0.01);
    expect(seen).toEqual([1, ['gap', 0], 2]);
    subscription.unsubscribe();
    await world.pass(0.01);
    expect(service.ticks.observed).toBe(false);
    expect(client.counts().streams).toBe(0);
  });

  it('reports the gap where nobody else is told', async () => {
    const { world, client, proxy } = await connected();
    withCallOptions(proxy, { resubscribe: true }).ticks$.subscribe();
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.001);
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(world.errors).toMatchObject([{ code: 'stream-lost' }]);
  });

  it('is not subscribed to again by one who has left meanwhile', async () => {
    const { world, service, client, proxy } = await connected();
    const subscription = withCallOptions(proxy, { resubscribe: true }).ticks$.subscribe();
    await world.pass(0.01);
    const before = service.subscribed;
    world.network.cut();
    await world.pass(0.001);
    subscription.unsubscribe();
    await world.until(client.whenConnected());
    await world.pass(0.01);
    expect(service.subscribed).toBe(before);
    expect(world.errors).toEqual([]);
  });

  it('ends as it was lost when the client is stopped, or its time is over', async () => {
    const { world, client, proxy } = await connected();
    const ends = [{ resubscribe: true }, { resubscribe: true, timeoutInSeconds: 0.5 }].map((options) => {
      const seen: unknown[] = [];
      withCallOptions(proxy, options).ticks$.subscribe({ error: (error: unknown) => seen.push(error) });
      return seen;
    });
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(1);
    expect(ends).toMatchObject([[], [{ code: 'stream-lost' }]]);
    await client.disconnectFromServer();
    await world.pass(0.01);
    expect(ends).toMatchObject([[{ code: 'stream-lost' }], [{ code: 'stream-lost' }]]);
  });

  it('ends with the reason of its signal', async () => {
    const { world, proxy } = await connected();
    const { signal, abort } = aborting();
    const seen: unknown[] = [];
    const options = { resubscribe: true, signal };
    withCallOptions(proxy, options).ticks$.subscribe({ error: (error: unknown) => seen.push(error) });
    await world.pass(0.01);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.01);
    abort(new Error('enough'));
    await world.pass(0.01);
    expect(seen).toEqual([new Error('enough')]);
  });
});

describe('the stage of a failed call', () => {
  it('is "queued" for what never left', async () => {
    const { world, client, proxy } = await connected();
    await client.disconnectFromServer();
    expect(await world.failureOf(proxy.answer('a'))).toMatchObject({
      executed: 'no',
      stage: 'queued',
    });
  });

  it('is "sent" for what may have come, "received" for what was acknowledged', async () => {
    const resume = { windowInSeconds: 30 };
    for (const [extras, stage] of [
      [{}, 'sent'],
      [{ resume }, 'received'],
    ] as const) {
      const { world, proxy } = await connected(extras, extras);
      const timely = withCallOptions(proxy, { timeoutInSeconds: 1 });
      const failure = await world.failureOf(timely.answer('a'));
      expect(failure).toMatchObject({ code: 'timeout', executed: 'unknown', stage });
    }
  });

  it('is "received" for what was answered, whatever with', async () => {
    const { world, server, client } = await connected();
    server.registerProxyObject('thrower', {
      fail() {
        throw new Error('no');
      },
    });
    await world.pass(0.01);
    const thrower = client.remoteProxyObject<{ fail(): void }>('thrower');
    const failure = await world.failureOf(thrower?.fail() ?? never);
    expect(failure).toMatchObject({ executed: 'yes', stage: 'received' });
  });

  it('is known from the last words of a server that stops', async () => {
    const { world, server, proxy } = await connected();
    const failure = rejectionOf(proxy.answer('a'));
    await world.pass(0.01);
    const stopped = server.stop();
    expect(await world.until(failure)).toMatchObject({ executed: 'unknown', stage: 'received' });
    await world.until(stopped);
  });
});

describe('the call options', () => {
  it.each([
    [{ idempotent: 1 }, 'idempotent is 1; allowed are true and false'],
    [{ resubscribe: 'yes' }, 'resubscribe is "yes"; allowed are true, false and a function'],
  ])('refuse %p', async (options, text) => {
    const { proxy } = await connected();
    expect(() => withCallOptions(proxy, options as never)).toThrow(text);
  });
});

function aborting(): { readonly signal: AbortSignal; readonly abort: (reason: Error) => void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}
