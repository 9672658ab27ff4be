import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { BehaviorSubject, Observable, Subject } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { checkObjectName, expose, type RegistrationOptions } from '../../src/proxies/exposure.js';

const exposed = (object: unknown, options?: RegistrationOptions): string[] => [
  ...expose('service', object, options).methods.keys(),
];

class Base {
  inherited(): void {}
  overridden(): string {
    return 'base';
  }
  shadowed(): void {}
}
class Derived extends Base {
  static create(): void {}
  readonly own = (): void => undefined;
  readonly value = 5;
  override overridden(): string {
    return 'derived';
  }
  get accessor(): never {
    throw new Error('a getter ran');
  }
  get accessor$(): never {
    throw new Error('a getter ran');
  }
  history$(): void {}
  _underscore(): void {}
  #hidden(): void {}
  [Symbol.iterator](): void {
    this.#hidden();
  }
}

describe('expose()', () => {
  it('finds own and inherited public methods, and nothing else', () => {
    const object = new Derived();
    Object.defineProperty(object, 'shadowed', {
      get: () => {
        throw new Error('a getter ran');
      },
    });
    expect(exposed(object)).toEqual(['own', 'overridden', 'inherited']);
    const { methods } = expose('service', object);
    expect(methods.get('overridden')?.call(object)).toBe('derived');
  });

  it('finds the functions of a plain object, of a frozen one, and of one without a prototype', () => {
    const functions = { add: () => 1, _no: () => 1, 'not a name': () => 1, then: () => 1, text: '' };
    expect(exposed(functions)).toEqual(['add']);
    expect(exposed(Object.freeze({ ...functions }))).toEqual(['add']);
    expect(exposed(Object.assign(Object.create(null) as object, functions))).toEqual(['add']);
  });

  it.each([
    'constructor',
    '__proto__',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'then',
    'catch',
    'finally',
    'toJSON',
    'prototype',
  ])('never finds %s, not even as an own function', (name) => {
    const object = Object.defineProperty({}, name, { value: () => 1, enumerable: true });
    expect(exposed(object)).toEqual([]);
  });

  it.each<[string, object]>([
    [
      'EventEmitter',
      new (class extends EventEmitter {
        mine(): void {}
      })(),
    ],
    [
      'EventTarget',
      new (class extends EventTarget {
        mine(): void {}
      })(),
    ],
    [
      'Observable',
      new (class extends Observable<number> {
        mine(): void {}
      })(),
    ],
    [
      'Subject',
      new (class extends Subject<number> {
        mine(): void {}
      })(),
    ],
    [
      'BehaviorSubject',
      new (class extends BehaviorSubject<number> {
        mine(): void {}
      })(1),
    ],
    [
      'Map',
      new (class extends Map {
        mine(): void {}
      })(),
    ],
    [
      'Array',
      new (class extends Array {
        mine(): void {}
      })(),
    ],
    [
      'RPCServer',
      new (class extends RPCServer {
        override connectionMade(): void {}
        mine(): void {}
      })({ port: 0 }),
    ],
    [
      'RPCClient',
      new (class extends RPCClient {
        mine(): void {}
      })({ port: 1 }),
    ],
  ])('never finds what is inherited from %s', (_name, object) => {
    expect(exposed(object)).toEqual(['mine']);
  });

  it('takes a class of the user for what it is, whatever its name', () => {
    class Subject {
      grade(): void {}
    }
    class Maths extends Subject {}
    expect(exposed(new Subject())).toEqual(['grade']);
    expect(exposed(new Maths())).toEqual(['grade']);
  });

  it('goes on where a prototype has no constructor, or a strange one', () => {
    const strange = { constructor: 5, method: () => 1 };
    expect(exposed(Object.create(strange) as object)).toEqual(['method']);
    expect(exposed(Object.create(Object.create(null, { method: { value: () => 1 } }) as object))).toEqual([
      'method',
    ]);
  });

  it('finds only what "only" names', () => {
    expect(exposed(new Derived(), { only: ['inherited'] })).toEqual(['inherited']);
    expect(exposed(new Derived(), { only: [] })).toEqual([]);
  });

  it.each<[unknown, object, string]>([
    [
      new Derived(),
      { only: ['missing'] },
      '"only" names "missing", which is no public method or stream of it',
    ],
    [new Derived(), { only: ['accessor'] }, '"only" names "accessor"'],
    [new Derived(), { only: [5] }, '"only" names number'],
    [new Derived(), { methods: {} }, 'there is no option "methods", only "only", "streams", "schemas"'],
    [() => 1, {}, 'an object is needed, not function'],
    [null, {}, 'an object is needed, not null'],
    ['text', {}, 'an object is needed, not "text"'],
  ])('refuses %p with %j', (object, options, message) => {
    expect(() => exposed(object, options)).toThrow(message);
  });
});

describe('checkObjectName()', () => {
  it.each(['a', '_a', 'Bank', 'bank/main:1.2-x', 'x'.repeat(128), 'constructor'])('accepts %j', (name) => {
    expect(() => checkObjectName(name)).not.toThrow();
  });
  it.each(['', ' ', '-a', 'a b', 'é', 'x'.repeat(129), '__proto__\n', 5, null, ['a']])(
    'refuses %j',
    (name) => {
      expect(() => checkObjectName(name)).toThrow('a name is 1 to 128 letters, digits or "_"');
    },
  );
});
