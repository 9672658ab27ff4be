/**
 * What of a registered object can be called: its own and inherited public methods, found once, at registration.
 *
 * Later look-ups go to a Map of functions and never touch the object, so that no name a peer sends can reach anything
 * else, run a getter, or walk a prototype (React Flight, RPyC and Comlink were all broken there). Forbidden and absent
 * look the same to the peer.
 */
import { memberNamePattern, objectNamePattern } from '../protocol/messages.js';

/** A method of a registered object. `this` is given at the call. */
export type ExposedMethod = (...args: readonly unknown[]) => unknown;

/** A registered object and what of it can be called. */
export interface ExposedObject {
  /** The object itself, as it was registered. */
  readonly object: object;
  /** Its callable methods. */
  readonly methods: ReadonlyMap<string, ExposedMethod>;
}

/** Narrows what a registered object exposes. */
export interface RegistrationOptions {
  /** Only these members may be called; each must be a public method. Default: all public methods. */
  readonly only?: readonly string[];
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

/** Marks a prototype as such a base: unlike a name it survives minifying, and holds for another copy of the package. */
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
    if (option !== 'only')
      throw new TypeError(`cannot register "${name}": there is no option "${option}", only "only"`);
  }
  const methods = publicMethods(object);
  if (options.only === undefined) return { object, methods };
  const chosen = new Map<string, ExposedMethod>();
  for (const member of options.only) {
    const method = methods.get(member);
    if (method === undefined) {
      throw new TypeError(
        `cannot register "${name}": "only" names ${describe(member)}, which is no public method of it`,
      );
    }
    chosen.set(member, method);
  }
  return { object, methods: chosen };
}

function publicMethods(object: object): Map<string, ExposedMethod> {
  const methods = new Map<string, ExposedMethod>();
  const seen = new Set<string>();
  let level: object | null = object;
  while (level !== null && !isBaseClass(level, object)) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (seen.has(name)) continue;
      seen.add(name);
      const value: unknown = descriptor.value;
      if (isExposable(name) && typeof value === 'function') methods.set(name, value as ExposedMethod);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  // What overrides a member of such a base, a hook above all, is no more meant for a peer than the base's own.
  for (const name of ownNamesFrom(level)) methods.delete(name);
  return methods;
}

/** The names of a marked base and of those above it. */
function ownNamesFrom(base: object | null): string[] {
  if (base === null || !Object.hasOwn(base, neverExposedKey)) return [];
  return [...Object.getOwnPropertyNames(base), ...ownNamesFrom(Object.getPrototypeOf(base) as object | null)];
}

/** Streams (`$`) are a feature of their own; they are not called. */
function isExposable(name: string): boolean {
  return memberNamePattern.test(name) && !name.endsWith('$') && !neverExposed.has(name);
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
