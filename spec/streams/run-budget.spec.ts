import { describe, expect, it } from '@jest/globals';
import { RunBudget } from '../../src/streams/run-budget.js';

describe('RunBudget', () => {
  it('is not spent before anything ran', () => {
    expect(new RunBudget(8, 16).isSpent(0)).toBe(false);
  });

  it.each([
    [7.999, false],
    [8, true],
    [8.001, true],
  ])('after a run of %d of 8 ms, says %s', (ms, isSpent) => {
    const budget = new RunBudget(8, 16);
    budget.record(0, ms);
    expect(budget.isSpent(ms)).toBe(isSpent);
  });

  it('counts a run that lies across the start of the window in part', () => {
    const budget = new RunBudget(4, 16);
    budget.record(0, 8);
    expect(budget.isSpent(20)).toBe(true);
    expect(budget.isSpent(20.001)).toBe(false);
  });

  it('forgets what has left the window', () => {
    const budget = new RunBudget(8, 16);
    budget.record(0, 8);
    expect(budget.isSpent(24)).toBe(false);
    expect(budget.isSpent(1000)).toBe(false);
    budget.record(1000, 1001);
    expect(budget.isSpent(1001)).toBe(false);
  });

  it('adds up many short runs, near and far', () => {
    const near = new RunBudget(8, 16);
    const far = new RunBudget(8, 16);
    for (let run = 0; run < 80; run += 1) {
      near.record(run * 0.1, (run + 1) * 0.1);
      far.record(run, run + 0.6);
    }
    expect(near.isSpent(8.01)).toBe(true);
    expect(far.isSpent(80)).toBe(true);
    expect(new RunBudget(10, 16).isSpent(80)).toBe(false);
  });

  it('allows a steady load below the bound for ever', () => {
    const budget = new RunBudget(8, 16);
    for (let ms = 0; ms < 10_000; ms += 1) {
      expect(budget.isSpent(ms)).toBe(false);
      budget.record(ms, ms + 0.4);
    }
  });
});
