/**
 * What there is once for a thread, however many copies of the package it has loaded: an ESM and a CommonJS one may meet, and
 * a program may have its own beside that of a library. The first copy that needs a thing makes it, the others find it.
 */

/**
 * Finds a thing of this thread, or makes it.
 *
 * @param name - which one; copies agree by this name, so it changes with what the thing can do
 * @param make - makes it where no copy has
 * @returns the thing that every copy gets
 */
export function sharedByCopies<Thing>(name: string, make: () => Thing): Thing {
  const key = Symbol.for(`tandem-rpc.${name}`);
  const things = globalThis as unknown as Record<symbol, Thing | undefined>;
  return (things[key] ??= make());
}
