import { describe, expect, it } from '@jest/globals';
import { EMPTY, of, toArray } from 'rxjs';
import { RPCServer, withOverflow, type OverflowOptions } from 'tandem-rpc';
import { declaredPolicy, resolvePolicy, WaitingValues } from '../../src/streams/overflow.js';

const nothing$ = EMPTY;

describe('a declaration of overflow', () => {
  it.each<[unknown, string]>([
    [null, 'must be an object with "window" and "overflow"'],
    ['latest', 'must be an object with "window" and "overflow"'],
    [{ windows: 1 }, 'has no option "windows", only "window" and "overflow"'],
    [{ overflow: 'drop' }, 'overflow is "drop"; allowed are "error", "drop-oldest", "drop-newest", "latest"'],
    [{ window: 0 }, 'window is 0; allowed are whole numbers from 1 to 1000000'],
    [{ window: 1.5 }, 'window is 1.5'],
    [{ window: 1_000_001 }, 'window is 1000001'],
    [{ window: '5' }, 'window is 5'],
  ])('refuses %j, naming what it was given for', (options, message) => {
    expect(() => withOverflow(nothing$, options as OverflowOptions)).toThrow(message);
    const server = new RPCServer({ port: 0 });
    const streams = { values$: options as OverflowOptions };
    expect(() => {
      server.registerProxyObject('service', { values$: nothing$ }, { streams });
    }).toThrow(`streams.values$`);
    expect(() => {
      server.registerProxyObject('service', { values$: nothing$ }, { streams });
    }).toThrow(message);
  });

  it('is completed: 4,096 values and an error, or 1 for "latest"', () => {
    expect(resolvePolicy({}, 'it')).toEqual({ window: 4_096, overflow: 'error' });
    expect(resolvePolicy({ overflow: 'latest' }, 'it')).toEqual({ window: 1, overflow: 'latest' });
    expect(resolvePolicy({ overflow: 'latest', window: 3 }, 'it')).toEqual({ window: 3, overflow: 'latest' });
    expect(resolvePolicy({ window: 1_000_000, overflow: 'drop-newest' }, 'it').window).toBe(1_000_000);
  });

  it('travels with the Observable, whose values are the same', () => {
    const declared$ = withOverflow(of(1, 2), { overflow: 'latest' });
    expect(declaredPolicy(declared$)).toEqual({ window: 1, overflow: 'latest' });
    expect(declaredPolicy(of(1))).toBeUndefined();
    const seen: number[][] = [];
    declared$.pipe(toArray()).subscribe((values) => seen.push(values));
    expect(seen).toEqual([[1, 2]]);
    expect(declaredPolicy(declared$.pipe(toArray()))).toBeUndefined();
  });
});

describe('WaitingValues', () => {
  const filled = (options: OverflowOptions, credit: number, count: number) => {
    const waiting = new WaitingValues(resolvePolicy(options, 'it'));
    const errors = Array.from({ length: count }, (_, at) => waiting.push(at, credit)).filter(Boolean);
    return { waiting, errors };
  };

  it.each<[OverflowOptions, number[], number]>([
    [{ overflow: 'drop-oldest', window: 2 }, [5, 6, 7, 8, 9], 5],
    [{ overflow: 'drop-newest', window: 2 }, [0, 1, 2, 3, 4], 5],
    [{ overflow: 'latest', window: 2 }, [5, 6, 7, 8, 9], 5],
  ])('holds what was asked for and its window: %j', (options, expected, dropped) => {
    const { waiting, errors } = filled(options, 3, 10);
    expect([waiting.takeDropped(), waiting.takeDropped(), errors]).toEqual([dropped, 0, []]);
    expect(waiting.take(100)).toEqual(expected);
  });

  it('keeps for "error" what was asked for, and counts the rest', () => {
    const { waiting, errors } = filled({ window: 2 }, 3, 6);
    expect(errors).toMatchObject([{ code: 'stream-overflow' }]);
    expect([waiting.take(100), waiting.takeDropped()]).toEqual([[0, 1, 2], 3]);
  });

  it('puts back in front what could not be sent', () => {
    const { waiting } = filled({}, 0, 5);
    waiting.putBack(waiting.take(3));
    waiting.push(5, 0);
    expect([waiting.length, waiting.take(2), waiting.take(100)]).toEqual([6, [0, 1], [2, 3, 4, 5]]);
    waiting.countDropped(2);
    expect(waiting.takeDropped()).toBe(2);
  });
});
