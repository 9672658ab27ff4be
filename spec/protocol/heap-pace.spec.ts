import { describe, expect, it } from '@jest/globals';
import { HeapPace } from '../../src/protocol/heap-pace.js';

/** Tells which arrays of so many items are made meanwhile. */
function madeArrays(work: () => void): number[] {
  const made: number[] = [];
  const original = globalThis.Array;
  globalThis.Array = new Proxy(original, {
    construct(target, args: unknown[]) {
      made.push(Number(args[0]));
      return Reflect.construct(target, args);
    },
  });
  try {
    work();
  } finally {
    globalThis.Array = original;
  }
  return made;
}

describe('HeapPace', () => {
  it('takes as much as it is told of, 32 KiB at a time, and nothing for little', () => {
    const pace = new HeapPace();
    const made = [32_767, 1, 1, 32_767, 100_000].map((bytes) =>
      madeArrays(() => {
        pace.follow(bytes);
      }),
    );
    expect(made).toEqual([[], [4_096], [], [4_096], [4_096, 4_096, 4_096]]);
  });

  it('takes no more than 16 MiB at once, however long an array is', () => {
    const made = madeArrays(() => {
      new HeapPace().follow(1024 * 1024 * 1024);
    });
    expect(made).toHaveLength(512);
  });

  it('keeps the last only', () => {
    const pace = new HeapPace();
    expect(pace.takenBytes).toBe(0);
    pace.follow(1_000_000);
    expect(pace.takenBytes).toBe(32_768);
  });
});
