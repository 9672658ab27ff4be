/**
 * Where a value lies within what a user gave, in words the user would write: `arguments[0].items[3]["a b"]`.
 *
 * It is worked out only when something has been refused, from the open containers and their current keys.
 */
import { itemAt } from './bytes.js';
import { tagOf } from './shapes.js';

/** The containers that are open around a value, and in each the key, or the position, that leads on to it. */
export interface OpenContainers {
  /** What the outermost container is called. */
  readonly root: string;
  /** Arrays, plain objects, Maps, Sets and Errors, the outermost first. */
  readonly containers: readonly object[];
  /** A key for each, or `noKey`; what follows is old. For a Map the positions count keys and values alternately. */
  readonly keys: readonly (string | number)[];
}

/** Stands for the key of a container of which none has been read. */
export const noKey = -1;

/**
 * Writes the path of the value that lies within the open containers.
 *
 * @param open - the containers around the value
 * @param levels - how many of them to follow, if not all
 */
export function describePath(open: OpenContainers, levels = open.containers.length): string {
  let path = open.root;
  for (let level = 0; level < levels; level++) {
    path += describeStep(itemAt(open.containers, level), itemAt(open.keys, level));
  }
  if (path.length <= maxPathLength) return path;
  return `${path.slice(0, maxPathLength / 2)} … ${path.slice(-maxPathLength / 2)}`;
}

/**
 * Tells where a cycle closes, if the open containers are one.
 *
 * @param open - the containers around a value
 * @returns the path of the container that is met again, and that of where it is met again
 */
export function findCycle(open: OpenContainers): readonly [first: string, again: string] | undefined {
  const levels = new Map<object, number>();
  for (const [level, container] of open.containers.entries()) {
    const first = levels.get(container);
    if (first !== undefined) return [describePath(open, first), describePath(open, level)];
    levels.set(container, level);
  }
  return undefined;
}

function describeStep(container: object, key: string | number): string {
  if (key === noKey) return '';
  if (typeof key === 'string') {
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  }
  if (Array.isArray(container)) return `[${key}]`;
  if (tagOf(container) === 'Set') return `.values()[${key}]`;
  return `.${key % 2 === 0 ? 'keys' : 'values'}()[${Math.floor(key / 2)}]`;
}

const maxPathLength = 400;
