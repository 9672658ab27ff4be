/**
 * Checks arguments against schemas of any library that speaks Standard Schema (https://standardschema.dev, version 1), before
 * the method that they are meant for runs.
 */
import { InvalidArgumentsError, RPCError, type ArgumentIssue } from '../errors.js';

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

const maxIssues = 32;
const maxIssueLength = 256;

/**
 * Checks what was given as schemas of a member.
 * @param what - the object and member, for messages
 * @throws TypeError when one is no Standard Schema
 */
export function checkSchemas(what: string, schemas: unknown): ArgumentSchemas {
  if (!Array.isArray(schemas))
    throw new TypeError(`the schemas of ${what} must be an array, one for each argument`);
  for (const [at, schema] of schemas.entries()) {
    if (!isSchema(schema)) throw new TypeError(`schema ${at} of ${what} is no Standard Schema (version 1)`);
  }
  return schemas as ArgumentSchemas;
}

/**
 * Checks arguments; each schema may change its own (defaults, transforms).
 *
 * @param schemas - one for each argument; what is missing is checked as `undefined`
 * @param args - from the other side
 * @returns the arguments as the schemas made them, at once unless a schema is asynchronous
 * @throws InvalidArgumentsError with all that is wrong; RPCError when a schema itself fails
 */
export function validateArguments(
  schemas: ArgumentSchemas,
  args: readonly unknown[],
): readonly unknown[] | Promise<readonly unknown[]> {
  if (args.length > schemas.length) {
    const issue = {
      message: `${args.length} arguments, where ${schemas.length} are allowed`,
      path: [schemas.length],
    };
    throw new InvalidArgumentsError(issue.message, [issue], { executed: 'no' });
  }
  const results = schemas.map((schema, at) => ask(schema, args[at]));
  if (!results.some((result) => result instanceof Promise)) {
    // None of them is a promise.
    return conclude(results as SchemaResult[], args.length);
  }
  return Promise.all(results).then(
    (settled) => conclude(settled, args.length),
    (error: unknown) => {
      throw failed(error);
    },
  );
}

function ask(schema: StandardSchema, value: unknown): SchemaResult | Promise<SchemaResult> {
  try {
    return schema['~standard'].validate(value);
  } catch (error) {
    throw failed(error);
  }
}

function conclude(results: readonly SchemaResult[], sent: number): readonly unknown[] {
  const issues = results.flatMap((result, at) => (result.issues ?? []).map((issue) => readIssue(issue, at)));
  const [first] = issues;
  if (first !== undefined) {
    const text = `${describePath(first.path)}: ${first.message}`;
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
    throw new InvalidArgumentsError(text + more, issues.slice(0, maxIssues), { executed: 'no' });
  }
  const values = results.map((result) => (result.issues === undefined ? result.value : undefined));
  // What was not sent and has no default is not there: methods may count their arguments.
  while (values.length > sent && values.at(-1) === undefined) values.pop();
  return values;
}

function readIssue({ message, path = [] }: SchemaIssue, argument: number): ArgumentIssue {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  return {
    message: message.length > maxIssueLength ? `${message.slice(0, maxIssueLength - 1)}…` : message,
    path: [argument, ...keys.map((key) => (typeof key === 'symbol' ? String(key) : key))],
  };
}

function describePath([argument, ...keys]: readonly (string | number)[]): string {
  const steps = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`));
  return `arguments[${String(argument)}]${steps.join('')}`;
}

function failed(cause: unknown): SchemaFailure {
  return new SchemaFailure('a schema failed on the arguments', { executed: 'no', cause }, 'schema-failed');
}

function isSchema(value: unknown): value is StandardSchema {
  // Functions too: arktype's schemas are callable.
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}
