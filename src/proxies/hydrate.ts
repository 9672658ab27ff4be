/**
 * Puts what references stand for in their place, in a message that is about to be acted on: nothing is made for one that
 * is refused.
 */
import { ProtocolError, StaleReferenceError } from '../errors.js';
import { LentReference, ReturnedReference } from '../protocol/references.js';
import type { ExportTable } from './export-table.js';
import type { ImportTable } from './import-table.js';

/**
 * Replaces the references within a decoded value, in place where it is a container.
 *
 * @param value - decoded, hence without cycles and at most `maxDepth` deep, so that the recursion is bounded
 * @returns the value, or what it stands for
 * @throws ProtocolError for one of ours that was never lent; StaleReferenceError for one that was given back before
 */
export function hydrate(value: unknown, imports: ImportTable, exports: ExportTable): unknown {
  const walk = (item: unknown): unknown => {
    if (typeof item !== 'object' || item === null) return item;
    if (item instanceof LentReference) return imports.receive(item);
    if (item instanceof ReturnedReference) return comeHome(item, exports);
    if (Array.isArray(item)) {
      for (let at = 0; at < item.length; at++) item[at] = walk(item[at]);
    } else if (item instanceof Map) replaceEntries(item, walk);
    else if (item instanceof Set) replaceMembers(item, walk);
    else if (item instanceof Error || Object.getPrototypeOf(item) === Object.prototype)
      replaceValues(item, walk);
    return item;
  };
  return walk(value);
}

function comeHome({ number }: ReturnedReference, exports: ExportTable): object {
  const original = exports.original(number);
  if (original !== undefined) return original;
  if (!exports.wasLent(number))
    throw new ProtocolError(`reference ${number} came back, which was never lent`);
  throw new StaleReferenceError('a reference came back after it had been released', { executed: 'no' });
}

type Walk = (item: unknown) => unknown;

function replaceEntries(map: Map<unknown, unknown>, walk: Walk): void {
  const entries = [...map].map(([key, value]) => [walk(key), walk(value)] as const);
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function replaceMembers(set: Set<unknown>, walk: Walk): void {
  const members = [...set].map(walk);
  set.clear();
  for (const member of members) set.add(member);
}

function replaceValues(record: object, walk: Walk): void {
  for (const key of Object.getOwnPropertyNames(record)) {
    const value: unknown = Reflect.get(record, key);
    if (typeof value !== 'object' || value === null) continue;
    const replaced = walk(value);
    // Decoded: its members are plain and writable, and `__proto__` is none of them.
    if (replaced !== value) Reflect.set(record, key, replaced);
  }
}
