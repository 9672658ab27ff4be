/**
 * The objects that the other side has registered, as far as it has told.
 */
import { LimitExceededError, ProtocolError } from '../errors.js';
import type { RegisteredObject } from '../protocol/messages.js';
import { SparseMap } from '../protocol/sparse.js';

interface RemoteObject {
  readonly names: readonly string[];
  readonly members: ReadonlySet<string>;
  readonly properties: readonly string[];
}

/** Names and members, kept in Maps only: a peer chooses them. */
export class RemoteObjects {
  readonly #maxObjects: number;
  readonly #objects = new SparseMap<string, RemoteObject>();

  /** @param maxObjects - how many the peer may have registered at one time */
  constructor(maxObjects: number) {
    this.#maxObjects = maxObjects;
  }

  /** The names registered now, in the order of registration. */
  get names(): string[] {
    return [...this.#objects.keys()];
  }

  /** The members of an object, `undefined` when none of this name is registered. */
  members(name: string): ReadonlySet<string> | undefined {
    return this.#objects.get(name)?.members;
  }

  /** The same as a list. */
  memberNames(name: string): readonly string[] | undefined {
    return this.#objects.get(name)?.names;
  }

  /** Of those the streams that are no methods. */
  properties(name: string): readonly string[] | undefined {
    return this.#objects.get(name)?.properties;
  }

  /**
   * The peer registered an object.
   * @throws ProtocolError for a name that is registered, LimitExceededError for one too many
   */
  add([name, names, properties = []]: RegisteredObject): void {
    if (this.#objects.has(name)) throw new ProtocolError(`an object "${name}" was registered twice`);
    if (this.#objects.size >= this.#maxObjects) {
      throw new LimitExceededError(
        `more than ${this.#maxObjects} registered objects (limits.maxRegisteredObjects changes the bound)`,
      );
    }
    this.#objects.set(name, { names, members: new Set(names), properties });
  }

  /**
   * The peer unregistered an object.
   * @throws ProtocolError for a name that is not registered
   */
  remove(name: string): void {
    if (!this.#objects.delete(name))
      throw new ProtocolError(`an object "${name}" was unregistered that was not registered`);
  }
}
