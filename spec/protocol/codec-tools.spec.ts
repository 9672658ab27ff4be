import { describe, expect, it } from '@jest/globals';
import { CodecTools } from '../../src/protocol/codec-tools.js';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { LentReference, type Reference } from '../../src/protocol/references.js';

/** A codec that lends each function under this number. */
function lending(number: number): Codec {
  const codec = new Codec(defaultLimits);
  codec.lender = {
    lend: (value) => (typeof value === 'function' ? new LentReference('function', number) : undefined),
    attempt: (marshal) => marshal(),
  };
  return codec;
}

function callback(): void {
  // Only lent.
}

/** The references of the only message in a frame. */
function referencesIn(frame: Uint8Array): readonly Reference[] | undefined {
  const codec = new Codec(defaultLimits);
  const [message = []] = codec.decodeFrame(frame, false);
  return codec.referencesOf(message);
}

/** A message with a function in it, as bytes to keep. */
function encoded(codec: Codec, value: unknown): Uint8Array {
  return codec.encode(codec.marshal([value], 'message', 0) as unknown[]).slice();
}

describe('CodecTools', () => {
  it('are the same for equal limits, and only for those', () => {
    expect(CodecTools.of(defaultLimits)).toBe(CodecTools.of(defaultLimits));
    expect(CodecTools.of({ ...defaultLimits })).toBe(CodecTools.of(defaultLimits));
    expect(CodecTools.of({ ...defaultLimits, maxDepth: 5 })).not.toBe(CodecTools.of(defaultLimits));
  });

  it('are given up when many other limits were used', () => {
    const first = CodecTools.of({ ...defaultLimits, maxDepth: 10 });
    for (let maxDepth = 11; maxDepth <= 18; maxDepth += 1) CodecTools.of({ ...defaultLimits, maxDepth });
    expect(CodecTools.of({ ...defaultLimits, maxDepth: 10 })).not.toBe(first);
    expect(CodecTools.of({ ...defaultLimits, maxDepth: 18 }).limits.maxDepth).toBe(18);
  });

  it('lend by the codec that marshals, also while another does', () => {
    const inner = lending(2);
    let sent: Uint8Array | undefined;
    const value = {
      before: callback,
      get during() {
        sent = encoded(inner, callback);
        return 'during';
      },
      after: callback,
    };
    const bytes = encoded(lending(1), value);
    expect(referencesIn(bytes)).toEqual([new LentReference('function', 1), new LentReference('function', 1)]);
    expect(referencesIn(sent ?? bytes)).toEqual([new LentReference('function', 2)]);
  });

  it('keep a lender from the codecs that have none', () => {
    encoded(lending(1), callback);
    expect(() => new Codec(defaultLimits).marshal(callback, 'value')).toThrow('a function');
  });

  it('forget the references of a frame that could not be decoded', () => {
    const lent = encoded(lending(1), callback).subarray(1);
    // Half a millisecond, which no date has.
    const badDate = [0xd7, 3, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0];
    expect(() => referencesIn(Uint8Array.from([0x92, ...lent, ...badDate]))).toThrow('a date of 0.5 ms');
    expect(referencesIn(Uint8Array.of(0x91, 1))).toBeUndefined();
  });
});
