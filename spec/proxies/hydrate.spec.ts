import { describe, expect, it } from '@jest/globals';
import { of } from 'rxjs';
import { ProtocolError, StaleReferenceError } from '../../src/errors.js';
import { LentReference, ReturnedReference } from '../../src/protocol/references.js';
import { byReference } from '../../src/proxies/by-reference.js';
import { ExportTable } from '../../src/proxies/export-table.js';
import { hydrate } from '../../src/proxies/hydrate.js';

function made() {
  const received: LentReference[] = [];
  const objects = new Map<number, object>();
  const imports = {
    receive: (lent: LentReference, reason?: unknown): object => {
      received.push(lent);
      const object = objects.get(lent.number) ?? { imported: lent.number, ...(lent.aborted && { reason }) };
      objects.set(lent.number, object);
      return object;
    },
  };
  const exports = new ExportTable({
    firstNumber: 1,
    admit: () => undefined,
    numberOfImport: () => undefined,
    onAbort: () => undefined,
  });
  return { exports, received, run: (value: unknown): unknown => hydrate(value, imports, exports) };
}

const lent = (number: number): LentReference => new LentReference('function', number);
const returned = (number: number): ReturnedReference => new ReturnedReference(number);

describe('hydrate()', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a number', 5],
    ['a string', 'text'],
  ])('gives %s as it is', (_name, value) => {
    expect(made().run(value)).toBe(value);
  });

  it('leaves alone what holds no reference', () => {
    const value = {
      list: [1, [2]],
      map: new Map<unknown, unknown>([[{ key: 1 }, new Set([1, 2])]]),
      date: new Date(0),
      bytes: new Uint8Array(2),
      error: new TypeError('text', { cause: new Error('below') }),
    };
    const copy = structuredClone(value);
    expect(made().run(value)).toBe(value);
    expect(value).toEqual(copy);
  });

  it('gives what a reference stands for, the same for the same', () => {
    const { run, received } = made();
    expect(run(lent(5))).toEqual({ imported: 5 });
    const [first, second] = run([lent(6), lent(6)]) as unknown[];
    expect(first).toBe(second);
    expect(received).toHaveLength(3);
  });

  it('replaces within containers, in place and in order', () => {
    const { run } = made();
    const list = [1, lent(5), [lent(6)]];
    const record = { a: lent(7), b: { c: lent(8) }, d: 'text' };
    const map = new Map<unknown, unknown>([
      ['first', 1],
      [lent(9), lent(10)],
      [{ key: lent(11) }, 'last'],
    ]);
    const set = new Set<unknown>([1, lent(12), 2, [lent(13)]]);
    const value = [list, record, map, set];
    expect(run(value)).toBe(value);
    expect(value).toEqual([list, record, map, set]);
    expect(list).toEqual([1, { imported: 5 }, [{ imported: 6 }]]);
    expect(record).toEqual({ a: { imported: 7 }, b: { c: { imported: 8 } }, d: 'text' });
    expect(Object.keys(record)).toEqual(['a', 'b', 'd']);
    expect([...map]).toEqual([
      ['first', 1],
      [{ imported: 9 }, { imported: 10 }],
      [{ key: { imported: 11 } }, 'last'],
    ]);
    expect([...set]).toEqual([1, { imported: 12 }, 2, [{ imported: 13 }]]);
  });

  it('replaces within errors, what is not enumerable as well, which stays so', () => {
    const { run } = made();
    const error = Object.assign(new Error('text', { cause: { why: lent(5) } }), { retry: lent(6) });
    Object.defineProperty(error, 'errors', { value: [lent(7)], writable: true, configurable: true });
    const direct = new Error('text', { cause: lent(8) });
    run([error, direct]);
    expect(error.cause).toEqual({ why: { imported: 5 } });
    expect(error.retry).toEqual({ imported: 6 });
    expect(Reflect.get(error, 'errors')).toEqual([{ imported: 7 }]);
    expect(direct.cause).toEqual({ imported: 8 });
    expect(Object.keys(error)).toEqual(['retry']);
    expect(Object.keys(direct)).toEqual([]);
  });

  it('lets nothing inherited act on keys of the peer', () => {
    const { run } = made();
    const record = JSON.parse('{"__proto__": 1, "constructor": 2}') as object;
    Object.defineProperty(record, '__proto__', { value: lent(5) });
    run(record);
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(record, '__proto__')?.value).toEqual({ imported: 5 });
  });

  it('looks into the reason with which a signal was aborted', () => {
    const { run, received } = made();
    const signal = new LentReference('signal', 5, [], [], { reason: { retry: lent(6) } });
    expect(run([signal])).toEqual([{ imported: 5, reason: { retry: { imported: 6 } } }]);
    const bare = new LentReference('signal', 7, [], [], { reason: lent(8) });
    expect(run(bare)).toEqual({ imported: 7, reason: { imported: 8 } });
    expect(received.map(({ number }) => number)).toEqual([6, 5, 8, 7]);
  });

  it('looks as deep as the limits allow', () => {
    const { run } = made();
    let value: unknown = lent(5);
    for (let depth = 0; depth < 512; depth++) {
      value = [[value], { value }, new Map([[1, value]]), new Error('', { cause: value })][depth % 4];
    }
    expect(() => run(value)).not.toThrow();
  });

  it.each<[string, object]>([
    ['a function', () => 1],
    ['a stream', of(1)],
    ['an object', byReference({ add: () => 1 })],
    ['a signal', new AbortController().signal],
  ])('gives the owner %s of its own back', (_name, value) => {
    const { run, exports } = made();
    const reference = exports.lend(value);
    const got = run([returned((reference as LentReference).number)]) as unknown[];
    expect(got[0]).toBe(value);
  });

  it('takes it for an error when something comes back that was never lent', () => {
    const { run, exports } = made();
    exports.lend(() => 1);
    expect(() => run(returned(2))).toThrow(ProtocolError);
    expect(() => run({ a: [returned(0)] })).toThrow('reference 0 came back, which was never lent');
  });

  it('finds what was released meanwhile stale', () => {
    const { run, exports } = made();
    exports.lend(() => 1);
    exports.release(1, 1);
    expect(() => run(new Set([returned(1)]))).toThrow(StaleReferenceError);
    expect(() => run(returned(1))).toThrow(expect.objectContaining({ executed: 'no' }));
  });

  it('receives nothing when it fails, so that all of the message can be refused', () => {
    const { run, exports, received } = made();
    exports.lend(() => 1);
    exports.release(1, 1);
    const bad = [returned(1), returned(9)];
    for (const last of bad) {
      expect(() => run([lent(5), { a: lent(6) }, last])).toThrow();
      expect(() => run([lent(5), new LentReference('signal', 6, [], [], { reason: [last] })])).toThrow();
    }
    expect(received).toEqual([]);
  });
});
