/**
 * One reference of the other side that this side holds, and whatever it is to a user: a function, a stream, a proxy, a
 * signal. Both refer to each other, and so does all that is derived from them (a method taken from the proxy, the proxy
 * with other call options): none is collected while any is in use. The table of references knows this one weakly.
 */
import { StaleReferenceError } from '../errors.js';
import type { LentReference, ReferenceKind } from '../protocol/references.js';
import { RemoteStream } from '../streams/remote-stream.js';
import type { Report } from '../streams/user-callback.js';
import type { Caller } from './caller.js';
import { heldMarkOf, mark } from './held-mark.js';
import { createMirroredSignal } from './mirrored-signal.js';
import { createRemoteFunction, createRemoteProxy } from './remote-proxy.js';
import type { CallOptions } from './types.js';

/** What a reference needs of the table that it is in. */
export interface ReferenceOwner {
  readonly connectionID: string;
  readonly caller: Caller;
  readonly report: Report;
  /** Why no reference of this connection holds any more, `undefined` while they do. */
  readonly endReason: string | undefined;
  /** Somebody who got it has no more use for it. @returns whether somebody else has, since it came more often */
  onDisposed(held: HeldReference): boolean;
  /** Whether somebody listens on a signal, which must stay alive then. */
  onListened(held: HeldReference, isListened: boolean): void;
}

/** A reference held here. Whatever target it is given, it has one of its own. */
export class HeldReference implements Caller {
  /** By which the other side knows it. */
  readonly number: number;
  /** What it is. */
  readonly kind: ReferenceKind;
  /** What users hold. */
  readonly object: object;
  /** The table that it is in. */
  readonly owner: ReferenceOwner;
  readonly #members: readonly string[];
  readonly #properties: readonly string[];
  #isDisposed = false;
  #abort: ((reason: unknown) => void) | undefined;

  /**
   * @param lent - as it came
   * @param owner - the table that it is in
   */
  constructor(lent: LentReference, owner: ReferenceOwner) {
    this.number = lent.number;
    this.kind = lent.kind;
    this.#members = lent.members;
    this.#properties = lent.properties;
    this.owner = owner;
    this.object = this.#make();
  }

  /** {@inheritDoc Caller.report} */
  get report(): Report {
    return this.owner.report;
  }

  /** Calls it, or a method of it. @returns the result; a rejection with StaleReferenceError when it does not hold */
  call(_target: unknown, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    const stale = this.#staleFor(member);
    return stale === undefined
      ? this.owner.caller.call(this.number, member, args, options)
      : Promise.reject(stale);
  }

  /** Calls without waiting. @throws StaleReferenceError when it does not hold; RPCError when it was not sent */
  notify(_target: unknown, member: string, args: readonly unknown[], options: CallOptions): void {
    const stale = this.#staleFor(member);
    if (stale !== undefined) throw stale;
    this.owner.caller.notify(this.number, member, args, options);
  }

  /** A stream of it, cold: whether it still holds is asked at each subscription. */
  stream(
    _target: unknown,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): RemoteStream<unknown> {
    return new RemoteStream(this.owner.report, (sink) => {
      const stale = this.#staleFor(member);
      if (stale === undefined) return this.owner.caller.stream(this.number, member, args, options).open(sink);
      sink.error(stale);
      return undefined;
    });
  }

  /** The names of an object's members; `undefined` when it does not hold. */
  members(): readonly string[] | undefined {
    return this.#staleFor('') === undefined ? this.#members : undefined;
  }

  /** Of those the streams that are no methods. */
  properties(): readonly string[] | undefined {
    return this.#staleFor('') === undefined ? this.#properties : undefined;
  }

  /** The signal was aborted over there. */
  abort(reason: unknown): void {
    if (!this.#isDisposed) this.#abort?.(reason);
  }

  #dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = !this.owner.onDisposed(this);
  }

  #make(): object {
    const dispose = (): void => {
      this.#dispose();
    };
    switch (this.kind) {
      case 'function':
        return createRemoteFunction(this, this.number, dispose);
      case 'object':
        return createRemoteProxy(this, this.number, { label: 'reference', dispose });
      case 'stream':
        return this.#marked(this.stream(this.number, '', [], {}), dispose);
      case 'signal':
        return this.#marked(this.#makeSignal(), dispose);
    }
  }

  #marked(object: object, dispose: () => void): object {
    mark(object, { caller: this, target: this.number, options: {}, keep: undefined });
    return Object.defineProperty(object, Symbol.dispose, { value: dispose, configurable: true });
  }

  #makeSignal(): AbortSignal {
    const { signal, abort } = createMirroredSignal((isListened) => {
      this.owner.onListened(this, isListened);
    });
    this.#abort = abort;
    return signal;
  }

  #staleFor(member: string): StaleReferenceError | undefined {
    const { connectionID, endReason } = this.owner;
    if (!this.#isDisposed && endReason === undefined) return undefined;
    const what = member === '' ? `this ${this.kind}` : `"${member}" of this object`;
    const why = endReason === undefined ? 'it was disposed of' : `its connection has ended: ${endReason}`;
    const text = `cannot use ${what} of the other side: ${why}`;
    return new StaleReferenceError(text, { executed: 'no', connectionID, object: 'reference', member });
  }
}

/** The reference that a value stands for, `undefined` if it is none. */
export function heldReferenceOf(value: object): HeldReference | undefined {
  const caller = heldMarkOf(value)?.caller;
  return caller instanceof HeldReference ? caller : undefined;
}
