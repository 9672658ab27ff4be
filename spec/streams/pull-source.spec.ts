import { describe, expect, it } from '@jest/globals';
import { take, type Observable } from 'rxjs';
import { inPace, type Pace } from '../../src/streams/pace.js';
import { pullSource, type AnyIterable } from '../../src/streams/pull-source.js';
import { turn } from '../helpers/virtual-world.js';

/** A source, what was reported, and how often its code was entered. */
function made(iterable: AnyIterable) {
  const reported: unknown[] = [];
  let entered = 0;
  const source$ = pullSource(iterable, {
    enter: (run) => {
      entered += 1;
      return run();
    },
    report: (error) => reported.push(error),
  });
  return { source$, reported, entered: () => entered };
}

function watched(source$: Observable<unknown>) {
  const seen: unknown[] = [];
  const subscription = source$.subscribe({
    next: (value) => seen.push(value),
    error: (error: unknown) => seen.push(error),
    complete: () => seen.push('|'),
  });
  return { seen, subscription };
}

/** A taker that takes when told. */
class HandPace implements Pace {
  isReady = false;
  #callback: (() => void) | undefined;
  onReady(callback: () => void): void {
    this.#callback = callback;
  }
  take(count: number): void {
    for (let left = count; left > 0; left -= 1) {
      this.isReady = true;
      const callback = this.#callback;
      this.#callback = undefined;
      callback?.();
    }
  }
}

const failure = new Error('failed');

describe('pullSource()', () => {
  it('gives the values of each kind of iterable, to each subscriber from its start', async () => {
    async function* later() {
      yield 1;
      await turn();
      yield 2;
    }
    function* now() {
      yield 1;
      yield 2;
    }
    for (const make of [() => [1, 2], () => new Set([1, 2]), () => now(), () => later()]) {
      const { source$, reported } = made(make());
      const { seen } = watched(source$);
      for (let turns = 0; turns < 5; turns += 1) await turn();
      expect([seen, reported]).toEqual([[1, 2, '|'], []]);
    }
    const { source$ } = made([1, 2]);
    expect([watched(source$).seen, watched(source$).seen]).toEqual([
      [1, 2, '|'],
      [1, 2, '|'],
    ]);
  });

  it('asks for one value at a time, and for none before the taker is ready', () => {
    let asked = 0;
    function* numbers() {
      for (;;) yield (asked += 1);
    }
    const { source$, entered } = made(numbers());
    const pace = new HandPace();
    const seen: unknown[] = [];
    const inPace$ = inPace(source$, {
      get isReady() {
        const { isReady } = pace;
        pace.isReady = false;
        return isReady;
      },
      onReady: (callback) => {
        pace.onReady(callback);
      },
    });
    const subscription = inPace$.subscribe((value) => seen.push(value));
    expect([asked, entered()]).toEqual([0, 1]);
    pace.take(3);
    expect([asked, seen]).toEqual([3, [1, 2, 3]]);
    subscription.unsubscribe();
    pace.take(1);
    expect(asked).toBe(3);
  });

  it.each<[string, () => AnyIterable]>([
    [
      'the first step throws',
      () => ({
        [Symbol.iterator]: () => ({
          next: () => {
            throw failure;
          },
        }),
      }),
    ],
    ['it rejects', () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }) })],
    [
      'it cannot be iterated after all',
      () => ({
        [Symbol.iterator]: () => {
          throw failure;
        },
      }),
    ],
    [
      'what it answers throws when it is read',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () =>
            Promise.resolve({
              done: false as const,
              get value(): unknown {
                throw failure;
              },
            }),
        }),
      }),
    ],
  ])('fails with the error where %s', async (_what, make) => {
    const { source$, reported } = made(make());
    const { seen } = watched(source$);
    await turn();
    expect([seen, reported]).toEqual([[failure], []]);
  });

  it('takes nonsense of an iterator for an error, and goes no further', async () => {
    for (const step of [undefined, null]) {
      const { source$ } = made({ [Symbol.iterator]: () => ({ next: () => step as never }) });
      expect(watched(source$).seen).toEqual([expect.any(TypeError)]);
      const later = made({
        [Symbol.asyncIterator]: () => ({ next: async () => Promise.resolve(step as never) }),
      });
      const { seen } = watched(later.source$);
      await turn();
      expect(seen).toEqual([expect.any(TypeError)]);
    }
  });

  it('leaves the iterator when it is left, also while it is being asked, once', async () => {
    const left: string[] = [];
    function* now() {
      try {
        for (;;) yield 1;
      } finally {
        left.push('now');
      }
    }
    expect(watched(made(now()).source$.pipe(take(2))).seen).toEqual([1, 1, '|']);
    expect(left).toEqual(['now']);

    let answer: (step: IteratorResult<number>) => void = () => undefined;
    const { source$, reported } = made({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>((resolve) => (answer = resolve)),
        return: async () => {
          left.push('later');
          return Promise.reject(failure);
        },
      }),
    });
    const { seen, subscription } = watched(source$);
    subscription.unsubscribe();
    answer({ done: false, value: 1 });
    await turn();
    // What goes wrong while it leaves is nobody's to hear but the reporter's.
    expect([seen, left, reported]).toEqual([[], ['now', 'later'], [failure]]);
  });

  it('does not care for the failure of what it was asked last before it was left', async () => {
    let fail: (error: unknown) => void = () => undefined;
    const { source$, reported } = made({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise((_, reject) => (fail = reject)) }),
    });
    const { seen, subscription } = watched(source$);
    subscription.unsubscribe();
    fail(failure);
    await turn();
    expect([seen, reported]).toEqual([[], []]);
  });

  it('does not ask an iterator to leave that has ended or thrown', async () => {
    let returned = 0;
    const iterable = (next: () => IteratorResult<number>) => ({
      [Symbol.iterator]: () => ({
        next,
        return: () => {
          returned += 1;
          return { done: true as const, value: undefined };
        },
      }),
    });
    watched(made(iterable(() => ({ done: true, value: undefined }))).source$).subscription.unsubscribe();
    watched(
      made(
        iterable(() => {
          throw failure;
        }),
      ).source$,
    ).subscription.unsubscribe();
    await turn();
    expect(returned).toBe(0);
  });
});
