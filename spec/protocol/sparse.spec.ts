import { describe, expect, it } from '@jest/globals';
import { SparseMap, SparseSet } from '../../src/protocol/sparse.js';

describe('SparseMap', () => {
  it('is empty, and does as a Map does', () => {
    const map = new SparseMap<string, number>();
    expect([map.size, map.get('a'), map.has('a'), map.delete('a')]).toEqual([0, undefined, false, false]);
    expect([[...map], [...map.keys()], [...map.values()]]).toEqual([[], [], []]);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    expect([map.size, map.get('a'), map.has('b')]).toEqual([2, 3, true]);
    expect([[...map], [...map.keys()], [...map.values()]]).toEqual([
      [
        ['a', 3],
        ['b', 2],
      ],
      ['a', 'b'],
      [3, 2],
    ]);
    expect([map.delete('a'), map.delete('a'), map.size]).toEqual([true, false, 1]);
    map.clear();
    expect([map.size, map.has('b')]).toEqual([0, false]);
  });
});

describe('SparseSet', () => {
  it('is empty, and does as a Set does', () => {
    const set = new SparseSet<string>();
    expect([set.size, set.has('a'), set.delete('a'), [...set]]).toEqual([0, false, false, []]);
    set.add('a');
    set.add('b');
    set.add('a');
    expect([set.size, set.has('a'), [...set]]).toEqual([2, true, ['a', 'b']]);
    expect([set.delete('a'), set.delete('a'), set.size]).toEqual([true, false, 1]);
    set.clear();
    expect([set.size, set.has('b')]).toEqual([0, false]);
  });
});
