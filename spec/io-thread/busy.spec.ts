import { describe, expect, it } from '@jest/globals';
import { busy, faultsOf } from './busy.js';

describe('a server whose main thread is busy for longer than the timeout, while a client sends', () => {
  it('is not lost with thread: true: the call waits, the lag is told, and memory is bounded', async () => {
    const report = await busy(4, 64_000_000);
    expect([faultsOf(report, 4, 64_000_000), report]).toEqual([[], expect.anything()]);
    expect(report.answeredMs).toBeGreaterThan(3_000);
  }, 60_000);

  it('is lost without', async () => {
    const report = await busy(4, 0, false);
    expect(report.clientLosses).toBeGreaterThan(0);
    expect(report.answeredMs).toBe(-1);
  }, 60_000);
});
