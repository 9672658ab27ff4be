/**
 * The objects that the other side has registered, as far as it has told.
 */
import { LimitExceededError, ProtocolError } from '../errors.js';
import type { RegisteredObject } from '../protocol/messages.js';

/** Names and members, kept in Maps only: a peer chooses them. */
export class RemoteObjects {
  readonly #maxObjects: number;
  readonly #members = new Map<string, ReadonlySet<string>>();

  /** @param maxObjects - how many the peer may have registered at one time */
  constructor(maxObjects: number) {
    this.#maxObjects = maxObjects;
  }

  /** The names registered now, in the order of registration. */
  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** The members of an object, `undefined` when none of this name is registered. */
  members(name: string): ReadonlySet<string> | undefined {
    return this.#members.get(name);
  }

  /**
   * The peer registered an object.
   * @throws ProtocolError for a name that is registered, LimitExceededError for one too many
   */
  add([name, members]: RegisteredObject): void {
    if (this.#members.has(name)) throw new ProtocolError(`an object "${name}" was registered twice`);
    if (this.#members.size >= this.#maxObjects) {
      throw new LimitExceededError(
        `more than ${this.#maxObjects} registered objects (limits.maxRegisteredObjects changes the bound)`,
      );
    }
    this.#members.set(name, new Set(members));
  }

  /**
   * The peer unregistered an object.
   * @throws ProtocolError for a name that is not registered
   */
  remove(name: string): void {
    if (!this.#members.delete(name))
      throw new ProtocolError(`an object "${name}" was unregistered that was not registered`);
  }
}
