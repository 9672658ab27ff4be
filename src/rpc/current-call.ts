/**
 * `currentCall()`: which call the code that runs now belongs to, also after an `await`.
 *
 * Each call runs in an asynchronous context of its own, so that a callback made inside one keeps that call's context.
 * The storage is one for the process, found under a registered symbol, since an ESM and a CommonJS copy of the package
 * may serve the same objects.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { NotConnectedError } from '../errors.js';
import type { CallMeta } from '../protocol/messages.js';

/** What a method may know of the call that it answers. */
export interface CurrentCall {
  /** The connection that the call came by. */
  readonly connectionID: string;
  /** The name of the object called. */
  readonly object: string;
  /** The name of the method called. */
  readonly member: string;
  /** What the caller gave as `metadata`; `undefined` if nothing. */
  readonly metadata: unknown;
  /** Who the caller is, as the option `authenticate` has said; `undefined` without it, and on a client. */
  readonly identity: unknown;
  /**
   * Aborted when the caller gives the call up, its time is over, or the connection ends, before the method has ended; for a
   * stream, when its reader leaves before its end.
   */
  readonly signal: AbortSignal;
  /** Seconds until the caller gives the call up, 0 when it has; `undefined` when it set no bound. */
  readonly remainingTimeInSeconds: number | undefined;
}

const storageKey = Symbol.for('tandem-rpc.current-call');

/** A call being served. Its signal is made when somebody asks for it. */
export class ServedCall implements CurrentCall {
  /** The call's id, or the stream's; 0 where nobody waits for it. */
  readonly id: number;
  /** {@inheritDoc CurrentCall.connectionID} */
  readonly connectionID: string;
  /** {@inheritDoc CurrentCall.object} */
  readonly object: string;
  /** {@inheritDoc CurrentCall.member} */
  readonly member: string;
  /** {@inheritDoc CurrentCall.metadata} */
  readonly metadata: unknown;
  /** {@inheritDoc CurrentCall.identity} */
  readonly identity: unknown;
  readonly #deadlineMs: number | undefined;
  readonly #now: () => number;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #isAborted = false;
  /** Whether it was answered: what still runs in its context is not bound to its time any more. */
  isEnded = false;

  /** Made by the library, for each call; `meta` is what came with it. */
  constructor(
    connectionID: string,
    object: string,
    member: string,
    meta: CallMeta | undefined,
    now: () => number,
    identity?: unknown,
    id = 0,
  ) {
    this.id = id;
    this.connectionID = connectionID;
    this.object = object;
    this.member = member;
    this.metadata = meta?.metadata;
    this.identity = identity;
    this.#deadlineMs = meta?.timeoutMs === undefined ? undefined : now() + meta.timeoutMs;
    this.#now = now;
  }

  /** When the caller gives the call up, on the clock of this side; `undefined`: never. */
  get deadlineMs(): number | undefined {
    return this.#deadlineMs;
  }

  /** {@inheritDoc CurrentCall.remainingTimeInSeconds} */
  get remainingTimeInSeconds(): number | undefined {
    return this.#deadlineMs === undefined ? undefined : Math.max(0, this.#deadlineMs - this.#now()) / 1_000;
  }

  /** Made at the first look: most methods never ask, and a controller costs more than the rest of a call's record. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** The call was given up. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** What the calls made meanwhile have left, in milliseconds; `undefined` where nothing bounds them. */
  get inheritedMs(): number | undefined {
    const seconds = this.isEnded ? undefined : this.remainingTimeInSeconds;
    return seconds === undefined ? undefined : seconds * 1_000;
  }

  /** Its time is over. */
  expire(): void {
    this.abort(new DOMException('the time that the caller gave is over', 'TimeoutError'));
  }
}

/**
 * The call that the running code belongs to.
 * @returns what is known of it
 * @throws NotConnectedError when the running code does not belong to a call from the other side
 */
export function currentCall(): CurrentCall {
  const call = storage().getStore();
  if (call === undefined)
    throw new NotConnectedError('currentCall() is used outside a call from the other side');
  return call;
}

/** The same where there may be none: calls made meanwhile inherit its time. */
export function currentCallIfAny(): ServedCall | undefined {
  return storage().getStore();
}

/** The id of the call or stream of a connection that the running code serves, and that has not ended. */
export function withinCall(connectionID: string): number | undefined {
  const call = currentCallIfAny();
  if (call === undefined || call.isEnded || call.id === 0) return undefined;
  return call.connectionID === connectionID ? call.id : undefined;
}

/** Runs a method in the context of its call. */
export function runInCall<Result>(call: ServedCall, run: () => Result): Result {
  return storage().run(call, run);
}

let known: AsyncLocalStorage<ServedCall> | undefined;

function storage(): AsyncLocalStorage<ServedCall> {
  known ??= findStorage();
  return known;
}

function findStorage(): AsyncLocalStorage<ServedCall> {
  const shared = globalThis as unknown as Record<symbol, AsyncLocalStorage<ServedCall> | undefined>;
  const present = shared[storageKey];
  if (present !== undefined) return present;
  const created = new AsyncLocalStorage<ServedCall>();
  shared[storageKey] = created;
  return created;
}
