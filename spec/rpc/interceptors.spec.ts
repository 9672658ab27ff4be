import { describe, expect, it } from '@jest/globals';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  map,
  NEVER,
  Observable,
  of,
  repeat,
  retry,
  Subject,
  tap,
  throwError,
  timeout,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { InterceptedCall, RPCHandler, RPCInterceptor } from 'tandem-rpc';
import { paceTokenKey } from '../../src/streams/pace.js';
import { firstResult } from '../../src/rpc/first-result.js';
import { checkInterceptors, compose } from '../../src/rpc/interceptors.js';
import { rejectionOf, turn } from '../helpers/virtual-world.js';

const failure = new Error('failed');

function callOf(fields: Partial<Omit<InterceptedCall, 'with'>> = {}): InterceptedCall {
  const call = {
    direction: 'outgoing',
    kind: 'call',
    connectionID: 'c',
    identity: undefined,
    object: 'bank',
    member: 'balance',
    args: [1],
    metadata: undefined,
    signal: undefined,
    ...fields,
  } as const;
  return { ...call, with: (changes) => callOf({ ...call, ...changes }) };
}

/** What an interceptor may return though its type says otherwise. */
function returning(value: unknown): RPCInterceptor {
  return () => value as Observable<unknown>;
}

function thrower(): never {
  throw failure;
}

/** What the outcome of a call is. */
function resultOf(interceptors: readonly RPCInterceptor[], last: RPCHandler = () => of('result')) {
  return firstResult(compose(interceptors, last)(callOf()), thrower);
}

function virtual(work: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(work);
}

describe('compose', () => {
  it('is the last handler where there are no interceptors', async () => {
    expect(await resultOf([])).toBe('result');
  });

  it('runs the first outermost', async () => {
    const seen: string[] = [];
    const named =
      (name: string): RPCInterceptor =>
      (call, next) => {
        seen.push(`${name} in`);
        return next(call).pipe(tap(() => seen.push(`${name} out`)));
      };
    await resultOf([named('a'), named('b')], () => {
      seen.push('last');
      return of('result');
    });
    expect(seen).toEqual(['a in', 'b in', 'last', 'b out', 'a out']);
  });

  it('hands on the call as an interceptor changed it', async () => {
    const add: RPCInterceptor = (call, next) => next(call.with({ args: [...call.args, 2] }));
    const sign: RPCInterceptor = (call, next) => next(call.with({ metadata: { by: 'anna' } }));
    const result = await resultOf([add, sign, add], ({ member, args, metadata }) =>
      of([member, args, metadata]),
    );
    expect(result).toEqual(['balance', [1, 2, 2], { by: 'anna' }]);
  });

  it('lets one answer by itself, and change what another answers', async () => {
    const twice: RPCInterceptor = (call, next) => next(call).pipe(map((value) => `${String(value)} twice`));
    expect(await resultOf([twice, () => of('cached')], thrower)).toBe('cached twice');
  });

  it.each<[string, RPCInterceptor[], RPCHandler]>([
    ['an interceptor', [thrower], () => of('result')],
    ['the last handler', [], thrower],
    ['the last handler, through an interceptor', [(call, next) => next(call)], thrower],
  ])('gives what %s throws as an error of the Observable', async (_, interceptors, last) => {
    expect(await rejectionOf(resultOf(interceptors, last))).toBe(failure);
    const recover: RPCInterceptor = (call, next) =>
      next(call).pipe(catchError((error: unknown) => of(['caught', error])));
    expect(await resultOf([recover, ...interceptors], last)).toEqual(['caught', failure]);
  });

  it.each<[string, unknown]>([
    ['a promise', Promise.resolve('value')],
    [
      'a thenable',
      {
        then: (resolve: (value: string) => void) => {
          resolve('value');
        },
      },
    ],
    ['an array', ['value', 'other']],
    ['a generator', (function* () { yield 'value'; })()], // prettier-ignore
    ['an asynchronous generator', (async function* () { yield 'value'; })()], // prettier-ignore
    ['an Observable that is only marked as one', { '@@observable': () => of('value') }],
  ])('takes %s for an Observable, wherever it stands', async (_, value) => {
    const through: RPCInterceptor = (call, next) => next(call).pipe(map((each) => [each]));
    expect(await resultOf([through, returning(value)])).toEqual(['value']);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'value'],
    ['a plain object', { value: 1 }],
    ['a handler', () => of('value')],
  ])('tells which interceptor returned %s', async (_, value) => {
    const pass: RPCInterceptor = (call, next) => next(call);
    const authorise = returning(value);
    Object.defineProperty(authorise, 'name', { value: 'authorise' });
    expect(await rejectionOf(resultOf([pass, authorise]))).toEqual(
      new TypeError('interceptors[1] (authorise) returned no Observable'),
    );
    expect(await rejectionOf(resultOf([returning(value)]))).toEqual(
      new TypeError('interceptors[0] returned no Observable'),
    );
  });

  it('leaves no rejection behind that another interceptor did not want', async () => {
    const cache: RPCInterceptor = (call, next) => {
      void next(call);
      return of('cached');
    };
    // An unhandled one would fail this spec.
    expect(await resultOf([cache, returning(Promise.reject(failure))])).toBe('cached');
    await turn();
  });

  it('keeps the very Observable, whose pace may be set', () => {
    const paceable$ = Object.defineProperty(new Observable(), paceTokenKey, { value: {} });
    expect(compose([(call, next) => next(call)], () => paceable$)(callOf())).toBe(paceable$);
  });

  it('lets an interceptor call several times', () => {
    virtual(({ cold, expectObservable, expectSubscriptions }) => {
      const attempt$ = cold('--#', {}, failure);
      const again: RPCInterceptor = (call, next) => next(call).pipe(retry({ count: 2, delay: 3 }));
      expectObservable(compose([again], () => attempt$)(callOf())).toBe('------------#', {}, failure);
      expectSubscriptions(attempt$.subscriptions).toBe(['^-!', '-----^-!', '----------^-!']);
    });
  });

  it('runs the interceptors further in once for each next, and the call for each subscription', () => {
    virtual(({ cold, expectObservable }) => {
      const runs = { inner: 0, last: 0 };
      const inner: RPCInterceptor = (call, next) => {
        runs.inner += 1;
        return next(call);
      };
      const last: RPCHandler = () =>
        defer(() => {
          runs.last += 1;
          return cold('-#', {}, failure);
        });
      const subscribeAgain: RPCInterceptor = (call, next) => next(call).pipe(retry(2));
      const callAgain: RPCInterceptor = (call, next) => defer(() => next(call)).pipe(retry(2));
      expectObservable(compose([subscribeAgain, inner], last)(callOf())).toBe('---#', {}, failure);
      expectObservable(compose([callAgain, inner], last)(callOf())).toBe('---#', {}, failure);
      const runs$ = concat(
        cold('-----|'),
        defer(() => of(`${runs.inner} ${runs.last}`)),
      );
      // Once and three times; three calls each.
      expectObservable(runs$).toBe('-----(r|)', { r: '4 6' });
    });
  });

  it('lets an interceptor remember results', () => {
    virtual(({ cold, expectObservable, expectSubscriptions }) => {
      const results = new Map<string, unknown>();
      const cache: RPCInterceptor = (call, next) => {
        const key = `${call.object}.${call.member}`;
        if (results.has(key)) return of(results.get(key));
        return next(call).pipe(tap((value) => results.set(key, value)));
      };
      const answer$ = cold('---(a|)');
      const handler = compose([cache], () => answer$);
      const another$ = defer(() => handler(callOf({ member: 'name' })));
      expectObservable(handler(callOf())).toBe('         ---(a|)');
      expectObservable(
        concat(
          cold('-----|'),
          defer(() => handler(callOf())),
        ),
      ).toBe('-----(a|)');
      expectObservable(another$).toBe('                  ---(a|)');
      expectSubscriptions(answer$.subscriptions).toBe(['^--!', '^--!']);
    });
  });

  it('lets an interceptor bound the time', () => {
    virtual(({ cold, expectObservable, expectSubscriptions }) => {
      const slow$ = cold('-----a|');
      const bounded: RPCInterceptor = (call, next) =>
        next(call).pipe(timeout({ first: 3, with: () => throwError(() => failure) }));
      expectObservable(compose([bounded], () => slow$)(callOf())).toBe('---#', {}, failure);
      expectSubscriptions(slow$.subscriptions).toBe('^--!');
    });
  });

  it('passes all values of a subscription, and leaves it when it is left', () => {
    virtual(({ cold, expectObservable, expectSubscriptions }) => {
      const ticks$ = cold('a-b-c-d-e|');
      const upper: RPCInterceptor = (call, next) =>
        next(call).pipe(map((each) => String(each).toUpperCase()));
      const values$ = compose([upper], () => ticks$)(callOf({ kind: 'subscribe', member: 'ticks$' }));
      expectObservable(values$, '^----!').toBe('A-B-C');
      expectSubscriptions(ticks$.subscriptions).toBe('^----!');
    });
  });
});

describe('firstResult', () => {
  /** Observes the outcome of what a subject emits, and what is reported. */
  function watched(values$: Observable<unknown>, signal?: AbortSignal) {
    const reported: unknown[] = [];
    const result = firstResult(values$, (error) => reported.push(error), signal);
    return { result, reported };
  }

  const listeners = (signal: AbortSignal): number => {
    // As Node's EventTarget keeps them.
    const key = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kEvents');
    const events = (signal as unknown as Record<symbol, Map<string, { size: number }>>)[
      key ?? Symbol('none')
    ];
    return events?.get('abort')?.size ?? 0;
  };

  it('is the first value, and leaves then', async () => {
    const values$ = new Subject<string>();
    const { result } = watched(values$);
    expect(values$.observed).toBe(true);
    values$.next('first');
    expect(values$.observed).toBe(false);
    values$.next('second');
    expect(await result).toBe('first');
  });

  it('ends a call for `finalize`, and only without a value for `complete`', async () => {
    const seen: string[] = [];
    const log = (values$: Observable<unknown>, name: string): Observable<unknown> =>
      values$.pipe(
        tap({ complete: () => seen.push(`${name} complete`) }),
        finalize(() => seen.push(`${name} over`)),
      );
    await watched(log(of('value'), 'value')).result;
    await watched(log(EMPTY, 'empty')).result;
    expect(seen).toEqual(['value over', 'empty complete', 'empty over']);
  });

  it('is undefined where none comes', async () => {
    expect(await watched(EMPTY).result).toBeUndefined();
    expect(await watched(of(undefined, 'later')).result).toBeUndefined();
  });

  it('rejects with the error, as it is', async () => {
    const nothing: unknown = undefined;
    expect(await rejectionOf(watched(throwError(() => failure)).result)).toBe(failure);
    expect(await rejectionOf(watched(throwError(() => nothing)).result)).toBeUndefined();
    const throwing$ = new Observable(() => thrower());
    expect(await rejectionOf(watched(throwing$).result)).toBe(failure);
  });

  it('keeps the first value though an error follows', async () => {
    expect(
      await watched(
        concat(
          of('first'),
          throwError(() => failure),
        ),
      ).result,
    ).toBe('first');
    const { result, reported } = watched(
      new Observable((subscriber) => {
        subscriber.next('first');
        thrower();
      }),
    );
    expect([await result, reported]).toEqual(['first', []]);
  });

  it('ends with what never would', async () => {
    expect(await watched(of('again').pipe(repeat())).result).toBe('again');
  });

  it('leaves when the signal says so, and rejects with its reason', async () => {
    const controller = new AbortController();
    const values$ = new Subject<string>();
    const { result } = watched(values$, controller.signal);
    controller.abort(failure);
    expect(values$.observed).toBe(false);
    values$.next('late');
    expect(await rejectionOf(result)).toBe(failure);
    expect(listeners(controller.signal)).toBe(0);
  });

  it('subscribes to nothing where the signal is aborted already', async () => {
    let subscribed = 0;
    const values$ = defer(() => of((subscribed += 1)));
    expect(await rejectionOf(watched(values$, AbortSignal.abort(failure)).result)).toBe(failure);
    expect(subscribed).toBe(0);
  });

  it('leaves also when the signal says so while it subscribes', async () => {
    const controller = new AbortController();
    let isLeft = false;
    const values$ = new Observable<string>((subscriber) => {
      controller.abort(failure);
      subscriber.next('late');
      return () => {
        isLeft = true;
      };
    });
    expect(await rejectionOf(watched(values$, controller.signal).result)).toBe(failure);
    expect(isLeft).toBe(true);
  });

  it.each<[string, Observable<unknown>]>([
    ['a value', of('value')],
    ['no value', EMPTY],
    ['an error', throwError(() => failure)],
  ])('does not listen to the signal after %s', async (_, values$) => {
    const { signal } = new AbortController();
    const waiting = watched(NEVER, signal);
    expect(listeners(signal)).toBe(1);
    await watched(values$, signal).result.catch(() => undefined);
    expect(listeners(signal)).toBe(1);
    expect(waiting.reported).toEqual([]);
  });

  describe('where the teardown throws', () => {
    const other = new Error('other');
    const left = (values$: Observable<unknown>): Observable<unknown> => values$.pipe(finalize(thrower));

    it('keeps the result, and reports', async () => {
      const values$ = new Subject();
      const { result, reported } = watched(left(values$));
      values$.next('value');
      expect([await result, reported]).toEqual(['value', [failure]]);
    });

    it('throws nothing at whoever completes it, or fails it', async () => {
      const empty$ = new Subject();
      const empty = watched(left(empty$));
      empty$.complete();
      expect([await empty.result, empty.reported]).toEqual([undefined, [failure]]);

      const failing$ = new Subject();
      const failing = watched(left(failing$));
      failing$.error(other);
      expect([await rejectionOf(failing.result), failing.reported]).toEqual([other, [failure]]);
    });

    it('throws nothing at whoever aborts it', async () => {
      const controller = new AbortController();
      const { result, reported } = watched(left(NEVER), controller.signal);
      controller.abort('gone');
      expect([await rejectionOf(result), reported]).toEqual(['gone', [failure]]);
    });

    it('has its result also where it ends at once', async () => {
      expect(await watched(left(of('value'))).result).toBe('value');
      expect(await watched(left(EMPTY)).result).toBeUndefined();
      expect(await rejectionOf(watched(left(throwError(() => other))).result)).toBe(other);
    });
  });

  it('leaves at the instant of the first value', () => {
    virtual(({ cold, flush, expectSubscriptions }) => {
      const values$ = cold('--a-b-|');
      const never$ = cold('------|');
      void firstResult(values$, thrower);
      void firstResult(never$, thrower);
      expectSubscriptions(values$.subscriptions).toBe('^-!');
      expectSubscriptions(never$.subscriptions).toBe('^-----!');
      flush();
    });
  });
});

describe('checkInterceptors', () => {
  it('gives a list of its own', () => {
    const pass: RPCInterceptor = (call, next) => next(call);
    const given = [pass];
    const checked = checkInterceptors(given);
    given.pop();
    expect(checked).toEqual([pass]);
    expect(checkInterceptors([])).toEqual([]);
  });

  it('refuses what is no list of functions', () => {
    for (const wrong of [undefined, null, thrower, { 0: thrower, length: 1 }, 'interceptors'])
      expect(() => checkInterceptors(wrong)).toThrow(
        new TypeError('interceptors must be an array of functions'),
      );
    for (const wrong of [undefined, null, 'log', {}, of(1)])
      expect(() => checkInterceptors([thrower, wrong])).toThrow(
        new TypeError('interceptors[1] is no function'),
      );
    const holed = [thrower];
    holed[2] = thrower;
    expect(() => checkInterceptors(holed)).toThrow('interceptors[1] is no function');
  });
});
