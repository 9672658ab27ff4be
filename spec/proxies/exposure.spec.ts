import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { BehaviorSubject, isObservable, Observable, of, Subject } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';
import {
  checkObjectName,
  expose,
  exposeLent,
  neverExposedKey,
  type RegistrationOptions,
} from '../../src/proxies/exposure.js';

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
  _private$(): void {}
  _underscore(): void {}
  #hidden(): void {}
  [Symbol.iterator](): void {
    this.#hidden();
  }
}

class StreamBase {
  inherited$(): Observable<number> {
    return of(1);
  }
  get shared$(): Observable<number> {
    throw new Error('a getter ran');
  }
}
class Streams extends StreamBase {
  readonly balance$ = new BehaviorSubject(0);
  later$: Observable<number> | undefined;
  readonly own$ = (): Observable<number> => of(1);
  readonly callable$ = Object.assign(() => of(1), { subscribe: () => undefined, lift: () => undefined });
  readonly _hidden$ = of(1);
  get accessor$(): Observable<number> {
    throw new Error('a getter ran');
  }
  deposit(): void {}
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

  it('finds what ends in "$" as streams: properties, accessors and methods, own and inherited', () => {
    const { streams, methods, members, properties } = expose('service', new Streams());
    expect(properties).toEqual(['balance$', 'later$', 'callable$', 'accessor$', 'shared$']);
    expect([...streams].map(([name, { method }]) => [name, method ? 'method' : 'property'])).toEqual([
      ['balance$', 'property'],
      ['later$', 'property'],
      ['own$', 'method'],
      ['callable$', 'property'],
      ['accessor$', 'property'],
      ['inherited$', 'method'],
      ['shared$', 'property'],
    ]);
    expect([...methods.keys()]).toEqual(['deposit']);
    expect(members).toEqual([
      'balance$',
      'later$',
      'own$',
      'callable$',
      'accessor$',
      'deposit',
      'inherited$',
      'shared$',
    ]);
    const { method, policy } = streams.get('inherited$') ?? {};
    expect(method).toBe(Object.getOwnPropertyDescriptor(StreamBase.prototype, 'inherited$')?.value);
    expect(policy).toBeUndefined();
    expect(streams.get('balance$')).toEqual({ method: undefined, policy: undefined });
  });

  it('lets what is nearer hide what is inherited, whatever it is', () => {
    class Hiding extends StreamBase {
      override inherited$(): Observable<number> {
        return of(2);
      }
    }
    const object = new Hiding();
    // A setter alone cannot be read.
    Object.defineProperty(object, 'shared$', { set: () => undefined });
    const { streams } = expose('service', object);
    expect([...streams.keys()]).toEqual(['inherited$']);
    expect(streams.get('inherited$')?.method).toBe(object.inherited$);
  });

  it('never exposes the streams that a server or client has itself, and those of its class it does', () => {
    class Server extends RPCServer {
      readonly prices$ = of(1);
      override readonly errors$ = of(new Error('mine'));
    }
    class Client extends RPCClient {
      readonly prices$ = of(1);
    }
    expect(expose('service', new Server({ port: 0 })).members).toEqual(['prices$']);
    expect(expose('service', new Client({ port: 1 })).members).toEqual(['prices$']);
  });

  it.each<[string, object]>([
    ['RPCServer', new RPCServer({ port: 0 })],
    ['RPCClient', new RPCClient({ port: 1 })],
  ])('is told by the marks of %s of every stream that it has of its own', (_name, object) => {
    const marked: string[] = [];
    for (let level: unknown = object; level !== null; level = Object.getPrototypeOf(level)) {
      if (Object.hasOwn(level as object, neverExposedKey)) {
        marked.push(...(level as Record<symbol, string[]>)[neverExposedKey]!);
      }
    }
    const own = Object.entries(object).filter(([, value]) => isObservable(value));
    expect(marked.sort()).toEqual(own.map(([name]) => name).sort());
  });

  it('takes a mark without a list, as an older copy of the package has it', () => {
    class Old {
      base(): void {}
    }
    Object.defineProperty(Old.prototype, neverExposedKey, { value: true });
    class Mine extends Old {
      override base(): void {}
      mine(): void {}
    }
    expect(exposed(new Mine())).toEqual(['mine']);
  });

  it('completes what "streams" declares, and keeps what "schemas" gives', () => {
    const schema = { '~standard': { version: 1 as const, validate: (value: unknown) => ({ value }) } };
    const callable = Object.assign(() => 1, schema);
    const given = [schema, callable];
    const { streams, schemas } = expose('service', new Streams(), {
      streams: { balance$: { overflow: 'latest' }, inherited$: { window: 5 }, later$: {} },
      schemas: { deposit: given, inherited$: [] },
    });
    expect(streams.get('balance$')?.policy).toEqual({ window: 1, overflow: 'latest' });
    expect(streams.get('inherited$')?.policy).toEqual({ window: 5, overflow: 'error' });
    expect(streams.get('later$')?.policy).toEqual({ window: 4_096, overflow: 'error' });
    expect(streams.get('own$')?.policy).toBeUndefined();
    expect([...schemas]).toEqual([
      ['deposit', [schema, callable]],
      ['inherited$', []],
    ]);
    given.pop();
    expect(schemas.get('deposit')).toHaveLength(2);
  });

  it('finds only the streams that "only" names', () => {
    const { members, streams, methods } = expose('service', new Streams(), {
      only: ['own$', 'deposit', 'own$'],
    });
    expect(members).toEqual(['own$', 'deposit']);
    expect([...streams.keys()]).toEqual(['own$']);
    expect([...methods.keys()]).toEqual(['deposit']);
  });

  it('finds only what "only" names', () => {
    expect(exposed(new Derived(), { only: ['inherited'] })).toEqual(['inherited']);
    expect(exposed(new Derived(), { only: [] })).toEqual([]);
  });

  it.each<[unknown, object | null, string]>([
    [
      new Derived(),
      { only: ['missing'] },
      'cannot register "service": "only" names "missing", which is no public method or stream of it',
    ],
    [new Derived(), { only: ['accessor'] }, '"only" names "accessor"'],
    [new Derived(), { only: [5] }, '"only" names number'],
    [new Derived(), { only: 'own' }, '"only" must be an array of names, not "own"'],
    [new Derived(), { stream: {} }, 'there is no option "stream", only "only", "streams" and "schemas"'],
    [new Derived(), null, 'options must be an object, not null'],
    [new Derived(), [], 'options must be an object, not object'],
    [new Derived(), { streams: null }, '"streams" must be an object with members\' names, not null'],
    [new Derived(), { schemas: [] }, '"schemas" must be an object with members\' names'],
    [new Derived(), { streams: { own: {} } }, '"streams" names "own", which is no stream that it exposes'],
    [new Derived(), { streams: { no$: {} } }, '"streams" names "no$", which is no stream that it exposes'],
    [new Derived(), { only: ['own'], streams: { history$: {} } }, '"streams" names "history$"'],
    [new Derived(), { streams: { history$: { window: 0 } } }, 'streams.history$.window is 0'],
    [new Derived(), { streams: { history$: { overflow: 'no' } } }, 'streams.history$.overflow is "no"'],
    [new Derived(), { streams: { history$: undefined } }, 'streams.history$ must be an object'],
    [new Derived(), { schemas: { value: [] } }, '"schemas" names "value", which is no method or stream'],
    [new Derived(), { schemas: { own: {} } }, 'the schemas of "own" must be an array, one for each argument'],
    [new Derived(), { schemas: { own: [{}] } }, 'schema 0 of "own" is no Standard Schema (version 1)'],
    [new Derived(), { schemas: { own: [null] } }, 'schema 0 of "own" is no Standard Schema (version 1)'],
    [
      new Derived(),
      { schemas: { own: [{ '~standard': { version: 2, validate: () => 1 } }] } },
      'schema 0 of "own" is no Standard Schema (version 1)',
    ],
    [() => 1, {}, 'an object is needed, not function'],
    [null, {}, 'an object is needed, not null'],
    ['text', {}, 'an object is needed, not "text"'],
  ])('refuses %p with %j', (object, options, message) => {
    expect(() => exposed(object, options as RegistrationOptions)).toThrow(message);
  });
});

describe('exposeLent()', () => {
  it('finds the same, and speaks of lending', () => {
    expect(exposeLent(new Streams(), { only: ['deposit'] }).members).toEqual(['deposit']);
    expect(() => exposeLent({}, { only: ['deposit'] })).toThrow(
      'cannot lend an object by reference: "only" names "deposit"',
    );
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
