import { describe, expect, it } from '@jest/globals';
import { busy } from './busy.js';

describe('a server whose main thread is busy for longer than the timeout, while a client sends', () => {
  it('is not lost with thread: true: the call waits, and all that was sent arrives', async () => {
    const report = await busy(4, 64_000_000);
    expect(report).toMatchObject({ losses: 0, clientLosses: 0 });
    expect(report.answeredMs).toBeGreaterThan(3_000);
    expect(report.sunkBytes).toBeGreaterThanOrEqual(64_000_000);
  }, 60_000);

  it('is told to be busy by its heartbeats', async () => {
    const { longestLagMs } = await busy(4, 0);
    expect(longestLagMs).toBeGreaterThan(2_000);
    expect(longestLagMs).toBeLessThan(5_000);
  }, 60_000);

  it('is lost without', async () => {
    const report = await busy(4, 0, false);
    expect(report.clientLosses).toBeGreaterThan(0);
    expect(report.answeredMs).toBe(-1);
  }, 60_000);
});
