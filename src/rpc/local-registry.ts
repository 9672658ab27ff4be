/**
 * The objects registered on this side, and who is told when that changes.
 */
import { SparseSet } from '../protocol/sparse.js';
import type { ExposedObject, RegistrationOptions } from '../proxies/exposure.js';
import { checkObjectName, expose } from '../proxies/exposure.js';

/** Hears of registrations: each communicator, so that its peer learns of them. */
export interface RegistrationListener {
  /** An object may be called from now on. */
  register(name: string, exposed: ExposedObject): void;
  /** An object may no longer be called. */
  unregister(name: string): void;
}

/** Registered objects by name. */
export class LocalRegistry {
  readonly #objects = new Map<string, ExposedObject>();
  readonly #listeners = new SparseSet<RegistrationListener>();

  /** The registered objects, for look-up. */
  get objects(): ReadonlyMap<string, ExposedObject> {
    return this.#objects;
  }

  /**
   * Registers an object and tells the listeners.
   * @throws TypeError for a bad name, a name that is taken, or something that cannot be registered
   */
  add(name: string, object: object, options: RegistrationOptions): void {
    checkObjectName(name);
    if (this.#objects.has(name)) throw new TypeError(`"${name}" is registered already; unregister it first`);
    const exposed = expose(name, object, options);
    this.#objects.set(name, exposed);
    for (const listener of this.#listeners) listener.register(name, exposed);
  }

  /** Ends a registration and tells the listeners. */
  remove(name: string): boolean {
    if (!this.#objects.delete(name)) return false;
    for (const listener of this.#listeners) listener.unregister(name);
    return true;
  }

  /** Tells a listener of changes from now on. */
  listen(listener: RegistrationListener): void {
    this.#listeners.add(listener);
  }

  /** Tells it no more. */
  unlisten(listener: RegistrationListener): void {
    this.#listeners.delete(listener);
  }
}
