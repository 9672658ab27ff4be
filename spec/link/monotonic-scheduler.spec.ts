import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { asyncScheduler, Subscription } from 'rxjs';
import { monotonicScheduler } from '../../src/link/monotonic-scheduler.js';

afterEach(() => {
  jest.restoreAllMocks();
});

describe('monotonicScheduler', () => {
  it('tells milliseconds since the epoch', () => {
    expect(Math.abs(monotonicScheduler.now() - Date.now())).toBeLessThan(60_000);
  });

  it('does not notice the wall clock being set', () => {
    const before = monotonicScheduler.now();
    jest.spyOn(Date, 'now').mockReturnValue(0);
    const after = monotonicScheduler.now();
    expect(asyncScheduler.now()).toBe(0);
    expect(after).toBeGreaterThanOrEqual(before);
    expect(after - before).toBeLessThan(60_000);
  });

  it('never goes backwards', () => {
    const times = Array.from({ length: 1000 }, () => monotonicScheduler.now());
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });

  it('leaves scheduling to the timers of rxjs', () => {
    const subscription = new Subscription();
    const schedule = jest.spyOn(asyncScheduler, 'schedule').mockReturnValue(subscription);
    const work = (): void => {};
    expect(monotonicScheduler.schedule(work, 5, 'state')).toBe(subscription);
    expect(schedule).toHaveBeenCalledWith(work, 5, 'state');
  });
});
