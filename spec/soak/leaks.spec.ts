import { describe, expect, it } from '@jest/globals';
import { leak, leakKinds, type LeakKind } from './leaks.js';

describe('what comes and goes', () => {
  it.each(Object.keys(leakKinds) as LeakKind[])('leaves nothing behind: %s', async (kind) => {
    const { faults } = await leak(kind, leakKinds[kind] / 20);
    expect(faults).toEqual([]);
  });
});
