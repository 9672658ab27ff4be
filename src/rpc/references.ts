/**
 * What crosses by reference on one connection, both ways: what was lent, what is held, and the messages about both.
 */
import { ProtocolError } from '../errors.js';
import type { Line } from '../link/line.js';
import type { Codec } from '../protocol/codec.js';
import { MessageType, type AbortMessage, type SessionMessage } from '../protocol/messages.js';
import { LentReference, ReturnedReference } from '../protocol/references.js';
import { SparseSet } from '../protocol/sparse.js';
import type { Caller } from '../proxies/caller.js';
import { ExportTable } from '../proxies/export-table.js';
import { hydrate } from '../proxies/hydrate.js';
import { ImportTable } from '../proxies/import-table.js';
import type { Report } from '../streams/user-callback.js';
import type { Quotas } from './quotas.js';

/** What references need. */
export interface ReferencesSettings {
  readonly connectionID: string;
  readonly connection: Line;
  readonly codec: Codec;
  /** Sends what is called on them. */
  readonly caller: Caller;
  readonly report: Report;
  /** The first number. */
  readonly firstNumber: number;
  readonly quotas: Quotas;
}

/** References given back in one message: with so few it keeps the smallest limits that a peer may have set. */
const maxReleasedTogether = 16;

/** Messages that ask for something: what they ask for has not run when they are refused. */
const asking: ReadonlySet<number> = new Set([MessageType.request, MessageType.notify, MessageType.subscribe]);

/** The references of one connection. */
export class References {
  /** What this side has lent. */
  readonly exports: ExportTable;
  readonly #imports: ImportTable;
  readonly #connection: Line;
  readonly #codec: Codec;
  readonly #quotas: Quotas;
  /** Signals that were aborted, and are to be told. */
  #aborted: (readonly [number: number, reason: unknown])[] = [];
  /** Messages that wait, of whose signals nobody knows yet. */
  readonly #onAbort = new SparseSet<(message: AbortMessage) => void>();
  /** Messages whose references were received, or given back: each is accounted for once. */
  readonly #accounted = new WeakSet<SessionMessage>();
  #isClosed = false;

  /** @param settings - of the connection */
  constructor(settings: ReferencesSettings) {
    const { connectionID, connection, codec, caller, report, firstNumber, quotas } = settings;
    this.#connection = connection;
    this.#codec = codec;
    this.#quotas = quotas;
    const requestFlush = (): void => {
      connection.requestFlush();
    };
    this.#imports = new ImportTable({
      connectionID,
      caller,
      onReleased: requestFlush,
      report,
      most: quotas.maxReferences,
    });
    this.exports = new ExportTable({
      firstNumber,
      admit: (count) => {
        quotas.admitReferences(count);
      },
      numberOfImport: (value) => this.#imports.numberOf(value),
      onAbort: (number, reason) => {
        this.#aborted.push([number, reason]);
        requestFlush();
      },
    });
    codec.lender = this.exports;
  }

  /** How many are lent and held. */
  get size(): number {
    return this.exports.size + this.#imports.size;
  }

  /**
   * Puts what references stand for in their place in a message.
   * @throws ProtocolError for one that was never lent; StaleReferenceError for one that was given back before;
   *   LimitExceededError for more than may be held
   */
  hydrate(message: SessionMessage): void {
    const references = this.#codec.referencesOf(message);
    if (references === undefined) return;
    this.#quotas.admitReferences(this.#imports.sizeWith(references), asking.has(message[0]) ? 'no' : 'yes');
    hydrate(message, this.#imports, this.exports);
    this.#accounted.add(message);
  }

  /** The same where nobody could be told: @returns why it cannot be read, `undefined` if it can */
  accept(message: SessionMessage): unknown {
    try {
      this.hydrate(message);
      return undefined;
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      this.refuse(message);
      return error;
    }
  }

  /** Nobody gets a message: what it lent is given back; what was received from it before is, once it is collected. */
  refuse(message: SessionMessage): void {
    const references = this.#codec.referencesOf(message);
    if (references === undefined || this.#accounted.has(message)) return;
    this.#accounted.add(message);
    this.#imports.refuse(references);
  }

  /**
   * A message waits to be acted on: what is released or aborted meanwhile came after it.
   * @returns whether it is hydrated now, to be called once
   */
  hold(message: SessionMessage): (hydrate: boolean) => void {
    const references = this.#codec.referencesOf(message) ?? [];
    const returned = references.filter((each) => each instanceof ReturnedReference);
    const kept = returned.map(({ number }) => number).filter((each) => this.exports.find(each) !== undefined);
    const signals = references.filter((each) => each instanceof LentReference && each.kind === 'signal');
    const aborts: AbortMessage[] = [];
    const onAbort = (abort: AbortMessage): void => {
      if (signals.some(({ number }) => number === abort[1])) aborts.push(abort);
    };
    this.exports.keep(kept);
    if (signals.length > 0) this.#onAbort.add(onAbort);
    return (isEntered) => {
      this.#onAbort.delete(onAbort);
      try {
        if (isEntered) this.hydrate(message);
        else this.refuse(message);
      } finally {
        this.exports.takeBack(kept);
      }
      for (const abort of aborts) this.abort(abort);
    };
  }

  /**
   * The peer gives references back.
   * @throws ProtocolError for what it does not hold
   */
  release(released: readonly (readonly [number: number, count: number])[]): void {
    for (const [number, count] of released) this.exports.release(number, count);
  }

  /** The peer aborted a signal. */
  abort(message: AbortMessage): void {
    for (const onAbort of this.#onAbort) onAbort(message);
    if (this.accept(message) !== undefined) return;
    const [, number, reason] = message;
    this.#imports.abort(number, message.length === 2 ? new DOMException('aborted', 'AbortError') : reason);
  }

  /** Something is about to be sent: it does not overtake word of signals that were aborted, as far as that overtakes nothing itself. */
  tellAborts(): void {
    if (this.#aborted.length === 0 || this.exports.isLending || this.#connection.hasLongMessages) return;
    const aborted = this.#aborted;
    this.#aborted = [];
    for (const [number, reason] of aborted) this.#sendAbort(number, reason);
  }

  /** Tells of signals that were aborted and of references that are given back, once no longer message is overtaken. */
  flush(): void {
    if (this.#connection.hasLongMessages) {
      if (this.#aborted.length > 0 || this.#imports.hasReleased) this.#connection.requestFlush();
      return;
    }
    this.tellAborts();
    const released = this.#imports.takeReleased();
    for (let at = 0; at < released.length; at += maxReleasedTogether) {
      this.#connection.send([MessageType.release, released.slice(at, at + maxReleasedTogether)]);
    }
  }

  /** The connection has ended. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#aborted = [];
    this.#imports.close(reason);
    this.exports.close();
  }

  /** A reason that cannot cross is left out: that it was aborted matters more. */
  #sendAbort(number: number, reason: unknown): void {
    const outer = this.exports.begin();
    try {
      this.#connection.send([MessageType.abort, number, this.#codec.marshal(reason, 'reason')]);
      this.exports.end(outer);
    } catch {
      this.exports.takeBack(this.exports.end(outer));
      this.#connection.send([MessageType.abort, number]);
    }
  }
}
