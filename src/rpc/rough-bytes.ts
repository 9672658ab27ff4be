/**
 * About how many bytes arguments take that wait: without encoding them, since they are read when they leave, and without running any
 * code of the user's.
 */
import { transferredBytes } from '../protocol/transferred.js';

/** What a message has around its arguments, about. */
const messageBytes = 64;

/** A number, a key's header, or what stands for something that is sent by reference, at the most. */
const itemBytes = 9;

/**
 * Adds up what values take.
 * @param mostItems - that are looked at: what has more cannot be sent
 */
export function roughBytes(values: readonly unknown[], mostItems: number): number {
  const left: unknown[] = [...values];
  let bytes = messageBytes;
  for (let looked = 0; left.length > 0 && looked < mostItems; looked += 1) {
    const value = left.pop();
    bytes += itemBytes;
    if (typeof value === 'string') bytes += value.length;
    else if (typeof value === 'object' && value !== null) bytes += ownBytes(value, left);
  }
  return bytes;
}

/** Bytes of an object itself; what it holds is added to what is left. A Proxy of the user's may throw whatever it is asked. */
function ownBytes(value: object, left: unknown[]): number {
  try {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
    if (Array.isArray(value)) return addAll(value, left);
    if (value instanceof Map) return addAll(value.keys(), left) + addAll(value.values(), left);
    if (value instanceof Set) return addAll(value, left);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return addFields(value, left);
    return transferredBytes(value)?.byteLength ?? 0;
  } catch {
    return 0;
  }
}

function addAll(items: Iterable<unknown>, left: unknown[]): number {
  for (const item of items) left.push(item);
  return 0;
}

/** Accessors are not run. */
function addFields(value: object, left: unknown[]): number {
  let bytes = 0;
  for (const key of Object.keys(value)) {
    bytes += itemBytes + key.length;
    left.push(Object.getOwnPropertyDescriptor(value, key)?.value);
  }
  return bytes;
}
