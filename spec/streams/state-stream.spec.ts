import { describe, expect, it } from '@jest/globals';
import { take } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Delivery } from '../../src/streams/delivery.js';
import { StateStream } from '../../src/streams/state-stream.js';
import { handClock } from '../helpers/hand-clock.js';
import { handDelivery } from '../helpers/hand-delivery.js';
import { uncaughtDuring } from '../helpers/uncaught.js';

function stateStream() {
  const hand = handDelivery();
  const stream = new StateStream<string>({ ...hand, initial: 'initial' });
  const seen: string[] = [];
  const listen = (name = ''): void => {
    stream.observable.subscribe({
      next: (value) => seen.push(name + value),
      complete: () => seen.push(`${name}complete`),
    });
  };
  return { ...hand, stream, seen, listen };
}

describe('StateStream', () => {
  it('begins with the present value, gives each change and completes', () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run(({ cold, expectObservable }) => {
      const report = (): void => {};
      const delivery = new Delivery({ scheduler, report });
      const stream = new StateStream<string>({ delivery, report, initial: 'i' });
      cold('          -a-b-b-c-|').subscribe({
        next: (value) => stream.set(value),
        complete: () => stream.complete(),
      });
      expectObservable(stream.observable).toBe('                  ia-b---c-|');
      expectObservable(stream.observable, '  --^').toBe('         --ab---c-|');
      expectObservable(stream.observable, '  --^-!').toBe('       --ab');
      expectObservable(stream.observable, '  ------------^').toBe('------------(c|)');
    });
  });

  it('replays the value delivered last, not the one set last', () => {
    const { stream, seen, listen, flush } = stateStream();
    stream.set('a');
    expect(stream.value).toBe('initial');
    listen();
    expect(seen).toEqual(['initial']);
    flush();
    expect(stream.value).toBe('a');
    expect(seen).toEqual(['initial', 'a']);
  });

  it('never repeats an equal value', () => {
    const { stream, seen, listen, flush } = stateStream();
    listen();
    ['initial', 'a', 'a', 'b', 'a', 'a'].forEach((value) => stream.set(value));
    flush();
    stream.set('a');
    flush();
    expect(seen).toEqual(['initial', 'a', 'b', 'a']);
  });

  it('asks the given comparison', () => {
    const hand = handDelivery();
    const equal = (left: string[], right: string[]): boolean => left.join() === right.join();
    const stream = new StateStream<string[]>({ ...hand, initial: [], equal });
    const seen: string[][] = [];
    stream.observable.subscribe((value) => seen.push(value));
    stream.set([]);
    stream.set(['a']);
    stream.set(['a']);
    hand.flush();
    expect(seen).toEqual([[], ['a']]);
  });

  it('gives a change once to who subscribes while it is given out', () => {
    const { stream, seen, listen, flush } = stateStream();
    stream.setHook(() => {
      listen('from hook ');
    });
    stream.observable.pipe(take(2)).subscribe((value) => {
      listen(`at ${value} `);
    });
    stream.set('a');
    flush();
    expect(seen).toEqual(['at initial initial', 'from hook a', 'at a a', 'at initial a']);
  });

  it('gives a change to who causes it while getting its first value', () => {
    const clock = handClock();
    const report = (): void => {};
    const delivery = new Delivery({ scheduler: clock.scheduler, report });
    const stream = new StateStream<number>({ delivery, report, initial: 0 });
    const seen: number[] = [];
    stream.observable.subscribe((value) => {
      seen.push(value);
      stream.set(1);
    });
    expect(seen).toEqual([0, 1]);
  });

  it('serves who wants the first value only', () => {
    const { stream, flush } = stateStream();
    const seen: string[] = [];
    stream.observable.pipe(take(1)).subscribe((value) => seen.push(value));
    stream.set('a');
    flush();
    expect(seen).toEqual(['initial']);
  });

  it('calls the hook for changes only, before all subscribers', () => {
    const { stream, seen, listen, flush } = stateStream();
    listen();
    stream.setHook((value) => seen.push(`hook ${value}`));
    flush();
    expect(seen).toEqual(['initial']);
    stream.set('a');
    flush();
    expect(seen).toEqual(['initial', 'hook a', 'a']);
  });

  it('has the new value already when the hook is called', () => {
    const { stream, seen, flush } = stateStream();
    stream.setHook(() => seen.push(stream.value));
    stream.set('a');
    flush();
    expect(seen).toEqual(['a']);
  });

  it('reports hooks and subscribers that throw, at the first value as well', () => {
    const { stream, seen, listen, flush, reported } = stateStream();
    const fail = (value: string): never => {
      throw new Error(value);
    };
    const uncaught = uncaughtDuring(() => {
      stream.setHook((value) => fail(`hook ${value}`));
      stream.observable.subscribe(fail);
      listen();
      stream.set('a');
      flush();
    });
    expect(uncaught).toEqual([]);
    expect(seen).toEqual(['initial', 'a']);
    expect(reported).toEqual([new Error('initial'), new Error('hook a'), new Error('a')]);
  });

  describe('completion', () => {
    it('comes after what was set before it, and once', () => {
      const { stream, seen, listen, flush } = stateStream();
      listen();
      stream.set('a');
      stream.complete();
      stream.complete();
      stream.set('too late');
      expect(seen).toEqual(['initial']);
      flush();
      expect(seen).toEqual(['initial', 'a', 'complete']);
      expect(stream.value).toBe('a');
    });

    it('gives the last value to who comes late', () => {
      const { stream, seen, listen, flush } = stateStream();
      stream.set('a');
      stream.complete();
      listen('between ');
      flush();
      listen('late ');
      expect(seen).toEqual(['between initial', 'between a', 'between complete', 'late a', 'late complete']);
    });
  });
});
