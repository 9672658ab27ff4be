/**
 * What of a registered or lent object can be called or subscribed to: its own and inherited public methods and streams,
 * found once, at registration.
 *
 * Later look-ups go to a Map and never touch the object, so that no name a peer sends can reach anything else, run a
 * getter, or walk a prototype (React Flight, RPyC and Comlink were all broken there). A stream property alone is read, by the
 * name that was found, when it is subscribed to. Forbidden and absent look the same to the peer.
 */
import { memberNamePattern, objectNamePattern } from '../protocol/messages.js';
import { resolvePolicy, type OverflowOptions, type OverflowPolicy } from '../streams/overflow.js';
import { isStream } from '../streams/stream-source.js';
import { checkSchemas, type ArgumentSchemas, type StandardSchema } from './schemas.js';

/** A method of a registered object. `this` is given at the call. */
export type ExposedMethod = (...args: readonly unknown[]) => unknown;

/** A stream of a registered object: a member whose name ends in `$`. */
export interface ExposedStream {
  /** The method that makes it, called at each subscription; `undefined` for a property, which is read at each. */
  readonly method: ExposedMethod | undefined;
  /** What happens to values that its reader is too slow for; `undefined` if that was not declared. */
  readonly policy: OverflowPolicy | undefined;
}

/** A registered object and what of it can be called. */
export interface ExposedObject {
  /** The object itself, as it was registered. */
  readonly object: object;
  /** Its callable methods. */
  readonly methods: ReadonlyMap<string, ExposedMethod>;
  /** Its streams. */
  readonly streams: ReadonlyMap<string, ExposedStream>;
  /** What the arguments of its members must be, as far as that was declared. */
  readonly schemas: ReadonlyMap<string, ArgumentSchemas>;
  /** The names of all that is exposed. */
  readonly members: readonly string[];
  /** Of those the streams that are no methods. */
  readonly properties: readonly string[];
}

/** What a registered object exposes, and how. */
export interface RegistrationOptions {
  /** Only these members are exposed; each must be a public method or stream. Default: all of them. */
  readonly only?: readonly string[];
  /** What happens to values of a stream that its reader is too slow for, if its source cannot be paused. */
  readonly streams?: Readonly<Record<string, OverflowOptions>>;
  /** One Standard Schema for each argument of a member: what they refuse never reaches it. */
  readonly schemas?: Readonly<Record<string, readonly StandardSchema[]>>;
}

const optionNames: ReadonlySet<string> = new Set(['only', 'streams', 'schemas']);

/** What JavaScript itself may ask of any object: a remote method of that name would change what `await` and others do. */
const neverExposed: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  'then',
  'catch',
  'finally',
  'toJSON',
  'prototype',
]);

/**
 * Classes whose methods nobody means to offer to a peer by inheriting from them, by name, since realms and copies differ;
 * and what else their prototypes must have, since a user may have a class of that name.
 */
const baseClasses: ReadonlyMap<string, readonly string[]> = new Map([
  ['EventEmitter', ['emit', 'on']],
  ['EventTarget', ['addEventListener', 'dispatchEvent']],
  ['Observable', ['subscribe', 'pipe']],
  ['Subject', ['next', 'complete', 'unsubscribe']],
  ['BehaviorSubject', ['next', 'getValue']],
  ['ReplaySubject', ['next', '_trimBuffer']],
  ['AsyncSubject', ['next', '_checkFinalizedStatuses']],
]);

/**
 * Marks a prototype as such a base: unlike a name it survives minifying, and holds for another copy of the package. Its value
 * lists the names of the streams that an instance has of its own.
 */
export const neverExposedKey: unique symbol = Symbol.for('tandem-rpc.never-exposed');

/**
 * Checks the name of an object to register.
 * @throws TypeError when it is not of the allowed form
 */
export function checkObjectName(name: unknown): asserts name is string {
  if (typeof name === 'string' && objectNamePattern.test(name)) return;
  throw new TypeError(
    `cannot register an object as ${describe(name)}: a name is 1 to 128 letters, digits or "_", then also ". : / -"`,
  );
}

/**
 * Finds what of an object can be called.
 * @param name - the object's name, for messages
 * @param object - the object; a frozen one, a class instance or a plain object of functions
 * @param options - narrows what is exposed, and declares more of it
 * @throws TypeError when it is no object, or an option names what is not exposed or is not of its form; RangeError for a
 *   window out of bounds
 */
export function expose(name: string, object: unknown, options?: RegistrationOptions): ExposedObject {
  return exposeAs(`cannot register "${name}"`, object, options);
}

/**
 * The same for an object that is lent by reference.
 * @throws TypeError, RangeError as `expose`
 */
export function exposeLent(object: object, options?: RegistrationOptions): ExposedObject {
  return exposeAs('cannot lend an object by reference', object, options);
}

/**
 * Checks the form of registration options, as far as they say nothing of an object.
 * @param failure - what fails, for messages
 * @throws TypeError naming the option and what is allowed
 */
export function checkRegistrationOptions(
  failure: string,
  options: RegistrationOptions = {},
): RegistrationOptions {
  if (!isRecord(options))
    throw new TypeError(`${failure}: options must be an object, not ${describe(options)}`);
  for (const option of Object.keys(options)) {
    if (optionNames.has(option)) continue;
    throw new TypeError(`${failure}: there is no option "${option}", only "only", "streams" and "schemas"`);
  }
  const { only, streams = {}, schemas = {} } = options;
  if (only !== undefined && !Array.isArray(only)) {
    throw new TypeError(`${failure}: "only" must be an array of names, not ${describe(only)}`);
  }
  for (const [option, value] of Object.entries({ streams, schemas })) {
    if (isRecord(value)) continue;
    throw new TypeError(
      `${failure}: "${option}" must be an object with members' names, not ${describe(value)}`,
    );
  }
  return options;
}

/** Found members: methods, and streams that are none. */
type Members = Map<string, ExposedMethod | 'property'>;

function exposeAs(failure: string, object: unknown, given: RegistrationOptions | undefined): ExposedObject {
  if (typeof object !== 'object' || object === null) {
    throw new TypeError(`${failure}: an object is needed, not ${describe(object)}`);
  }
  const options = checkRegistrationOptions(failure, given);
  const found = chosenMembers(failure, publicMembers(object), options.only);
  const refuse = (option: string, member: string, what: string): TypeError =>
    new TypeError(`${failure}: "${option}" names ${describe(member)}, which is no ${what} that it exposes`);

  const policies = new Map<string, OverflowPolicy>();
  for (const [member, declared] of Object.entries(options.streams ?? {})) {
    if (!found.has(member) || !isStreamName(member)) throw refuse('streams', member, 'stream');
    policies.set(member, resolvePolicy(declared, `${failure}: streams.${member}`));
  }
  const schemas = new Map<string, ArgumentSchemas>();
  for (const [member, declared] of Object.entries(options.schemas ?? {})) {
    if (!found.has(member)) throw refuse('schemas', member, 'method or stream');
    schemas.set(member, [...checkSchemas(describe(member), declared)]);
  }
  const methods = new Map<string, ExposedMethod>();
  const streams = new Map<string, ExposedStream>();
  for (const [member, value] of found) {
    const method = value === 'property' ? undefined : value;
    if (isStreamName(member)) streams.set(member, { method, policy: policies.get(member) });
    else if (method !== undefined) methods.set(member, method);
  }
  const members = [...found.keys()];
  const properties = members.filter((member) => found.get(member) === 'property');
  return { object, methods, streams, schemas, members, properties };
}

function chosenMembers(failure: string, found: Members, only: readonly string[] | undefined): Members {
  if (only === undefined) return found;
  const chosen: Members = new Map();
  for (const member of only) {
    const value = found.get(member);
    if (value === undefined) {
      const what = 'which is no public method or stream of it';
      throw new TypeError(`${failure}: "only" names ${describe(member)}, ${what}`);
    }
    chosen.set(member, value);
  }
  return chosen;
}

function publicMembers(object: object): Members {
  const members: Members = new Map();
  const seen = new Set<string>();
  let level: object | null = object;
  while (level !== null && !isBaseClass(level, object)) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (seen.has(name)) continue;
      seen.add(name);
      const member = isExposable(name) ? memberOf(name, descriptor) : undefined;
      if (member !== undefined) members.set(name, member);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  // What overrides a member of such a base, a hook above all, is no more meant for a peer than the base's own.
  for (const name of ownNamesFrom(level)) members.delete(name);
  return members;
}

/** What a property is to a peer, without running any getter. */
function memberOf(name: string, descriptor: PropertyDescriptor): ExposedMethod | 'property' | undefined {
  const value: unknown = descriptor.value;
  // A stream that can be called is a stream all the same, like the members of a remote proxy.
  if (typeof value === 'function' && !isStream(value)) return value as ExposedMethod;
  // Whether it holds a stream shows when it is subscribed to; a field may have no value yet.
  const canBeRead = 'value' in descriptor || descriptor.get !== undefined;
  return isStreamName(name) && canBeRead ? 'property' : undefined;
}

/** The names of a marked base and of those above it. */
function ownNamesFrom(base: object | null): string[] {
  if (base === null || !Object.hasOwn(base, neverExposedKey)) return [];
  const fields: unknown = Reflect.get(base, neverExposedKey);
  return [
    ...Object.getOwnPropertyNames(base),
    ...(Array.isArray(fields) ? (fields as string[]) : []),
    ...ownNamesFrom(Object.getPrototypeOf(base) as object | null),
  ];
}

function isExposable(name: string): boolean {
  return memberNamePattern.test(name) && !neverExposed.has(name);
}

function isStreamName(name: string): boolean {
  return name.endsWith('$');
}

/** Whether the walk up the prototypes ends here: a built-in class, or one whose methods are never meant for a peer. */
function isBaseClass(level: object, object: object): boolean {
  if (level === object) return false;
  if (Object.hasOwn(level, neverExposedKey)) return true;
  const constructor: unknown = Object.getOwnPropertyDescriptor(level, 'constructor')?.value;
  if (typeof constructor !== 'function') return false;
  const marks = baseClasses.get(constructor.name);
  return marks?.every((mark) => Object.hasOwn(level, mark)) === true || isBuiltIn(constructor);
}

/** A class of the language or the host shows no source. */
function isBuiltIn(constructor: object): boolean {
  return /\{\s*\[native code\]\s*\}\s*$/.test(Function.prototype.toString.call(constructor));
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  return value === null ? 'null' : typeof value;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
