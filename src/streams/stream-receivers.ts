/**
 * The incoming streams of one connection, and the bytes that they hold together.
 */
import type { SchedulerLike } from 'rxjs';
import { ProtocolError } from '../errors.js';
import { StreamReceiver, type ReceiverOwner, type StreamSink } from './stream-receiver.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';

/** What the table needs of the connection. */
export interface ReceiversChannel {
  /** Asks for more values, and returns bytes. */
  credit(id: number, items: number, bytes: number): void;
  /** Says that nobody wants the values any more. */
  cancel(id: number): void;
}

/** The incoming streams. */
export class StreamReceivers implements ReceiverOwner {
  /** {@inheritDoc ReceiverOwner.scheduler} */
  readonly scheduler: SchedulerLike;
  /** {@inheritDoc ReceiverOwner.windowBytes} */
  readonly windowBytes: number;
  readonly #channel: ReceiversChannel;
  readonly #receivers = new SparseMap<number, StreamReceiver>();
  /** Streams that were left, until the other side has said that it knows. */
  readonly #left = new SparseSet<number>();
  #unreturnedBytes = 0;

  /**
   * @param channel - the connection
   * @param scheduler - runs the observers
   * @param windowBytes - bytes that all streams together may hold; the other side has been told
   */
  constructor(channel: ReceiversChannel, scheduler: SchedulerLike, windowBytes: number) {
    this.#channel = channel;
    this.scheduler = scheduler;
    this.windowBytes = windowBytes;
  }

  /** How many streams are open, those included that were left and whose end has not been told. */
  get size(): number {
    return this.#receivers.size + this.#left.size;
  }

  /** {@inheritDoc ReceiverOwner.unreturnedBytes} */
  get unreturnedBytes(): number {
    return this.#unreturnedBytes;
  }

  /** Adds a stream that was subscribed. */
  open(id: number, sink: StreamSink): StreamReceiver {
    const receiver = new StreamReceiver(id, sink, this);
    this.#receivers.set(id, receiver);
    return receiver;
  }

  /**
   * Nobody wants the values of a stream any more: the other side is told, unless it has ended.
   * @param isKnown - false when the other side never hears of the subscription
   */
  leave(receiver: StreamReceiver, isKnown: boolean): void {
    receiver.stop();
    if (!this.#forget(receiver) || !isKnown) return;
    this.#left.add(receiver.id);
    this.#channel.cancel(receiver.id);
  }

  /**
   * Values arrived.
   * @returns whether anybody gets them
   * @throws ProtocolError for values that were not asked for
   */
  next(id: number, values: readonly unknown[], dropped: number, bytes: number): boolean {
    const receiver = this.#receivers.get(id);
    if (receiver === undefined) {
      if (this.#left.has(id)) return false;
      throw notOpen('values', id);
    }
    if (receiver.unreturnedBytes > 0 && this.#unreturnedBytes >= this.windowBytes) {
      throw new ProtocolError(
        `values of stream ${id} beyond the ${this.windowBytes} bytes that may be out (limits.maxStreamBytes changes the bound)`,
      );
    }
    const wasHalf = this.#unreturnedBytes * 2 >= this.windowBytes;
    this.#unreturnedBytes += bytes;
    receiver.receive(values, dropped, bytes);
    // From now on bytes are missed elsewhere; those who run later see it for themselves.
    if (!wasHalf && this.#unreturnedBytes * 2 >= this.windowBytes) {
      for (const each of this.#receivers.values()) each.returnIdle();
    }
    return true;
  }

  /**
   * A stream has ended.
   * @returns whether anybody hears of it
   * @throws ProtocolError for one that is not open
   */
  end(id: number, ending: { readonly error?: unknown }, dropped: number): boolean {
    const receiver = this.#receivers.get(id);
    if (receiver === undefined) {
      if (this.#left.delete(id)) return false;
      throw notOpen('the end', id);
    }
    this.#forget(receiver);
    receiver.end(ending, dropped);
    return true;
  }

  /** The connection has ended: so do all streams, each with an error made for it. */
  close(errorFor: (receiver: StreamReceiver) => unknown): void {
    const receivers = [...this.#receivers.values()];
    this.#receivers.clear();
    this.#left.clear();
    this.#unreturnedBytes = 0;
    for (const receiver of receivers) receiver.end({ error: errorFor(receiver) }, 0);
  }

  /** {@inheritDoc ReceiverOwner.returnCredit} */
  returnCredit(receiver: StreamReceiver, items: number, bytes: number): void {
    this.#unreturnedBytes -= bytes;
    this.#channel.credit(receiver.id, items, bytes);
  }

  #forget(receiver: StreamReceiver): boolean {
    if (!this.#receivers.delete(receiver.id)) return false;
    this.#unreturnedBytes -= receiver.unreturnedBytes;
    return true;
  }
}

function notOpen(what: string, id: number): ProtocolError {
  return new ProtocolError(`${what} of stream ${id}, which is not open`);
}
