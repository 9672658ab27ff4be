import { createContext, runInContext } from 'node:vm';

import { ExtData } from '@msgpack/msgpack';
import { describe, expect, it } from '@jest/globals';
import { EMPTY, firstValueFrom } from 'rxjs';

import { LimitExceededError, NotConnectedError, UnserializableValueError } from '../../src/errors.js';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';

/** Sends a value as the first argument of a call, with limits of its own. */
function send(value: unknown, limits: Partial<Limits> = {}): unknown {
  return new Codec({ ...defaultLimits, ...limits }).marshal([value], 'arguments');
}

/** The error that sending a value causes. */
function refusal(
  value: unknown,
  limits: Partial<Limits> = {},
): UnserializableValueError | LimitExceededError {
  try {
    send(value, limits);
  } catch (error) {
    return error as UnserializableValueError;
  }
  throw new Error('nothing was refused');
}

/** Nests arrays so that the innermost lies in `levels` of them, counted with itself. */
function nest(levels: number): unknown[] {
  let value: unknown[] = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

class Account {
  balance = 1;
  pay(): number {
    return this.balance;
  }
}

class Savings extends Account {
  rate = 2;
}

class Box {
  items = [1];
  get size(): number {
    return this.items.length;
  }
}

class Sink {
  set size(_size: number) {
    throw new Error('never called');
  }
}

class Data {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

const method = (): void => undefined;
const cycle: Record<string, unknown> = { items: [{}] };
(cycle['items'] as Record<string, unknown>[])[0]!['owner'] = cycle;
const mapCycle = new Map<unknown, unknown>([['a', 1]]);
mapCycle.set('b', new Set([mapCycle]));
const errorCycle = new Error('a');
errorCycle.cause = errorCycle;
const wide: Record<string, unknown> = { list: Array.from({ length: 20 }, (_, index) => index) };
wide['self'] = wide;
const detached = new ArrayBuffer(8);
structuredClone(detached, { transfer: [detached] });

const refused: readonly (readonly [what: string, value: unknown, words: string])[] = [
  ['a function', method, 'arguments[0]: a function'],
  ['a symbol', Symbol('a'), 'arguments[0]: a symbol'],
  [
    'a member that is a function',
    { items: [1, { onClick: method }] },
    'arguments[0].items[1].onClick: a function',
  ],
  [
    'a function below a key that is no identifier',
    { 'a b': { 0: method } },
    'arguments[0]["a b"]["0"]: a function',
  ],
  [
    'a function as a Map value',
    new Map([['a', 1], ['b', method] as never]),
    'arguments[0].values()[1]: a function',
  ],
  ['a function as a Map key', new Map([[{ f: method }, 1]]), 'arguments[0].keys()[0].f: a function'],
  ['a function in a Set', [new Set([1, method])], 'arguments[0][0].values()[1]: a function'],
  [
    'a function in an Error',
    Object.assign(new Error('a'), { retry: method }),
    'arguments[0].retry: a function',
  ],
  ['a toJSON method', { toJSON: method }, 'arguments[0].toJSON: a function'],
  ['a class with methods', new Account(), 'arguments[0]: an instance of Account, which has methods'],
  ['a class that inherits methods', new Savings(), 'arguments[0]: an instance of Savings, which has methods'],
  ['a class with a getter', new Box(), 'an instance of Box, which has methods or accessors'],
  ['a class with a setter', new Sink(), 'an instance of Sink, which has methods or accessors'],
  [
    'a class without a name',
    new (class {
      run(): void {
        return;
      }
    })(),
    'an instance of Object, which',
  ],
  [
    'an object that inherits a method',
    Object.create({ run: method }),
    'arguments[0]: an instance of Object, which',
  ],
  [
    'an object that inherits a symbol method',
    Object.create({ [Symbol.iterator]: method }),
    'an instance of Object',
  ],
  ['a Promise', Promise.resolve(1), 'arguments[0]: a Promise; await it first'],
  ['a WeakMap', new WeakMap(), 'an object of the kind WeakMap'],
  ['a WeakRef', new WeakRef({}), 'an object of the kind WeakRef'],
  ['a RegExp', /a/, 'an object of the kind RegExp'],
  ['a boxed number', Object(1), 'an object of the kind Number'],
  ['a boxed string', Object('a'), 'an object of the kind String'],
  ['a boxed bigint', Object(1n), 'an object of the kind BigInt'],
  ['a URL', new URL('http://localhost'), 'an object of the kind URL'],
  [
    'a generator',
    (function* () {
      yield 1;
    })(),
    'Generator',
  ],
  ['a SharedArrayBuffer', new SharedArrayBuffer(1), 'an object of the kind SharedArrayBuffer'],
  ['Math', Math, 'an object of the kind Object (Math)'],
  [
    'an object without prototype that has a tag',
    Object.defineProperty(Object.create(null) as object, Symbol.toStringTag, { value: 'Odd' }),
    'an object of the kind Odd',
  ],
  ['a RegExp from another realm', runInContext('/a/', createContext({})), 'an object of the kind RegExp'],
  ['what pretends to be a Map', Object.create(Map.prototype), 'arguments[0]: reading it failed'],
  ['what pretends to be an ArrayBuffer', Object.create(ArrayBuffer.prototype), 'reading it failed'],
  [
    'what pretends to be a typed array',
    Object.defineProperty(new Int8Array(1), Symbol.toStringTag, { value: 'Odd' }),
    'Int8Array (Odd)',
  ],
  ['a detached buffer', detached, 'arguments[0]: reading it failed'],
  ['a raw extension', new ExtData(99, new Uint8Array(1)), 'arguments[0]: an instance of ExtData'],
  [
    'the key __proto__',
    [JSON.parse('{"a":1,"__proto__":{}}')],
    'arguments[0][0].__proto__: the key __proto__',
  ],
  [
    'the key __proto__ of an Error',
    Object.defineProperty(new Error('a'), '__proto__', { value: 1, enumerable: true }),
    'the key __proto__',
  ],
  ['a lone surrogate', ['a\ud800b'], 'arguments[0][0]: a string with a lone surrogate'],
  [
    'a lone surrogate in a long string',
    `\udc00${'a'.repeat(100)}`,
    'arguments[0]: a string with a lone surrogate',
  ],
  ['a lone surrogate in a key', { 'a\ud800': 1 }, 'a key with a lone surrogate'],
  [
    'a long key that begins with U+FEFF',
    { [`\ufeff${'a'.repeat(210)}`]: 1 },
    'a long key that begins with U+FEFF',
  ],
  ['a cycle', cycle, 'arguments[0].items[0].owner: a cycle, it is arguments[0] again'],
  [
    'a cycle through Map and Set',
    mapCycle,
    'arguments[0].values()[1].values()[0]: a cycle, it is arguments[0] again',
  ],
  ['a cycle of causes', errorCycle, 'arguments[0].cause: a cycle, it is arguments[0] again'],
];

describe('what cannot cross', () => {
  it.each(refused)('is refused by its path: %s', (_, value, words) => {
    const error = refusal(value);
    expect(error).toBeInstanceOf(UnserializableValueError);
    expect(error.message).toMatch(/^cannot send arguments/);
    expect(error.message).toContain(words);
  });

  it('is refused again when it is met again', () => {
    const codec = new Codec(defaultLimits);
    for (let time = 0; time < 2; time++) {
      expect(() => codec.marshal([new Data(1), new Account()], 'result')).toThrow(
        'result[1]: an instance of Account',
      );
      expect(codec.marshal(new Data(1), 'result')).toStrictEqual(new Data(1));
    }
  });

  it('shows that it is a cycle also where another limit comes first', () => {
    expect(refusal(wide, { maxNodes: 64 }).message).toContain(
      'arguments[0].self: a cycle, it is arguments[0] again',
    );
  });

  it('has a path of bounded length', () => {
    let value: unknown = method;
    for (let level = 0; level < 50; level++) value = { ['key'.repeat(10)]: value };
    expect(refusal(value).message).toMatch(/^cannot send arguments\[0\]\.key.{380,420}: a function$/);
  });

  it('is refused by its own path where reading it fails before its first key', () => {
    const poisoned = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('poisoned');
        },
      },
    );
    const { message } = refusal([{ a: { secret: 1 } }, { a: poisoned }]);
    expect(message).toBe('cannot send arguments[0][1].a: reading it failed');
  });

  it('is refused with the error of the getter that threw', () => {
    const cause = new NotConnectedError('no');
    const value = {
      a: [
        {
          get b(): never {
            throw cause;
          },
        },
      ],
    };
    expect(refusal(value)).toMatchObject({
      message: 'cannot send arguments[0].a[0].b: reading it failed',
      cause,
    });
  });
});

describe('a value that needs no conversion', () => {
  it.each([
    [{ a: [1, 'b', null, true, { c: 1.5 }], d: Number.NaN }],
    [[[], {}, new Uint8Array(2), new Data([1])]],
    ['text'],
  ])('is handed back as it is: %p', (value) => {
    expect(new Codec(defaultLimits).marshal(value, 'value')).toBe(value);
  });

  it('is handed back as it is even where a sibling is copied', () => {
    const plain = { a: 1 };
    expect((send([plain, undefined]) as unknown[][])[0]?.[0]).toBe(plain);
  });
});

describe('a getter that sends by the same codec', () => {
  it('disturbs nothing', () => {
    const codec = new Codec(defaultLimits);
    const value = {
      get inner(): unknown {
        expect(() => codec.marshal({ a: method }, 'inner')).toThrow('inner.a: a function');
        return codec.marshal([1], 'inner');
      },
      last: method,
    };
    expect(() => codec.marshal(value, 'outer')).toThrow('outer.last: a function');
  });
});

const atTheBound: readonly (readonly [
  option: keyof Limits,
  bound: number,
  within: unknown,
  beyond: unknown,
  words: string,
])[] = [
  ['maxDepth', 4, nest(2), nest(3), 'arguments[0][0][0]: 5 levels'],
  ['maxDepth', 4, new Map([[1, new Set()]]), new Map([[1, new Set([new Map()])]]), '5 levels'],
  [
    'maxDepth',
    4,
    new Error('a', { cause: [] }),
    new Error('a', { cause: [{}] }),
    'arguments[0].cause[0]: 5 levels',
  ],
  ['maxNodes', 64, Array.from({ length: 62 }), Array.from({ length: 63 }), 'arguments[0][62]: 65 values'],
  [
    'maxNodes',
    64,
    new Map(Array.from({ length: 31 }, (_, index) => [index, 1])),
    new Map(Array.from({ length: 32 }, (_, index) => [index, 1])),
    '65 values',
  ],
  [
    'maxNodes',
    64,
    Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`k${index}`, 1])),
    Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`k${index}`, 1])),
    '66 values',
  ],
  ['maxStringBytes', 256, 'a'.repeat(256), 'a'.repeat(257), 'arguments[0]: 257 string bytes'],
  ['maxStringBytes', 256, 'é'.repeat(128), 'é'.repeat(129), '258 string bytes'],
  ['maxStringBytes', 256, '€'.repeat(85), '€'.repeat(86), '258 string bytes'],
  ['maxStringBytes', 256, '𝄞'.repeat(64), '𝄞'.repeat(65), '260 string bytes'],
  ['maxBinaryBytes', 8, new Uint8Array(8), new Uint8Array(9), '9 binary bytes'],
  ['maxBinaryBytes', 8, new Float64Array(1), new Float64Array(2), '16 binary bytes'],
  ['maxBinaryBytes', 8, new ArrayBuffer(8), new ArrayBuffer(9), '9 binary bytes'],
  ['maxArrayItems', 64, Array.from({ length: 64 }), Array.from({ length: 65 }), '65 array items'],
  [
    'maxArrayItems',
    64,
    new Set(Array.from({ length: 64 }, (_, index) => index)),
    new Set(Array.from({ length: 65 }, (_, index) => index)),
    '65 members of a Set',
  ],
  [
    'maxMapEntries',
    16,
    Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index}`, 1])),
    Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 1])),
    'arguments[0]',
  ],
  [
    'maxMapEntries',
    16,
    new Map(Array.from({ length: 16 }, (_, index) => [index, 1])),
    new Map(Array.from({ length: 17 }, (_, index) => [index, 1])),
    '17 map entries',
  ],
  [
    'maxMapEntries',
    16,
    Object.assign(
      new Error('a'),
      Object.fromEntries(Array.from({ length: 14 }, (_, index) => [`k${index}`, 1])),
    ),
    Object.assign(
      new Error('a'),
      Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`k${index}`, 1])),
    ),
    '17 map entries',
  ],
  ['maxKeyBytes', 16, { ['a'.repeat(16)]: 1 }, { ['a'.repeat(17)]: 1 }, '17 key bytes'],
  ['maxKeyBytes', 16, { ['€'.repeat(5)]: 1 }, { ['€'.repeat(6)]: 1 }, '18 key bytes'],
  ['maxBigintBits', 64, 2n ** 64n - 1n, 2n ** 64n, '65 bigint bits'],
  ['maxBigintBits', 64, -(2n ** 64n) + 1n, -(2n ** 100n), '101 bigint bits'],
  [
    'maxMessageBytes',
    1024,
    ['a'.repeat(500), new Uint8Array(500)],
    ['a'.repeat(500), new Uint8Array(525)],
    'arguments[0][1]: 1025 bytes up to here',
  ],
];

describe('a value at the bound of a limit', () => {
  it.each(atTheBound)('crosses up to %s = %d, and no further', (option, bound, within, beyond, words) => {
    expect(() => send(within, { [option]: bound })).not.toThrow();
    const error = refusal(beyond, { [option]: bound });
    expect(error).toBeInstanceOf(LimitExceededError);
    expect(error.message).toContain(words);
    expect(error.message).toContain(`at most ${bound} are allowed (limits.${option})`);
  });

  it('is refused before the stack is', () => {
    expect(refusal(nest(100_000)).message).toContain('65 levels, at most 64 are allowed (limits.maxDepth)');
    expect(refusal(nest(100_000), { maxDepth: 512 }).message).toContain('(limits.maxDepth)');
  });

  it('is judged by how deep in the message it will lie', () => {
    const codec = new Codec({ ...defaultLimits, maxDepth: 4 });
    expect(() => codec.marshal(nest(3), 'value')).not.toThrow();
    expect(() => codec.marshal(nest(2), 'value', 2)).not.toThrow();
    expect(() => codec.marshal(nest(3), 'value', 2)).toThrow('5 levels');
  });

  it('is refused where one text is shared too often', () => {
    expect(refusal(Array.from({ length: 1000 }, () => 'a'.repeat(1_000_000))).message).toContain(
      'maxMessageBytes',
    );
  });
});

describe('an error of rxjs', () => {
  it('crosses as an error, though its class never calls that of errors', async () => {
    const error: unknown = await firstValueFrom(EMPTY).catch((reason: unknown) => reason);
    expect(Object.prototype.toString.call(error)).toBe('[object Object]');
    const plain = Object.assign(new Error('no elements in sequence'), { name: 'EmptyError' });
    expect(send(error)).toEqual(send(plain));
  });
});
