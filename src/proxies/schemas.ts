/**
 * Checks arguments against schemas of any library that speaks Standard Schema (https://standardschema.dev, version 1), before
 * the method that they are meant for runs.
 *
 * What cannot be understood is refused: a method with schemas never sees a value that no schema has let through.
 */
import { InvalidArgumentsError, RPCError, type ArgumentIssue } from '../errors.js';
import { describeIssue, maxIssues, maxPathKeys, toIssue } from './argument-issues.js';

/** What Tandem needs of a Standard Schema: zod, valibot, arktype and others give it. */
export interface StandardSchema {
  /** Under the standard's own key. */
  readonly '~standard': {
    /** The version of the standard. */
    readonly version: 1;
    /** Checks a value; may be asynchronous. */
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
  };
}

/** What a schema says of a value. */
export type SchemaResult =
  { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** What a schema finds wrong. */
export interface SchemaIssue {
  /** In words. */
  readonly message: string;
  /** Where within the value: keys, or objects that hold one. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** One schema for each argument of a method. */
export type ArgumentSchemas = readonly StandardSchema[];

/** A schema itself threw, or rejected: the arguments were not judged, and the method did not run. */
export class SchemaFailure extends RPCError {}

/**
 * Checks what was given as schemas of a member.
 * @param what - the object and member, for messages
 * @returns the schemas, which the giver can no longer change
 * @throws TypeError when one is no Standard Schema
 */
export function checkSchemas(what: string, schemas: unknown): ArgumentSchemas {
  if (!Array.isArray(schemas))
    throw new TypeError(`the schemas of ${what} must be an array, one for each argument`);
  return Array.from(schemas, (schema: unknown, at) => {
    if (isSchema(schema)) return schema;
    throw new TypeError(`schema ${at} of ${what} is no Standard Schema (version 1)`);
  });
}

/**
 * Checks arguments; each schema may change its own (defaults, transforms).
 *
 * @param schemas - one for each argument; what is missing is checked as `undefined`
 * @param args - from the other side
 * @returns the arguments as the schemas made them, at once unless a schema is asynchronous
 * @throws InvalidArgumentsError with what is wrong; SchemaFailure when a schema itself fails
 */
export function validateArguments(
  schemas: ArgumentSchemas,
  args: readonly unknown[],
): readonly unknown[] | Promise<readonly unknown[]> {
  if (args.length > schemas.length) {
    const message = `${args.length} arguments were given, where the schemas allow ${schemas.length}`;
    throw refused([toIssue(message, [schemas.length])], 1);
  }
  const answers = schemas.map((schema, at) => ask(schema, args[at], at));
  if (!answers.some((answer) => answer instanceof Promise)) return conclude(answers, args.length);
  return Promise.all(answers).then((settled) => conclude(settled, args.length));
}

/** Whether an error is the schemas' own word, if no method has run yet that could throw the same. */
export function isSchemasWord(error: unknown): error is InvalidArgumentsError | SchemaFailure {
  try {
    return error instanceof InvalidArgumentsError || error instanceof SchemaFailure;
  } catch {
    return false; // an interceptor threw a revoked Proxy
  }
}

/** What a schema answers, or a promise of it, which is one of ours whatever it was. */
function ask(schema: StandardSchema, value: unknown, at: number): unknown {
  try {
    const answer: unknown = schema['~standard'].validate(value);
    if (!isThenable(answer)) return answer;
    const later = Promise.resolve(answer).catch((error: unknown) => {
      throw failed(at, error);
    });
    // The next schema may throw, and then nobody waits for this one.
    later.catch(() => undefined);
    return later;
  } catch (error) {
    throw failed(at, error);
  }
}

function conclude(answers: readonly unknown[], sent: number): readonly unknown[] {
  const values: unknown[] = [];
  const issues: ArgumentIssue[] = [];
  let count = 0;
  for (const [at, answer] of answers.entries()) {
    const { value, found } = read(answer, at);
    values.push(value);
    if (found === undefined) continue;
    // A refusal without a reason is one all the same.
    const reasons = found.length === 0 ? [undefined] : found;
    count += reasons.length;
    issues.push(...readIssues(reasons, at, maxIssues - issues.length));
  }
  if (count > 0) throw refused(issues, count);
  // What was not sent and has no default is not there: methods may count their arguments.
  while (values.length > sent && values.at(-1) === undefined) values.pop();
  return values;
}

/** The value that a schema let through, or what it found wrong. */
function read(
  answer: unknown,
  at: number,
): { readonly value?: unknown; readonly found?: ArrayLike<unknown> } {
  try {
    if (isObject(answer)) {
      const { issues } = answer;
      // As some libraries and the examples of the standard have it; an empty list is a refusal.
      if (issues === undefined || issues === null) {
        if ('value' in answer) return { value: answer['value'] };
      } else if (Array.isArray(issues)) return { found: issues };
    }
  } catch (error) {
    throw failed(at, error);
  }
  throw failed(at, new TypeError('it answered neither a value nor issues'));
}

/** Reads at most so many of what may be a million; by position, since a library's own kind of array need not have `slice`. */
function readIssues(found: ArrayLike<unknown>, argument: number, most: number): ArgumentIssue[] {
  const length = Math.min(found.length, most);
  try {
    return Array.from({ length }, (_, at) => readIssue(found[at], argument));
  } catch (error) {
    throw failed(argument, error);
  }
}

function readIssue(issue: unknown, argument: number): ArgumentIssue {
  const { message, path } = isObject(issue) ? issue : {};
  const steps: readonly unknown[] = Array.isArray(path) ? path : [];
  // Of a longer one `toIssue` needs no more to see that it is longer.
  const keys = Array.from({ length: Math.min(steps.length, maxPathKeys) }, (_, at) => keyOf(steps[at]));
  return toIssue(message, [argument, ...keys]);
}

/** The standard allows keys, and objects that hold one. */
function keyOf(step: unknown): unknown {
  return isObject(step) && 'key' in step ? step['key'] : step;
}

function refused(issues: readonly ArgumentIssue[], count: number): InvalidArgumentsError {
  const [first = toIssue(undefined, [0])] = issues;
  const more = count > 1 ? ` (and ${count - 1} more)` : '';
  return new InvalidArgumentsError(describeIssue(first) + more, issues, { executed: 'no' });
}

function failed(argument: number, cause: unknown): SchemaFailure {
  const text = `the schema of arguments[${argument}] failed, and so they were not checked`;
  return new SchemaFailure(text, { executed: 'no', cause }, 'schema-failed');
}

function isSchema(value: unknown): value is StandardSchema {
  if (!isObject(value)) return false;
  const standard = value['~standard'];
  return isObject(standard) && standard['version'] === 1 && typeof standard['validate'] === 'function';
}

/** Functions too: arktype's schemas are callable. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Not by `instanceof`: the promise may come from another realm. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value['then'] === 'function';
}
