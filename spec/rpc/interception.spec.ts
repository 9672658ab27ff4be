import { describe, expect, it } from '@jest/globals';
import { finalize } from 'rxjs';
import { type RPCInterceptor, withCallOptions } from 'tandem-rpc';
import { VirtualWorld } from '../helpers/virtual-world.js';

const failure = new Error('the teardown failed');

/** An interceptor whose teardown throws, as a broken measurement would. */
const broken: RPCInterceptor = (call, next) =>
  next(call).pipe(
    finalize(() => {
      throw failure;
    }),
  );

const service = {
  fail: async () => Promise.reject(new Error('failed')),
  never: async () => new Promise<void>(() => undefined),
};

describe.each(['server', 'client'] as const)('an interceptor of the %s whose teardown throws', (side) => {
  async function made() {
    const world = new VirtualWorld();
    const interceptors = [broken];
    const { client } = await world.pair(
      { localProxyObjects: { service }, ...(side === 'server' ? { interceptors } : {}) },
      side === 'client' ? { interceptors } : {},
    );
    const proxy = client.remoteProxyObject<typeof service>('service');
    if (proxy === undefined) throw new Error('the service was expected to be there');
    return { world, client, proxy };
  }

  it('is reported, and the caller has the answer all the same', async () => {
    const { world, proxy } = await made();
    expect(await world.failureOf(proxy.fail())).toMatchObject({ code: 'remote', message: 'failed' });
    await world.pass(0.01);
    expect(world.errors).toEqual([failure]);
  });

  it('keeps no caller waiting that gives up', async () => {
    const { world, client, proxy } = await made();
    const controller = new AbortController();
    const result = world.failureOf(withCallOptions(proxy, { signal: controller.signal }).never());
    await world.pass(0.01);
    controller.abort('gone');
    expect(await result).toBe('gone');
    expect(client.isConnected()).toBe(true);
  });
});
