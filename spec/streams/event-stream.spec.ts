import { describe, expect, it } from '@jest/globals';
import { finalize, map, take } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Delivery } from '../../src/streams/delivery.js';
import { EventStream } from '../../src/streams/event-stream.js';
import { handDelivery } from '../helpers/hand-delivery.js';
import { uncaughtDuring } from '../helpers/uncaught.js';

function eventStream() {
  const hand = handDelivery();
  return { ...hand, stream: new EventStream<string>(hand) };
}

describe('EventStream', () => {
  it('is hot, replays nothing and completes', () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run(({ cold, expectObservable }) => {
      const report = (): void => {};
      const stream = new EventStream<string>({ delivery: new Delivery({ scheduler, report }), report });
      cold('          -a-b-c|').subscribe({
        next: (value) => stream.emit(value),
        complete: () => stream.complete(),
      });
      expectObservable(stream.observable).toBe('            -a-b-c|');
      expectObservable(stream.observable, '  --^').toBe('   ---b-c|');
      expectObservable(stream.observable, '  --^-!').toBe(' ---b');
      expectObservable(stream.observable, '  --------^').toBe('--------|');
    });
  });

  it('delivers to those who have subscribed by the time of delivery', () => {
    const { stream, flush } = eventStream();
    const seen: string[] = [];
    stream.emit('a');
    stream.observable.subscribe((value) => seen.push(value));
    expect(seen).toEqual([]);
    flush();
    expect(seen).toEqual(['a']);
  });

  it('does not give a value to who subscribes while it is given out', () => {
    const { stream, flush } = eventStream();
    const seen: string[] = [];
    const subscribeLate = (name: string) => (value: string) =>
      stream.observable
        .pipe(map((late) => `${name} at ${value}: ${late}`))
        .subscribe((text) => seen.push(text));
    stream.setHook(subscribeLate('hook'));
    stream.observable.pipe(take(1)).subscribe(subscribeLate('subscriber'));
    stream.emit('a');
    flush();
    expect(seen).toEqual([]);
    stream.emit('b');
    flush();
    expect(seen).toEqual(['hook at a: b', 'subscriber at a: b']);
  });

  it('does not give a value to who was unsubscribed while it is given out', () => {
    const { stream, flush } = eventStream();
    const seen: string[] = [];
    stream.observable.subscribe(() => {
      second.unsubscribe();
    });
    const second = stream.observable.subscribe((value) => seen.push(value));
    stream.emit('a');
    flush();
    expect(seen).toEqual([]);
  });

  it('gives what a callback emits to all, after what they have', () => {
    const { stream, flush } = eventStream();
    const seen: string[] = [];
    stream.observable.subscribe((value) => {
      if (value === 'a') {
        stream.emit('b');
      }
      seen.push(`first ${value}`);
    });
    stream.observable.subscribe((value) => seen.push(`second ${value}`));
    stream.emit('a');
    flush();
    expect(seen).toEqual(['first a', 'second a', 'first b', 'second b']);
  });

  describe('the hook', () => {
    it('is called before subscribers who came before it', () => {
      const { stream, flush } = eventStream();
      const seen: string[] = [];
      stream.observable.subscribe((value) => seen.push(`subscriber ${value}`));
      stream.setHook((value) => seen.push(`hook ${value}`));
      stream.emit('a');
      flush();
      expect(seen).toEqual(['hook a', 'subscriber a']);
    });

    it('takes the place of an earlier one', () => {
      const { stream, flush } = eventStream();
      const seen: string[] = [];
      stream.setHook(() => seen.push('old'));
      stream.setHook(() => seen.push('new'));
      stream.emit('a');
      flush();
      expect(seen).toEqual(['new']);
    });

    it('may throw, which is reported and changes nothing for others', () => {
      const { stream, flush, reported } = eventStream();
      const seen: string[] = [];
      stream.observable.subscribe((value) => seen.push(value));
      stream.setHook((value) => {
        throw new Error(value);
      });
      stream.emit('a');
      stream.emit('b');
      flush();
      expect(seen).toEqual(['a', 'b']);
      expect(reported).toEqual([new Error('a'), new Error('b')]);
    });

    it('may reject, which is reported', async () => {
      const { stream, flush, reported } = eventStream();
      stream.setHook(async (value) => {
        await Promise.resolve();
        throw new Error(value);
      });
      stream.emit('a');
      flush();
      for (let turn = 0; turn < 5; turn += 1) {
        await Promise.resolve();
      }
      expect(reported).toEqual([new Error('a')]);
    });
  });

  describe('a subscriber that throws', () => {
    it('is reported, and others get the value', () => {
      const { stream, flush, reported } = eventStream();
      const seen: string[] = [];
      const uncaught = uncaughtDuring(() => {
        stream.observable.subscribe((value) => {
          throw new Error(`plain ${value}`);
        });
        stream.observable.pipe(map((value) => `piped ${value}`)).subscribe((value) => {
          throw new Error(value);
        });
        stream.observable.subscribe((value) => seen.push(value));
        stream.emit('a');
        stream.emit('b');
        flush();
      });
      expect(uncaught).toEqual([]);
      expect(seen).toEqual(['a', 'b']);
      expect(reported.map(String)).toEqual([
        'Error: plain a',
        'Error: piped a',
        'Error: plain b',
        'Error: piped b',
      ]);
    });

    it('stops nobody else if it throws as it ends', () => {
      const { stream, flush, reported } = eventStream();
      const seen: string[] = [];
      const uncaught = uncaughtDuring(() => {
        const throwAtEnd = finalize<string>(() => {
          throw new Error('end');
        });
        stream.observable.pipe(throwAtEnd, take(1)).subscribe(); // rxjs keeps this one to itself
        stream.observable.pipe(throwAtEnd).subscribe();
        stream.observable.subscribe({
          next: (value) => seen.push(value),
          complete: () => seen.push('complete'),
        });
        stream.emit('a');
        stream.complete();
        flush();
      });
      expect(uncaught).toEqual([]);
      expect(seen).toEqual(['a', 'complete']);
      expect(reported.map(String)).toEqual([expect.stringContaining('Error: end')]);
    });
  });

  describe('completion', () => {
    it('comes after what was emitted before it, and once', () => {
      const { stream, flush } = eventStream();
      const seen: string[] = [];
      stream.setHook((value) => seen.push(`hook ${value}`));
      stream.observable.subscribe({
        next: (value) => seen.push(value),
        complete: () => seen.push('complete'),
      });
      stream.emit('a');
      stream.complete();
      stream.complete();
      stream.emit('too late');
      expect(seen).toEqual([]);
      flush();
      expect(seen).toEqual(['hook a', 'a', 'complete']);
    });

    it('reaches who subscribes between the call and its delivery, and later', () => {
      const { stream, flush } = eventStream();
      const seen: string[] = [];
      stream.complete();
      stream.observable.subscribe({ complete: () => seen.push('between') });
      expect(seen).toEqual([]);
      flush();
      stream.observable.subscribe({ complete: () => seen.push('later') });
      expect(seen).toEqual(['between', 'later']);
    });

    it('lets go of subscribers', () => {
      const { stream, flush } = eventStream();
      const subscription = stream.observable.subscribe();
      stream.complete();
      flush();
      expect(subscription.closed).toBe(true);
    });
  });
});
