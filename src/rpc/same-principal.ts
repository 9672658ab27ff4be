/**
 * Whether two identities are of the same principal: `authenticate` may well make a new object for each connection.
 */

/** How deep identities are looked into; what is deeper counts as different. */
export const maxIdentityDepth = 8;

/**
 * Compares what `authenticate` gave for two connections.
 * @returns whether they are the same value, or plain data with the same in it
 */
export function isSamePrincipal(one: unknown, other: unknown, depth = 0): boolean {
  if (Object.is(one, other)) return true;
  if (!isPlain(one) || !isPlain(other) || depth >= maxIdentityDepth) return false;
  const keys = Object.keys(one);
  if (Array.isArray(one) !== Array.isArray(other) || keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => Object.hasOwn(other, key) && isSamePrincipal(one[key], other[key], depth + 1));
}

/** Whether a value is plain data at its top: an array, or an object without a class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
