import { describe, expect, it } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { BehaviorSubject, Observable, of } from 'rxjs';
import { ProtocolError } from '../../src/errors.js';
import { LentReference, ReturnedReference, type ReferenceKind } from '../../src/protocol/references.js';
import { byReference } from '../../src/proxies/by-reference.js';
import type { Caller } from '../../src/proxies/caller.js';
import { ExportTable, type ExportTableSettings } from '../../src/proxies/export-table.js';
import { createRemoteProxy } from '../../src/proxies/remote-proxy.js';
import { RemoteStream } from '../../src/streams/remote-stream.js';

const firstNumber = 1_000;

function made(options: Partial<ExportTableSettings> = {}) {
  const aborts: unknown[] = [];
  const exports = new ExportTable({
    firstNumber,
    admit: () => undefined,
    numberOfImport: () => undefined,
    onAbort: (number, reason) => aborts.push([number, reason]),
    ...options,
  });
  const lend = (value: object): LentReference => {
    const reference = exports.lend(value);
    if (!(reference instanceof LentReference)) throw new Error('it was not lent');
    return reference;
  };
  /** Lends the values as one message does. */
  const message = (...values: object[]): readonly number[] | undefined => {
    const outer = exports.begin();
    for (const value of values) lend(value);
    return exports.end(outer);
  };
  return { exports, aborts, lend, message };
}

const callback = (): void => undefined;

class Account {
  readonly balance = 0;
}

function callerOf(members: readonly string[] | undefined, called: unknown[]): Caller {
  return {
    report: () => undefined,
    call: (...call) => {
      called.push(call.slice(0, 3));
      return Promise.resolve('answer');
    },
    notify: () => undefined,
    stream: () =>
      new RemoteStream(
        () => undefined,
        () => undefined,
      ),
    members: () => members,
    properties: () => ['balance$'],
  };
}

async function* generate() {
  yield 1;
}

describe('ExportTable', () => {
  it.each<[string, object, ReferenceKind]>([
    ['a function', callback, 'function'],
    ['a class', Account, 'function'],
    ['an Observable', of(1), 'stream'],
    ['a BehaviorSubject', new BehaviorSubject(1), 'stream'],
    [
      'an Observable that can be called',
      Object.assign(() => 1, { lift: callback, subscribe: callback }),
      'stream',
    ],
    ['an Observable of another copy of rxjs', { '@@observable': () => of(1) }, 'stream'],
    ['a generator', generate(), 'stream'],
    ['an AsyncIterable', { [Symbol.asyncIterator]: generate }, 'stream'],
    [
      'a function that is an AsyncIterable',
      Object.assign(() => 1, { [Symbol.asyncIterator]: generate }),
      'stream',
    ],
    ['an AbortSignal', new AbortController().signal, 'signal'],
    ['a marked object', byReference({ add: callback }), 'object'],
    ['a marked Observable', byReference(new Observable()), 'stream'],
  ])('lends %s, and finds it', (_name, value, kind) => {
    const { exports, lend } = made();
    const reference = lend(value);
    expect(reference).toMatchObject({ kind, number: firstNumber, aborted: undefined });
    expect(exports.find(firstNumber)?.kind).toBe(kind);
    expect(exports.original(firstNumber)).toBe(value);
    expect(exports.size).toBe(1);
  });

  it.each<[string, object]>([
    ['a plain object', { a: 1 }],
    ['an instance', new Account()],
    ['an iterable that is not asynchronous', new Set([1])],
    ['what only calls itself an AbortSignal', { [Symbol.toStringTag]: 'AbortSignal' }],
    ['what answers the key of references otherwise', { [Symbol.for('tandem-rpc.reference')]: {} }],
  ])('does not lend %s', (_name, value) => {
    const { exports } = made();
    expect(exports.lend(value)).toBeUndefined();
    expect(exports.size).toBe(0);
    expect(exports.wasLent(firstNumber)).toBe(false);
  });

  it('lends an object with the members that its mark allows', () => {
    const { exports, lend } = made();
    const object = byReference(
      { add: callback, remove: callback, value$: of(1) },
      { only: ['add', 'value$'] },
    );
    expect(lend(object).members).toEqual(['add', 'value$']);
    const exported = exports.find(firstNumber);
    expect(exported?.kind === 'object' && [...exported.exposed.methods.keys()]).toEqual(['add']);
  });

  it('does not lend an object whose mark does not fit it, and says why', () => {
    const { exports } = made();
    expect(() => exports.lend(byReference({}, { only: ['add'] }))).toThrow('"only" names "add"');
    expect(exports.size).toBe(0);
  });

  it('has one number for the same value, never that of another, and counts', () => {
    const { exports, lend } = made();
    const other = (): void => undefined;
    expect(lend(callback).number).toBe(firstNumber);
    expect(lend(other).number).toBe(firstNumber + 1);
    expect(lend(callback).number).toBe(firstNumber);
    expect(exports.size).toBe(2);
    exports.release(firstNumber, 1);
    expect(exports.find(firstNumber)).toBeDefined();
    exports.release(firstNumber, 1);
    expect(exports.find(firstNumber)).toBeUndefined();
    expect(lend(callback).number).toBe(firstNumber + 2);
  });

  it('knows what was lent once from what never was', () => {
    const { exports, lend } = made();
    expect(exports.wasLent(firstNumber)).toBe(false);
    lend(callback);
    exports.release(firstNumber, 1);
    expect(exports.wasLent(firstNumber)).toBe(true);
    for (const never of [firstNumber - 1, firstNumber + 1, 0, -1, Number.MAX_SAFE_INTEGER]) {
      expect(exports.wasLent(never)).toBe(false);
    }
  });

  it.each<[string, number, number]>([
    ['a number that was never lent', firstNumber + 1, 1],
    ['more than it holds', firstNumber, 3],
    ['nothing', firstNumber, 0],
    ['less than nothing', firstNumber, -1],
    ['no number', firstNumber, Number.NaN],
    ['without end', firstNumber, Number.POSITIVE_INFINITY],
  ])('takes it for an error to release %s', (_name, number, count) => {
    const { exports, lend } = made();
    lend(callback);
    lend(callback);
    expect(() => exports.release(number, count)).toThrow(ProtocolError);
    // Nothing has changed.
    exports.release(firstNumber, 2);
    expect(exports.size).toBe(0);
    expect(() => exports.release(firstNumber, 1)).toThrow('was released 1 times, where it was held 0 times');
  });

  describe('a value of the other side', () => {
    it('goes back by its number, and is not counted', () => {
      const { exports } = made({ numberOfImport: (value) => (value === callback ? 7 : undefined) });
      const outer = exports.begin();
      expect(exports.lend(callback)).toEqual(new ReturnedReference(7));
      expect(exports.end(outer)).toBeUndefined();
      expect(exports.size).toBe(0);
    });

    it('is lent on if it is a proxy of another connection, and forwards', async () => {
      const called: unknown[] = [];
      const proxy = createRemoteProxy(callerOf(['deposit', 'balance$'], called), 'bank');
      const { exports, lend } = made();
      expect(lend(proxy)).toMatchObject({
        kind: 'object',
        members: ['deposit', 'balance$'],
        properties: ['balance$'],
      });
      const exported = exports.find(firstNumber);
      if (exported?.kind !== 'object') throw new Error('it is no object');
      expect(exports.original(firstNumber)).toBe(proxy);
      await expect(exported.exposed.methods.get('deposit')!(5)).resolves.toBe('answer');
      expect(called).toEqual([['bank', 'deposit', [5]]]);
      expect(exported.exposed.streams.has('balance$')).toBe(true);
    });

    it('is refused if it is a proxy that nobody knows any more, whatever members it answers', () => {
      const { exports } = made();
      expect(exports.lend(createRemoteProxy(callerOf(undefined, []), 'bank'))).toBeUndefined();
      expect(exports.size).toBe(0);
    });
  });

  describe('a loan', () => {
    it('is what one message lends, each as many times as it does', () => {
      const { message } = made();
      const other = (): void => undefined;
      expect(message()).toBeUndefined();
      expect(message(callback, other, callback)).toEqual([firstNumber, firstNumber + 1, firstNumber]);
      expect(message()).toBeUndefined();
    });

    it('is its own for a message within a message', () => {
      const { exports, lend, message } = made();
      const other = (): void => undefined;
      const outer = exports.begin();
      lend(callback);
      expect(message(other, callback)).toEqual([firstNumber + 1, firstNumber]);
      expect(message()).toBeUndefined();
      lend(other);
      expect(exports.end(outer)).toEqual([firstNumber, firstNumber + 1]);
    });

    it('is taken back as a whole, and nothing else with it', () => {
      const { exports, message } = made();
      const other = (): void => undefined;
      message(callback);
      const loan = message(callback, other, callback);
      exports.takeBack(loan);
      expect(exports.size).toBe(1);
      exports.release(firstNumber, 1);
      expect(exports.size).toBe(0);
      exports.takeBack(undefined);
    });

    it('can be taken back after the peer gave back more than it got, and after the end', () => {
      const { exports, message } = made();
      message(callback);
      const withdrawn = message(callback);
      exports.release(firstNumber, 2);
      exports.takeBack(withdrawn);
      expect(exports.size).toBe(0);
      const late = message(callback);
      exports.close();
      exports.takeBack(late);
      expect(exports.size).toBe(0);
    });

    it('does not gather what is lent outside of messages', () => {
      const { exports, lend, message } = made();
      lend(callback);
      expect(exports.end(exports.begin())).toBeUndefined();
      expect(message(callback)).toEqual([firstNumber]);
    });
  });

  describe('a signal', () => {
    it('tells its abort once, as long as it is lent', () => {
      const { exports, aborts, lend } = made();
      const controller = new AbortController();
      lend(controller.signal);
      lend(controller.signal);
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
      exports.release(firstNumber, 1);
      controller.abort('because');
      expect(aborts).toEqual([[firstNumber, 'because']]);
      expect(lend(controller.signal)).toMatchObject({
        number: firstNumber,
        aborted: { reason: 'because' },
      });
    });

    it('says at once that it was aborted before', () => {
      const { lend } = made();
      const signal = AbortSignal.abort('because');
      expect(lend(signal)).toMatchObject({ kind: 'signal', aborted: { reason: 'because' } });
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it.each<[string, (exports: ExportTable, loan: readonly number[] | undefined) => void]>([
      ['released', (exports) => exports.release(firstNumber, 1)],
      ['taken back', (exports, loan) => exports.takeBack(loan)],
      ['closed', (exports) => exports.close()],
    ])('is not listened to any more once it is %s', (_name, end) => {
      const { exports, aborts, message } = made();
      const controller = new AbortController();
      end(exports, message(controller.signal));
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      controller.abort();
      expect(aborts).toEqual([]);
    });
  });

  describe('after close()', () => {
    it('holds nothing, and can be closed again', () => {
      const { exports, lend } = made();
      lend(callback);
      exports.close();
      exports.close();
      expect(exports.size).toBe(0);
      expect(exports.find(firstNumber)).toBeUndefined();
      expect(exports.wasLent(firstNumber)).toBe(true);
    });

    it('ignores what comes late', () => {
      const { exports } = made();
      exports.close();
      expect(() => exports.release(5, 5)).not.toThrow();
    });

    it('still answers for a message on its way, and keeps nothing', () => {
      const { exports, lend, message } = made();
      const controller = new AbortController();
      exports.close();
      expect(lend(callback).kind).toBe('function');
      expect(message(controller.signal)).toHaveLength(1);
      expect(exports.size).toBe(0);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });
  });

  it('is empty after 100,000 values lent and released', () => {
    const { exports, lend } = made();
    for (let round = 0; round < 100_000; round++) {
      exports.release(lend(() => round).number, 1);
    }
    expect(exports.size).toBe(0);
  });
});
