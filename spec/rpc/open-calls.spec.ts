import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OpenCalls } from '../../src/rpc/open-calls.js';

/** The ids of a table, in order. */
function idsOf(calls: OpenCalls<{ readonly id: number }>): number[] {
  return calls
    .entries()
    .map(({ id }) => id)
    .sort((one, other) => one - other);
}

describe('OpenCalls', () => {
  it('is empty at first', () => {
    const calls = new OpenCalls<{ readonly id: number }>();
    expect(calls.size).toBe(0);
    expect(calls.find(0)).toBeUndefined();
    expect(calls.take(1)).toBeUndefined();
    expect(calls.entries()).toEqual([]);
  });

  it('keeps a call that stays open while very many others come and go', () => {
    const calls = new OpenCalls<{ readonly id: number }>();
    const first = { id: 1 };
    calls.add(first);
    for (let id = 2; id < 5_000; id += 1) {
      calls.add({ id });
      expect(calls.take(id)?.id).toBe(id);
    }
    expect(calls.size).toBe(1);
    expect(calls.find(1)).toBe(first);
    expect(calls.take(1)).toBe(first);
    expect(calls.size).toBe(0);
  });

  it('tells ids apart that differ only above 32 bits', () => {
    const calls = new OpenCalls<{ readonly id: number }>();
    calls.add({ id: 7 });
    calls.add({ id: 7 + 2 ** 32 });
    expect(calls.find(7)?.id).toBe(7);
    expect(calls.find(7 + 2 ** 33)).toBeUndefined();
    expect(idsOf(calls)).toEqual([7, 7 + 2 ** 32]);
  });

  it('forgets all when it is cleared', () => {
    const calls = new OpenCalls<{ readonly id: number }>();
    for (let id = 1; id <= 100; id += 1) calls.add({ id: id * 16 });
    calls.clear();
    expect(calls.size).toBe(0);
    expect(calls.entries()).toEqual([]);
    expect(calls.find(16)).toBeUndefined();
  });

  it('holds what a Map would hold, whatever ids a peer chooses', () => {
    const id = fc.oneof(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    );
    const step = fc.record({ id, isTaken: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const calls = new OpenCalls<{ readonly id: number }>();
        const model = new Map<number, { readonly id: number }>();
        for (const entry of steps) {
          const present = model.get(entry.id);
          if (entry.isTaken) model.delete(entry.id);
          else if (present === undefined) calls.add(entry);
          if (!entry.isTaken) model.set(entry.id, present ?? entry);
          expect(entry.isTaken ? calls.take(entry.id) : present).toBe(present);
          expect(calls.find(entry.id)).toBe(model.get(entry.id));
          expect(calls.size).toBe(model.size);
        }
        expect(idsOf(calls)).toEqual([...model.keys()].sort((one, other) => one - other));
      }),
    );
  });
});
