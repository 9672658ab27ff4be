/**
 * What of an Error crosses as a value, and how it is made again.
 *
 * Its stack never does: it tells strangers about a program's inside. The class is that of the same name if JavaScript
 * itself has it, else Error. What a called method throws is not a value, and takes another way. PROTOCOL.md, "Values".
 */
import { ProtocolError } from '../errors.js';

/**
 * Tells what of an error crosses, in this order: name, message, code, its own further members.
 *
 * @param error - of any class and realm; its getters are run
 */
export function membersOf(error: Error): Map<string, unknown> {
  const { name, message, code } = error as { name: unknown; message: unknown; code?: unknown };
  const members = new Map<string, unknown>([
    ['name', typeof name === 'string' ? name : 'Error'],
    ['message', typeof message === 'string' ? message : ''],
  ]);
  if (typeof code === 'string' || typeof code === 'number') members.set('code', code);
  for (const key of [...Object.keys(error), ...hiddenErrorMembers]) {
    if (members.has(key) || key === 'stack' || !Object.hasOwn(error, key)) continue;
    members.set(key, Reflect.get(error, key));
  }
  return members;
}

/**
 * Makes the error of its members.
 *
 * @param members - as decoded
 * @throws {@link ProtocolError} if they are not those of an error
 */
export function readError(members: Readonly<Record<string, unknown>>): Error {
  const { name, message, ...further } = members;
  if (typeof name !== 'string' || typeof message !== 'string') {
    throw new ProtocolError('an Error whose name or message is no string');
  }
  if (Object.hasOwn(further, 'stack')) {
    throw new ProtocolError('an Error with a stack; stacks do not travel');
  }
  const Native = nativeErrors.get(name) ?? Error;
  const error = new Native(message);
  if (error.name !== name) defineHidden(error, 'name', name);
  // Where it was decoded is of no interest, and must not be taken for where it was thrown.
  defineHidden(error, 'stack', `${name}: ${message}`);
  for (const [key, value] of Object.entries(further)) {
    // Defined, not assigned: nothing inherited may act on a peer's keys.
    Object.defineProperty(error, key, {
      value,
      writable: true,
      configurable: true,
      enumerable: !hiddenErrorMembers.includes(key),
    });
  }
  return error;
}

function defineHidden(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

/** The members of errors that are no enumerable properties, and cross all the same. */
const hiddenErrorMembers: readonly string[] = ['cause', 'errors'];

/** By name as in the structured clone algorithm; a closed table, so that a peer can name no other class. */
const nativeErrors: ReadonlyMap<string, ErrorConstructor> = new Map(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Native) => [
    Native.name,
    Native,
  ]),
);
