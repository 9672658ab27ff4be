/**
 * What crosses by reference: on the wire a kind and a number, in a decoded value an inert mark in its place.
 *
 * Nothing here can be called: a mark becomes a function, a stream or a proxy only when the message that it came in is
 * acted on, so that no decoder ever runs anybody's code. PROTOCOL.md, "References".
 */
import { ProtocolError } from '../errors.js';
import { memberNamePattern } from './messages.js';

/** What a reference stands for. */
export type ReferenceKind = 'function' | 'stream' | 'object' | 'signal';

/**
 * The key by which the outgoing pass knows an object that crosses by reference although it looks like a plain one: the
 * mark of `byReference`, and what a remote proxy answers. Registered, since two copies of the package may meet.
 */
export const referenceKey: unique symbol = Symbol.for('tandem-rpc.reference');

const kinds: readonly ReferenceKind[] = ['function', 'stream', 'object', 'signal'];

/** Most references have no members. */
const none: readonly string[] = [];

/** Something of the sender's that the receiver may use by its number. */
export class LentReference {
  /** What it is. */
  readonly kind: ReferenceKind;
  /** Its number on this connection; never used for anything else. */
  readonly number: number;
  /** The names of an object's members. */
  readonly members: readonly string[];
  /** Of those the streams that are no methods. */
  readonly properties: readonly string[];
  /** What a signal was aborted with, if it was aborted already. */
  readonly aborted: { readonly reason: unknown } | undefined;

  /**
   * @param kind - what it is
   * @param number - chosen by the lender
   * @param members - of an object
   * @param properties - of an object
   * @param aborted - of a signal that was aborted already
   */
  constructor(
    kind: ReferenceKind,
    number: number,
    members: readonly string[] = none,
    properties: readonly string[] = none,
    aborted?: { readonly reason: unknown },
  ) {
    this.kind = kind;
    this.number = number;
    this.members = members;
    this.properties = properties;
    this.aborted = aborted;
  }
}

/** Something of the receiver's own, by the number under which it was lent. */
export class ReturnedReference {
  /** The number under which its owner lent it. */
  readonly number: number;

  /** @param number - as lent */
  constructor(number: number) {
    this.number = number;
  }
}

/** Either. */
export type Reference = LentReference | ReturnedReference;

/** Decides for the outgoing pass what crosses by reference. */
export interface Lender {
  /** The reference of a function or object; `undefined` if it crosses by value, or not at all. */
  lend(value: object): Reference | undefined;
  /** Runs what marshals a part that may be left out: if it throws, nothing was lent for it. */
  attempt<Result>(marshal: () => Result): Result;
}

/** The fields of a lent reference, as its payload holds them; a signal's reason is still to be marshalled. */
export function lentFields({ kind, number, members, properties, aborted }: LentReference): unknown[] {
  const fields: unknown[] = [kinds.indexOf(kind), number];
  if (kind === 'object') fields.push(members, properties);
  else if (aborted !== undefined) fields.push(aborted.reason);
  return fields;
}

/**
 * Reads a lent reference.
 * @param fields - the decoded payload
 * @throws ProtocolError when they are not those of a reference
 */
export function readLent(fields: readonly unknown[]): LentReference {
  const [code, number, extra, properties] = fields;
  const kind = typeof code === 'number' ? kinds[code] : undefined;
  if (kind === undefined || !isNumber(number)) throw malformed();
  if (kind === 'object') {
    if (fields.length !== 4 || !isMemberList(extra) || !isMemberList(properties)) throw malformed();
    return new LentReference(kind, number, extra, properties);
  }
  if (fields.length > (kind === 'signal' ? 3 : 2)) throw malformed();
  return new LentReference(kind, number, none, none, fields.length === 3 ? { reason: extra } : undefined);
}

/**
 * Reads a reference that comes home.
 * @param fields - the decoded payload
 * @throws ProtocolError when they are not those of a reference
 */
export function readReturned(fields: readonly unknown[]): ReturnedReference {
  const [number] = fields;
  if (fields.length !== 1 || !isNumber(number)) throw malformed();
  return new ReturnedReference(number);
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isMemberList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.every((name) => typeof name === 'string' && memberNamePattern.test(name))
  );
}

function malformed(): ProtocolError {
  return new ProtocolError('a reference whose fields are not of its form');
}
