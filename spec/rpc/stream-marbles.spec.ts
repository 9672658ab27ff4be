import { describe, it } from '@jest/globals';
import {
  map,
  materialize,
  merge,
  NEVER,
  of,
  repeat,
  retry,
  share,
  switchMap,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import { withCallOptions } from 'tandem-rpc';
import { servingSides } from '../helpers/served.js';
import { streamMarbles } from '../helpers/stream-marbles.js';

describe.each(servingSides)('streams that the %s serves, as marbles', (side) => {
  it('are the values, each a millisecond later, and their end', () => {
    streamMarbles(
      side,
      ({ hot }) => ({ values$: hot('10ms x 20ms a 9ms b 9ms (cd|)') }),
      ({ at20, expectObservable }) => {
        expectObservable(
          at20(({ values$ }) =>
            values$.pipe(
              materialize(),
              map(({ kind }) => kind),
            ),
          ),
        ).toBe('32ms N 9ms N 9ms (NNC)', { N: 'N', C: 'C' });
      },
    );
  });

  it('are cold: begun when subscribed to, a round trip before the first value, and anew each time', () => {
    streamMarbles(
      side,
      ({ cold }) => ({ values$: cold('a 4ms b|') }),
      ({ at20, expectObservable }) => {
        const ended = '22ms a 4ms b';
        expectObservable(at20(({ values$ }) => values$)).toBe(ended);
        expectObservable(at20(({ values$ }) => timer(50).pipe(switchMap(() => values$)))).toBe(
          '72ms a 4ms b',
        );
        expectObservable(at20(({ values$ }) => values$.pipe(repeat(2)))).toBe('22ms a 4ms b 2ms a 4ms b');
      },
    );
  });

  it('fail with the error of the source, and are tried again', () => {
    streamMarbles(
      side,
      ({ cold }) => ({ values$: cold('a#', undefined, new Error('failed')) }),
      ({ at20, expectObservable }) => {
        const failing = ({ values$ }: { values$: Observable<string> }) =>
          values$.pipe(
            retry(1),
            materialize(),
            map((each) => (each.kind === 'E' ? (each.error as Error).message : each.kind)),
          );
        expectObservable(at20(failing)).toBe('22ms N 2ms Ne', { N: 'N', e: 'failed' });
      },
    );
  });

  it('are left at their source a millisecond after they are left here', () => {
    streamMarbles(
      side,
      ({ hot, expectSubscriptions }) => {
        const values$ = hot('-');
        expectSubscriptions(values$.subscriptions).toBe(['21ms ^ 30ms !', '21ms ^ 9ms !']);
        return { values$ };
      },
      ({ at20, expectObservable }) => {
        expectObservable(at20(({ values$ }) => values$.pipe(takeUntil(timer(31))))).toBe('-');
        expectObservable(
          at20(({ values$ }) =>
            of(1, 2).pipe(switchMap((each) => (each === 1 ? NEVER : values$.pipe(takeUntil(timer(10)))))),
          ),
        ).toBe('-');
      },
    );
  });

  it('are subscribed to once where they are shared', () => {
    streamMarbles(
      side,
      ({ hot, expectSubscriptions }) => {
        const values$ = hot('40ms a');
        expectSubscriptions(values$.subscriptions).toBe('21ms ^ 899ms !');
        return { values$ };
      },
      ({ at20, expectObservable }) => {
        expectObservable(
          at20(({ values$ }) => {
            const shared$ = values$.pipe(share());
            return merge(shared$, shared$).pipe(takeUntil(timer(900)));
          }),
        ).toBe('41ms (aa)');
      },
    );
  });

  it('end by their time, whatever their source does', () => {
    streamMarbles(
      side,
      ({ cold }) => ({ values$: cold('a 20ms a 20ms a 20ms a') }),
      ({ at20, expectObservable }) => {
        expectObservable(
          at20((proxy) =>
            withCallOptions(proxy, { timeoutInSeconds: 0.03 }).values$.pipe(
              materialize(),
              map((each) => (each.kind === 'E' ? (each.error as Error).name : each.kind)),
            ),
          ),
        ).toBe('22ms N 20ms N 6ms t', { N: 'N', t: 'RPCTimeoutError' });
      },
    );
  });

  it('carry what goes the other way, there and back', () => {
    streamMarbles(
      side,
      () => ({ twice$: (values$: Observable<number>) => values$.pipe(map((value) => value * 2)) }),
      ({ at20, cold, expectObservable }) => {
        const mine$ = cold('a 9ms b|', { a: 1, b: 2 });
        // SUBSCRIBE there, SUBSCRIBE back, value there, value back.
        expectObservable(at20(({ twice$ }) => twice$(mine$))).toBe('24ms a 9ms b', { a: 2, b: 4 });
      },
    );
  });

  it('end when the connection does', () => {
    streamMarbles(
      side,
      ({ hot }) => ({ values$: hot('30ms a') }),
      ({ at20, network, cold, expectObservable }) => {
        cold('50ms c').subscribe(() => {
          network.cut();
        });
        expectObservable(
          at20(({ values$ }) =>
            values$.pipe(
              materialize(),
              map((each) => (each.kind === 'E' ? (each.error as Error).name : each.kind)),
            ),
          ),
        ).toBe('31ms N 18ms l', { N: 'N', l: 'StreamLostError' });
      },
    );
  });
});
