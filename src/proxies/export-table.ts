/**
 * What this side has lent to its peer on one connection: by number, with how many times, until the peer gives it back or
 * the connection ends. Numbers begin at random and are never used again. PROTOCOL.md, "References".
 */
import { ProtocolError } from '../errors.js';
import { LentReference, ReturnedReference, type Lender, type Reference } from '../protocol/references.js';
import { onceAborted } from '../streams/abort-listeners.js';
import { isStream } from '../streams/stream-source.js';
import { exposeLent, type ExposedMethod, type ExposedObject, type ExposedStream } from './exposure.js';
import { heldMarkOf, lendMarkOf, type HeldMark } from './held-mark.js';
import { SparseMap } from '../protocol/sparse.js';

/** What was lent. */
export type Exported =
  | { readonly kind: 'function'; readonly call: ExposedMethod }
  | { readonly kind: 'stream'; readonly source: unknown }
  | { readonly kind: 'object'; readonly exposed: ExposedObject }
  | { readonly kind: 'signal'; readonly signal: AbortSignal };

/** What the table needs. */
export interface ExportTableSettings {
  /** The first number: random, so that a number from another connection means nothing here. */
  readonly firstNumber: number;
  /** One more is to be lent. @throws LimitExceededError when so many may not be */
  readonly admit: (count: number) => void;
  /** The number under which the peer lent a value to this side on this connection, if it is still held. */
  readonly numberOfImport: (value: object) => number | undefined;
  /** A lent signal was aborted. */
  readonly onAbort: (number: number, reason: unknown) => void;
}

interface Entry {
  readonly number: number;
  readonly value: object;
  readonly exported: Exported;
  /** How many times it was lent and not given back. */
  count: number;
  readonly stopListening: () => void;
}

/** The references that one connection has lent. */
export class ExportTable implements Lender {
  readonly #settings: ExportTableSettings;
  readonly #byNumber = new SparseMap<number, Entry>();
  readonly #byValue = new SparseMap<object, Entry>();
  #nextNumber: number;
  #loan: number[] | undefined;
  /** Messages that are being marshalled, one within a getter of another. */
  #nesting = 0;
  #isClosed = false;

  /** @param settings - of the connection */
  constructor(settings: ExportTableSettings) {
    this.#settings = settings;
    this.#nextNumber = settings.firstNumber;
  }

  /** How many references are lent. */
  get size(): number {
    return this.#byNumber.size;
  }

  /**
   * Lends a value, or gives one back that was lent from there. After the end of the connection too, so that a message
   * that is on its way fails by that end and not by its values; but nothing is kept then.
   *
   * @param value - a function or an object that does not cross by value
   * @returns `undefined` if it does not cross by reference either
   * @throws LimitExceededError when so many may not be lent; TypeError when the options given to `byReference` do not fit the object
   */
  lend(value: object): Reference | undefined {
    const number = this.#settings.numberOfImport(value);
    if (number !== undefined) return new ReturnedReference(number);
    const entry = this.#byValue.get(value) ?? this.#add(value);
    if (entry === undefined) return undefined;
    entry.count += 1;
    if (this.#nesting > 0) (this.#loan ??= []).push(entry.number);
    return referenceTo(entry);
  }

  /**
   * A message begins to be marshalled, possibly while another one is: what it lends is counted for itself.
   * @returns to be given to `end`, which must follow, whatever happens between
   */
  begin(): number[] | undefined {
    const outer = this.#loan;
    this.#loan = undefined;
    this.#nesting += 1;
    return outer;
  }

  /** Whether a message is being marshalled: what it lends is not told of before it has left. */
  get isLending(): boolean {
    return this.#nesting > 0;
  }

  /** The message is marshalled, or has failed to be. @returns the numbers that it lends, `undefined` if none */
  end(outer: number[] | undefined): readonly number[] | undefined {
    const lent = this.#loan;
    this.#loan = outer;
    this.#nesting -= 1;
    return lent;
  }

  /**
   * A part of a message is marshalled that may be left out: then what it would have lent is not lent.
   * @throws whatever `marshal` throws
   */
  attempt<Result>(marshal: () => Result): Result {
    const outer = this.begin();
    try {
      const result = marshal();
      const lent = this.end(outer);
      if (lent !== undefined) (this.#loan ??= []).push(...lent);
      return result;
    } catch (error) {
      this.takeBack(this.end(outer));
      throw error;
    }
  }

  /** A message did not leave: what it would have lent is not lent. */
  takeBack(numbers: readonly number[] | undefined): void {
    for (const number of numbers ?? []) {
      const entry = this.#byNumber.get(number);
      // A peer may have given back more than it got yet; or the connection has ended.
      if (entry !== undefined) this.#lower(entry, 1);
    }
  }

  /** What a peer gives back meanwhile stays, until `takeBack`: for what it was sent with. */
  keep(numbers: readonly number[]): void {
    for (const number of numbers) {
      const entry = this.#byNumber.get(number);
      if (entry !== undefined) entry.count += 1;
    }
  }

  /** What was lent under a number and not been given back. */
  find(number: number): Exported | undefined {
    return this.#byNumber.get(number)?.exported;
  }

  /** The very object that was lent under a number. */
  original(number: number): object | undefined {
    return this.#byNumber.get(number)?.value;
  }

  /** Whether a number was ever lent on this connection. */
  wasLent(number: number): boolean {
    return number >= this.#settings.firstNumber && number < this.#nextNumber;
  }

  /**
   * The peer gives a reference back, as many times as it says. After `close` nothing happens.
   * @throws ProtocolError for one that it does not hold so many times
   */
  release(number: number, count: number): void {
    if (this.#isClosed) return;
    const entry = this.#byNumber.get(number);
    const held = entry?.count ?? 0;
    if (entry === undefined || !(count >= 1 && count <= held)) {
      throw new ProtocolError(
        `reference ${number} was released ${count} times, where it was held ${held} times`,
      );
    }
    this.#lower(entry, count);
  }

  /** The connection has ended: nothing is lent any more. */
  close(): void {
    this.#isClosed = true;
    const entries = [...this.#byNumber.values()];
    this.#byNumber.clear();
    this.#byValue.clear();
    for (const entry of entries) entry.stopListening();
  }

  #add(value: object): Entry | undefined {
    const exported = exportedOf(value);
    if (exported === undefined) return undefined;
    this.#settings.admit(this.#byNumber.size + 1);
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const isListening = exported.kind === 'signal' && !this.#isClosed;
    const stopListening = isListening ? this.#listen(number, exported.signal) : ignore;
    const entry: Entry = { number, value, exported, count: 0, stopListening };
    if (this.#isClosed) return entry;
    this.#byNumber.set(number, entry);
    this.#byValue.set(value, entry);
    return entry;
  }

  #listen(number: number, signal: AbortSignal): () => void {
    if (signal.aborted) return ignore;
    return onceAborted(signal, () => {
      this.#settings.onAbort(number, signal.reason);
    });
  }

  #lower(entry: Entry, count: number): void {
    entry.count -= count;
    if (entry.count > 0) return;
    this.#byNumber.delete(entry.number);
    this.#byValue.delete(entry.value);
    entry.stopListening();
  }
}

function referenceTo({ number, exported }: Entry): LentReference {
  switch (exported.kind) {
    case 'object':
      return new LentReference('object', number, exported.exposed.members, exported.exposed.properties);
    case 'signal': {
      const { aborted, reason } = exported.signal as { aborted: boolean; reason: unknown };
      return new LentReference('signal', number, undefined, undefined, aborted ? { reason } : undefined);
    }
    default:
      return new LentReference(exported.kind, number);
  }
}

/** What of a value can be lent; `undefined` if it does not cross by reference. */
function exportedOf(value: object): Exported | undefined {
  const held = heldMarkOf(value);
  // First, since a proxy answers whatever name the questions below may ask for.
  if (held !== undefined && isProxy(value)) return exportedProxy(value, held);
  if (isStream(value)) return { kind: 'stream', source: value };
  if (isSignal(value)) return { kind: 'signal', signal: value };
  if (Symbol.asyncIterator in value) return { kind: 'stream', source: value };
  if (typeof value === 'function') return { kind: 'function', call: value as ExposedMethod };
  const mark = lendMarkOf(value);
  return mark && { kind: 'object', exposed: exposeLent(value, mark.lend) };
}

/** A proxy of another connection is lent on: what is called on it is called there. Not one that nobody knows any more. */
function exportedProxy(proxy: object, { caller, target }: HeldMark): Exported | undefined {
  const members = caller.members(target);
  if (members === undefined) return undefined;
  const properties = caller.properties(target) ?? [];
  const methods = new Map<string, ExposedMethod>();
  const streams = new Map<string, ExposedStream>();
  for (const member of members) {
    const forward: ExposedMethod = (...args) =>
      Reflect.apply(Reflect.get(proxy, member) as ExposedMethod, proxy, args);
    if (!member.endsWith('$')) methods.set(member, forward);
    else
      streams.set(member, { method: properties.includes(member) ? undefined : forward, policy: undefined });
  }
  return {
    kind: 'object',
    exposed: { object: proxy, methods, streams, schemas: new Map(), members, properties },
  };
}

function ignore(): void {
  // Most references have nothing to listen to.
}

/** Whether what stands for something of another side is a proxy: a stream, signal or function of it is one like any other. */
function isProxy(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object RemoteProxy]';
}

/** An AbortSignal of any realm, or what does the same by that name. */
function isSignal(value: object): value is AbortSignal {
  if (Object.prototype.toString.call(value) !== '[object AbortSignal]') return false;
  const { addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return typeof addEventListener === 'function' && typeof removeEventListener === 'function';
}
