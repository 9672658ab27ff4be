import { describe, expect, it } from '@jest/globals';
import { leak, leakKinds, type LeakKind } from './leaks.js';

describe.each([false, true])('what comes and goes, thread: %s', (thread) => {
  it.each(Object.keys(leakKinds) as LeakKind[])('leaves nothing behind: %s', async (kind) => {
    const { faults } = await leak(kind, leakKinds[kind] / 20, thread);
    expect(faults).toEqual([]);
  });
});
