import { describe, expect, it } from '@jest/globals';
import { ProtocolError } from '../../src/errors.js';
import { AgreedCodec } from '../../src/protocol/agreed-codec.js';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import type { MessageCodec } from '../../src/protocol/message-codec.js';
import { builtIn } from '../helpers/codecs.js';

/** A codec of this name; its coders do what the built-in one does, and note what they are given. */
function codecCalled(name: string, notes: unknown[] = []): MessageCodec {
  return {
    name,
    create: () => {
      const coder = builtIn();
      return {
        encode: (message) => {
          notes.push(['encode', message]);
          return coder.encode(message);
        },
        decode: (bytes, start, end) => {
          const [message] = coder.decodeFrame(bytes.subarray(start, end), true);
          notes.push(['decode', message]);
          return message;
        },
      };
    },
  };
}

/** The codec of a connection on which a noting one was agreed. */
function noting(limits: Partial<Limits> = {}): { codec: Codec; notes: unknown[] } {
  const notes: unknown[] = [];
  const codec = new Codec({ ...defaultLimits, ...limits }, [codecCalled('noting', notes)]);
  codec.agreed.use('noting');
  return { codec, notes };
}

/** Messages back to back, as the built-in codec writes them. */
function frameOf(...messages: readonly (readonly unknown[])[]): Uint8Array {
  const codec = builtIn();
  return Uint8Array.from(
    messages.flatMap((message) => [
      ...codec.encode(codec.marshal(message, 'message', 0) as readonly unknown[]),
    ]),
  );
}

describe('AgreedCodec', () => {
  it('is the built-in codec until another is named', () => {
    const agreed = new AgreedCodec([codecCalled('a')]);
    expect([agreed.name, agreed.coder]).toEqual(['msgpack', undefined]);
    agreed.use(undefined);
    expect([agreed.name, agreed.coder]).toEqual(['msgpack', undefined]);
    agreed.use('a');
    expect(agreed.name).toBe('a');
    expect(agreed.coder).toBeDefined();
  });

  it('passes over one that cannot be had when it chooses', () => {
    const broken: MessageCodec = {
      name: 'broken',
      create: () => {
        throw new Error('not here');
      },
    };
    const agreed = new AgreedCodec([broken, codecCalled('a')]);
    expect(agreed.choose(['broken', 'a'])).toBe('a');
    expect(agreed.coder).toBeUndefined();
    agreed.use('a');
    expect([agreed.name, agreed.coder === undefined]).toEqual(['a', false]);
    expect(new AgreedCodec([broken]).choose(['broken'])).toBeUndefined();
  });

  it.each([
    ['no bytes', {}],
    ['a promise', Promise.resolve(Uint8Array.of(1))],
    ['an empty array', new Uint8Array(0)],
    ['nothing', undefined],
  ])('is not taken at its word where it encodes a message as %s', (_what, encoded) => {
    const odd: MessageCodec = {
      name: 'odd',
      create: () => ({ encode: () => encoded as Uint8Array, decode: () => undefined }),
    };
    const codec = new Codec(defaultLimits, [odd]);
    codec.agreed.use('odd');
    expect(codec.encode([3, 1])).toEqual(Uint8Array.of(0x92, 3, 1));
  });

  it('offers all, the best first, and nothing where there is none', () => {
    expect(new AgreedCodec([codecCalled('b'), codecCalled('a')]).names).toEqual(['b', 'a']);
    expect(new AgreedCodec([]).names).toEqual([]);
  });

  it.each([
    ['the best of those offered, by its own order', ['a', 'b'], 'b'],
    ['the only one offered', ['x', 'a'], 'a'],
    ['none of those that it does not know', ['x', '', 'B', '__proto__', 'msgpack'], undefined],
    ['none of none', [], undefined],
    ['none where the other side does not say', undefined, undefined],
  ])('chooses %s', (_what, offered, chosen) => {
    expect(new AgreedCodec([codecCalled('b'), codecCalled('a')]).choose(offered)).toBe(chosen);
  });

  it.each(['b', '', 'msgpack', 'evil\n'])('refuses one that was never offered: %j', (name) => {
    const agreed = new AgreedCodec([codecCalled('a')]);
    expect(() => {
      agreed.use(name);
    }).toThrow(ProtocolError);
    expect(agreed.name).toBe('msgpack');
  });

  it('names what was not offered, escaped and cut', () => {
    expect(() => {
      new AgreedCodec([]).use(`evil\n${'x'.repeat(100)}`);
    }).toThrow(`the codec "evil\ufffd${'x'.repeat(59)}…", which was not offered`);
  });
});

describe('an agreed codec', () => {
  it('gets what is plain', () => {
    const { codec, notes } = noting();
    const message = [1, 7, null, { a: [1.5, 'b', true, new Uint8Array(2)] }];
    const bytes = codec.encode([1, 7, null, codec.marshal(message[3], 'result')]).slice();
    expect(codec.decodeFrame(bytes, false)).toStrictEqual([message]);
    expect(notes).toStrictEqual([
      ['encode', message],
      ['decode', message],
    ]);
  });

  it.each([
    ['undefined', undefined],
    ['a bigint', [1n]],
    ['a Map', { a: new Map([[1, 2]]) }],
    ['a text that begins with U+FEFF', '\ufeffa'],
    ['bytes with a type', new Int16Array(2)],
  ])('does not see a message with %s', (_what, value) => {
    const { codec, notes } = noting();
    const bytes = codec.encode([1, 7, null, codec.marshal(value, 'result')]).slice();
    expect(codec.decodeFrame(bytes, false)).toStrictEqual([[1, 7, null, value]]);
    expect(notes).toEqual([]);
    codec.encode([2]);
    expect(notes).toEqual([['encode', [2]]]);
  });

  it('does not see what is thrown and needs conversion', () => {
    const { codec, notes } = noting();
    codec.encode([1, 7, { message: 'a', data: codec.marshalByValue({ at: new Date(0) }, 'data') }]);
    expect(notes).toEqual([]);
  });

  it('writes nothing wrong where it is given an extension all the same, as another message was sent in between', () => {
    const notes: unknown[] = [];
    const careful: MessageCodec = {
      name: 'careful',
      create: () => ({
        encode: (message) => {
          notes.push(message);
          // As any encoder does that knows no symbols: the mark on an extension is one.
          JSON.stringify(message, (_key, value: unknown) => {
            if (typeof value === 'symbol') throw new TypeError('a symbol');
            return value;
          });
          return builtIn().encode(message);
        },
        decode: () => [],
      }),
    };
    const codec = new Codec(defaultLimits, [careful]);
    codec.agreed.use('careful');
    const field = codec.marshal([new Date(5)], 'arguments');
    codec.encode([codec.marshal(1n, 'one')]);
    const bytes = codec.encode([2, field]).slice();
    expect(notes).toHaveLength(1);
    expect(builtIn().decodeFrame(bytes, false)).toStrictEqual([[2, [new Date(5)]]]);
  });

  it('reads what is plain in a frame, and the built-in one the rest, in the order of the frame', () => {
    const messages = [[1], [2, undefined], [3], [4], [new Map([[5, 5n]])], [6, new Date(6)], [7]];
    const { codec, notes } = noting();
    expect(codec.decodeFrame(frameOf(...messages), false)).toStrictEqual(messages);
    expect(notes).toStrictEqual([
      ['decode', [1]],
      ['decode', [3]],
      ['decode', [4]],
      ['decode', [7]],
    ]);
    expect(codec.messageBytes).toEqual(messages.map((message) => frameOf(message).length));
    notes.length = 0;
    expect(codec.decodeFrame(frameOf([undefined], [1], [2n]), false)).toStrictEqual([[undefined], [1], [2n]]);
    expect(notes).toStrictEqual([['decode', [1]]]);
  });

  it('does not read a long text that may begin with U+FEFF, which some decoders drop', () => {
    const { codec, notes } = noting();
    const [short, long] = [`\ufeff${'a'.repeat(28)}`, `\ufeff${'a'.repeat(29)}`];
    expect(codec.decodeFrame(frameOf([{ [short]: 1 }], [{ [long]: 2 }]), false)).toStrictEqual([
      [{ [short]: 1 }],
      [{ [long]: 2 }],
    ]);
    expect(notes).toStrictEqual([['decode', [{ [short]: 1 }]]]);
  });

  it('finds the references of a message among others', () => {
    const codec = noting().codec;
    const lender = builtIn();
    const marshalled = lender.marshal([3, { answer: 'b' }], 'message', 0) as readonly unknown[];
    expect(codec.decodeFrame(lender.encode(marshalled), false)).toHaveLength(1);
    const lent = Uint8Array.of(0x92, 0x04, 0xc7, 0x03, 0x08, 0x92, 0x00, 0x09);
    const messages = codec.decodeFrame(Uint8Array.from([...frameOf([1]), ...lent, ...frameOf([2])]), false);
    expect(messages.map((message) => codec.referencesOf(message)?.length)).toEqual([undefined, 1, undefined]);
  });

  it('sees nothing of a frame that is refused', () => {
    const { codec, notes } = noting({ maxStringBytes: 1_024 });
    const frames = [[0x91, 0xc1], [0x91, 0x81, 0x01, 0x01], [...frameOf([1], ['a'.repeat(1_025)])]];
    for (const frame of frames) {
      expect(() => codec.decodeFrame(Uint8Array.from(frame), false)).toThrow(ProtocolError);
    }
    expect(notes).toEqual([]);
  });
});
