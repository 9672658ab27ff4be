/**
 * Puts what references stand for in their places, in a message that is about to be acted on: nothing is made for one that
 * is refused.
 */
import { ProtocolError, StaleReferenceError } from '../errors.js';
import { LentReference, ReturnedReference } from '../protocol/references.js';
import type { ExportTable } from './export-table.js';
import type { ImportTable } from './import-table.js';

/**
 * Replaces the references within a decoded value, in place where it is a container: array, plain object, Map, Set, Error.
 *
 * All or nothing: when it throws, no reference was received, and all of the message can be refused. So a message is to be
 * hydrated as a whole.
 *
 * @param value - decoded, hence without cycles and at most `maxDepth` deep, which bounds the recursion
 * @returns the value, or what it stands for
 * @throws ProtocolError for one of ours that was never lent; StaleReferenceError for one that was given back before
 */
export function hydrate(value: unknown, imports: Pick<ImportTable, 'receive'>, exports: Exports): unknown {
  // Twice, so that a reference that no longer holds is found before any other is received.
  const check: Put = (reference) => {
    if (reference instanceof ReturnedReference) comeHome(reference, exports);
    else replaceIn(reference.aborted?.reason, check);
    return reference;
  };
  const put: Put = (reference) => {
    if (reference instanceof ReturnedReference) return comeHome(reference, exports);
    return imports.receive(reference, replaceIn(reference.aborted?.reason, put));
  };
  replaceIn(value, check);
  return replaceIn(value, put);
}

/** Gives what comes in the place of a reference. */
type Put = (reference: LentReference | ReturnedReference) => unknown;

type Exports = Pick<ExportTable, 'original' | 'wasLent'>;

function comeHome({ number }: ReturnedReference, exports: Exports): object {
  const original = exports.original(number);
  if (original !== undefined) return original;
  if (!exports.wasLent(number))
    throw new ProtocolError(`reference ${number} came back, which was never lent`);
  throw new StaleReferenceError('a reference came back after it had been released', { executed: 'no' });
}

function replaceIn(value: unknown, put: Put): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof LentReference || value instanceof ReturnedReference) return put(value);
  if (Array.isArray(value)) replaceItems(value, put);
  else if (value instanceof Map) replaceEntries(value, put);
  else if (value instanceof Set) replaceMembers(value, put);
  else if (value instanceof Error || isPlain(value)) replaceProperties(value, put);
  return value;
}

function replaceItems(items: unknown[], put: Put): void {
  for (const [at, item] of items.entries()) {
    const replaced = replaceIn(item, put);
    if (replaced !== item) items[at] = replaced;
  }
}

function replaceEntries(map: Map<unknown, unknown>, put: Put): void {
  const keys = [...map.keys()];
  const values = [...map.values()];
  replaceItems(keys, put);
  replaceItems(values, put);
  // All anew, so that the order stays.
  map.clear();
  for (const [at, key] of keys.entries()) map.set(key, values[at]);
}

function replaceMembers(set: Set<unknown>, put: Put): void {
  const members = [...set];
  replaceItems(members, put);
  set.clear();
  for (const member of members) set.add(member);
}

function replaceProperties(record: object, put: Put): void {
  // Those of an error that are not enumerable as well: its cause.
  for (const name of Object.getOwnPropertyNames(record)) {
    const value: unknown = Reflect.get(record, name);
    const replaced = replaceIn(value, put);
    // Defined, not assigned: nothing inherited may act on a peer's keys; the other attributes stay.
    if (replaced !== value) Object.defineProperty(record, name, { value: replaced });
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
