import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { ProtocolError } from '../../src/errors.js';
import { Extensions } from '../../src/protocol/extensions.js';
import { codecs } from '../helpers/codecs.js';
import { goldenValues } from '../support/golden-values.js';

interface Vector {
  readonly name: string;
  readonly hex: string;
}

const vectors = JSON.parse(readFileSync('spec/golden/values.json', 'utf8')) as readonly Vector[];
const table = vectors.map(({ name, hex }) => [name, hex, new Map(goldenValues).get(name)] as const);

describe.each(codecs)('the bytes of each extension type, by %s', (_codec, codecWith) => {
  it('are frozen for every value, and no other', () => {
    expect(vectors.map(({ name }) => name)).toStrictEqual(goldenValues.map(([name]) => name));
  });

  it.each(table)('are written as ever: %s', (_, hex, value) => {
    const codec = codecWith();
    const message = codec.encode([codec.marshal(value, 'value')]);
    expect(Buffer.from(message).toString('hex')).toBe(`91${hex}`);
  });

  it.each(table)('are read as ever: %s', (_, hex, value) => {
    const message = Uint8Array.from(Buffer.from(`91${hex}`, 'hex'));
    const read = codecWith().decodeFrame(message, false)[0]?.[0];
    // An invalid date equals no other.
    const comparable = (it: unknown): unknown => (it instanceof Date ? { milliseconds: it.getTime() } : it);
    expect(comparable(read)).toStrictEqual(comparable(value));
  });
});

describe('Extensions', () => {
  it('reads no type that is not in the table, also without a scan', () => {
    expect(() => new Extensions().decode(new Uint8Array(1), 99)).toThrow(ProtocolError);
  });

  it('is asked for extensions only', () => {
    expect(new Extensions().tryToEncode({})).toBeNull();
  });
});
