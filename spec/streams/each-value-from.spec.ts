import { describe, expect, it } from '@jest/globals';
import { EMPTY, map, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { droppedCount, eachValueFrom } from 'tandem-rpc';

import { RemoteStream } from '../../src/streams/remote-stream.js';
import type { StreamSink } from '../../src/streams/stream-receiver.js';
import { rejectionOf } from '../helpers/virtual-world.js';

const failure = new Error('failed');
const done = { done: true, value: undefined };

describe('eachValueFrom()', () => {
  it('subscribes at the first request, and gives values, their end, and nothing more', async () => {
    const subject = new Subject<number>();
    const values = eachValueFrom(subject);
    expect(values[Symbol.asyncIterator]()).toBe(values);
    expect(subject.observed).toBe(false);
    const first = values.next();
    expect(subject.observed).toBe(true);
    for (const value of [1, 2, 3]) subject.next(value);
    subject.complete();
    expect(await first).toEqual({ done: false, value: 1 });
    const rest = [];
    for await (const value of values) rest.push(value);
    expect(rest).toEqual([2, 3]);
    expect(await values.next()).toEqual(done);
  });

  it('answers requests in their order, also when they come before the values', async () => {
    const subject = new Subject<number | undefined>();
    const values = eachValueFrom(subject);
    const asked = [values.next(), values.next(), values.next(), values.next()];
    subject.next(undefined);
    subject.next(2);
    subject.complete();
    expect(await Promise.all(asked)).toEqual([
      { done: false, value: undefined },
      { done: false, value: 2 },
      done,
      done,
    ]);
  });

  it('tells an error once, behind the values, and then the end', async () => {
    const early = eachValueFrom(throwError(() => failure));
    expect(await rejectionOf(early.next())).toBe(failure);
    expect(await early.next()).toEqual(done);

    const subject = new Subject<number>();
    const late = eachValueFrom(subject);
    const asked = [late.next(), rejectionOf(late.next()), late.next()];
    subject.next(1);
    subject.error(failure);
    expect(await Promise.all(asked)).toEqual([{ done: false, value: 1 }, failure, done]);
    const waiting = eachValueFrom(
      new Observable<number>((subscriber) => {
        subscriber.next(1);
        subscriber.error(failure);
      }),
    );
    expect(await waiting.next()).toEqual({ done: false, value: 1 });
    expect(await rejectionOf(waiting.next())).toBe(failure);
  });

  it('unsubscribes when the loop is left, by break and by an error, or before it began', async () => {
    const subject = new Subject<number>();
    const loop = async (leave: () => void): Promise<void> => {
      for await (const value of eachValueFrom(subject)) if (value === 1) leave();
    };
    const failed = rejectionOf(
      loop(() => {
        throw failure;
      }),
    );
    subject.next(1);
    expect(await failed).toBe(failure);
    expect(subject.observed).toBe(false);

    const values = eachValueFrom(subject);
    const waiting = values.next();
    expect(await values.return?.()).toEqual(done);
    expect([await waiting, subject.observed, await values.next()]).toEqual([done, false, done]);
    const thrown = eachValueFrom(subject);
    expect(await rejectionOf(thrown.throw?.(failure) ?? Promise.resolve())).toBe(failure);
    expect([await thrown.next(), subject.observed]).toEqual([done, false]);
    const unasked = eachValueFrom(subject);
    await unasked.return?.();
    expect([await unasked.next(), subject.observed]).toEqual([done, false]);
  });

  it('passes its pace on to a stream of the other side, through operators', async () => {
    let sink: StreamSink | undefined;
    const stream$ = new RemoteStream<number>(
      () => undefined,
      (opened) => {
        sink = opened;
        return () => (sink = undefined);
      },
    );
    const values = eachValueFrom(stream$.pipe(map((value) => value * 2)));
    const first = values.next();
    expect(sink?.pace?.isReady).toBe(true);
    let wasTold = 0;
    const give = (value: number): void => {
      sink?.next(value);
      sink?.pace?.onReady(() => (wasTold += 1));
    };
    give(1);
    expect(await first).toEqual({ done: false, value: 2 });
    // One may wait, so that the loop never does.
    expect(sink?.pace?.isReady).toBe(true);
    give(2);
    expect([sink?.pace?.isReady, wasTold]).toEqual([false, 0]);
    expect(await values.next()).toEqual({ done: false, value: 4 });
    // Everybody who waits is told.
    expect([sink?.pace?.isReady, wasTold]).toEqual([true, 2]);
    sink?.onDropped(7);
    await values.return?.();
    expect(sink).toBeUndefined();
    expect(droppedCount(stream$.pipe(map((value) => `${value}`)))).toBe(7);
  });
});

describe('droppedCount()', () => {
  it.each([of(1), EMPTY, NEVER.pipe(map(() => 1)), new Subject()])(
    'refuses what is no stream of the other side',
    (other$) => {
      expect(() => droppedCount(other$)).toThrow(new TypeError('a stream of the other side is needed'));
    },
  );
});
