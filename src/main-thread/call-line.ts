/**
 * The line between a worker thread and the main thread: what goes over it, and what both ends must offer. Which of Node's ways carries it
 * is decided in `main-thread-lines`.
 */
import type { CallWord } from './call-word.js';
import type { PackedThrown } from './packed-thrown.js';

/** A call of a worker, to the main thread. */
export interface ThreadCall {
  /** The name of the callable. */
  readonly name: string;
  /** Its arguments, cloned. */
  readonly args: readonly unknown[];
  /** The number of the call, by which its worker waits for it; 0 if it does not. */
  readonly call: number;
}

/** The answer of the main thread to the call of that number: a result, what the callable threw, or why there is neither. */
export type ThreadReply = { readonly call: number } & (
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'thrown'; readonly thrown: PackedThrown }
  | { readonly kind: 'unknown-callable' | 'uncloneable-result'; readonly message: string }
);

/** The end in a worker. */
export interface CallerEnd {
  /** By which this worker waits. */
  readonly word: CallWord;
  /**
   * Sends a call; the main thread gets those of one line in order.
   * @throws what the structured clone algorithm throws
   */
  send(call: ThreadCall): void;
  /** The next reply that has come, `undefined` if there is none. Needs no turn of the event loop. */
  takeReply(): ThreadReply | undefined;
  /**
   * Whether it has turned out that the main thread does not have this line and never will: its calls are lost. Asked now and then by a
   * worker that waits; needs no turn of the event loop.
   */
  isLost?(): boolean;
  /**
   * Whether the main thread is known to listen; only of a line that cannot find out that it does not. Needs no turn of the event loop.
   */
  isHeard?(): boolean;
}

/** The end in the main thread. */
export interface CalleeEnd {
  /** By which the worker waits. */
  readonly word: CallWord;
  /** Whether the worker is known to have ended. */
  readonly isClosed: boolean;
  /**
   * Sends a reply, which is there when the word says so.
   * @throws what the structured clone algorithm throws
   */
  send(reply: ThreadReply): void;
}
