import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { notify, withCallOptions, type CallOptions } from 'tandem-rpc';
import type { Caller } from '../../src/proxies/caller.js';
import { createRemoteProxy } from '../../src/proxies/remote-proxy.js';

interface Service {
  greet(name: string): string;
}

function recorded() {
  const sent: unknown[] = [];
  const caller: Caller = {
    call: (...call) => {
      sent.push(['call', ...call]);
      return Promise.resolve('answer');
    },
    notify: (...call) => {
      sent.push(['notify', ...call]);
    },
    members: (object) => (object === 'service' ? ['greet'] : undefined),
  };
  return { sent, proxy: createRemoteProxy<Service>(caller, 'service'), caller };
}

/** What string conversion makes of it. */
const text = (value: unknown): string => String(value);

describe('a RemoteProxy', () => {
  it('sends a call for each method called', async () => {
    const { sent, proxy } = recorded();
    const { greet } = proxy;
    await expect(greet('you')).resolves.toBe('answer');
    expect(sent).toEqual([['call', 'service', 'greet', ['you'], {}]]);
    expect(proxy.greet).toBe(greet);
  });

  it.each<[string, (proxy: object) => unknown]>([
    ['await', async (proxy) => proxy],
    ['Promise.resolve', (proxy) => Promise.resolve(proxy)],
    ['JSON.stringify', (proxy) => JSON.stringify({ proxy })],
    ['util.inspect', (proxy) => inspect(proxy, { showHidden: true, depth: 5 })],
    ['util.inspect with showProxy', (proxy) => inspect(proxy, { showProxy: true })],
    ['a template string', (proxy) => text(proxy)],
    ['toLocaleString', (proxy) => (Reflect.get(proxy, 'toLocaleString') as () => unknown)()],
    ['a number', (proxy) => Number(proxy)],
    ['Symbol.iterator', (proxy) => Reflect.get(proxy, Symbol.iterator) as unknown],
    ['Symbol.asyncIterator', (proxy) => Reflect.get(proxy, Symbol.asyncIterator) as unknown],
    ['in', (proxy) => ['greet' in proxy, 'other' in proxy, Symbol.iterator in proxy]],
    ['keys', (proxy) => [Object.keys(proxy), Reflect.ownKeys(proxy), { ...proxy }]],
    ['own property', (proxy) => Object.getOwnPropertyDescriptor(proxy, 'greet')],
    ['set', (proxy) => Reflect.set(proxy, 'greet', 1)],
    ['define', (proxy) => Reflect.defineProperty(proxy, 'greet', { value: 1 })],
    ['delete', (proxy) => Reflect.deleteProperty(proxy, 'greet')],
    ['set the prototype', (proxy) => Reflect.setPrototypeOf(proxy, null)],
    ['freeze', (proxy) => Reflect.preventExtensions(proxy)],
    ['instanceof', (proxy) => [proxy instanceof Promise, proxy instanceof Object]],
    ['valueOf', (proxy) => proxy.valueOf() === proxy],
  ])('sends nothing for %s', async (_what, look) => {
    const { sent, proxy } = recorded();
    await look(proxy);
    expect(sent).toEqual([]);
  });

  it('answers what JavaScript asks of any object in the plainest way', () => {
    const { proxy } = recorded();
    const looked = proxy as unknown as Record<string, unknown>;
    for (const name of ['then', 'catch', 'finally', 'toJSON', 'prototype'])
      expect(looked[name]).toBeUndefined();
    expect(looked.constructor).toBe(Object);
    expect([text(proxy), inspect(proxy), JSON.stringify(proxy)]).toEqual([
      '[RemoteProxy service]',
      '[RemoteProxy service]',
      '{}',
    ]);
    expect(['greet' in proxy, 'other' in proxy, 'toString' in proxy]).toEqual([true, false, false]);
    expect('greet' in createRemoteProxy<Service>(recorded().caller, 'gone')).toBe(false);
    for (const change of [Reflect.set, Reflect.defineProperty]) expect(change(proxy, 'a', {})).toBe(false);
    expect(Reflect.deleteProperty(proxy, 'greet')).toBe(false);
  });
});

describe('withCallOptions()', () => {
  it('adds options to those that the proxy has, and leaves that one alone', async () => {
    const { sent, proxy } = recorded();
    const { signal } = new AbortController();
    const withSignal = withCallOptions(proxy, { signal, timeoutInSeconds: 1 });
    await withCallOptions(withSignal, { timeoutInSeconds: null, metadata: 1 }).greet('a');
    await proxy.greet('b');
    expect(sent).toEqual([
      ['call', 'service', 'greet', ['a'], { signal, timeoutInSeconds: null, metadata: 1 }],
      ['call', 'service', 'greet', ['b'], {}],
    ]);
  });

  it('leaves a proxy of notify() one', () => {
    const { sent, proxy } = recorded();
    const notifying = withCallOptions(notify(proxy), { metadata: 1 }) as { greet(name: string): unknown };
    const result = notifying.greet('a');
    expect(result).toBeUndefined();
    expect(sent).toEqual([['notify', 'service', 'greet', ['a'], { metadata: 1 }]]);
  });

  it.each<[unknown, string]>([
    [{ timeout: 1 }, 'there is no call option "timeout", only timeoutInSeconds, signal, metadata'],
    [{ timeoutInSeconds: 0 }, 'timeoutInSeconds is 0; allowed is more than 0 up to 2147483, or null'],
    [{ timeoutInSeconds: '1' }, 'timeoutInSeconds is 1'],
    [{ timeoutInSeconds: 2_147_484 }, 'timeoutInSeconds is 2147484'],
    [{ signal: {} }, 'signal is no AbortSignal'],
    [{ signal: null }, 'signal is no AbortSignal'],
  ])('refuses %j', (options, message) => {
    expect(() => withCallOptions(recorded().proxy, options as CallOptions)).toThrow(message);
  });

  it('refuses what is no proxy, as notify() does', () => {
    for (const wrong of [{}, undefined, null]) {
      expect(() => withCallOptions(wrong as object, {})).toThrow('a proxy of a remote object is needed');
      expect(() => notify(wrong as never)).toThrow('a proxy of a remote object is needed');
    }
  });
});
