import { describe, expect, it } from '@jest/globals';
import { Deadlines } from '../../src/protocol/deadlines.js';

describe('Deadlines', () => {
  it('has none at first', () => {
    const deadlines = new Deadlines<number>();
    expect(deadlines.nextMs).toBe(Infinity);
    expect(deadlines.takeDue(1e9)).toEqual([]);
  });

  it('gives each key when its time has come, not a millisecond earlier, and once', () => {
    const deadlines = new Deadlines<string>();
    deadlines.add('a', 10);
    expect(deadlines.nextMs).toBe(10);
    expect(deadlines.takeDue(9)).toEqual([]);
    expect(deadlines.takeDue(10)).toEqual(['a']);
    expect(deadlines.takeDue(10)).toEqual([]);
    expect(deadlines.nextMs).toBe(Infinity);
  });

  it('rounds up to whole milliseconds, so that nothing is early', () => {
    const deadlines = new Deadlines<string>();
    expect(deadlines.add('a', 9.1)).toBe(10);
    expect(deadlines.takeDue(9.9)).toEqual([]);
    expect(deadlines.takeDue(10)).toEqual(['a']);
  });

  it('gives the earliest first, those of one time in the order in which they were added', () => {
    const deadlines = new Deadlines<string>();
    for (const [key, atMs] of [
      ['c', 30],
      ['a1', 10],
      ['b', 20],
      ['a2', 10],
    ] as const)
      deadlines.add(key, atMs);
    expect(deadlines.takeDue(25)).toEqual(['a1', 'a2', 'b']);
    expect(deadlines.nextMs).toBe(30);
  });

  it('removes a key, and only that', () => {
    const deadlines = new Deadlines<string>();
    const atMs = deadlines.add('a', 10);
    deadlines.add('b', 10);
    deadlines.remove('a', atMs);
    deadlines.remove('a', atMs);
    expect(deadlines.takeDue(10)).toEqual(['b']);
    deadlines.remove('b', 10);
    deadlines.remove('x', 99);
    expect(deadlines.takeDue(99)).toEqual([]);
  });

  it('takes a key again at a time whose keys were all removed', () => {
    const deadlines = new Deadlines<string>();
    deadlines.remove('a', deadlines.add('a', 10));
    deadlines.add('b', 10);
    expect(deadlines.takeDue(10)).toEqual(['b']);
  });

  it('gives nothing for a time whose keys were all removed', () => {
    const deadlines = new Deadlines<string>();
    deadlines.remove('a', deadlines.add('a', 10));
    deadlines.add('b', 20);
    expect(deadlines.takeDue(15)).toEqual([]);
    expect(deadlines.takeDue(20)).toEqual(['b']);
  });

  it('spends no wake-up on most of what was removed', () => {
    const deadlines = new Deadlines<number>();
    deadlines.add(-1, 1_000_000);
    for (let key = 0; key < 1_000; key++) deadlines.remove(key, deadlines.add(key, 1_000 + key));
    let wakeUps = 0;
    while (deadlines.nextMs < 1_000_000) {
      expect(deadlines.takeDue(deadlines.nextMs)).toEqual([]);
      wakeUps += 1;
    }
    expect(wakeUps).toBeLessThan(130);
    expect(deadlines.takeDue(1_000_000)).toEqual([-1]);
  });

  it('does what a sorted list would do', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomOf(seed);
      const deadlines = new Deadlines<number>();
      const model = new Map<number, number>();
      for (let key = 0, nowMs = 0; key < 600; key++) {
        model.set(key, deadlines.add(key, nowMs + random() * 200));
        const removed = Math.floor(random() * 600);
        const removedMs = model.get(removed);
        if (removedMs !== undefined && random() < 0.95) {
          deadlines.remove(removed, removedMs);
          model.delete(removed);
        }
        if (random() > 0.1) continue;
        nowMs += Math.floor(random() * 30);
        const due = [...model].filter(([, atMs]) => atMs <= nowMs);
        const expected = due.sort(([, left], [, right]) => left - right).map(([, atMs]) => atMs);
        expect({ seed, due: deadlines.takeDue(nowMs).map((each) => model.get(each)) }).toEqual({
          seed,
          due: expected,
        });
        for (const [each] of due) model.delete(each);
        expect(deadlines.nextMs).toBeLessThanOrEqual(Math.min(Infinity, ...model.values()));
      }
    }
  });
});

/** A small generator of chance, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
