import { describe, expect, it } from '@jest/globals';
import { Backoff } from '../../src/link/backoff.js';

/** The pauses of so many attempts that all fail. */
function pauses(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.ended(0));
}

describe('Backoff', () => {
  it('doubles the ceiling of the pause with each failed attempt, up to the greatest', () => {
    expect(pauses(new Backoff(100, 1_000, () => 1), 6)).toEqual([150, 250, 450, 850, 1_050, 1_050]);
  });

  it('draws each pause from the whole range below its ceiling', () => {
    expect(pauses(new Backoff(100, 1_000, () => 0), 3)).toEqual([50, 50, 50]);
    expect(pauses(new Backoff(100, 1_000, () => 0.5), 3)).toEqual([100, 150, 250]);
  });

  it('never dials in a tight loop, whatever the settings', () => {
    expect(pauses(new Backoff(0, 0, () => 1), 3)).toEqual([50, 50, 50]);
  });

  it('stays at its greatest for ever', () => {
    const backoff = new Backoff(100, 5_000, () => 1);
    pauses(backoff, 5_000);
    expect(backoff.ended(0)).toBe(5_050);
  });

  it.each([
    ['10 s', (backoff: Backoff) => backoff.established(0), 10_000],
    [
      'a heartbeat',
      (backoff: Backoff) => {
        backoff.established(0);
        backoff.confirmed();
      },
      1,
    ],
  ])('begins anew after a connection that had %s, nearly at once', (_what, act, endedAtMs) => {
    const backoff = new Backoff(100, 1_000, () => 1);
    pauses(backoff, 5);
    act(backoff);
    expect(backoff.ended(endedAtMs)).toBe(50);
    expect(backoff.ended(endedAtMs)).toBe(250);
  });

  it('does not begin anew after a connection that was closed again at once', () => {
    const backoff = new Backoff(100, 1_000, () => 1);
    pauses(backoff, 2);
    backoff.established(0);
    expect(backoff.ended(9_999)).toBe(450);
    backoff.established(0);
    expect(backoff.ended(9_999)).toBe(850);
  });

  it('counts the time of the last connection only', () => {
    const backoff = new Backoff(100, 1_000, () => 1);
    backoff.established(0);
    backoff.ended(20_000);
    expect(backoff.ended(40_000)).toBe(250);
  });
});
