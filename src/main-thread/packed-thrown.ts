/**
 * What was thrown on one thread, made fit for being thrown on another: name, message, code, stack, cause and own members of errors
 * survive, which the structured clone algorithm alone would reduce to name, message and stack, and of own classes to less.
 *
 * Threads of one process trust each other: unlike between programs (`protocol/error-values`), stacks cross.
 */
import { membersOf, readError } from '../protocol/error-values.js';
import { toError } from '../streams/to-error.js';

/** A thrown value, or a part of it, as it crosses. */
export type PackedThrown =
  | {
      readonly kind: 'error';
      readonly members: Readonly<Record<string, PackedThrown>>;
      readonly stack: string;
    }
  | { readonly kind: 'list'; readonly items: readonly PackedThrown[] }
  | { readonly kind: 'value'; readonly value: unknown };

/**
 * Packs what was thrown. Members that cannot be cloned are left out.
 *
 * @param thrown - anything; getters of an error are run
 */
export function packThrown(thrown: unknown): PackedThrown {
  return pack(thrown, MAX_CAUSES) ?? packError(insteadOf(thrown), 0);
}

/**
 * Makes again what was thrown: an error of the same name, of the class of that name if JavaScript itself has it; another value as
 * it was.
 *
 * @param packed - as {@link packThrown} made it
 * @param waitedAt - the stack of whoever waited for it, shown below that of the error
 */
export function unpackThrown(packed: PackedThrown, waitedAt = ''): unknown {
  if (packed.kind === 'value') return packed.value;
  if (packed.kind === 'list') return packed.items.map((item) => unpackThrown(item));
  const members = Object.entries(packed.members).map(([key, member]) => [key, unpackThrown(member)] as const);
  const error = readError(Object.fromEntries(members));
  Object.defineProperty(error, 'stack', { value: packed.stack + waitedAt });
  return error;
}

function pack(value: unknown, levels: number): PackedThrown | undefined {
  try {
    if (isError(value)) return levels > 0 ? packError(value, levels - 1) : undefined;
    if (Array.isArray(value) && value.some(isError)) {
      return { kind: 'list', items: value.flatMap((item) => pack(item, levels) ?? []) };
    }
    return { kind: 'value', value: structuredClone<unknown>(value) };
  } catch {
    return undefined; // it cannot be cloned, or a getter threw
  }
}

function packError(error: Error, levels: number): PackedThrown {
  const members: Record<string, PackedThrown> = {};
  for (const [key, value] of membersOf(error)) {
    const packed = pack(value, levels);
    // Defined, not assigned: "__proto__" is a key like others.
    if (packed !== undefined) Object.defineProperty(members, key, { value: packed, enumerable: true });
  }
  const { stack } = error as { stack?: unknown };
  return { kind: 'error', members, stack: typeof stack === 'string' ? stack : String(error) };
}

/** What tells of a value that cannot be cloned, or of an error whose getters throw. */
function insteadOf(thrown: unknown): Error {
  return new Error(isError(thrown) ? 'an error that cannot be read was thrown' : toError(thrown).message);
}

/** An error stays what it is when an error is made of it. */
function isError(value: unknown): value is Error {
  return toError(value) === value;
}

/** How many causes of causes cross: an error may be its own. */
const MAX_CAUSES = 8;
