/**
 * Judges how an object crosses, by its prototype, and remembers the verdict.
 *
 * Realms differ in their `Date` and `Object` (frames, `node:vm`, test runners), so what `instanceof` says is never all that counts:
 * built-ins are told by `Object.prototype.toString`, plain objects by a prototype that is null or has none itself.
 * An instance of a class crosses as a plain object if the class is only a form for its fields; with methods or
 * accessors it would arrive as something else than it was, and is refused. PROTOCOL.md, "Values".
 */
import { ExtData } from '@msgpack/msgpack';

/** How an object crosses; arrays and views on bytes are not judged here. */
export type Shape = 'plain' | 'map' | 'set' | 'date' | 'error' | 'bytes' | 'refused';

/** The verdicts of one codec; those on classes that are gone are collected with them. */
export class Shapes {
  readonly #known = new WeakMap<object, Shape>();

  /** @param value - neither an array nor a view */
  shapeOf(value: object): Shape {
    const prototype = prototypeOf(value);
    if (prototype === null || prototype === Object.prototype) return 'plain';
    const known = this.#known.get(prototype);
    if (known !== undefined) return known;
    const shape = judge(value, prototype);
    this.#known.set(prototype, shape);
    return shape;
  }
}

/**
 * Says in a few words what an object is that cannot cross.
 *
 * @param value - anything that has been refused
 */
export function describeRefused(value: object): string {
  const tag = tagOf(value);
  if (tag === 'Promise') return 'a Promise; await it first';
  const prototype = prototypeOf(value);
  const constructor: unknown =
    prototype === null ? undefined : Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  const name = typeof constructor === 'function' && constructor.name !== '' ? constructor.name : tag;
  if (tag !== 'Object') return `an object of the kind ${tag === name ? tag : `${name} (${tag})`}`;
  return `an instance of ${name}, which has methods or accessors; send a plain object of its fields`;
}

/**
 * The name that `Object.prototype.toString` gives, such as `Date`.
 *
 * @param value - of any realm
 */
export function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function judge(value: object, prototype: object): Shape {
  const builtIn = builtInShapes.get(tagOf(value));
  if (builtIn !== undefined) return builtIn;
  // Errors by prototype alone, as rxjs makes its own (EmptyError, TimeoutError).
  if (value instanceof Error) return 'error';
  // The encoder would write it as it is, whatever its type.
  if (value instanceof ExtData) return 'refused';
  for (let level: object | null = prototype, above = prototypeOf(level); above !== null;) {
    if (hasMethods(level)) return 'refused';
    [level, above] = [above, prototypeOf(above)];
  }
  return 'plain';
}

function hasMethods(prototype: object): boolean {
  const descriptors = Object.getOwnPropertyDescriptors(prototype);
  return Reflect.ownKeys(descriptors).some((key) => {
    const descriptor = Reflect.get(descriptors, key) as PropertyDescriptor;
    // An accessor has no value.
    return key !== 'constructor' && (!('value' in descriptor) || typeof descriptor.value === 'function');
  });
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

const builtInShapes: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['Map', 'map'],
  ['Set', 'set'],
  ['Date', 'date'],
  ['Error', 'error'],
  // What an AbortSignal gives as its reason.
  ['DOMException', 'error'],
  ['ArrayBuffer', 'bytes'],
]);
