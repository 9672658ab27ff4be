/**
 * What this side holds of its peer's on one connection. Held weakly: what nobody uses any more is collected, and given
 * back; `dispose` gives it back at once. The same reference is the same object as long as that is alive.
 * PROTOCOL.md, "References".
 */
import { StaleReferenceError } from '../errors.js';
import { LentReference, type Reference } from '../protocol/references.js';
import type { Caller } from './caller.js';
import { heldMarkOf, mark } from './held-mark.js';
import { abortMirrored, createMirroredSignal } from './mirrored-signal.js';
import { createRemoteFunction, createRemoteProxy } from './remote-proxy.js';
import type { CallOptions } from './types.js';
import { RemoteStream } from '../streams/remote-stream.js';
import type { Report } from '../streams/user-callback.js';

/** What the table needs. */
export interface ImportTableSettings {
  readonly connectionID: string;
  /** Sends calls on this connection. */
  readonly caller: Caller;
  /** There is something for `takeReleased`. */
  readonly onReleased: () => void;
  /** Gets what subscribers of imported streams do not handle. */
  readonly report: Report;
}

/** The references that one connection holds. */
export class ImportTable {
  readonly #settings: ImportTableSettings;
  readonly #held = new Map<number, HeldReference>();
  #released: [number: number, count: number][] = [];
  #endReason: string | undefined;
  readonly #registry = new FinalizationRegistry<HeldReference>((reference) => {
    // It may have come again meanwhile, and be held by another object.
    if (reference.object === undefined) this.#release(reference);
  });

  /** @param settings - of the connection */
  constructor(settings: ImportTableSettings) {
    this.#settings = settings;
  }

  /** How many references are held. */
  get size(): number {
    return this.#held.size;
  }

  /** A reference came: gives what stands for it here. */
  receive(lent: LentReference): object {
    let held = this.#held.get(lent.number);
    if (held === undefined) {
      held = new HeldReference(lent, this.#settings, (reference) => {
        this.#release(reference);
      });
      this.#held.set(lent.number, held);
    }
    held.count += 1;
    const present = held.object;
    if (present !== undefined) return present;
    const made = held.make();
    this.#registry.register(made, held, held);
    if (lent.aborted !== undefined) abortMirrored(made, lent.aborted.reason);
    return made;
  }

  /** References came in a message that nobody gets: they are given back. */
  refuse(references: readonly Reference[]): void {
    for (const reference of references) {
      if (!(reference instanceof LentReference)) continue;
      const held = this.#held.get(reference.number);
      if (held === undefined) this.#giveBack(reference.number, 1);
      else held.count += 1;
    }
  }

  /** The peer aborted a signal; of no interest if it is not held any more. */
  abort(number: number, reason: unknown): void {
    const held = this.#held.get(number);
    if (held?.kind === 'signal' && held.object !== undefined) abortMirrored(held.object, reason);
  }

  /** The number of what is held here and still may be used; the peer knows its own by it. */
  numberOf(value: object): number | undefined {
    const caller = heldMarkOf(value)?.caller;
    if (!(caller instanceof HeldReference) || this.#held.get(caller.number) !== caller) return undefined;
    return caller.number;
  }

  /** Whether there is something for `takeReleased`. */
  get hasReleased(): boolean {
    return this.#released.length > 0;
  }

  /** Takes what is to be given back: each number with its count. */
  takeReleased(): readonly (readonly [number: number, count: number])[] {
    const released = this.#released;
    this.#released = [];
    return released;
  }

  /** The connection has ended: whatever is used from now on is stale. */
  close(reason: string): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    const all = [...this.#held.values()];
    this.#held.clear();
    this.#released = [];
    for (const held of all) {
      this.#registry.unregister(held);
      held.end(`its connection has ended: ${reason}`);
    }
  }

  #release(held: HeldReference): void {
    if (this.#held.get(held.number) !== held) return;
    this.#held.delete(held.number);
    this.#registry.unregister(held);
    this.#giveBack(held.number, held.count);
  }

  #giveBack(number: number, count: number): void {
    if (this.#endReason !== undefined) return;
    this.#released.push([number, count]);
    if (this.#released.length === 1) this.#settings.onReleased();
  }
}

/** One reference; what stands for it holds this, never the other way round, or it could not be collected. */
class HeldReference implements Caller {
  readonly report: Report;
  readonly number: number;
  readonly kind: LentReference['kind'];
  /** How many times it came. */
  count = 0;
  readonly #lent: LentReference;
  readonly #settings: ImportTableSettings;
  readonly #release: (held: HeldReference) => void;
  #object: WeakRef<object> | undefined;
  /** Somebody listens to the signal: it must not be collected. */
  #pinned: object | undefined;
  #whyStale: string | undefined;

  constructor(lent: LentReference, settings: ImportTableSettings, release: (held: HeldReference) => void) {
    this.number = lent.number;
    this.kind = lent.kind;
    this.#lent = lent;
    this.#settings = settings;
    this.report = settings.report;
    this.#release = release;
  }

  /** What stands for it, while that is alive. */
  get object(): object | undefined {
    return this.#object?.deref();
  }

  /** Makes what stands for it. */
  make(): object {
    const made = this.#make();
    this.#object = new WeakRef(made);
    return made;
  }

  /** It may not be used any more, and says why. */
  end(why: string): void {
    this.#whyStale ??= why;
    this.#pinned = undefined;
  }

  dispose(): void {
    if (this.#whyStale !== undefined) return;
    this.end('it was disposed of');
    this.#release(this);
  }

  call(_: unknown, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    if (this.#whyStale !== undefined) return Promise.reject(this.#stale(member));
    return this.#settings.caller.call(this.number, member, args, options);
  }

  notify(_: unknown, member: string, args: readonly unknown[], options: CallOptions): void {
    if (this.#whyStale !== undefined) throw this.#stale(member);
    this.#settings.caller.notify(this.number, member, args, options);
  }

  stream(_: unknown, member: string, args: readonly unknown[], options: CallOptions): RemoteStream<unknown> {
    return new RemoteStream(this.#settings.report, (sink) => {
      if (this.#whyStale === undefined) {
        return this.#settings.caller.stream(this.number, member, args, options).open(sink);
      }
      sink.error(this.#stale(member));
      return undefined;
    });
  }

  members(): readonly string[] {
    return this.#lent.members;
  }

  properties(): readonly string[] {
    return this.#lent.properties;
  }

  #make(): object {
    const dispose = (): void => {
      this.dispose();
    };
    switch (this.kind) {
      case 'function':
        return createRemoteFunction(this, this.number, dispose);
      case 'object':
        return createRemoteProxy(this, this.number, { label: 'reference', dispose });
      case 'stream':
        return this.#marked(this.stream(this.number, '', [], {}));
      case 'signal':
        return this.#marked(this.#makeSignal());
    }
  }

  #makeSignal(): AbortSignal {
    return createMirroredSignal((isListened) => {
      this.#pinned = isListened && this.#whyStale === undefined ? this.object : undefined;
    });
  }

  #marked(object: object): object {
    mark(object, { caller: this, target: this.number, options: {}, keep: undefined });
    Object.defineProperty(object, Symbol.dispose, {
      value: () => {
        this.dispose();
      },
      configurable: true,
    });
    return object;
  }

  #stale(member: string): StaleReferenceError {
    const { connectionID } = this.#settings;
    const what = member === '' ? 'a reference' : `${member} of a reference`;
    return new StaleReferenceError(`cannot use ${what}: ${String(this.#whyStale)}`, {
      executed: 'no',
      connectionID,
      object: 'reference',
      member,
    });
  }
}
