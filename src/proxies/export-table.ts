/**
 * What this side has lent to its peer on one connection: by number, with how many times, until the peer gives it back or
 * the connection ends. Numbers begin at random and are never used again. PROTOCOL.md, "References".
 */
import { ProtocolError } from '../errors.js';
import { LentReference, ReturnedReference, type Lender, type Reference } from '../protocol/references.js';
import { isStream } from '../streams/stream-source.js';
import { expose, type ExposedMethod, type ExposedObject, type ExposedStream } from './exposure.js';
import { heldMarkOf, lendMarkOf, type HeldMark } from './held-mark.js';

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
  readonly #byNumber = new Map<number, Entry>();
  readonly #byValue = new Map<object, Entry>();
  #nextNumber: number;
  #loan: number[] | undefined;

  /** @param settings - of the connection */
  constructor(settings: ExportTableSettings) {
    this.#settings = settings;
    this.#nextNumber = settings.firstNumber;
  }

  /** How many references are lent. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** {@inheritDoc Lender.lend} */
  lend(value: object): Reference | undefined {
    const number = this.#settings.numberOfImport(value);
    if (number !== undefined) return new ReturnedReference(number);
    const entry = this.#byValue.get(value) ?? this.#add(value);
    if (entry === undefined) return undefined;
    entry.count += 1;
    this.#loan ??= [];
    this.#loan.push(entry.number);
    return referenceTo(entry);
  }

  /**
   * A message begins to be marshalled, possibly while another one is: what it lends is counted for itself.
   * @returns to be given to `end`
   */
  begin(): number[] | undefined {
    const outer = this.#loan;
    this.#loan = undefined;
    return outer;
  }

  /** The message is marshalled. @returns the numbers that it lends, `undefined` if none */
  end(outer: number[] | undefined): readonly number[] | undefined {
    const lent = this.#loan;
    this.#loan = outer;
    return lent;
  }

  /** A message did not leave: what it would have lent is not lent. */
  takeBack(numbers: readonly number[] | undefined): void {
    for (const number of numbers ?? []) {
      const entry = this.#byNumber.get(number);
      if (entry !== undefined) this.#lower(entry, 1);
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
   * The peer gives a reference back, as many times as it says.
   * @throws ProtocolError for one that it does not hold so many times
   */
  release(number: number, count: number): void {
    const entry = this.#byNumber.get(number);
    if (entry === undefined || count > entry.count) {
      const held = entry?.count ?? 0;
      throw new ProtocolError(
        `reference ${number} was released ${count} times, where it was held ${held} times`,
      );
    }
    this.#lower(entry, count);
  }

  /** The connection has ended: nothing is lent any more. */
  close(): void {
    const entries = [...this.#byNumber.values()];
    this.#byNumber.clear();
    this.#byValue.clear();
    for (const entry of entries) entry.stopListening();
  }

  #add(value: object): Entry | undefined {
    const exported = exportedOf(value);
    if (exported === undefined) return undefined;
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const stopListening = exported.kind === 'signal' ? this.#listen(number, exported.signal) : ignore;
    const entry: Entry = { number, value, exported, count: 0, stopListening };
    this.#byNumber.set(number, entry);
    this.#byValue.set(value, entry);
    return entry;
  }

  #listen(number: number, signal: AbortSignal): () => void {
    if (signal.aborted) return ignore;
    const onAbort = (): void => {
      this.#settings.onAbort(number, signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => {
      signal.removeEventListener('abort', onAbort);
    };
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
      const { aborted, reason } = exported.signal;
      return new LentReference('signal', number, [], [], aborted ? { reason: reason as unknown } : undefined);
    }
    default:
      return new LentReference(exported.kind, number);
  }
}

/** What of a value can be lent; `undefined` if it does not cross by reference. */
function exportedOf(value: object): Exported | undefined {
  if (isStream(value)) return { kind: 'stream', source: value };
  if (Object.prototype.toString.call(value) === '[object AbortSignal]') {
    return { kind: 'signal', signal: value as AbortSignal };
  }
  if (typeof value === 'function') return { kind: 'function', call: value as ExposedMethod };
  const mark = lendMarkOf(value);
  if (mark !== undefined) return { kind: 'object', exposed: expose('reference', value, mark.lend) };
  const held = heldMarkOf(value);
  if (held !== undefined) return { kind: 'object', exposed: exposeProxy(value, held) };
  return Symbol.asyncIterator in value ? { kind: 'stream', source: value } : undefined;
}

/** A proxy of another connection is lent on: what is called on it is called there. */
function exposeProxy(proxy: object, { caller, target }: HeldMark): ExposedObject {
  const members = caller.members(target) ?? [];
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
  return { object: proxy, methods, streams, schemas: new Map(), members, properties };
}

function ignore(): void {
  // Most references have nothing to listen to.
}
