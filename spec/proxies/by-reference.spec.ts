import { describe, expect, it } from '@jest/globals';
import { referenceKey } from '../../src/protocol/references.js';
import { byReference } from '../../src/proxies/by-reference.js';
import { lendMarkOf } from '../../src/proxies/held-mark.js';
import type { RegistrationOptions } from '../../src/proxies/exposure.js';

const lendOptionsOf = (value: object): RegistrationOptions | undefined => lendMarkOf(value)?.lend;

class Account {
  deposit(): void {}
  close(): void {}
}

describe('byReference()', () => {
  it('marks an object, gives it back, and shows the mark to nobody', () => {
    const object = { add: () => 1 };
    expect(byReference(object)).toBe(object);
    expect(lendOptionsOf(object)).toEqual({});
    expect(Object.keys(object)).toEqual(['add']);
    expect(referenceKey in { ...object }).toBe(false);
    expect(JSON.stringify(object)).toBe('{}');
    const copy: object = Object.assign({}, object);
    expect(lendOptionsOf(copy)).toBeUndefined();
  });

  it('keeps the options as they were given', () => {
    const options: { only?: string[] } = { only: ['deposit'] };
    const object = byReference(new Account(), options);
    delete options.only;
    expect(lendOptionsOf(object)).toEqual({ only: ['deposit'] });
  });

  it('marks all objects of a class by its prototype, derived ones too', () => {
    class Marked extends Account {
      static {
        byReference(this.prototype, { only: ['deposit'] });
      }
    }
    class Derived extends Marked {}
    expect(lendOptionsOf(new Marked())).toEqual({ only: ['deposit'] });
    expect(lendOptionsOf(Object.freeze(new Derived()))).toEqual({ only: ['deposit'] });
    expect(lendOptionsOf(new Account())).toBeUndefined();
  });

  it('leaves an object as it is marked when no options are given, and takes new ones', () => {
    const object = byReference(new Account(), { only: ['deposit'] });
    expect(byReference(object)).toBe(object);
    expect(lendOptionsOf(object)).toEqual({ only: ['deposit'] });
    byReference(object, { only: ['close'] });
    expect(lendOptionsOf(object)).toEqual({ only: ['close'] });
    expect(byReference(Object.freeze(object))).toBe(object);
  });

  it.each<[string, object]>([
    ['frozen', Object.freeze(new Account())],
    ['sealed', Object.seal(new Account())],
    ['not extensible', Object.preventExtensions(new Account())],
    ['a proxy that takes nothing', new Proxy({}, { defineProperty: () => false })],
  ])('refuses what it cannot mark: %s', (_name, object) => {
    expect(() => byReference(object, {})).toThrow(TypeError);
    expect(() => byReference(object)).toThrow('mark it, or its class, before freezing it');
  });

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'needs an object, not a undefined'],
    ['null', null, 'needs an object, not null'],
    ['a string', 'text', 'needs an object, not a string'],
    ['a number', 5, 'needs an object, not a number'],
    ['a class', Account, 'not a function, which crosses by reference anyway'],
    ['an array', [], 'they cross by value'],
    ['a Map', new Map(), 'they cross by value'],
    ['a class derived from Set', new (class extends Set {})(), 'they cross by value'],
    ['the prototype of one derived from Map', class extends Map {}.prototype, 'they cross by value'],
    ['a Date', new Date(), 'they cross by value'],
    ['an error', new RangeError(), 'they cross by value'],
    ['bytes', new Uint8Array(1), 'they cross by value'],
    ['an ArrayBuffer', new ArrayBuffer(1), 'they cross by value'],
  ])('refuses %s', (_name, value, message) => {
    expect(() => byReference(value as object)).toThrow(message);
  });

  it('checks the form of options at once', () => {
    expect(() => byReference({}, { onyl: [] } as RegistrationOptions)).toThrow(
      'byReference: there is no option "onyl", only "only", "streams" and "schemas"',
    );
    expect(() => byReference({}, null as unknown as RegistrationOptions)).toThrow(
      'options must be an object',
    );
  });

  it('does not take for marked what answers its key otherwise', () => {
    expect(lendOptionsOf({ [referenceKey]: 5 })).toBeUndefined();
    expect(lendOptionsOf({ [referenceKey]: null })).toBeUndefined();
    expect(lendOptionsOf({ [referenceKey]: { caller: {} } })).toBeUndefined();
    const remote = { [referenceKey]: { caller: {} } };
    expect(byReference(remote)).toBe(remote);
  });
});
