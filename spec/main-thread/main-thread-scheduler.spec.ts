import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { debounceTime, delay, interval, map, mergeMap, of, take, timer, timestamp } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { mainThreadScheduler, setMainThreadHost } from 'tandem-rpc';

function virtually(act: Parameters<TestScheduler['run']>[0]) {
  return new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(act);
}

describe('mainThreadScheduler', () => {
  it('has a time that is near that of the wall clock, and moves on', () => {
    const ms = mainThreadScheduler.now();
    expect(Math.abs(ms - Date.now())).toBeLessThan(3_600_000);
    expect(mainThreadScheduler.now()).toBeGreaterThanOrEqual(ms);
  });

  it('runs at once when idle, and warns of what a work throws', () => {
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const order: string[] = [];
    mainThreadScheduler.schedule(() => {
      order.push('at once');
      throw new Error('thrown');
    });
    expect(order).toEqual(['at once']);
    expect(emitWarning).toHaveBeenCalledWith('a callback on mainThreadScheduler threw: Error: thrown', {
      type: 'TandemWarning',
      code: 'callback',
    });
    emitWarning.mockRestore();
  });

  it('is one for all copies of the package', () => {
    const key = Symbol.for('tandem-rpc.main-thread-scheduler');
    expect((globalThis as Record<symbol, unknown>)[key]).toBeDefined();
  });

  describe('within TestScheduler.run', () => {
    it('waits in virtual time', () => {
      virtually(({ expectObservable }) => {
        expectObservable(interval(1_000, mainThreadScheduler).pipe(take(2))).toBe('1s a 999ms (b|)', {
          a: 0,
          b: 1,
        });
        expectObservable(timer(5, mainThreadScheduler)).toBe('-----(a|)', { a: 0 });
        expectObservable(of('a').pipe(delay(2, mainThreadScheduler))).toBe('--(a|)');
      });
    });

    it('tells virtual time, by which operators count', () => {
      virtually(({ cold, expectObservable }) => {
        expectObservable(cold('ab----c|').pipe(debounceTime(3, mainThreadScheduler))).toBe('----b--(c|)');
        const times = cold('--a--b|').pipe(
          timestamp(mainThreadScheduler),
          map((each) => each.timestamp),
        );
        expectObservable(times).toBe('--a--b|', { a: 2, b: 5 });
        expectObservable(timer(new Date(3), mainThreadScheduler)).toBe('---(a|)', { a: 0 });
      });
    });

    it('runs what has no delay in its frame, whatever load there was before, in order', () => {
      mainThreadScheduler.schedule(() => {
        for (const endMs = performance.now() + 20; performance.now() < endMs;);
      });
      virtually(({ cold, expectObservable }) => {
        const order: string[] = [];
        const source$ = cold('--a').pipe(
          mergeMap(() => {
            mainThreadScheduler.schedule(() => {
              mainThreadScheduler.schedule(() => order.push('inner'));
              order.push('outer');
            });
            return of(order.join());
          }),
        );
        expectObservable(source$).toBe('--a', { a: 'outer,inner' });
      });
    });
  });
});

describe('setMainThreadHost', () => {
  afterEach(() => {
    setMainThreadHost(undefined);
  });

  /** Schedules a work, and waits until it has run: at once, or in a turn to come if the scheduler was busy of late. */
  const scheduled = (work: () => void) =>
    new Promise<void>((resolve) => {
      mainThreadScheduler.schedule(() => {
        work();
        resolve();
      });
    });

  it('has works run by way of the host, until it is unset', async () => {
    const calls: string[] = [];
    setMainThreadHost({
      post: (work) => {
        calls.push('host');
        work();
      },
    });
    await scheduled(() => calls.push('first'));
    setMainThreadHost(undefined);
    await scheduled(() => calls.push('second'));
    expect(calls).toEqual(['host', 'first', 'second']);
  });

  it('calls post as a method of the host', async () => {
    class Host {
      readonly #later: (work: () => void) => void = setImmediate;
      post(work: () => void) {
        this.#later(work);
      }
    }
    setMainThreadHost(new Host());
    let runs = 0;
    const ran = scheduled(() => (runs += 1));
    expect(runs).toBe(0);
    await ran;
    expect(runs).toBe(1);
  });

  it.each([null, {}, { post: 1 }, () => {}])('refuses %p', (host) => {
    expect(() => setMainThreadHost(host as never)).toThrow(
      'the host of the main thread has no function post',
    );
  });
});
