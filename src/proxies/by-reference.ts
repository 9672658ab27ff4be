/**
 * `byReference`: says that an object crosses by reference: the other side gets a proxy, and whoever gives the proxy back
 * gives the object itself back.
 */
import type { RegistrationOptions } from './exposure.js';
import { mark } from './held-mark.js';
import type { ByReference } from './types.js';

/**
 * Marks an object, so that wherever it lies in arguments or results the other side gets a proxy of it. A class marks its
 * prototype, and all its objects are marked: `static { byReference(this.prototype) }`. Errors, arrays, Maps, Sets and dates
 * always cross by value.
 *
 * @param object - stays yours, and is held as long as the other side holds its proxy and the connection lives
 * @param options - what of it may be called, as for a registered object
 * @returns the same object, typed so that it fits where its proxy is expected
 * @throws TypeError for what is no object, or is frozen: mark it before freezing it
 */
export function byReference<T extends object>(object: T, options: RegistrationOptions = {}): ByReference<T> {
  if (typeof object !== 'object' || (object as unknown) === null) {
    throw new TypeError('byReference needs an object; functions and streams cross by reference anyway');
  }
  if (!Object.isExtensible(object)) {
    throw new TypeError(
      'byReference cannot mark a frozen object; mark it, or its class, before it is frozen',
    );
  }
  mark(object, { lend: options });
  // The mark says it at run time.
  return object as ByReference<T>;
}
