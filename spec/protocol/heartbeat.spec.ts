import { describe, expect, it } from '@jest/globals';
import { Heartbeat } from '../../src/protocol/heartbeat.js';

/** Works off every deadline up to this time, as a driver that is never late would; the times of pings. */
function run(heartbeat: Heartbeat, untilMs: number): number[] {
  const pings: number[] = [];
  for (let atMs = heartbeat.nextDeadlineMs; atMs <= untilMs; atMs = heartbeat.nextDeadlineMs) {
    if (heartbeat.handleDeadline(atMs).ping !== undefined) pings.push(atMs);
  }
  return pings;
}

describe('Heartbeat', () => {
  describe('the interval', () => {
    it.each([
      ['a third of the timeout', 9_000, 9_000, undefined, 3_000],
      ['a third of what the other side bears, where that is less', 9_000, 300, undefined, 100],
      ['its own, where the other side bears more', 300, 9_000, undefined, 100],
      ['what was asked for', 9_000, 9_000, 500, 500],
      ['no longer than the other side allows, whatever was asked for', 9_000, 900, 5_000, 300],
      ['longer than a third of its own timeout, if that was asked for', 9_000, 90_000, 8_000, 8_000],
      ['three milliseconds at least', 9_000, 0, undefined, 3],
      ['three milliseconds at least, whatever was asked for', 9_000, 9_000, 0, 3],
    ])('is %s', (_what, timeoutMs, peerTimeoutMs, wantedMs, expected) => {
      expect(new Heartbeat(timeoutMs, peerTimeoutMs, wantedMs, 0).intervalMs).toBe(expected);
    });
  });

  it('pings at each interval, with rising ids', () => {
    const heartbeat = new Heartbeat(9_000, 9_000, undefined, 100);
    expect(heartbeat.nextDeadlineMs).toBe(3_100);
    expect(heartbeat.handleDeadline(3_099)).toEqual({ ping: undefined, isSuspect: false });
    expect(heartbeat.handleDeadline(3_100)).toEqual({ ping: 1, isSuspect: false });
    expect(heartbeat.nextDeadlineMs).toBe(6_100);
    expect(heartbeat.handleDeadline(6_100)).toEqual({ ping: 2, isSuspect: false });
  });

  it('pings three times within what a peer bears that bears much less', () => {
    const heartbeat = new Heartbeat(60_000, 300, undefined, 0);
    expect(run(heartbeat, 300)).toEqual([100, 200, 300]);
  });

  describe('a ping that goes along with an answer', () => {
    it('is one that is due within half an interval, and the next one follows after a whole one', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      expect(heartbeat.takePingAlong(1_499)).toBeUndefined();
      expect(heartbeat.nextDeadlineMs).toBe(3_000);
      expect(heartbeat.takePingAlong(1_500)).toBe(1);
      expect(heartbeat.takePingAlong(1_500)).toBeUndefined();
      expect(heartbeat.nextDeadlineMs).toBe(4_500);
      expect([heartbeat.hasSent(1), heartbeat.receivePong(1, 1_600)]).toEqual([true, 100]);
      expect(run(heartbeat, 8_000)).toEqual([4_500, 7_500]);
    });

    it('may be one that is due, not one that is late since this side was blocked', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      heartbeat.receiveBytes(6_001);
      expect(heartbeat.takePingAlong(6_001)).toBeUndefined();
      expect(heartbeat.handleDeadline(6_001)).toEqual({ ping: 1, isSuspect: false });
      expect(heartbeat.takePingAlong(12_001)).toBe(2);
    });
  });

  it('suspects a silent peer at the timeout, not before', () => {
    const heartbeat = new Heartbeat(9_000, 9_000, 8_000, 0);
    run(heartbeat, 8_999);
    expect(heartbeat.isDead()).toBe(false);
    run(heartbeat, 9_000);
    expect(heartbeat.isDead()).toBe(true);
  });

  it.each(['a millisecond before the timeout', 'at the timeout', 'after the suspicion'])(
    'bears another whole timeout after bytes that come %s',
    (when) => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      const heardAtMs = when === 'a millisecond before the timeout' ? 8_999 : 9_000;
      if (when === 'after the suspicion') run(heartbeat, 9_000);
      heartbeat.receiveBytes(heardAtMs);
      expect(heartbeat.isDead()).toBe(false);
      run(heartbeat, heardAtMs + 8_999);
      expect(heartbeat.isDead()).toBe(false);
      run(heartbeat, heardAtMs + 9_000);
      expect(heartbeat.isDead()).toBe(true);
    },
  );

  it('goes on pinging while it suspects, and does not ask to be called at once again', () => {
    const heartbeat = new Heartbeat(9_000, 90_000, 4_000, 0);
    run(heartbeat, 9_000);
    expect(heartbeat.nextDeadlineMs).toBe(12_000);
    expect(heartbeat.handleDeadline(12_000)).toEqual({ ping: 3, isSuspect: true });
  });

  describe('when its own ticks are late', () => {
    it('bears silence for so much longer', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      expect(heartbeat.handleDeadline(3_000 + 6_500)).toEqual({ ping: 1, isSuspect: false });
      run(heartbeat, 9_500 + 6_499);
      expect(heartbeat.isDead()).toBe(false);
      run(heartbeat, 9_500 + 6_500);
      expect(heartbeat.isDead()).toBe(true);
    });

    it('gives no more than a timeout, however late', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      expect(heartbeat.handleDeadline(1_000_000).isSuspect).toBe(false);
      run(heartbeat, 1_000_000 + 8_999);
      expect(heartbeat.isDead()).toBe(false);
      run(heartbeat, 1_000_000 + 9_000);
      expect(heartbeat.isDead()).toBe(true);
    });

    it('gives nothing for lateness of up to an interval', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      heartbeat.handleDeadline(6_000);
      run(heartbeat, 9_000);
      expect(heartbeat.isDead()).toBe(true);
    });

    it('sends one ping for all that it missed', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      expect(heartbeat.handleDeadline(100_000).ping).toBe(1);
      expect(heartbeat.handleDeadline(100_000).ping).toBeUndefined();
    });
  });

  describe('pongs', () => {
    it('tell the round trip, once', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      run(heartbeat, 3_000);
      expect(heartbeat.receivePong(1, 3_250)).toBe(250);
      expect(heartbeat.receivePong(1, 3_300)).toBeUndefined();
    });

    it('tell it in any order, for the last 8 pings', () => {
      const heartbeat = new Heartbeat(90_000, 9_000, undefined, 0);
      run(heartbeat, 9 * 3_000);
      expect(heartbeat.receivePong(1, 30_000)).toBeUndefined();
      expect(heartbeat.receivePong(9, 30_000)).toBe(3_000);
      expect(heartbeat.receivePong(2, 30_000)).toBe(24_000);
    });

    it('belong to pings that were sent', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      expect(heartbeat.hasSent(1)).toBe(false);
      run(heartbeat, 3_000);
      expect([heartbeat.hasSent(1), heartbeat.hasSent(2)]).toEqual([true, false]);
    });
  });

  describe('setTimeout', () => {
    it.each([300, 90_000])(
      'gives the peer, which does not know yet, a whole new timeout: %i ms',
      (timeoutMs) => {
        const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
        run(heartbeat, 8_000);
        heartbeat.setTimeout(timeoutMs, 8_000);
        run(heartbeat, 8_000 + timeoutMs - 1);
        expect(heartbeat.isDead()).toBe(false);
        run(heartbeat, 8_000 + timeoutMs);
        expect(heartbeat.isDead()).toBe(true);
      },
    );

    it('drops a suspicion', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      run(heartbeat, 9_000);
      heartbeat.setTimeout(9_000, 9_000);
      expect(heartbeat.isDead()).toBe(false);
    });

    it('brings the next ping forward, never back', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      heartbeat.setTimeout(300, 0);
      expect(heartbeat.nextDeadlineMs).toBe(100);
      heartbeat.setTimeout(90_000, 0);
      expect(heartbeat.nextDeadlineMs).toBe(100);
    });
  });

  describe('setPeerTimeout', () => {
    it('pings at once, and then as often as the peer needs', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      heartbeat.setPeerTimeout(300, 1_000);
      expect(run(heartbeat, 1_300)).toEqual([1_000, 1_100, 1_200, 1_300]);
    });

    it('changes nothing about what this side bears', () => {
      const heartbeat = new Heartbeat(9_000, 9_000, undefined, 0);
      heartbeat.setPeerTimeout(90_000, 1_000);
      run(heartbeat, 8_999);
      expect(heartbeat.isDead()).toBe(false);
      run(heartbeat, 9_000);
      expect(heartbeat.isDead()).toBe(true);
    });
  });
});
