/**
 * Finds what a peer wants to call or to subscribe to: a registered object by its name, or a reference by its number. In
 * Maps only: the objects themselves are not touched.
 */
import {
  LimitExceededError,
  ProtocolError,
  StaleReferenceError,
  UnknownMethodError,
  UnknownObjectError,
  type RPCError,
} from '../errors.js';
import type { Target } from '../protocol/messages.js';
import type { Exported, ExportTable } from '../proxies/export-table.js';
import type { ExposedMethod, ExposedObject, ExposedStream } from '../proxies/exposure.js';
import type { ArgumentSchemas } from '../proxies/schemas.js';
import { listMembers } from './member-list.js';

/** The registered objects of this side. */
export type LocalObjects = ReadonlyMap<string, ExposedObject>;

/** What targets are looked up in. */
export interface TargetsSettings {
  readonly connectionID: string;
  readonly localObjects: LocalObjects;
  readonly exports: ExportTable;
  readonly maxArguments: number;
}

/** A method that may be called. */
export interface FoundMethod {
  /** What `this` is; `undefined` for a lent function. */
  readonly object: object | undefined;
  readonly method: ExposedMethod;
  readonly schemas: ArgumentSchemas | undefined;
}

/** A stream that may be subscribed to: a member of an object, or one that was lent by itself. */
export type FoundStream =
  | { readonly object: object; readonly stream: ExposedStream; readonly schemas: ArgumentSchemas | undefined }
  | { readonly source: unknown };

/** The targets of one connection. */
export class Targets {
  readonly #settings: TargetsSettings;

  /** @param settings - of the connection */
  constructor(settings: TargetsSettings) {
    this.#settings = settings;
  }

  /**
   * Finds a method.
   * @throws RPCError for what must be refused; ProtocolError for a reference that was never lent
   */
  method(target: Target, member: string, args: readonly unknown[]): FoundMethod {
    this.#check(target, member, args);
    const lent = typeof target === 'number' ? this.#lent(target, member) : undefined;
    if (lent?.kind === 'function' && member === '') {
      return { object: undefined, method: lent.call, schemas: undefined };
    }
    const exposed = this.#exposed(target, member, lent);
    const method = exposed?.methods.get(member);
    if (exposed === undefined || method === undefined) throw this.#unknownMember(target, member, exposed);
    return { object: exposed.object, method, schemas: exposed.schemas.get(member) };
  }

  /**
   * Finds a stream.
   * @throws RPCError for what must be refused; ProtocolError for a reference that was never lent
   */
  stream(target: Target, member: string, args: readonly unknown[]): FoundStream {
    this.#check(target, member, args);
    const lent = typeof target === 'number' ? this.#lent(target, member) : undefined;
    if (lent?.kind === 'stream' && member === '') return { source: lent.source };
    const exposed = this.#exposed(target, member, lent);
    const stream = exposed?.streams.get(member);
    if (exposed === undefined || stream === undefined) throw this.#unknownMember(target, member, exposed);
    return { object: exposed.object, stream, schemas: exposed.schemas.get(member) };
  }

  #check(target: Target, member: string, args: readonly unknown[]): void {
    const { maxArguments } = this.#settings;
    if (args.length > maxArguments) {
      const text = `${args.length} arguments, where the other side allows ${maxArguments}`;
      throw new LimitExceededError(text, this.#details(target, member));
    }
  }

  #lent(number: number, member: string): Exported {
    const { exports } = this.#settings;
    const lent = exports.find(number);
    if (lent !== undefined) return lent;
    if (!exports.wasLent(number))
      throw new ProtocolError(`a message to reference ${number}, which was never lent`);
    throw new StaleReferenceError('the reference was released', this.#details(number, member));
  }

  #exposed(target: Target, member: string, lent: Exported | undefined): ExposedObject | undefined {
    if (typeof target === 'number') return lent?.kind === 'object' ? lent.exposed : undefined;
    const exposed = this.#settings.localObjects.get(target);
    if (exposed !== undefined) return exposed;
    throw new UnknownObjectError(`no object ${quote(target)} is registered`, this.#details(target, member));
  }

  #unknownMember(target: Target, member: string, exposed: ExposedObject | undefined): RPCError {
    const members = exposed === undefined ? 'it is no object' : listMembers(exposed.members);
    const text = `${quote(labelOf(target))} has no method or stream ${quote(member)}: ${members}`;
    return new UnknownMethodError(text, this.#details(target, member));
  }

  #details(target: Target, member: string): { connectionID: string; object: string; member: string } {
    return { connectionID: this.#settings.connectionID, object: labelOf(target), member };
  }
}

/** What errors and `currentCall()` call a target. */
export function labelOf(target: Target): string {
  return typeof target === 'string' ? target : 'reference';
}

/** Names a call in messages. @param object - as `labelOf` calls it */
export function describeCall(object: string, member: string): string {
  return member === '' ? `a ${object}` : `${object}.${member}`;
}

/** A peer's name in our text: escaped, and not endless. */
function quote(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}
