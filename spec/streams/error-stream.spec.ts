import { describe, expect, it } from '@jest/globals';
import { map } from 'rxjs';
import { RPCTimeoutError } from '../../src/errors.js';
import { Delivery } from '../../src/streams/delivery.js';
import { ErrorStream } from '../../src/streams/error-stream.js';
import { EventStream } from '../../src/streams/event-stream.js';
import { handClock } from '../helpers/hand-clock.js';
import { handDelivery } from '../helpers/hand-delivery.js';
import { uncaughtDuring } from '../helpers/uncaught.js';

function errorStream() {
  const hand = handDelivery();
  const warnings: { message: string; kind: string }[] = [];
  const stream = new ErrorStream({
    ...hand,
    warn: (message, kind) => warnings.push({ message, kind }),
  });
  const kinds = (): string[] => warnings.map(({ kind }) => kind);
  return { ...hand, stream, warnings, kinds };
}

describe('ErrorStream', () => {
  it('delivers errors to its subscribers, and replays none', () => {
    const { stream, flush, kinds } = errorStream();
    const seen: Error[] = [];
    const error = new Error('error');
    stream.errors$.subscribe((each) => seen.push(each));
    stream.report(error);
    expect(seen).toEqual([]);
    flush();
    stream.errors$.subscribe((each) => seen.push(each));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBe(error);
    expect(kinds()).toEqual([]);
  });

  it('makes errors of other values', () => {
    const { stream, flush } = errorStream();
    const seen: unknown[] = [];
    stream.errors$.pipe(map((error) => error.cause)).subscribe((cause) => seen.push(cause));
    stream.report('text');
    stream.report(undefined);
    flush();
    expect(seen).toEqual(['text', undefined]);
  });

  describe('without a subscriber', () => {
    it('warns once for each kind', () => {
      const { stream, flush, warnings, kinds } = errorStream();
      for (const error of [
        new RPCTimeoutError('first'),
        new RPCTimeoutError('second'),
        new TypeError('third'),
        new TypeError('fourth'),
        Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
        Object.assign(new Error('not a text'), { code: 7 }),
        'text',
      ]) {
        stream.report(error);
      }
      expect(warnings).toEqual([]);
      flush();
      expect(kinds()).toEqual(['timeout', 'TypeError', 'ECONNREFUSED', 'Error']);
      expect(warnings[0]?.message).toBe(
        'an error occurred and errors$ has no subscriber: "RPCTimeoutError" "first" (further errors of this kind are not shown)',
      );
    });

    it('warns again of no kind, even when subscribers have come and gone', () => {
      const { stream, flush, kinds } = errorStream();
      stream.report(new Error('warned of'));
      flush();
      const subscription = stream.errors$.subscribe();
      stream.report(new RangeError('seen'));
      flush();
      subscription.unsubscribe();
      stream.report(new Error('known'));
      stream.report(new RangeError('new'));
      flush();
      expect(kinds()).toEqual(['Error', 'RangeError']);
    });

    it('warns of a hundred kinds at most', () => {
      const { stream, flush, kinds } = errorStream();
      for (let index = 0; index < 150; index += 1) {
        stream.report(Object.assign(new Error(), { name: `kind ${index}` }));
      }
      flush();
      expect(kinds()).toHaveLength(100);
    });

    it('warns of errors that cannot be read', () => {
      const { stream, flush, warnings } = errorStream();
      const fail = (): never => {
        throw new Error('accessor');
      };
      const unreadable = Object.defineProperty(new Error(), 'name', { get: fail });
      stream.report(unreadable);
      stream.report(Object.defineProperty(new Error(), 'message', { get: fail, configurable: true }));
      stream.report(Object.assign(new Error('other'), { name: 7 }));
      flush();
      expect(warnings).toHaveLength(1);
      expect(warnings[0]?.kind).toBe('Error');
      expect(warnings[0]?.message).toContain('an error whose name or message cannot be read');
    });

    it('survives a warning that throws', () => {
      const { delivery, reported, flush } = handDelivery();
      const stream = new ErrorStream({
        delivery,
        warn: () => {
          throw new Error('no warning');
        },
      });
      stream.report(new Error('error'));
      flush();
      expect(reported).toEqual([]);
    });
  });

  describe('a subscriber that fails', () => {
    it('is warned of once for each kind, and does not loop', () => {
      const { stream, flush, warnings, kinds } = errorStream();
      const seen: string[] = [];
      const uncaught = uncaughtDuring(() => {
        stream.errors$.subscribe(() => {
          throw new TypeError('plain');
        });
        stream.errors$.pipe(map((error) => error.message)).subscribe((message) => {
          throw new RangeError(message);
        });
        stream.errors$.subscribe((error) => seen.push(error.message));
        stream.report(new Error('first'));
        stream.report(new Error('second'));
        flush();
      });
      expect(uncaught).toEqual([]);
      expect(seen).toEqual(['first', 'second']);
      expect(kinds()).toEqual(['TypeError', 'RangeError']);
      expect(warnings[0]?.message).toContain('a subscriber of errors$ failed: "TypeError" "plain"');
    });

    it('is warned of if it is async', async () => {
      const { stream, flush, kinds } = errorStream();
      const next: (error: Error) => unknown = async () => {
        throw new TypeError('async');
      };
      stream.errors$.subscribe(next);
      stream.report(new Error('error'));
      flush();
      await Promise.resolve();
      await Promise.resolve();
      expect(kinds()).toEqual(['TypeError']);
    });
  });

  it('gets what hooks and works throw, wired as in a server', () => {
    const clock = handClock();
    const seen: string[] = [];
    const report = (error: unknown): void => {
      errors.report(error);
    };
    const delivery = new Delivery({ scheduler: clock.scheduler, report });
    const errors: ErrorStream = new ErrorStream({ delivery, warn: (message) => seen.push(message) });
    const stream = new EventStream<string>({ delivery, report });
    errors.errors$.subscribe((error) => seen.push(error.message));
    stream.setHook((value) => {
      throw new Error(`hook ${value}`);
    });
    stream.observable.subscribe((value) => seen.push(value));
    stream.emit('a');
    stream.emit('b');
    delivery.deliver(() => {
      throw new Error('work');
    });
    clock.turnUntilIdle();
    expect(seen).toEqual(['a', 'hook a', 'b', 'hook b', 'work']);
  });

  it('completes after the errors before it, and warns of those after it', () => {
    const { stream, flush, kinds } = errorStream();
    const seen: string[] = [];
    const listen = (name: string) =>
      stream.errors$.subscribe({
        next: (error) => seen.push(name + error.message),
        complete: () => seen.push(`${name}complete`),
      });
    listen('');
    stream.report(new Error('error'));
    stream.complete();
    stream.complete();
    stream.report(new Error('late'));
    flush();
    listen('late ');
    expect(seen).toEqual(['error', 'complete', 'late complete']);
    expect(kinds()).toEqual(['Error']);
  });
});
