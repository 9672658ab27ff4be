import { describe, expect, it } from '@jest/globals';
import {
  concat,
  connectable,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  mergeWith,
  NEVER,
  Observable,
  of,
  share,
  Subject,
  switchMap,
  throwError,
  toArray,
} from 'rxjs';
import { GuardedObservable } from '../../src/streams/guarded-observable.js';
import { uncaughtDuring } from '../helpers/uncaught.js';

function guarded<T>(source$: Observable<T>): { stream$: GuardedObservable<T>; reported: unknown[] } {
  const reported: unknown[] = [];
  const stream$ = new GuardedObservable<T>(
    (error) => reported.push(error),
    (subscriber) => source$.subscribe(subscriber),
  );
  return { stream$, reported };
}

const sourceError = new Error('error');

const fail = (value: unknown): never => {
  throw new Error(`failed at ${String(value)}`);
};

describe('GuardedObservable', () => {
  it('gives values, completion and errors to an observer, called as its members', () => {
    const { stream$ } = guarded(of(1, 2));
    const observer = {
      seen: [] as unknown[],
      next(value: number) {
        this.seen.push(value);
      },
      error(error: unknown) {
        this.seen.push(error);
      },
      complete() {
        this.seen.push('complete');
      },
    };
    stream$.subscribe(observer);
    guarded(throwError(() => sourceError)).stream$.subscribe(observer);
    expect(observer.seen).toEqual([1, 2, 'complete', sourceError]);
  });

  it('gives them to callbacks', () => {
    const seen: unknown[] = [];
    const add = (value: unknown): unknown => seen.push(value);
    // Users of callbacks are protected as well, deprecated or not.
    const subscribe = (stream$: Observable<unknown>, ...callbacks: unknown[]): unknown =>
      Reflect.apply(Reflect.get(stream$, 'subscribe') as () => unknown, stream$, callbacks);
    subscribe(guarded(of(1)).stream$, add, null, () => add('complete'));
    subscribe(guarded(throwError(() => sourceError)).stream$, add, add);
    subscribe(guarded(of(2)).stream$, null);
    subscribe(guarded(of(3)).stream$);
    expect(seen).toEqual([1, 'complete', sourceError]);
  });

  it('has nobody need any callback', () => {
    const { stream$, reported } = guarded(of(1));
    expect(uncaughtDuring(() => stream$.subscribe({}))).toEqual([]);
    expect(reported).toEqual([]);
  });

  it('stops when unsubscribed', () => {
    const source$ = new Subject<number>();
    const { stream$ } = guarded(source$);
    const seen: number[] = [];
    const subscription = stream$.subscribe((value) => seen.push(value));
    source$.next(1);
    subscription.unsubscribe();
    source$.next(2);
    expect(seen).toEqual([1]);
    expect(source$.observed).toBe(false);
  });

  it('serves other subscribers, promises and creation functions', async () => {
    const { stream$ } = guarded(of(1, 2));
    expect(await firstValueFrom(stream$)).toBe(1);
    expect(await lastValueFrom(concat(stream$, stream$).pipe(toArray()))).toEqual([1, 2, 1, 2]);
    await expect(stream$.forEach(fail)).rejects.toThrow('failed at 1');
  });

  const chains: [string, (stream$: Observable<number>) => Observable<unknown>][] = [
    ['itself', (stream$) => stream$],
    ['map and filter', (stream$) => stream$.pipe(map((value) => value), filter(() => true))], // prettier-ignore
    ['switchMap', (stream$) => stream$.pipe(switchMap((value) => of(value)))],
    ['share', (stream$) => stream$.pipe(share())],
    ['mergeWith', (stream$) => stream$.pipe(mergeWith(NEVER))],
    ['two pipes', (stream$) => stream$.pipe(map((value) => value)).pipe(map((value) => value))],
  ];

  describe.each(chains)('subscribed to through %s', (_, through) => {
    it('reports what `next` throws and goes on', () => {
      const source$ = new Subject<number>();
      const { stream$, reported } = guarded(source$);
      const uncaught = uncaughtDuring(() => {
        through(stream$).subscribe(fail);
        source$.next(1);
        source$.next(2);
      });
      expect(uncaught).toEqual([]);
      expect(reported).toEqual([new Error('failed at 1'), new Error('failed at 2')]);
      expect(source$.observed).toBe(true);
    });

    it('reports what `error` throws', () => {
      const { stream$, reported } = guarded<number>(throwError(() => sourceError));
      expect(uncaughtDuring(() => through(stream$).subscribe({ error: fail }))).toEqual([]);
      expect(reported).toEqual([new Error('failed at Error: error')]);
    });

    it('reports an error that there is no `error` for', () => {
      const { stream$, reported } = guarded<number>(throwError(() => sourceError));
      expect(uncaughtDuring(() => through(stream$).subscribe())).toEqual([]);
      expect(reported).toEqual([sourceError]);
    });

    it('reports what an async `next` rejects with', async () => {
      const source$ = new Subject<number>();
      const { stream$, reported } = guarded(source$);
      // The type says that nothing is returned, and many an async function is passed anyway.
      const next: (value: unknown) => unknown = async (value) => fail(value);
      through(stream$).subscribe(next);
      source$.next(1);
      await Promise.resolve();
      await Promise.resolve();
      expect(reported).toEqual([new Error('failed at 1')]);
    });
  });

  it('reports what `complete` throws', () => {
    const { stream$, reported } = guarded(of(1));
    const uncaught = uncaughtDuring(() => {
      stream$.subscribe({ complete: () => fail('end') });
      stream$.pipe(map((value) => value)).subscribe({ complete: () => fail('end of chain') });
    });
    expect(uncaught).toEqual([]);
    expect(reported).toEqual([new Error('failed at end'), new Error('failed at end of chain')]);
  });

  it('reports what an operator’s function throws, where nobody takes the error', () => {
    const { stream$, reported } = guarded(of(1));
    expect(uncaughtDuring(() => stream$.pipe(map(fail)).subscribe())).toEqual([]);
    expect(reported).toEqual([new Error('failed at 1')]);
  });

  it('guards what rxjs connects later', () => {
    const { stream$, reported } = guarded(of(1));
    const connected$ = connectable(stream$);
    // What `publish()` of rxjs 7 does: a connectable takes over `lift` from its source.
    const mapped$ = Reflect.apply(Reflect.get(stream$, 'lift') as () => Observable<number>, connected$, []);
    expect(uncaughtDuring(() => {
      mapped$.subscribe(fail);
      connected$.connect();
    })).toEqual([]); // prettier-ignore
    expect(reported).toEqual([new Error('failed at 1')]);
  });

  describe('given a Subscriber of rxjs', () => {
    it('passes it on untouched', () => {
      let received: unknown;
      let given: unknown;
      const stream$ = new GuardedObservable<number>(fail, (subscriber) => {
        received = subscriber;
      });
      new Observable<number>((subscriber) => {
        given = subscriber;
        return stream$.subscribe(subscriber);
      }).subscribe();
      expect(received).toBe(given);
    });

    it('knows one of another copy of rxjs', () => {
      let received: unknown;
      const stream$ = new GuardedObservable<number>(fail, (subscriber) => {
        received = subscriber;
      });
      const nothing = (): void => {};
      const foreign = { closed: false, next: nothing, error: nothing, complete: nothing, add: nothing, remove: nothing, unsubscribe: nothing }; // prettier-ignore
      stream$.subscribe(foreign);
      expect(received).toBe(foreign);
    });

    it('takes a Subject for an observer', () => {
      const { stream$ } = guarded(of(1));
      const subject = new Subject<number>();
      const seen: number[] = [];
      subject.subscribe((value) => seen.push(value));
      stream$.subscribe(subject);
      expect(seen).toEqual([1]);
    });
  });
});
