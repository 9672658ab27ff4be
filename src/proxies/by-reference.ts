/**
 * `byReference`: says that an object crosses by reference: the other side gets a proxy, and whoever gives the proxy back
 * gives the object itself back.
 */
import { referenceKey } from '../protocol/references.js';
import { checkRegistrationOptions, type RegistrationOptions } from './exposure.js';
import type { LendMark } from './held-mark.js';
import type { ByReference } from './types.js';

/**
 * Marks an object, so that wherever it lies in arguments or results the other side gets a proxy of it. A class marks its
 * prototype, and all its objects are marked: `static { byReference(this.prototype) }`.
 *
 * @param object - stays yours; it is held as long as the other side holds its proxy and the connection lives
 * @param options - what of it may be called, as for a registered object. An object that is marked already keeps its options
 *   if none are given; new ones hold when it is lent anew
 * @returns the same object, typed so that it fits where its proxy is expected
 * @throws TypeError for what is no object, for what never crosses as one (functions and streams cross by reference anyway;
 *   arrays, Maps, Sets, dates, errors and bytes always by value), and for a frozen object: mark it before freezing it
 */
export function byReference<T extends object>(object: T, options?: RegistrationOptions): ByReference<T> {
  if (!isObject(object)) throw new TypeError(`byReference needs an object, not ${describe(object)}`);
  if (isByValue(object)) {
    throw new TypeError(
      'byReference cannot mark an array, Map, Set, date, error or bytes: they cross by value',
    );
  }
  // The mark says it at run time.
  const marked = object as ByReference<T>;
  if (options === undefined && Reflect.get(object, referenceKey) !== undefined) return marked;
  const mark: LendMark = { lend: { ...checkRegistrationOptions('byReference', options) } };
  // Not writable: what `Object.assign` and the like do must not change it by accident.
  if (!Reflect.defineProperty(object, referenceKey, { value: mark, configurable: true })) {
    throw new TypeError(
      'byReference cannot mark a frozen object, nor a remote one; mark it, or its class, before freezing it',
    );
  }
  return marked;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isByValue(object: object): boolean {
  if (Array.isArray(object) || ArrayBuffer.isView(object)) return true;
  return byValueClasses.some((Class) => object instanceof Class);
}

/** `instanceof` also tells the prototype of a class derived from one of them. */
const byValueClasses = [Map, Set, Date, Error, ArrayBuffer];

function describe(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'function' ? 'a function, which crosses by reference anyway' : `a ${typeof value}`;
}
