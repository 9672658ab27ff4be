import { describe, expect, it } from '@jest/globals';
import { FailedAttempts } from '../../src/rpc/failed-attempts.js';

/** So many failures of one address, at one time. */
function failing(host: string | undefined, times: number, failed = new FailedAttempts()): FailedAttempts {
  for (let count = 0; count < times; count += 1) failed.add(host, 0);
  return failed;
}

describe('FailedAttempts', () => {
  it('hears an address until it has failed ten times, and again 6 s later, for one more failure', () => {
    expect(failing('203.0.113.7', 9).waitMs('203.0.113.7', 0)).toBe(0);
    const failed = failing('203.0.113.7', 10);
    expect(failed.waitMs('203.0.113.7', 0)).toBe(6_000);
    expect(failed.waitMs('203.0.113.7', 5_000)).toBe(1_000);
    expect(failed.waitMs('203.0.113.7', 6_000)).toBe(0);
    failed.add('203.0.113.7', 6_000);
    expect(failed.waitMs('203.0.113.7', 6_000)).toBe(6_000);
  });

  it('forgets, and never waits longer than for two failures', () => {
    expect(failing('203.0.113.7', 1_000).waitMs('203.0.113.7', 0)).toBe(12_000);
    const failed = failing('203.0.113.7', 10);
    expect(failed.waitMs('203.0.113.7', 60_000)).toBe(0);
    expect(failed.size).toBe(0);
  });

  it.each([undefined, '127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    'does not count %p, whose programs would lock each other out',
    (host) => {
      const failed = failing(host, 100);
      expect([failed.waitMs(host, 0), failed.size]).toEqual([0, 0]);
    },
  );

  it.each([
    ['203.0.113.7', '::ffff:203.0.113.7', true],
    ['203.0.113.7', '203.0.113.8', false],
    ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', true],
    ['2001:DB8::1', '2001:db8:0:0:ffff::', true],
    ['fe80::1%eth0', 'fe80::2', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ])('takes %s and %s for one: %p', (one, other, isSame) => {
    expect(failing(one, 10).waitMs(other, 0) > 0).toBe(isSame);
  });

  it('remembers ten thousand addresses, those that failed last', () => {
    const failed = failing('203.0.113.7', 10);
    for (let at = 0; at < 10_000; at += 1) failed.add(`10.0.${at >> 8}.${at & 255}`, 0);
    expect([failed.size, failed.waitMs('203.0.113.7', 0)]).toEqual([10_000, 0]);
  });
});
