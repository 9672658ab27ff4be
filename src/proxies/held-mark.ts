/**
 * How values that cross by reference are known: by what they answer under one symbol. An object marked by `byReference`
 * answers how it is to be lent; a proxy, function or stream of the other side answers what it stands for.
 */
import { referenceKey } from '../protocol/references.js';
import type { Target } from '../protocol/messages.js';
import type { Caller } from './caller.js';
import type { RegistrationOptions } from './exposure.js';
import type { CallOptions } from './types.js';

/** The mark of an object that is to be lent. */
export interface LendMark {
  /** How it is exposed. */
  readonly lend: RegistrationOptions;
}

/** What a proxy, function, stream or signal of the other side stands for. */
export interface HeldMark {
  /** Sends what is called. */
  readonly caller: Caller;
  /** What is called. */
  readonly target: Target;
  /** The options of each call. */
  readonly options: CallOptions;
  /** What must stay alive as long as this is in use: that from which it was derived. */
  readonly keep: object | undefined;
}

/** How an object is to be lent, if it was marked by `byReference`, itself or by its class. */
export function lendMarkOf(value: object): LendMark | undefined {
  const mark = markOf(value);
  return mark !== undefined && 'lend' in mark ? mark : undefined;
}

/** What a value of the other side stands for, `undefined` if it is none. */
export function heldMarkOf(value: unknown): HeldMark | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const mark = markOf(value);
  return mark !== undefined && 'caller' in mark ? mark : undefined;
}

/** Marks a value; the mark is not enumerable. */
export function mark(value: object, held: HeldMark | LendMark): void {
  Object.defineProperty(value, referenceKey, { value: held, configurable: true });
}

function markOf(value: object): HeldMark | LendMark | undefined {
  const mark: unknown = Reflect.get(value, referenceKey);
  // An object there is of this package; anything else a user has put there.
  return typeof mark === 'object' && mark !== null ? (mark as HeldMark | LendMark) : undefined;
}
