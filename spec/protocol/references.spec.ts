import { describe, expect, it } from '@jest/globals';
import { LimitExceededError, UnserializableValueError } from '../../src/errors.js';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import {
  LentReference,
  referenceKey,
  ReturnedReference,
  type Reference,
} from '../../src/protocol/references.js';
import { fromHex, toHex } from '../helpers/wire.js';

class Account {
  deposit(): void {}
}

/** A codec whose lender lends what is in the table. */
function codecLending(table: ReadonlyMap<unknown, Reference>, limits: Partial<Limits> = {}): Codec {
  const codec = new Codec({ ...defaultLimits, ...limits });
  codec.lender = { lend: (value) => table.get(value), attempt: (marshal) => marshal() };
  return codec;
}

/** What arrives when a value is sent, and the references that came with it. */
function cross(codec: Codec, value: unknown): readonly [unknown, readonly Reference[] | undefined] {
  const frame = codec.encode([codec.marshal(value, 'value')]).slice();
  const [message = []] = codec.decodeFrame(frame, false);
  return [message[0], codec.referencesOf(message)];
}

const callback = (): void => {};

describe('a lender who may lend no more', () => {
  const refusing = (error: Error): Codec => {
    const codec = codecLending(new Map());
    codec.lender = {
      lend: () => {
        throw error;
      },
      attempt: (marshal) => marshal(),
    };
    return codec;
  };

  it('refuses the value by its limit, with its path', () => {
    const codec = refusing(new LimitExceededError('too many (limits.maxReferences)'));
    const send = (): unknown => codec.marshal([1, callback], 'arguments');
    expect(send).toThrow(LimitExceededError);
    expect(send).toThrow('cannot send arguments[1]: too many (limits.maxReferences)');
    expect(codec.marshal([1], 'arguments')).toEqual([1]);
  });

  it('fails as the value does where it is something else', () => {
    const send = (): unknown => refusing(new TypeError('no')).marshal(callback, 'value');
    expect(send).toThrow(UnserializableValueError);
  });
});
const account = new Account();
const { signal } = new AbortController();
const marked = Object.defineProperty({ plain: 1 }, referenceKey, { value: {} });
const pulled = { [Symbol.asyncIterator]: () => account };

const lent: readonly (readonly [what: string, value: unknown, reference: Reference, hex: string])[] = [
  ['a function', callback, new LentReference('function', 5), 'c7 03 08 920005'],
  ['a stream', account, new LentReference('stream', 300), 'c7 05 08 9201cd012c'],
  [
    'an object with members',
    marked,
    new LentReference('object', 6, ['pay', 'log$'], ['log$']),
    'c7 13 08 94020692a3706179a46c6f672491a46c6f6724',
  ],
  ['a signal', signal, new LentReference('signal', 7), 'c7 03 08 920307'],
  [
    'a signal that was aborted',
    signal,
    new LentReference('signal', 8, [], [], { reason: 'late' }),
    'd7 08 930308a46c617465',
  ],
  [
    'an async iterable that looks like a plain object',
    pulled,
    new LentReference('stream', 9),
    'c7 03 08 920109',
  ],
  ['what comes home', account, new ReturnedReference(5), 'd5 09 9105'],
];

describe('a reference', () => {
  it.each(lent)('crosses as an inert mark: %s', (_what, value, reference, hex) => {
    const codec = codecLending(new Map([[value, reference]]));
    const bytes = codec.encode([codec.marshal(value, 'value')]).slice();
    expect(toHex(bytes)).toBe(`91${hex.replaceAll(' ', '')}`);
    const [message = []] = codec.decodeFrame(bytes, false);
    expect(message[0]).toStrictEqual(reference);
    expect(codec.referencesOf(message)).toStrictEqual([reference]);
  });

  it('crosses within every kind of container, and is told in the order of the wire', () => {
    const one = new LentReference('function', 1);
    const two = new ReturnedReference(2);
    const codec = codecLending(
      new Map<unknown, Reference>([
        [callback, one],
        [account, two],
      ]),
    );
    const value = {
      list: [callback],
      map: new Map([[callback, account]]),
      set: new Set([account]),
      error: Object.assign(new Error('e'), { callback }),
    };
    const [arrived, references] = cross(codec, value);
    expect(arrived).toStrictEqual({
      list: [one],
      map: new Map([[one, two]]),
      set: new Set([two]),
      error: Object.assign(new Error('e'), { callback: one }),
    });
    expect(references).toStrictEqual([one, one, two, two, one]);
  });

  it('is told of the message that held it, not of its neighbours', () => {
    const codec = codecLending(new Map([[callback, new LentReference('function', 1)]]));
    const plain = codec.encode([1]).slice();
    const lending = codec.encode([codec.marshal(callback, 'value')]).slice();
    const messages = codec.decodeFrame(Uint8Array.from([...plain, ...lending, ...plain]), false);
    expect(messages.map((message) => codec.referencesOf(message)?.length)).toEqual([undefined, 1, undefined]);
  });

  it('is lent as well by a getter that sends while a message is marshalled', () => {
    const codec = codecLending(new Map([[callback, new LentReference('function', 1)]]));
    const inner: unknown[] = [];
    const value = {
      get now(): number {
        inner.push(codec.marshal([callback], 'inner'));
        return 1;
      },
      callback,
    };
    expect(cross(codec, value)[0]).toStrictEqual({ now: 1, callback: new LentReference('function', 1) });
    expect(inner).not.toHaveLength(0);
  });

  it.each([
    ['a function', callback, 'a function'],
    ['an instance with methods', account, 'an instance of Account'],
    ['a marked object', marked, 'an instance of'],
    ['an async iterable', pulled, 'an instance of'],
  ])('is refused by its path where nobody lends it: %s', (_what, value, words) => {
    const codec = codecLending(new Map());
    expect(() => codec.marshal([{ items: [1, { on: value }] }], 'arguments')).toThrow(
      UnserializableValueError,
    );
    expect(() => codec.marshal([{ items: [1, { on: value }] }], 'arguments')).toThrow(
      'arguments[0].items[1].on',
    );
    expect(() => codec.marshal(value, 'value')).toThrow(words);
    expect(() => new Codec(defaultLimits).marshal(callback, 'value')).toThrow('a function');
  });

  it('counts against the limits like any value', () => {
    const members = Array.from({ length: 70 }, (_, at) => `m${at}`);
    const table = new Map([[account, new LentReference('object', 1, members)]]);
    const codec = codecLending(table, { maxNodes: 64 });
    const bytes = codecLending(table)
      .encode([codecLending(table).marshal(account, 'v')])
      .slice();
    expect(() => codec.decodeFrame(bytes, false)).toThrow('maxNodes');
    const deep = codecLending(table, { maxDepth: 4 });
    expect(() => deep.marshal([[[account]]], 'v')).toThrow(LimitExceededError);
  });

  it.each([
    ['an unknown kind', 'c7 03 08 920405'],
    ['a kind that is no number', 'c7 04 08 92a16105'],
    ['no number', 'd5 08 9100'],
    ['number 0', 'c7 03 08 920000'],
    ['a negative number', 'c7 03 08 9200ff'],
    ['a function with members', 'd6 08 93000590'],
    ['a stream with a reason', 'd6 08 930105c0'],
    ['an object without members', 'c7 03 08 920205'],
    ['an object without streams', 'd6 08 93020590'],
    ['an object with a number as members', 'c7 05 08 9402050190'],
    ['an object with a private member', 'c7 08 08 94020591a25f6190'],
    ['an object with a number as streams', 'c7 05 08 9402059001'],
    ['a signal with two reasons', 'c7 05 08 940305c0c0'],
    ['a return of two', 'c7 03 09 920506'],
    ['a return of none', 'd4 09 90'],
    ['a return of a text', 'c7 03 09 91a161'],
  ])('is a fault of the peer: %s', (_what, hex) => {
    const bytes = fromHex(`91${hex.replaceAll(' ', '')}`);
    expect(() => new Codec(defaultLimits).decodeFrame(bytes, false)).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });
});
