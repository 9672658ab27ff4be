import { describe, expect, it } from '@jest/globals';
import { LineState } from '../../src/main-thread/line-state.js';

describe('the state of a line', () => {
  it.each(['taken', 'lost'] as const)('is what was said first, to both sides: %s', (first) => {
    const one = new LineState();
    const other = new LineState(one.memory);
    expect([one.isTaken, one.isLost]).toEqual([false, false]);
    expect(one.take(first)).toBe(true);
    expect(other.take(first === 'taken' ? 'lost' : 'taken')).toBe(false);
    expect(other.take(first)).toBe(true);
    expect([other.isTaken, other.isLost]).toEqual([first === 'taken', first === 'lost']);
  });

  it('does not change by being heard of', () => {
    const state = new LineState();
    expect(state.isHeard).toBe(false);
    state.hear();
    expect(new LineState(state.memory).isHeard).toBe(true);
    expect([state.isTaken, state.isLost, state.take('lost')]).toEqual([false, false, true]);
  });
});
