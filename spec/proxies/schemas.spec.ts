import { describe, expect, it } from '@jest/globals';
import { type } from 'arktype';
import { InvalidArgumentsError, type StandardSchema } from 'tandem-rpc';
import * as v from 'valibot';
import { z } from 'zod';
import { checkSchemas, SchemaFailure, validateArguments } from '../../src/proxies/schemas.js';
import { rejectionOf } from '../helpers/virtual-world.js';

/** A schema that answers what the spec says, right or wrong. */
function schema(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, validate: validate as StandardSchema['~standard']['validate'] } };
}

const anything = schema((value) => ({ value }));

function refusing(...issues: unknown[]): StandardSchema {
  return schema(() => ({ issues }));
}

/** What the validation throws. */
function refusalOf(schemas: readonly StandardSchema[], args: readonly unknown[]): InvalidArgumentsError {
  try {
    void validateArguments(schemas, args);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentsError);
    return error as InvalidArgumentsError;
  }
  throw new Error('the arguments were expected to be refused');
}

function failureOf(schemas: readonly StandardSchema[], args: readonly unknown[] = []): SchemaFailure {
  try {
    void validateArguments(schemas, args);
  } catch (error) {
    expect(error).toBeInstanceOf(SchemaFailure);
    return error as SchemaFailure;
  }
  throw new Error('a schema was expected to fail');
}

/** The same three parameters in each library: a transfer, a note that may be missing, and how often, once by default. */
const libraries: readonly (readonly [name: string, schemas: readonly StandardSchema[]])[] = [
  [
    'zod',
    [
      z.object({ to: z.string(), parts: z.array(z.object({ amount: z.number().positive() })) }),
      z.string().optional(),
      z.number().default(1),
    ],
  ],
  [
    'valibot',
    [
      v.object({
        to: v.string(),
        parts: v.array(v.object({ amount: v.pipe(v.number(), v.gtValue(0)) })),
      }),
      v.optional(v.string()),
      v.optional(v.number(), 1),
    ],
  ],
  [
    'arktype',
    [
      type({ to: 'string', parts: type({ amount: 'number > 0' }).array() }),
      type('string | undefined'),
      type('number | undefined').pipe((times) => times ?? 1),
    ],
  ],
];

describe.each(libraries)('validateArguments with %s', (_, schemas) => {
  const transfer = { to: 'anna', parts: [{ amount: 5 }, { amount: 7 }] };

  it('lets through what is as the schemas say, and takes their defaults', () => {
    expect(checkSchemas('"bank".transfer', schemas)).toEqual(schemas);
    expect(validateArguments(schemas, [transfer, 'rent', 2])).toEqual([transfer, 'rent', 2]);
    expect(validateArguments(schemas, [transfer])).toEqual([transfer, undefined, 1]);
  });

  it('refuses what is not, and says where', () => {
    const error = refusalOf(schemas, [{ to: 'anna', parts: [{ amount: 5 }, { amount: 'seven' }] }]);
    expect(error).toMatchObject({ code: 'invalid-arguments', executed: 'no' });
    expect(error.issues).toEqual([{ message: expect.any(String), path: [0, 'parts', 1, 'amount'] }]);
    expect(error.message).toBe(`arguments[0].parts[1].amount: ${String(error.issues[0]?.message)}`);
  });

  it('tells all that is wrong with all of them', () => {
    const error = refusalOf(schemas, [{ to: 5, parts: [{ amount: -1 }] }, 7, 'often']);
    const paths = error.issues.map(({ path }) => path.join('.'));
    expect(paths.sort()).toEqual(['0.parts.0.amount', '0.to', '1', '2']);
    expect(error.message).toMatch(/^arguments\[0\].* \(and 3 more\)$/);
  });

  it('refuses a missing argument that is needed', () => {
    expect(refusalOf(schemas, []).issues.map(({ path }) => path)).toEqual([[0]]);
  });

  it('is not misled by the names of prototypes', () => {
    const hostile: unknown = JSON.parse('{ "to": "anna", "parts": [], "__proto__": { "polluted": 1 } }');
    const [passed] = validateArguments(schemas, [hostile]) as readonly object[];
    expect('polluted' in {}).toBe(false);
    expect((passed as { polluted?: number }).polluted).toBeUndefined();
    expect(
      refusalOf(schemas, [JSON.parse('{ "__proto__": { "to": "anna", "parts": [] } }')]).issues,
    ).not.toEqual([]);
  });
});

describe('validateArguments with what the libraries change', () => {
  it('gives the method what the schemas made of the arguments', () => {
    const text = 'x'.repeat(3);
    expect(validateArguments([z.string().transform((given) => given.length)], [text])).toEqual([3]);
    expect(validateArguments([v.pipe(v.string(), v.trim())], [' a '])).toEqual(['a']);
    expect(validateArguments([type('string.numeric.parse')], ['12'])).toEqual([12]);
  });

  it('waits for a schema that takes its time', async () => {
    const free = async (name: string): Promise<boolean> => Promise.resolve(name !== 'taken');
    for (const name of [z.string().refine(free), v.pipeAsync(v.string(), v.checkAsync(free))]) {
      expect(await validateArguments([name, anything], ['anna', 1])).toEqual(['anna', 1]);
      const error = await rejectionOf(validateArguments([name], ['taken']) as Promise<unknown>);
      expect(error).toMatchObject({ code: 'invalid-arguments', issues: [{ path: [0] }] });
    }
  });

  it('tells where in a Map or Set', () => {
    const inMap = [new Map([['a b', 'x']])];
    expect(refusalOf([z.map(z.string(), z.number())], inMap).issues[0]?.path).toEqual([0, 'a b']);
    expect(refusalOf([v.map(v.string(), v.number())], inMap).message).toMatch(/^arguments\[0\]\["a b"\]: /);
    expect(refusalOf([v.set(v.number())], [new Set(['x'])]).issues[0]?.path[0]).toBe(0);
  });
});

describe('validateArguments', () => {
  it('answers at once where all schemas do', () => {
    expect(validateArguments([anything, anything], [1, 2])).toEqual([1, 2]);
    expect(validateArguments([], [])).toEqual([]);
  });

  it('refuses more arguments than there are schemas', () => {
    expect(refusalOf([anything], [1, 2, 3])).toMatchObject({
      message: 'arguments[1]: 3 arguments were given, where the schemas allow 1',
      issues: [{ path: [1] }],
    });
    expect(refusalOf([], [undefined]).issues).toHaveLength(1);
  });

  it('asks about a missing argument as about undefined, and adds none without a value', () => {
    const asked: unknown[] = [];
    const optional = schema((value) => {
      asked.push(value);
      return { value };
    });
    const withDefault = schema((value) => ({ value: value ?? 'default' }));
    expect(validateArguments([optional, optional], [])).toEqual([]);
    expect(asked).toEqual([undefined, undefined]);
    expect(validateArguments([optional, optional], [1, undefined])).toEqual([1, undefined]);
    expect(validateArguments([optional, withDefault, optional], [])).toEqual([undefined, 'default']);
  });

  it('tells at most 32 issues, and how many there are', () => {
    const many = Array.from({ length: 1_000 }, (_, at) => ({ message: `wrong ${at}` }));
    const error = refusalOf([refusing(...many), refusing({ message: 'too' })], [1, 2]);
    expect(error.issues).toHaveLength(32);
    expect(error.issues.at(-1)).toEqual({ message: 'wrong 31', path: [0] });
    expect(error.message).toBe('arguments[0]: wrong 0 (and 1000 more)');
  });

  it('cuts what is long, whole characters only', () => {
    const long = { message: `${'m'.repeat(254)}\u{1f600}mm`, path: ['k'.repeat(1_000_000)] };
    const [issue] = refusalOf([refusing(long)], [1]).issues;
    expect(issue?.message).toBe(`${'m'.repeat(254)}\ufffd…`);
    expect(issue?.path).toEqual([0, `${'k'.repeat(63)}…`]);
    const exact = refusalOf([refusing({ message: 'm'.repeat(256), path: ['k'.repeat(64)] })], [1]);
    expect(exact.issues).toEqual([{ message: 'm'.repeat(256), path: [0, 'k'.repeat(64)] }]);
  });

  it('cuts a path that is long', () => {
    const at = (length: number): readonly (string | number)[] | undefined =>
      refusalOf([refusing({ message: 'm', path: Array.from({ length }, (_, key) => key) })], [1]).issues[0]
        ?.path;
    expect(at(31)).toHaveLength(32);
    expect(at(31)?.at(-1)).toBe(30);
    for (const length of [32, 100_000]) expect([at(length)?.length, at(length)?.at(-1)]).toEqual([32, '…']);
  });

  it('takes keys of any kind, without running their code', () => {
    const hostile = {
      toString: () => {
        throw new Error('it was called');
      },
    };
    const path = [Symbol('s'), { key: 'a' }, { key: 0 }, hostile, { key: hostile }, null, true, 1n, () => 1];
    expect(refusalOf([refusing({ message: 'm', path })], [1]).issues[0]?.path).toEqual([
      0,
      'Symbol(s)',
      'a',
      0,
      '(object)',
      '(object)',
      '(null)',
      '(boolean)',
      '(bigint)',
      '(function)',
    ]);
  });

  it('writes a path as the user would, with nothing that could forge a line of a log', () => {
    const path = ['a', 3, 'b c', '$d', '', 'e\nf', '\u2028'];
    expect(refusalOf([refusing({ message: 'one\ntwo\u001b[31m', path })], [1]).message).toBe(
      'arguments[0].a[3]["b c"].$d[""]["e\\nf"]["\ufffd"]: one\ufffdtwo\ufffd[31m',
    );
  });

  it.each<[string, unknown]>([
    ['no reason', { issues: [] }],
    ['a reason that is nothing', { issues: [undefined] }],
    ['a reason without words', { issues: [{}] }],
    ['words that are no text', { issues: [{ message: { toString: 5 } }] }],
    ['a path that is no list', { issues: [{ message: 'refused', path: 'a.b' }] }],
    ['a value beside the issues', { value: 1, issues: [{ message: 'refused' }] }],
  ])('takes a refusal for one also with %s', (_, answer) => {
    expect(refusalOf([schema(() => answer)], [1]).issues).toEqual([{ message: 'refused', path: [0] }]);
  });

  it('lets a value through whose issues are null', () => {
    expect(validateArguments([schema(() => ({ value: 5, issues: null }))], [1])).toEqual([5]);
  });

  it('waits for a promise of any make', async () => {
    const later = schema((value) => ({
      then: (resolve: (answer: unknown) => void) => {
        resolve({ value: [value] });
      },
    }));
    expect(await validateArguments([later], [1])).toEqual([[1]]);
  });
});

describe('a schema that fails', () => {
  const broken = new Error('secret');
  const throwing = schema(() => {
    throw broken;
  });
  const rejecting = schema(() => Promise.reject(broken));
  const failure = { code: 'schema-failed', executed: 'no', cause: broken };

  it('is no refusal: it says which, and holds the reason on this side', async () => {
    expect(failureOf([anything, throwing])).toMatchObject({
      ...failure,
      message: 'the schema of arguments[1] failed, and so they were not checked',
    });
    expect(await rejectionOf(validateArguments([anything, rejecting], []) as Promise<unknown>)).toMatchObject(
      {
        ...failure,
        message: 'the schema of arguments[1] failed, and so they were not checked',
      },
    );
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a primitive', true],
    ['neither a value nor issues', {}],
    ['issues that are no list', { issues: 'wrong' }],
    ['issues that are false', { issues: false, value: 1 }],
  ])('is one that answers %s', async (_, answer) => {
    expect(failureOf([schema(() => answer)])).toMatchObject({ executed: 'no', cause: expect.any(TypeError) });
    const later = validateArguments([schema(() => Promise.resolve(answer))], []) as Promise<unknown>;
    expect(await rejectionOf(later)).toBeInstanceOf(SchemaFailure);
  });

  it('is one whose answer cannot be read', () => {
    const poisoned = (name: string): object =>
      Object.defineProperty({ message: 'm' }, name, {
        get: () => {
          throw broken;
        },
      });
    for (const name of ['then', 'issues'])
      expect(failureOf([schema(() => poisoned(name))])).toMatchObject(failure);
    expect(failureOf([refusing(poisoned('path'))])).toMatchObject(failure);
  });

  it('leaves no rejection of another behind', async () => {
    // An unhandled one would fail this spec.
    expect(failureOf([rejecting, throwing])).toMatchObject(failure);
    await rejectionOf(validateArguments([rejecting, rejecting], []) as Promise<unknown>);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  });
});

describe('checkSchemas', () => {
  it('gives a list of its own', () => {
    const given = [anything];
    const checked = checkSchemas('"bank".deposit', given);
    given.pop();
    expect(checked).toEqual([anything]);
  });

  it('refuses what is no list', () => {
    for (const wrong of [undefined, null, anything, 'schemas', { length: 0 }])
      expect(() => checkSchemas('"bank".deposit', wrong)).toThrow(
        new TypeError('the schemas of "bank".deposit must be an array, one for each argument'),
      );
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a function', () => true],
    ['a text', 'string'],
    ['an object without the standard', { validate: () => true }],
    ['a standard that is nothing', { '~standard': null }],
    ['another version', { '~standard': { version: 2, validate: () => true } }],
    ['a standard that validates nothing', { '~standard': { version: 1 } }],
  ])('refuses %s in it', (_, wrong) => {
    expect(() => checkSchemas('"bank".deposit', [anything, wrong])).toThrow(
      new TypeError('schema 1 of "bank".deposit is no Standard Schema (version 1)'),
    );
  });

  it('refuses a hole in it', () => {
    const holed = [anything];
    holed[2] = anything;
    expect(() => checkSchemas('"bank".deposit', holed)).toThrow('schema 1 of "bank".deposit');
  });
});
