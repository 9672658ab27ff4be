import { describe, expect, it } from '@jest/globals';
import { CollectionPace } from '../../src/proxies/collection-pace.js';

/** A pace, and how often a collection was asked for. */
function paceOf(most: number) {
  const asked = { count: 0 };
  const pace = new CollectionPace(most, () => {
    asked.count += 1;
  });
  return { pace, asked };
}

describe('CollectionPace', () => {
  it('asks for a collection each time that a quarter more is held', () => {
    const { pace, asked } = paceOf(10_000);
    const counts: number[] = [];
    for (let held = 1; held <= 10_000; held += 1) {
      pace.follow(held);
      if (held % 2_500 === 2_499 || held % 2_500 === 0) counts.push(asked.count);
    }
    expect(counts).toEqual([0, 1, 1, 2, 2, 3, 3, 4]);
  });

  it('begins anew from what is left by a collection', () => {
    const { pace, asked } = paceOf(10_000);
    pace.follow(2_500);
    pace.follow(1_000);
    pace.follow(3_499);
    expect(asked.count).toBe(1);
    pace.follow(3_500);
    expect(asked.count).toBe(2);
  });

  it('asks for none where as many are given back as come', () => {
    const { pace, asked } = paceOf(10_000);
    for (let at = 0; at < 50_000; at += 1) pace.follow(1_000 + (at % 2));
    expect(asked.count).toBe(0);
  });

  it('leaves a thousand between two, however few may be held', () => {
    const { pace, asked } = paceOf(8);
    pace.follow(999);
    expect(asked.count).toBe(0);
    pace.follow(1_000);
    expect(asked.count).toBe(1);
  });

  it('takes memory that nobody keeps, and does without where there is none', () => {
    const original = globalThis.ArrayBuffer;
    const taken: number[] = [];
    const watched = new Proxy(original, {
      construct(target, args: [number]) {
        taken.push(args[0]);
        if (taken.length > 1) throw new RangeError('Array buffer allocation failed');
        return Reflect.construct(target, [1]) as ArrayBuffer;
      },
    });
    globalThis.ArrayBuffer = watched;
    try {
      const pace = new CollectionPace(4_000);
      for (const held of [1_000, 2_000]) expect(() => pace.follow(held)).not.toThrow();
    } finally {
      globalThis.ArrayBuffer = original;
    }
    expect(taken).toEqual([67_108_864, 67_108_864]);
  });
});
