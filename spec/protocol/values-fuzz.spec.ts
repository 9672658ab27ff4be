import { inspect } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import { ProtocolError } from '../../src/errors.js';
import { builtIn, codecs, type CodecMaker, withMsgpackr } from '../helpers/codecs.js';
import { goldenValues } from '../support/golden-values.js';

/** `TANDEM_FUZZ` is the number of frames, or `frames:seed` to repeat a run. */
const [frames = 20_000, seed = Date.now() >>> 0] = (process.env['TANDEM_FUZZ'] ?? '')
  .split(':')
  .filter(Boolean)
  .map(Number);

/** A mulberry32: small, and the same everywhere. */
function randomFrom(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const limits = { maxDepth: 8, maxNodes: 2_000 };
/** Messages that need no extension, which is what another codec gets to see. */
const plain: readonly (readonly unknown[])[] = [
  [{ id: 1, name: 'é', tags: ['a', 'b'], list: Array.from({ length: 20 }, (_, index) => index) }],
  [0, 200, -1, -200, 70_000, -70_000, 2 ** 31, -(2 ** 31), 2 ** 40, -(2 ** 40), 1.5, NaN, Infinity],
  [
    {
      '\ufeff': '\u{1f600}'.repeat(30),
      ['k'.repeat(70)]: ['\ud7ff', 'x'.repeat(300)],
      '': '€'.repeat(20),
    },
  ],
  [new Uint8Array(5), { bytes: new Uint8Array(300).fill(7) }, null, true, [[[]]], {}],
];

/** Frames made of good ones, or of nothing, by chance. */
function frameMaker(random: (below: number) => number, make: CodecMaker): () => Uint8Array {
  const codec = make(limits);
  const seeds = [
    ...plain,
    ...plain,
    ...plain,
    ...goldenValues.map(([, value]) => [value, { value }, [value, value]]),
  ].map((message) => codec.encode(codec.marshal(message, 'message', 0) as unknown[]).slice());
  const mutated = (): Uint8Array => {
    const bytes = [...(seeds[random(seeds.length)] as Uint8Array)];
    for (let times = 1 + random(4); times > 0; times--) {
      const at = random(bytes.length + 1);
      const part =
        random(3) === 0 ? [...(seeds[random(seeds.length)] as Uint8Array)].slice(random(8)) : [random(256)];
      bytes.splice(at, random(3), ...(random(4) === 0 ? [] : part));
    }
    return Uint8Array.from(bytes);
  };
  const arbitrary = (): Uint8Array =>
    Uint8Array.from({ length: 1 + random(60) }, (_, index) => (index === 0 ? 0x90 + random(4) : random(256)));
  return () => (random(4) === 0 ? arbitrary() : mutated());
}

/** What a codec makes of a frame, in words: an invalid date equals no other. */
function outcome(codec: ReturnType<CodecMaker>, frame: Uint8Array): string {
  try {
    const messages = codec.decodeFrame(frame, false);
    return inspect(messages, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
  } catch (error) {
    return String(error);
  }
}

describe.each(codecs)('a frame of any bytes, to %s', (_name, make) => {
  it(`is decoded or refused with a ProtocolError (TANDEM_FUZZ=${frames}:${seed})`, () => {
    const random = randomFrom(seed);
    const codec = make(limits);
    const next = frameMaker(random, make);
    const strangers: unknown[] = [];
    let decoded = 0;
    for (let count = 0; count < frames; count++) {
      const frame = next();
      try {
        codec.decodeFrame(frame, random(2) === 0);
        decoded++;
      } catch (error) {
        // What the scan let through must be decodable, or be refused for its meaning.
        if (!(error instanceof ProtocolError) || error.cause !== undefined) strangers.push([frame, error]);
      }
    }
    expect(strangers).toStrictEqual([]);
    expect(decoded).toBeGreaterThan(0);
    expect(decoded).toBeLessThan(frames);
  });
});

describe('every codec', () => {
  it(`makes the same of any frame (TANDEM_FUZZ=${frames}:${seed})`, () => {
    const random = randomFrom(seed);
    const next = frameMaker(random, builtIn);
    const [one, other] = [builtIn(limits), withMsgpackr(limits)];
    for (let count = 0; count < frames / 4; count++) {
      const parts = Array.from({ length: 1 + random(4) }, next);
      const frame = Uint8Array.from(parts.flatMap((part) => [...part]));
      expect(outcome(other, frame)).toBe(outcome(one, frame));
    }
  });
});
