/**
 * What of a registered object can be called or subscribed to: its own and inherited public members, found once, at
 * registration.
 *
 * Later look-ups go to a Map of functions and never touch the object, so that no name a peer sends can reach anything
 * else, run a getter, or walk a prototype (React Flight, RPyC and Comlink were all broken there). Forbidden and absent
 * look the same to the peer.
 */
import { memberNamePattern, objectNamePattern } from '../protocol/messages.js';
import { resolvePolicy, type OverflowOptions, type OverflowPolicy } from '../streams/overflow.js';
import { isStream } from '../streams/stream-source.js';
import { checkSchemas, type ArgumentSchemas, type StandardSchema } from './schemas.js';

/** A method of a registered object. `this` is given at the call. */
export type ExposedMethod = (...args: readonly unknown[]) => unknown;

/** A stream of a registered object: a `$` member. */
export interface ExposedStream {
  /** The method that makes the stream; absent for a property, which is read at each subscription. */
  readonly method: ExposedMethod | undefined;
  /** What happens to values that its reader is too slow for; absent: not declared. */
  readonly policy: OverflowPolicy | undefined;
}

/** A registered object and what of it can be called. */
export interface ExposedObject {
  /** The object itself, as it was registered. */
  readonly object: object;
  /** Its callable methods. */
  readonly methods: ReadonlyMap<string, ExposedMethod>;
  /** Its streams, whose names end in `$`. */
  readonly streams: ReadonlyMap<string, ExposedStream>;
  /** What the arguments of a member must be. */
  readonly schemas: ReadonlyMap<string, ArgumentSchemas>;
  /** The names of all that is exposed. */
  readonly members: readonly string[];
  /** Of those the streams that are no methods. */
  readonly properties: readonly string[];
}

/** Narrows and describes what a registered object exposes. */
export interface RegistrationOptions {
  /** Only these members may be called; each must be a public method or stream. Default: all public ones. */
  readonly only?: readonly string[];
  /** For streams that cannot be paused: how many values may wait for a slow reader, and what happens beyond. */
  readonly streams?: Readonly<Record<string, OverflowOptions>>;
  /** For members: one Standard Schema for each argument; others are refused before the method runs. */
  readonly schemas?: Readonly<Record<string, readonly StandardSchema[]>>;
}

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

/** Marks a prototype as such a base: unlike a name it survives minifying, and holds for another copy of the package. Its value lists the fields that instances have of their own. */
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
 * @param options - narrows what is exposed
 * @throws TypeError when it is no object, or `only` names what cannot be exposed
 */
export function expose(name: string, object: unknown, options: RegistrationOptions = {}): ExposedObject {
  if (typeof object !== 'object' || object === null) {
    throw new TypeError(`cannot register "${name}": an object is needed, not ${describe(object)}`);
  }
  for (const option of Object.keys(options)) {
    if (option !== 'only' && option !== 'streams' && option !== 'schemas')
      throw new TypeError(
        `cannot register "${name}": there is no option "${option}", only "only", "streams", "schemas"`,
      );
  }
  const found = publicMembers(object);
  const members = options.only === undefined ? [...found.keys()] : [...new Set(options.only)];
  for (const member of members) {
    if (found.has(member)) continue;
    throw new TypeError(
      `cannot register "${name}": "only" names ${describe(member)}, which is no public method or stream of it`,
    );
  }
  const methods = new Map<string, ExposedMethod>();
  const streams = new Map<string, ExposedStream>();
  const policies = new Map<string, OverflowPolicy>();
  for (const [member, declared] of Object.entries(options.streams ?? {})) {
    checkMember(name, 'streams', member, member.endsWith('$') && members.includes(member));
    policies.set(member, resolvePolicy(declared, `streams.${member} of "${name}"`));
  }
  for (const member of members) {
    const method = found.get(member);
    if (member.endsWith('$')) streams.set(member, { method, policy: policies.get(member) });
    else if (method !== undefined) methods.set(member, method);
  }
  const schemas = new Map<string, ArgumentSchemas>();
  for (const [member, given] of Object.entries(options.schemas ?? {})) {
    checkMember(name, 'schemas', member, members.includes(member));
    schemas.set(member, checkSchemas(`"${name}".${member}`, given));
  }
  const properties = members.filter((member) => member.endsWith('$') && found.get(member) === undefined);
  return { object, methods, streams, schemas, members, properties };
}

function checkMember(name: string, option: string, member: string, isThere: boolean): void {
  if (isThere) return;
  const kind = option === 'streams' ? 'exposed stream' : 'exposed member';
  throw new TypeError(
    `cannot register "${name}": "${option}" names ${describe(member)}, which is no ${kind} of it`,
  );
}

/** The methods, and the streams, whose value is `undefined` where it is no method but read at each subscription. */
function publicMembers(object: object): Map<string, ExposedMethod | undefined> {
  const members = new Map<string, ExposedMethod | undefined>();
  const seen = new Set<string>();
  let level: object | null = object;
  while (level !== null && !isBaseClass(level, object)) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (seen.has(name)) continue;
      seen.add(name);
      const value: unknown = descriptor.value;
      if (!isExposable(name)) continue;
      // An Observable that can be called is a stream, like the members of a remote proxy.
      if (typeof value === 'function' && !isStream(value)) members.set(name, value as ExposedMethod);
      else if (name.endsWith('$') && isStreamLike(descriptor)) members.set(name, undefined);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  // What overrides a member of such a base, a hook above all, is no more meant for a peer than the base's own.
  for (const name of ownNamesFrom(level)) members.delete(name);
  return members;
}

/** Accessors are run at a subscription only, and what is not there yet may be there by then; plain values are no streams. */
function isStreamLike(descriptor: PropertyDescriptor): boolean {
  if (descriptor.get !== undefined) return true;
  const value: unknown = descriptor.value;
  return value === undefined || typeof value === 'function' || (typeof value === 'object' && value !== null);
}

/** The names of a marked base and of those above it. */
function ownNamesFrom(base: object | null): string[] {
  if (base === null || !Object.hasOwn(base, neverExposedKey)) return [];
  // The mark names what instances of the base have of their own.
  const fields = (base as { readonly [neverExposedKey]: readonly string[] })[neverExposedKey];
  return [
    ...Object.getOwnPropertyNames(base),
    ...fields,
    ...ownNamesFrom(Object.getPrototypeOf(base) as object | null),
  ];
}

function isExposable(name: string): boolean {
  return memberNamePattern.test(name) && !neverExposed.has(name);
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
