/**
 * What this side holds of its peer's on one connection. Held weakly: what nobody uses any more is collected, and given back;
 * `dispose` gives it back at once. The same reference is the same object as long as that is alive, and is counted each
 * time that it comes, so that what is given back is what came: whoever got it disposes of it, and nobody else's is stale. PROTOCOL.md, "References".
 *
 * What is given back waits for `takeReleased`, and leaves together: a collection finds thousands at a time.
 *
 * Entries are in Maps, through which young garbage can stay alive as in rpc/open-calls; references come and go more
 * rarely than calls.
 */
import { ConnectionLostError, ProtocolError } from '../errors.js';
import { LentReference, type Reference } from '../protocol/references.js';
import type { Report } from '../streams/user-callback.js';
import type { Caller } from './caller.js';
import { CollectionPace } from './collection-pace.js';
import { FinalizingMap, type WeakHold } from './finalizing-map.js';
import { heldReferenceOf, HeldReference, type ReferenceOwner } from './held-reference.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';

/** What the table needs. */
export interface ImportTableSettings {
  readonly connectionID: string;
  /** Sends calls on this connection. */
  readonly caller: Caller;
  /** There is something for `takeReleased`. */
  readonly onReleased: () => void;
  /** Gets what subscribers of imported streams do not handle. */
  readonly report: Report;
  /** How many references may be held. */
  readonly most: number;
  /** How references are held weakly. Default: as the language does. */
  readonly hold?: WeakHold;
}

/**
 * The references that one connection holds.
 *
 * The owner of its references itself: an object literal with a getter makes V8 keep a hidden class for each evaluation, which
 * lives until the next full collection, and with it, by way of the getter, the whole connection.
 */
export class ImportTable implements ReferenceOwner {
  readonly #settings: ImportTableSettings;
  readonly #held: FinalizingMap<HeldReference>;
  /** Signals on which somebody listens. */
  readonly #listened = new SparseSet<HeldReference>();
  /** What is to be given back. */
  readonly #released = new SparseMap<number, number>();
  /** Made for the first reference. */
  #pace: CollectionPace | undefined;
  #endReason: string | undefined;

  /** @param settings - of the connection */
  constructor(settings: ImportTableSettings) {
    this.#settings = settings;
    this.#held = new FinalizingMap((number, count) => {
      this.#giveBack(number, count);
    }, settings.hold);
  }

  /** {@inheritDoc ReferenceOwner.connectionID} */
  get connectionID(): string {
    return this.#settings.connectionID;
  }

  /** {@inheritDoc ReferenceOwner.caller} */
  get caller(): Caller {
    return this.#settings.caller;
  }

  /** {@inheritDoc ReferenceOwner.report} */
  get report(): Report {
    return this.#settings.report;
  }

  /** {@inheritDoc ReferenceOwner.endReason} */
  get endReason(): string | undefined {
    return this.#endReason;
  }

  /** How many references are held. */
  get size(): number {
    return this.#held.size;
  }

  /** How many references would be held if these were received. */
  sizeWith(references: readonly Reference[]): number {
    const fresh = new Set<number>();
    for (const reference of references) {
      if (reference instanceof LentReference && !this.#held.has(reference.number))
        fresh.add(reference.number);
    }
    return this.size + fresh.size;
  }

  /**
   * A reference came.
   *
   * @param lent - as decoded
   * @param reason - with which a signal was aborted already, if it is not the one of `lent` as it is
   * @returns what stands for it here
   * @throws ProtocolError when it is another thing than it was before
   */
  receive(lent: LentReference, reason: unknown = lent.aborted?.reason): object {
    const { number, kind } = lent;
    let held = this.#held.get(number);
    if (held !== undefined && held.kind !== kind) {
      throw new ProtocolError(`reference ${number} came as a ${kind}, and before as a ${held.kind}`);
    }
    if (held === undefined) {
      // One that was collected, and whose finalizer has not run: what it was counted for is not the new one's.
      const collected = this.#held.delete(number);
      if (collected > 0) this.#giveBack(number, collected);
      held = new HeldReference(lent, this);
      if (this.#endReason === undefined) this.#keep(number, held);
    }
    this.#held.count(number);
    if (lent.aborted !== undefined) held.abort(reason);
    return held.object;
  }

  /** References came in a message that nobody gets: they are given back as many times as they came. */
  refuse(references: readonly Reference[]): void {
    for (const reference of references) {
      if (reference instanceof LentReference) this.#giveBack(reference.number, 1);
    }
  }

  /**
   * The peer aborted a signal; of no interest if it is not held any more.
   * @throws ProtocolError when it is held and no signal
   */
  abort(number: number, reason: unknown): void {
    const held = this.#held.get(number);
    if (held === undefined) return;
    if (held.kind !== 'signal') throw new ProtocolError(`an abort of reference ${number}, a ${held.kind}`);
    held.abort(reason);
  }

  /** The number of a value that is held here and may be used: the peer knows its own by it. */
  numberOf(value: object): number | undefined {
    const held = heldReferenceOf(value);
    if (held?.owner !== this || this.#held.get(held.number) !== held) return undefined;
    return held.number;
  }

  /** Whether there is something for `takeReleased`. */
  get hasReleased(): boolean {
    return this.#released.size > 0;
  }

  /** Takes what is to be given back: each number with its count. */
  takeReleased(): readonly (readonly [number: number, count: number])[] {
    const released = [...this.#released];
    this.#released.clear();
    return released;
  }

  /**
   * The connection has ended: whatever is used from now on is stale, and nothing is given back. Signals are aborted, since
   * nobody else can do it any more, and whoever waits for one would wait for ever.
   */
  close(reason: string): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    const { connectionID } = this;
    const held = this.#held.clear();
    this.#listened.clear();
    this.#released.clear();
    for (const each of held) each.abort(new ConnectionLostError(reason, { connectionID }));
  }

  /** {@inheritDoc ReferenceOwner.onDisposed} */
  onDisposed(held: HeldReference): boolean {
    // Not if it has been replaced: then it was taken for collected, and its count went over.
    if (this.#held.get(held.number) !== held) return false;
    this.#giveBack(held.number, 1);
    const isHeld = this.#held.discount(held.number) > 0;
    if (!isHeld) this.#listened.delete(held);
    return isHeld;
  }

  /** {@inheritDoc ReferenceOwner.onListened} */
  onListened(held: HeldReference, isListened: boolean): void {
    if (isListened && this.numberOf(held.object) !== undefined) this.#listened.add(held);
    else this.#listened.delete(held);
  }

  #keep(number: number, held: HeldReference): void {
    this.#held.set(number, held);
    this.#pace ??= new CollectionPace(this.#settings.most);
    this.#pace.follow(this.size);
  }

  #giveBack(number: number, count: number): void {
    if (this.#endReason !== undefined) return;
    this.#pace?.follow(this.size);
    const isFirst = this.#released.size === 0;
    this.#released.set(number, (this.#released.get(number) ?? 0) + count);
    if (isFirst) this.#settings.onReleased();
  }
}
