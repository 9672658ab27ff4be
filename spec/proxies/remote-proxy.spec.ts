import { describe, expect, it } from '@jest/globals';
import {
  combineLatest,
  firstValueFrom,
  from,
  isObservable,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  of,
  retry,
  type Subscription,
  switchMap,
  take,
  throwError,
  toArray,
  withLatestFrom,
} from 'rxjs';
import { inspect } from 'node:util';
import {
  type CallOptions,
  dispose,
  droppedCount,
  eachValueFrom,
  notify,
  type RemoteFunction,
  type RemoteReference,
  rx,
  withCallOptions,
} from 'tandem-rpc';
import type { Target } from '../../src/protocol/messages.js';
import type { Caller } from '../../src/proxies/caller.js';
import { createRemoteFunction, createRemoteProxy } from '../../src/proxies/remote-proxy.js';
import { RemoteStream } from '../../src/streams/remote-stream.js';
import { uncaughtDuring } from '../helpers/uncaught.js';

interface Service {
  greet(name: string): string;
  now$: Observable<number>;
  since$(from?: number): Observable<number>;
}

/** A caller by hand: what it was asked, and which streams were subscribed to and left. */
function recorded() {
  const sent: unknown[] = [];
  const streamed: unknown[] = [];
  const reported: unknown[] = [];
  const answers: (() => Promise<unknown>)[] = [];
  const sources: Observable<unknown>[] = [];
  const caller: Caller = {
    report: (error) => {
      reported.push(error);
    },
    call: (...call) => {
      sent.push(['call', ...call]);
      return answers.shift()?.() ?? Promise.resolve('answer');
    },
    notify: (...call) => {
      sent.push(['notify', ...call]);
    },
    stream: (...call) =>
      new RemoteStream(caller.report, (sink) => {
        streamed.push(call);
        if (sink.pace !== undefined) streamed.push('at a pace');
        sink.onDropped(1);
        const subscription = (sources.shift() ?? of(1, 2, 3)).subscribe(sink);
        return () => {
          streamed.push('left');
          subscription.unsubscribe();
        };
      }),
    members: (object) => (object === 'gone' ? undefined : ['greet', 'now$', 'since$']),
    properties: (object) => (object === 'gone' ? undefined : ['now$']),
  };
  const proxy = createRemoteProxy<Service>(caller, 'service');
  return { sent, streamed, reported, answers, sources, proxy, caller };
}

/** A reference to such an object. */
function lent() {
  let disposals = 0;
  const known = recorded();
  const reference = createRemoteProxy<Service>(known.caller, 7, {
    label: 'reference',
    dispose: () => {
      disposals += 1;
    },
  }) as RemoteReference<Service>;
  return { ...known, reference, disposals: () => disposals };
}

/** A remote function. */
function lentFunction() {
  let disposals = 0;
  const known = recorded();
  const remote = createRemoteFunction(known.caller, 8, () => {
    disposals += 1;
  }) as RemoteFunction<(text: string) => string>;
  return { ...known, remote, disposals: () => disposals };
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
    expect(text(createRemoteProxy(recorded().caller, 'bank', { label: 'my bank' }))).toBe(
      '[RemoteProxy my bank]',
    );
    for (const change of [Reflect.set, Reflect.defineProperty]) expect(change(proxy, 'a', {})).toBe(false);
    expect(Reflect.deleteProperty(proxy, 'greet')).toBe(false);
  });

  it('is neither an Observable nor a matcher that equals everything, unless its object has such a method', () => {
    const { proxy, caller, sent } = recorded();
    expect(isObservable(proxy)).toBe(false);
    expect(() => from(proxy as never)).toThrow(TypeError);
    expect(proxy).not.toEqual({ greet: 1 });
    expect([proxy]).toEqual([proxy]);
    const lifting = createRemoteProxy<{ lift(): void }>({ ...caller, members: () => ['lift'] }, 'crane');
    void lifting.lift();
    expect(sent).toEqual([['call', 'crane', 'lift', [], {}]]);
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
    [
      { timeout: 1 },
      'there is no call option "timeout", only timeoutInSeconds, signal, metadata, whenDisconnected',
    ],
    [{ timeoutInSeconds: 0 }, 'timeoutInSeconds is 0; allowed is more than 0 up to 2147483, or null'],
    [{ timeoutInSeconds: '1' }, 'timeoutInSeconds is 1'],
    [{ timeoutInSeconds: 2_147_484 }, 'timeoutInSeconds is 2147484'],
    [{ signal: {} }, 'signal is no AbortSignal'],
    [{ signal: null }, 'signal is no AbortSignal'],
    [{ timeoutInSeconds: NaN }, 'timeoutInSeconds is NaN'],
    [{ whenDisconnected: 'retry' }, 'whenDisconnected is "retry"; allowed are "fail" and "wait"'],
    [{ whenDisconnected: null }, 'whenDisconnected is null'],
    [undefined, 'call options must be an object'],
    [null, 'call options must be an object'],
    [1, 'call options must be an object'],
  ])('refuses %j', (options, message) => {
    expect(() => withCallOptions(recorded().proxy, options as CallOptions)).toThrow(message);
  });

  it('takes each option, at its limits', async () => {
    const { sent, proxy } = recorded();
    const { signal } = new AbortController();
    for (const options of [
      {},
      { timeoutInSeconds: 2_147_483 },
      { timeoutInSeconds: 0.001, signal, metadata: undefined, whenDisconnected: 'wait' },
      { whenDisconnected: 'fail' },
    ] as const) {
      await withCallOptions(proxy, options).greet('a');
      expect(sent.pop()).toEqual(['call', 'service', 'greet', ['a'], options]);
    }
  });

  it('holds for streams', async () => {
    const { streamed, proxy } = recorded();
    const patient = withCallOptions(proxy, { timeoutInSeconds: 5 });
    await lastValueFrom(patient.now$);
    await lastValueFrom(patient.since$(3));
    expect(streamed).toEqual([
      ['service', 'now$', [], { timeoutInSeconds: 5 }],
      'left',
      ['service', 'since$', [3], { timeoutInSeconds: 5 }],
      'left',
    ]);
  });

  it('holds for a remote function, called, notified or cold', async () => {
    const { sent, remote, disposals } = lentFunction();
    const patient = withCallOptions(remote, { timeoutInSeconds: 5 });
    await patient('a');
    notify(patient)('b');
    await firstValueFrom(rx(patient)('c'));
    await remote('d');
    expect(sent).toEqual([
      ['call', 8, '', ['a'], { timeoutInSeconds: 5 }],
      ['notify', 8, '', ['b'], { timeoutInSeconds: 5 }],
      ['call', 8, '', ['c'], { timeoutInSeconds: 5, signal: expect.any(AbortSignal) }],
      ['call', 8, '', ['d'], {}],
    ]);
    dispose(patient);
    remote[Symbol.dispose]();
    expect(disposals()).toBe(2);
  });

  it('refuses what is no proxy, as notify() and rx() do', () => {
    const stream$ = recorded().proxy.now$;
    for (const wrong of [{}, undefined, null, 1, 'text', () => 1, stream$]) {
      for (const use of [(proxy: never) => withCallOptions(proxy, {}), notify, rx]) {
        expect(() => use(wrong as never)).toThrow(new TypeError('a proxy of a remote object is needed'));
      }
    }
  });
});

describe('a $ member', () => {
  it('is one stream, whatever it is used in', async () => {
    const { proxy } = recorded();
    for (const stream$ of [proxy.now$, proxy.since$]) {
      expect(isObservable(stream$)).toBe(true);
      expect(await lastValueFrom(from(stream$).pipe(toArray()))).toEqual([1, 2, 3]);
      expect(await firstValueFrom(stream$)).toBe(1);
      expect(await lastValueFrom(of(0, 0).pipe(switchMap(() => stream$)))).toBe(3);
      expect(await firstValueFrom(combineLatest([stream$, stream$.pipe(map((value) => -value))]))).toEqual([
        3, -1,
      ]);
      let count = 0;
      await stream$.forEach(() => (count += 1));
      for await (const value of stream$) count += value;
      expect(count).toBe(9);
    }
    expect([proxy.now$, proxy.since$]).toEqual([proxy.now$, proxy.since$]);
    expect(proxy.now$).toBe(proxy.now$);
    expect(proxy.since$).toBe(proxy.since$);
  });

  it('is a function as well where the remote one is a method, and not otherwise', async () => {
    const { streamed, proxy } = recorded();
    expect([typeof proxy.now$, typeof proxy.since$]).toEqual(['object', 'function']);
    const { since$ } = proxy;
    expect(await lastValueFrom(since$(5).pipe(toArray()))).toEqual([1, 2, 3]);
    expect(streamed).toEqual([['service', 'since$', [5], {}], 'left']);
    expect(since$(5)).not.toBe(since$(5));
    expect(since$.name).toBe('since$');
    // What a function can do it can do too, though its prototype is a stream.
    for (const stream$ of [since$.call(proxy, 6), since$.apply(proxy, [6]), since$.bind(proxy, 6)()]) {
      streamed.length = 0;
      await lastValueFrom(stream$);
      expect(streamed[0]).toEqual(['service', 'since$', [6], {}]);
    }
  });

  it('may be either as long as the object is not registered', async () => {
    const { streamed, caller } = recorded();
    const gone = createRemoteProxy<Service>(caller, 'gone');
    expect([typeof gone.now$, typeof gone.since$]).toEqual(['function', 'function']);
    expect(await firstValueFrom(gone.now$)).toBe(1);
    expect(streamed[0]).toEqual(['gone', 'now$', [], {}]);
  });

  it('is cold: each subscription is one at the other side, and leaving it ends that one', () => {
    const { streamed, sources, proxy } = recorded();
    for (const stream$ of [proxy.now$, proxy.since$, proxy.since$(1)] as Observable<number>[]) {
      expect(streamed).toEqual([]);
      sources.push(NEVER, NEVER);
      const subscriptions: Subscription[] = [stream$.subscribe(), stream$.pipe(take(1)).subscribe()];
      expect(streamed).toHaveLength(2);
      for (const subscription of subscriptions) subscription.unsubscribe();
      expect(streamed.slice(2)).toEqual(['left', 'left']);
      streamed.length = 0;
    }
  });

  it('is subscribed to anew by retry', async () => {
    const { streamed, sources, proxy } = recorded();
    for (const stream$ of [proxy.now$, proxy.since$] as Observable<number>[]) {
      sources.push(throwError(() => new Error('lost')));
      expect(await firstValueFrom(stream$.pipe(retry(1)))).toBe(1);
    }
    expect(streamed.filter((each) => each !== 'left')).toHaveLength(4);
  });

  it('takes over the pace of a loop, and tells how many values were dropped', async () => {
    const { streamed, proxy } = recorded();
    for (const stream$ of [proxy.now$, proxy.since$] as Observable<number>[]) {
      const seen: number[] = [];
      for await (const value of eachValueFrom(stream$.pipe(map((each) => each * 2)))) seen.push(value);
      expect(seen).toEqual([2, 4, 6]);
      expect(streamed[1]).toBe('at a pace');
      streamed.length = 0;
      expect(droppedCount(stream$)).toBe(1);
    }
  });

  it('reports what a subscriber throws, also behind operators', () => {
    const uncaught = uncaughtDuring(() => {
      const { reported, sources, proxy } = recorded();
      const bug = new Error('bug');
      const fail = (): never => {
        throw bug;
      };
      for (const stream$ of [proxy.now$, proxy.since$, proxy.since$(1)] as Observable<number>[]) {
        stream$.pipe(take(1)).subscribe(fail);
        stream$.pipe(map(text), take(1)).subscribe({ next: fail });
        sources.push(throwError(() => bug));
        stream$.subscribe();
        expect(reported.splice(0)).toEqual([bug, bug, bug]);
      }
    });
    expect(uncaught).toEqual([]);
  });

  it.each<[string, (stream$: object) => unknown]>([
    ['await', async (stream$) => stream$],
    ['Promise.resolve', (stream$) => Promise.resolve(stream$)],
    ['JSON.stringify', (stream$) => JSON.stringify({ stream$ })],
    ['util.inspect', (stream$) => inspect(stream$, { showHidden: true, depth: 5 })],
    ['a template string', (stream$) => text(stream$)],
    ['a number', (stream$) => Number(stream$)],
    ['keys', (stream$) => [Object.keys(stream$), Reflect.ownKeys(stream$), { ...stream$ }]],
    ['Symbol.asyncIterator', (stream$) => Reflect.get(stream$, Symbol.asyncIterator) as unknown],
    ['an iterator that is not asked', (stream$) => (stream$ as AsyncIterable<1>)[Symbol.asyncIterator]()],
    ['from', (stream$) => from(stream$ as Observable<1>)],
    ['pipe', (stream$) => (stream$ as Observable<1>).pipe(map(text), retry(1))],
  ])('sends nothing for %s', async (_what, look) => {
    const { sent, streamed, proxy } = recorded();
    for (const stream$ of [proxy.now$, proxy.since$, rx(proxy).now$, rx(proxy).since$]) await look(stream$);
    expect([sent, streamed]).toEqual([[], []]);
  });

  it('is taken for a function where rxjs takes either; called, it is not', async () => {
    const { proxy } = recorded();
    const together = (other$: Observable<number>): Promise<unknown> =>
      firstValueFrom(of('a').pipe(withLatestFrom(other$)), { defaultValue: 'nothing' });
    expect(await together(proxy.now$)).toEqual(['a', 3]);
    expect(await together(proxy.since$())).toEqual(['a', 3]);
    expect(await together(proxy.since$)).toBe('nothing');
  });
});

describe('notify()', () => {
  it('sends without waiting, and has no streams', () => {
    const { sent, proxy } = recorded();
    const notifying = notify(proxy);
    notifying.greet('a');
    expect(sent).toEqual([['notify', 'service', 'greet', ['a'], {}]]);
    for (const name of ['now$', 'since$']) expect(Reflect.get(notifying, name)).toBeUndefined();
  });

  it('throws what kept a call from being sent', () => {
    const { caller } = recorded();
    const proxy = createRemoteProxy<Service>(
      {
        ...caller,
        notify: () => {
          throw new Error('not connected');
        },
      },
      'service',
    );
    expect(() => {
      notify(proxy).greet('a');
    }).toThrow('not connected');
  });
});

describe('rx()', () => {
  it('calls at each subscription, not before', async () => {
    const { sent, answers, proxy } = recorded();
    const greeting$ = rx(proxy).greet('a');
    expect([sent, isObservable(greeting$)]).toEqual([[], true]);
    expect(await lastValueFrom(greeting$.pipe(toArray()))).toEqual(['answer']);
    answers.push(
      () => Promise.reject(new Error('lost')),
      () => Promise.resolve('again'),
    );
    expect(await firstValueFrom(greeting$.pipe(retry(1)))).toBe('again');
    expect(sent).toHaveLength(3);
    for (const call of sent)
      expect(call).toEqual(['call', 'service', 'greet', ['a'], { signal: expect.any(AbortSignal) }]);
  });

  it('gives the error of the call', async () => {
    const { answers, proxy } = recorded();
    const error = new Error('refused');
    answers.push(() => Promise.reject(error));
    await expect(firstValueFrom(rx(proxy).greet('a'))).rejects.toBe(error);
  });

  it('gives the call up when it is left before the answer', async () => {
    const { sent, answers, reported, proxy } = recorded();
    let resolve: (value: unknown) => void = () => undefined;
    answers.push(() => new Promise((settle) => (resolve = settle)));
    const seen: unknown[] = [];
    const subscription = rx(proxy)
      .greet('a')
      .subscribe((value) => seen.push(value));
    const { signal } = (sent[0] as [string, Target, string, unknown[], { signal: AbortSignal }])[4];
    expect(signal.aborted).toBe(false);
    subscription.unsubscribe();
    expect(signal.aborted).toBe(true);
    resolve('late');
    await Promise.resolve();
    expect([seen, reported]).toEqual([[], []]);
  });

  it.each(['before', 'after'])('gives the call up when its own signal aborts %s it began', (when) => {
    const { sent, answers, proxy } = recorded();
    answers.push(() => new Promise(() => undefined));
    const controller = new AbortController();
    const reason = new Error('enough');
    const greeting$ = rx(withCallOptions(proxy, { signal: controller.signal })).greet('a');
    if (when === 'before') controller.abort(reason);
    greeting$.subscribe();
    const { signal } = (sent[0] as [string, Target, string, unknown[], { signal: AbortSignal }])[4];
    expect(signal.aborted).toBe(when === 'before');
    controller.abort(reason);
    expect([signal.aborted, signal.reason]).toEqual([true, reason]);
  });

  it('leaves no listener on that signal, however the call ends', async () => {
    const { answers, proxy } = recorded();
    let listeners = 0;
    const signal = {
      aborted: false,
      addEventListener: () => (listeners += 1),
      removeEventListener: () => (listeners -= 1),
    } as unknown as AbortSignal;
    const greeting$ = rx(withCallOptions(proxy, { signal })).greet('a');
    await firstValueFrom(greeting$);
    answers.push(() => Promise.reject(new Error('refused')));
    await expect(firstValueFrom(greeting$)).rejects.toThrow('refused');
    answers.push(() => new Promise(() => undefined));
    const subscription = greeting$.subscribe();
    expect(listeners).toBe(1);
    subscription.unsubscribe();
    expect(listeners).toBe(0);
  });

  it('reports what a subscriber throws', async () => {
    const { reported, answers, proxy } = recorded();
    const bug = new Error('bug');
    rx(proxy)
      .greet('a')
      .subscribe(() => {
        throw bug;
      });
    answers.push(() => Promise.reject(bug));
    rx(proxy).greet('b').pipe(map(text)).subscribe();
    await new Promise((resolve) => setImmediate(resolve));
    expect(reported).toEqual([bug, bug]);
  });

  it('leaves streams what they are, and composes with call options', async () => {
    const { sent, streamed, proxy } = recorded();
    for (const cold of [
      rx(withCallOptions(proxy, { metadata: 1 })),
      withCallOptions(rx(proxy), { metadata: 1 }),
    ]) {
      await firstValueFrom(cold.greet('a'));
      expect(sent.pop()).toEqual([
        'call',
        'service',
        'greet',
        ['a'],
        { metadata: 1, signal: expect.any(AbortSignal) },
      ]);
      await lastValueFrom(cold.since$(1));
      await lastValueFrom(cold.now$);
      expect(streamed.splice(0).filter((each) => each !== 'left')).toEqual([
        ['service', 'since$', [1], { metadata: 1 }],
        ['service', 'now$', [], { metadata: 1 }],
      ]);
      expect(text(cold)).toBe('[RemoteProxy service]');
    }
  });
});

describe('a reference', () => {
  it('is called by its number, and named by its label', async () => {
    const { sent, streamed, reference } = lent();
    await reference.greet('a');
    await firstValueFrom(reference.now$);
    expect([sent, streamed[0]]).toEqual([[['call', 7, 'greet', ['a'], {}]], [7, 'now$', [], {}]]);
    expect([text(reference), inspect(reference)]).toEqual([
      '[RemoteProxy reference]',
      '[RemoteProxy reference]',
    ]);
  });

  it('is given back by Symbol.dispose, by dispose(), and at the end of a block', () => {
    const { reference, disposals, sent } = lent();
    reference[Symbol.dispose]();
    dispose(reference);
    expect(disposals()).toBe(2);
    {
      using held = reference;
      expect([disposals(), text(held)]).toEqual([2, '[RemoteProxy reference]']);
    }
    expect([disposals(), sent]).toEqual([3, []]);
    expect(typeof Symbol.dispose).toBe('symbol');
  });

  it('is the same one with call options, notified, or cold', () => {
    const { reference, disposals } = lent();
    for (const derived of [
      withCallOptions(reference, { metadata: 1 }),
      notify(reference),
      rx(withCallOptions(reference, {})),
    ])
      dispose(derived);
    expect(disposals()).toBe(3);
  });

  it('is what dispose() needs: nothing else can be given back', () => {
    const { proxy } = recorded();
    const disposable = { [Symbol.dispose]: () => undefined };
    for (const wrong of [proxy, proxy.now$, proxy.since$, proxy.greet, {}, disposable, undefined, null, 1]) {
      expect(() => {
        dispose(wrong as object);
      }).toThrow(TypeError);
    }
    expect(Reflect.get(proxy, Symbol.dispose)).toBeUndefined();
  });
});
