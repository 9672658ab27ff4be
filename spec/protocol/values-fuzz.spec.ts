import { describe, expect, it } from '@jest/globals';

import { ProtocolError } from '../../src/errors.js';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits } from '../../src/protocol/limits.js';
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

describe('a frame of any bytes', () => {
  it(`is decoded or refused with a ProtocolError (TANDEM_FUZZ=${frames}:${seed})`, () => {
    const random = randomFrom(seed);
    const codec = new Codec({ ...defaultLimits, maxDepth: 8, maxNodes: 2_000 });
    const plain = [
      { id: 1, name: 'é', tags: ['a', 'b'], list: Array.from({ length: 20 }, (_, index) => index) },
    ];
    const seeds = [plain, ...goldenValues.map(([, value]) => [value, { value }, [value, value]])].map(
      (message) => codec.encode(codec.marshal(message, 'message', 0) as unknown[]).slice(),
    );

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
      Uint8Array.from({ length: 1 + random(60) }, (_, index) =>
        index === 0 ? 0x90 + random(4) : random(256),
      );

    const strangers: unknown[] = [];
    let decoded = 0;
    for (let count = 0; count < frames; count++) {
      const frame = random(4) === 0 ? arbitrary() : mutated();
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
