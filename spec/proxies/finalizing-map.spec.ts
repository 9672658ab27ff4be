import { describe, expect, it } from '@jest/globals';
import { FinalizingMap } from '../../src/proxies/finalizing-map.js';
import { HandHold } from '../helpers/hand-hold.js';

function made() {
  const hold = new HandHold();
  const told: unknown[] = [];
  const map = new FinalizingMap<{ readonly name: string }>(
    (number, count) => told.push([number, count]),
    hold,
  );
  return { hold, told, map };
}

describe('FinalizingMap', () => {
  it('gives the value of a number while it is alive', () => {
    const { map, hold } = made();
    const value = { name: 'a' };
    expect(map.get(1)).toBeUndefined();
    map.set(1, value);
    expect(map.get(1)).toBe(value);
    expect(map.get(2)).toBeUndefined();
    hold.collect(value);
    expect(map.get(1)).toBeUndefined();
  });

  it('tells the number and the count of a collected value, once, and frees the number', () => {
    const { map, hold, told } = made();
    const value = { name: 'a' };
    map.set(1, value);
    map.count(1);
    map.count(1);
    hold.collect(value);
    expect(map.size).toBe(1);
    expect(told).toEqual([]);
    hold.finalize();
    hold.finalize();
    expect(told).toEqual([[1, 2]]);
    expect(map.size).toBe(0);
  });

  it('counts only what is there', () => {
    const { map } = made();
    map.count(1);
    expect(map.size).toBe(0);
    map.set(1, { name: 'a' });
    expect(map.delete(1)).toBe(0);
  });

  it('counts down, and frees the number with the last', () => {
    const { map, hold, told } = made();
    const value = { name: 'a' };
    map.set(1, value);
    map.count(1);
    map.count(1);
    expect([map.discount(1), map.get(1), map.discount(1), map.get(1), map.discount(1)]).toEqual([
      1,
      value,
      0,
      undefined,
      0,
    ]);
    hold.collect(value);
    hold.finalize();
    expect(told).toEqual([]);
  });

  it.each([true, false])('says nothing of what was deleted (finalizer too late: %s)', (isTooLate) => {
    const { map, hold, told } = made();
    hold.isTooLateToUnregister = isTooLate;
    const [first, second] = [{ name: 'first' }, { name: 'second' }];
    map.set(1, first);
    map.count(1);
    expect(map.delete(1)).toBe(1);
    expect(map.delete(1)).toBe(0);
    map.set(1, second);
    hold.collect(first);
    hold.finalize();
    expect(told).toEqual([]);
    expect(map.get(1)).toBe(second);
  });

  it.each([true, false])('says nothing of what was cleared (finalizer too late: %s)', (isTooLate) => {
    const { map, hold, told } = made();
    hold.isTooLateToUnregister = isTooLate;
    const value = { name: 'a' };
    map.set(1, value);
    map.count(1);
    map.clear();
    expect(map.size).toBe(0);
    hold.collect(value);
    hold.finalize();
    expect(told).toEqual([]);
  });

  it('keeps no finalizer for what is gone', () => {
    const { map, hold } = made();
    map.set(1, { name: 'a' });
    map.set(2, { name: 'c' });
    expect(hold.watchedCount).toBe(2);
    map.delete(1);
    map.clear();
    expect(hold.watchedCount).toBe(0);
  });

  it('holds weakly as the language does, by itself', () => {
    const map = new FinalizingMap<object>(() => undefined);
    const value = {};
    map.set(1, value);
    expect(map.get(1)).toBe(value);
    expect(map.delete(1)).toBe(0);
    expect(map.get(1)).toBeUndefined();
  });
});
