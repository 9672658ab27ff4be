/**
 * The calls of one connection that wait for their turn, in the order in which they were made: the other side runs so many at
 * a time, and refuses more; and where it reads slowly, nothing is added to what waits to be written.
 *
 * Their arguments are read when they leave, as those of calls that wait for a connection are. Until then nothing of them has
 * left: whatever ends one here, its method did not run.
 */
import { Deadlines } from '../protocol/deadlines.js';
import { SparseSet } from '../protocol/sparse.js';
import { onceAborted } from '../streams/abort-listeners.js';

/** A call that waits. */
export interface QueuedCall {
  /** What it will take when it leaves, about. */
  readonly bytes: number;
  /** Milliseconds until it is given up, counted from when it was made; `undefined`: never. */
  readonly timeoutMs: number | undefined;
  /** Aborting it gives the call up. */
  readonly signal: AbortSignal | undefined;
  /** Its turn has come, and so many milliseconds are left of its time. */
  readonly start: (timeoutMs: number | undefined) => void;
  /** It ends here, by its signal, its time or the end of the connection. */
  readonly reject: (error: unknown) => void;
  /** Makes the error of a call whose time is over. */
  readonly expired: () => unknown;
  /** Makes the error of a call whose connection has ended. */
  readonly lost: (reason: string) => unknown;
}

interface Entry {
  readonly call: QueuedCall;
  /** When it is given up, as the table of deadlines has it; set when it is entered there. */
  deadlineMs: number | undefined;
  unlisten: (() => void) | undefined;
}

/** The waiting calls. */
export class CallQueue {
  /** In the order in which they came; one that ends early leaves nothing behind. */
  readonly #entries = new SparseSet<Entry>();
  readonly #deadlines = new Deadlines<Entry>();
  #bytes = 0;

  /** How many wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all of them, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of the one whose turn is next, about; `undefined`: none waits. */
  get nextBytes(): number | undefined {
    if (this.#entries.size === 0) return undefined;
    const [first] = this.#entries;
    return first?.call.bytes;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** A call begins to wait. @returns takes it out; has no effect when it does not wait any more */
  add(call: QueuedCall, nowMs: number): () => void {
    const { timeoutMs, signal } = call;
    const entry: Entry = { call, deadlineMs: undefined, unlisten: undefined };
    if (timeoutMs !== undefined) entry.deadlineMs = this.#deadlines.add(entry, nowMs + timeoutMs);
    entry.unlisten =
      signal &&
      onceAborted(signal, () => {
        this.#end(entry);
        call.reject(signal.reason);
      });
    this.#entries.add(entry);
    this.#bytes += call.bytes;
    return () => {
      if (this.#entries.has(entry)) this.#end(entry);
    };
  }

  /** Starts the call whose turn it is. @returns whether there was one */
  startNext(nowMs: number): boolean {
    for (const entry of this.#entries) {
      this.#end(entry);
      const { call, deadlineMs } = entry;
      // One whose time is over is about to be told so: the timer is late.
      if (deadlineMs === undefined) call.start(undefined);
      else if (deadlineMs > nowMs) call.start(deadlineMs - nowMs);
      else call.reject(call.expired());
      return true;
    }
    return false;
  }

  /** The time of calls is over. */
  handleDeadline(nowMs: number): void {
    for (const entry of this.#deadlines.takeDue(nowMs)) {
      this.#end(entry);
      entry.call.reject(entry.call.expired());
    }
  }

  /** The connection has ended: no call has its turn any more. */
  close(reason: string): void {
    for (const entry of this.#entries) {
      this.#end(entry);
      entry.call.reject(entry.call.lost(reason));
    }
  }

  #end(entry: Entry): void {
    this.#entries.delete(entry);
    this.#bytes -= entry.call.bytes;
    if (entry.deadlineMs !== undefined) this.#deadlines.remove(entry, entry.deadlineMs);
    entry.unlisten?.();
  }
}
