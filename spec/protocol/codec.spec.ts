import { encode, ExtData } from '@msgpack/msgpack';
import { describe, expect, it } from '@jest/globals';

import { LimitExceededError, ProtocolError, UnserializableValueError } from '../../src/errors.js';
import { builtIn, codecs } from '../helpers/codecs.js';

/** Messages in one frame that lies within a larger buffer, as from a socket. */
function frameOf(...messages: readonly unknown[][]): Uint8Array {
  const codec = builtIn();
  const parts = messages.map((message) =>
    codec.encode(codec.marshal(message, 'message', 0) as unknown[]).slice(),
  );
  const bytes = parts.flatMap((part) => [...part]);
  const frame = new Uint8Array(bytes.length + 20).subarray(10, 10 + bytes.length);
  frame.set(bytes);
  return frame;
}

/** Every buffer below a value. */
function buffersOf(value: unknown): ArrayBufferLike[] {
  if (ArrayBuffer.isView(value)) return [value.buffer];
  if (value instanceof Map) return buffersOf([...value.keys(), ...value.values()]);
  if (value instanceof Set) return buffersOf([...value]);
  if (value instanceof Error) return buffersOf(value.cause);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(buffersOf);
  return [];
}

describe.each(codecs)('%s', (_name, codecWith) => {
  describe('encode', () => {
    it('writes plain MessagePack where MessagePack has the value', () => {
      const message = [0, 7, 'orders', 'add', [{ id: 1, name: 'a', at: 1.5, ok: true, none: null }]];
      expect(codecWith().encode(message)).toStrictEqual(encode(message));
    });

    it('hands out a view that the next call overwrites', () => {
      const codec = codecWith();
      const first = codec.encode(['a']);
      codec.encode(['b']);
      expect(codec.decodeFrame(first, false)).toStrictEqual([['b']]);
    });

    it('does not keep the memory of a large message', () => {
      const codec = codecWith();
      expect(codec.encode(['a'.repeat(2_000_000)]).buffer.byteLength).toBeGreaterThan(2_000_000);
      expect(codec.encode(['a']).buffer.byteLength).toBeLessThan(100_000);
    });

    it('refuses what changed after it was marshalled', () => {
      let reads = 0;
      const fickle = {
        get value(): unknown {
          return ++reads > 1 ? (): void => undefined : 1;
        },
      };
      const codec = codecWith();
      const field = codec.marshal(fickle, 'result');
      expect(() => codec.encode([1, field])).toThrow(UnserializableValueError);
      expect(codec.decodeFrame(codec.encode([2]), false)).toStrictEqual([[2]]);
    });

    it('refuses what changed within a Map while it was marshalled', () => {
      let reads = 0;
      const fickle = {
        get value(): unknown {
          return ++reads > 1 ? Symbol('a') : 1;
        },
      };
      expect(() => codecWith().marshal(new Map([['a', fickle]]), 'result')).toThrow(UnserializableValueError);
    });

    it('refuses a message beyond maxMessageBytes', () => {
      const codec = codecWith({ maxMessageBytes: 1024 });
      expect(codec.encode(['a'.repeat(1020)])).toHaveLength(1024);
      expect(() => codec.encode(['a'.repeat(1021)])).toThrow(LimitExceededError);
      expect(() => codec.encode(['a'.repeat(1021)])).toThrow(
        '1025 bytes, at most 1024 are allowed (limits.maxMessageBytes)',
      );
    });

    it('refuses fields that are within the limits but not together', () => {
      const codec = codecWith({ maxNodes: 64 });
      const field = codec.marshal(new Array(31).fill(0), 'field');
      expect(() => codec.encode([field, field])).toThrow(LimitExceededError);
      expect(() => codec.encode([field, field])).toThrow(
        '65 values, at most 64 are allowed (limits.maxNodes)',
      );
      expect(codec.encode([field, 'a'.repeat(100)])).toHaveLength(137);
    });
  });

  describe('decodeFrame', () => {
    it('hands out the messages of a frame in their order', () => {
      const messages = [[1], [2, [new Map([[1n, undefined]])]], [], [{ a: [new Set([-0])] }]];
      expect(codecWith().decodeFrame(frameOf(...messages), false)).toStrictEqual(messages);
    });

    it('finds no message in an empty frame', () => {
      expect(codecWith().decodeFrame(new Uint8Array(0), false)).toStrictEqual([]);
    });

    it('makes plain objects', () => {
      const [[value]] = codecWith().decodeFrame(frameOf([{ then: 1, constructor: 2, toJSON: 3 }]), false) as [
        [object],
      ];
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(value).toStrictEqual({ then: 1, constructor: 2, toJSON: 3 });
    });

    it.each([
      ['nil', null],
      ['a map', {}],
      ['a number', 1],
      ['a string', 'a'],
    ])('refuses %s as a message', (_, value) => {
      expect(() => codecWith().decodeFrame(encode(value), false)).toThrow(
        new ProtocolError('a message that is no array'),
      );
    });

    it('takes messages with every head', () => {
      const frame = Uint8Array.of(0x90, 0xdc, 0, 0, 0xdd, 0, 0, 0, 0);
      expect(codecWith().decodeFrame(frame, false)).toStrictEqual([[], [], []]);
    });

    it('hands out nothing of a frame whose last message is bad', () => {
      expect(() => codecWith().decodeFrame(Uint8Array.of(0x91, 0x01, 0x91, 0xc1), false)).toThrow(
        ProtocolError,
      );
    });

    it('refuses a message beyond maxMessageBytes', () => {
      const codec = codecWith({ maxMessageBytes: 1024 });
      expect(codec.decodeFrame(frameOf(['a'.repeat(1020)], ['a'.repeat(1020)]), false)).toHaveLength(2);
      expect(() => codec.decodeFrame(frameOf(['a'.repeat(1021)]), false)).toThrow(
        'a message of 1025 bytes, at most 1024 are allowed (limits.maxMessageBytes)',
      );
    });

    it.each([
      [
        'a date between milliseconds',
        new ExtData(3, Uint8Array.of(0x3f, 0xf8, 0, 0, 0, 0, 0, 0)),
        'a date of 1.5 ms',
      ],
      [
        'a date beyond time',
        new ExtData(3, Uint8Array.of(0x43, 0x60, 0, 0, 0, 0, 0, 0)),
        'ms; a date has whole',
      ],
      [
        'an infinite date',
        new ExtData(3, Uint8Array.of(0x7f, 0xf0, 0, 0, 0, 0, 0, 0)),
        'a date of Infinity ms',
      ],
      ['a Map with a key twice', new ExtData(4, encode([1, 2, 1, 3])), 'a Map has the same key twice'],
      ['a Set with a member twice', new ExtData(5, encode(['a', 'a'])), 'a Set has the same member twice'],
      ['an Error without a name', new ExtData(6, encode({ message: '' })), 'an Error whose name or message'],
      [
        'an Error whose message is a number',
        new ExtData(6, encode({ name: '', message: 1 })),
        'an Error whose name',
      ],
      [
        'an Error with a stack',
        new ExtData(6, encode({ name: '', message: '', stack: '' })),
        'an Error with a stack',
      ],
    ])('refuses %s', (_, value, words) => {
      expect(() => codecWith().decodeFrame(encode([value]), false)).toThrow(ProtocolError);
      expect(() => codecWith().decodeFrame(encode([value]), false)).toThrow(words);
    });

    it('reports any other failure as a ProtocolError as well', () => {
      const cause = new RangeError('unreadable');
      const frame = Object.defineProperty(Uint8Array.of(0x90), 'buffer', {
        get: () => {
          throw cause;
        },
      });
      expect(() => codecWith().decodeFrame(frame, true)).toThrow(
        expect.objectContaining({ code: 'protocol', message: 'a frame could not be decoded', cause }),
      );
    });

    it('is of use after a refusal', () => {
      const codec = codecWith();
      const twice = new ExtData(5, encode([new ExtData(4, encode([1, 2, 1, 3]))]));
      for (let time = 0; time < 3; time++) {
        expect(() => codec.decodeFrame(encode([twice]), false)).toThrow(ProtocolError);
        expect(codec.decodeFrame(frameOf([new Set([new Set()])]), false)).toStrictEqual([
          [new Set([new Set()])],
        ]);
      }
    });
  });

  describe('the bytes that decodeFrame hands out', () => {
    const value = () => [
      new Uint8Array([1, 2]),
      { a: new Uint8Array([3]) },
      new Map([[new Uint8Array([4]), new Set([new Uint8Array([5])])]]),
      new Error('a', { cause: new Uint8Array([6]) }),
      new Float64Array([7]),
      new Map([['no bytes', { a: null }]]),
    ];

    it.each([false, true])(
      'refer neither to the frame nor to each other, private or not: %p',
      (isPrivate) => {
        const frame = frameOf(value(), [1], value());
        const messages = codecWith().decodeFrame(frame, isPrivate);
        expect(messages).toStrictEqual([value(), [1], value()]);
        const buffers = buffersOf(messages);
        expect(buffers).toHaveLength(12);
        expect(buffers).not.toContain(frame.buffer);
        expect(new Set(buffers).size).toBe(buffers.length);
        frame.fill(0);
        expect(messages).toStrictEqual([value(), [1], value()]);
      },
    );

    it('are plain bytes also where the frame is a Buffer', () => {
      const [[bytes]] = codecWith().decodeFrame(Buffer.from(frameOf([new Uint8Array([1])])), false) as [
        [Uint8Array],
      ];
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    });

    it.each([
      ['stay a view where they fill half of a private buffer', 600, 0, true, true],
      ['are copied where they fill less', 600, 601, true, false],
      ['are copied where the buffer is not private', 600, 0, false, false],
    ])('%s', (_, size, rest, isPrivate, isView) => {
      const frame = codecWith()
        .encode([new Uint8Array(size), 'a'.repeat(rest)])
        .slice();
      const [[bytes]] = codecWith().decodeFrame(frame, isPrivate) as [[Uint8Array]];
      expect(bytes).toHaveLength(size);
      expect(bytes.buffer === frame.buffer).toBe(isView);
    });

    it('are copied where they fill the frame, but not the buffer that it would keep alive', () => {
      const frame = frameOf([new Uint8Array(12)]);
      const [[bytes]] = codecWith().decodeFrame(frame, true) as [[Uint8Array]];
      expect(bytes.buffer).not.toBe(frame.buffer);
    });
  });
});
