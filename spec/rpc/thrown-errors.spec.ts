import { describe, expect, it } from '@jest/globals';
import { ConnectionLostError, type ErrorExposure, RemoteError } from 'tandem-rpc';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** What a caller gets for a thrown value. */
async function crossing(thrown: unknown, exposeErrors: ErrorExposure = 'message'): Promise<RemoteError> {
  const world = new VirtualWorld();
  const service = {
    fail: () => {
      throw thrown;
    },
  };
  const { client } = await world.pair({ localProxyObjects: { service }, exposeErrors });
  const error = await world.failureOf(client.remoteProxyObject<typeof service>('service')!.fail());
  await world.pass(0.01);
  expect([client.isConnected(), world.errors]).toEqual([true, []]);
  expect(error).toBeInstanceOf(RemoteError);
  expect((error as RemoteError).executed).toBe('yes');
  return error as RemoteError;
}

const withGetter = (name: string): Error =>
  Object.defineProperty(new Error('x'), name, {
    enumerable: true,
    get: () => {
      throw new Error('secret');
    },
  });

describe('what a method throws', () => {
  it('crosses with its name, message, code and data, and without its stack and cause', async () => {
    const error = await crossing(
      Object.assign(new TypeError('bad', { cause: new Error('secret') }), {
        code: 'E_BAD',
        data: { field: 'x' },
      }),
    );
    expect(error).toMatchObject({
      message: 'bad',
      remoteName: 'TypeError',
      remoteCode: 'E_BAD',
      data: { field: 'x' },
    });
    expect([error.remoteStack, error.cause]).toEqual([undefined, undefined]);
    expect(error.stack).not.toContain('secret');
  });

  it('crosses also with half a character, and ends that call only', async () => {
    const half = '\ud83d';
    const error = await crossing(
      Object.assign(new Error(`m${half}`), { name: `n${half}`, code: `c${half}`, data: { text: half } }),
    );
    expect(error).toMatchObject({ message: 'm\ufffd', remoteName: 'n\ufffd', remoteCode: 'c\ufffd' });
    expect(error.data).toBeUndefined();
    expect((await crossing(half)).message).toBe('\ufffd');
    expect((await crossing(new Error('x'.repeat(1_022) + '\u{1f600}yy'))).message).toMatch(/x\ufffd…$/);
  });

  it('tells nothing of another connection when it is an error of a call that the method made', async () => {
    const details = { executed: 'unknown', connectionID: 'secret', object: 'other', member: 'do' } as const;
    const error = await crossing(new ConnectionLostError('lost', details));
    expect(error).toMatchObject({ remoteName: 'ConnectionLostError', remoteCode: 'connection-lost' });
    expect(error.data).toBeUndefined();
    const remote = { remoteName: 'E', remoteCode: 'EIO', data: { a: 1 } };
    const passedOn = await crossing(new RemoteError('x', remote, details));
    expect(passedOn).toMatchObject(remote);
    expect(passedOn.data).toEqual({ a: 1 });
  });

  it('crosses with its own further members as data', async () => {
    class LowFunds extends Error {
      override readonly name = 'LowFunds';
      readonly missing = 5n;
      readonly currency = 'EUR';
    }
    const error = await crossing(Object.assign(new LowFunds('low'), { code: 402 }));
    expect(error).toMatchObject({
      remoteName: 'LowFunds',
      remoteCode: 402,
      data: { missing: 5n, currency: 'EUR' },
    });
  });

  it('crosses as its code alone with exposeErrors "code"', async () => {
    const error = await crossing(
      Object.assign(new TypeError('secret'), { code: 'E', data: 'secret' }),
      'code',
    );
    expect(error).toMatchObject({
      message: 'the method failed',
      remoteName: 'Error',
      remoteCode: 'E',
      data: undefined,
    });
    expect(await crossing('secret', 'code')).toMatchObject({
      message: 'the method failed',
      remoteCode: undefined,
    });
  });

  it('crosses with its stack with exposeErrors "stack"', async () => {
    const error = await crossing(new Error('deep'), 'stack');
    expect(error.remoteStack).toMatch(/^Error: deep\n\s+at /);
    expect(
      (await crossing(Object.assign(new Error('x'), { stack: 5 }), 'stack')).remoteStack,
    ).toBeUndefined();
  });

  it.each([
    ['text', 'text', 'text'],
    [42, '42', 42],
    [null, 'null', null],
    [undefined, 'undefined', undefined],
    [Symbol('s'), 'Symbol(s)', undefined],
    [7n, '7', 7n],
    [{ why: 'object' }, '', { why: 'object' }],
    [{ name: 5, message: 5, code: {} }, '', undefined],
  ])('may be no error: %p', async (thrown, message, data) => {
    const error = await crossing(thrown);
    expect([error.message, error.remoteName, error.data]).toEqual([message, 'Error', data]);
  });

  it('is never the source text of a function', async () => {
    expect(await crossing(() => 'secret')).toMatchObject({
      message: 'the method threw a function',
      data: undefined,
    });
  });

  it.each([
    ['a getter that throws', withGetter('data')],
    ['a message that throws', withGetter('message')],
    ['a code that throws', withGetter('code')],
    ['a revoked Proxy', revoked()],
    [
      'a Proxy that throws',
      new Proxy(new Error('x'), {
        get: () => {
          throw new Error('secret');
        },
      }),
    ],
  ])('is a constant text when it cannot be read: %s', async (_what, thrown) => {
    for (const exposure of ['message', 'stack'] as const) {
      const error = await crossing(thrown, exposure);
      expect([error.message, error.data]).toEqual([
        'the method threw something that cannot be read',
        undefined,
      ]);
    }
  });

  it('is cut where it is endless', async () => {
    const error = await crossing(
      Object.assign(new Error('m'.repeat(1_000_000)), { name: 'n'.repeat(1_000), code: 'c'.repeat(1_000) }),
      'stack',
    );
    expect([error.message.length, error.remoteName.length, String(error.remoteCode).length]).toEqual([
      1_024, 128, 128,
    ]);
    expect(error.message.endsWith('…')).toBe(true);
    expect(error.remoteStack?.length).toBeLessThanOrEqual(8_192);
  });

  it('loses data that is too large or cannot cross, and nothing else', async () => {
    for (const data of ['x'.repeat(17 * 1_024), () => undefined, new WeakMap()]) {
      expect(await crossing(Object.assign(new Error('m'), { code: 'C', data }))).toMatchObject({
        message: 'm',
        remoteCode: 'C',
        data: undefined,
      });
    }
    const data = 'x'.repeat(16_000);
    expect((await crossing(Object.assign(new Error('m'), { data }))).data).toBe(data);
  });

  it('may be frozen, or a rejection', async () => {
    expect(await crossing(Object.freeze(new Error('frozen')))).toMatchObject({ message: 'frozen' });
    const world = new VirtualWorld();
    const service = { fail: () => Promise.reject(new RangeError('rejected')) };
    const { server, id } = await world.pair({}, { localProxyObjects: { service } });
    const call = server.remoteProxyObject<typeof service>(id, 'service')!.fail();
    expect(await world.failureOf(call)).toMatchObject({ remoteName: 'RangeError', message: 'rejected' });
  });

  it('may come from a thenable that misbehaves', async () => {
    const world = new VirtualWorld();
    const service = {
      broken: () => ({
        then: () => {
          throw new Error('then threw');
        },
      }),
      unreadable: () =>
        Object.defineProperty({}, 'then', {
          get: () => {
            throw new Error('no then');
          },
        }),
    };
    const { client } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<{ broken(): void; unreadable(): void }>('service')!;
    expect(await world.failureOf(proxy.broken())).toMatchObject({
      name: 'RemoteError',
      message: 'then threw',
    });
    expect(await world.failureOf(proxy.unreadable())).toMatchObject({
      name: 'RemoteError',
      message: 'no then',
    });
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
  revoke();
  return proxy;
}
