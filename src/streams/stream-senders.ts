/**
 * The outgoing streams of one connection: which of them may send, in turn, and how many bytes of all of them are out.
 *
 * Nothing leaves on arrival: the connection asks at the end of a turn, with the room that its transport has. So values
 * never pile up in front of calls, and what came in one turn leaves together. PROTOCOL.md, "Streams".
 */
import { ProtocolError } from '../errors.js';
import { Fifo } from './fifo.js';
import type { OverflowPolicy } from './overflow.js';
import { StreamSender, type SenderChannel, type SenderOwner } from './stream-sender.js';
import type { Report } from './user-callback.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';

/** What the table needs of the connection. */
export interface SendersChannel extends SenderChannel {
  /** Has `pump` called at the end of this turn, or when the transport has room again. */
  requestFlush(): void;
  /** Whether so much waits to be written that sources are not to be asked for more. */
  isCongested(): boolean;
  /** Has `proceed` called when that is over. */
  requestRoom(): void;
}

/** The outgoing streams. */
export class StreamSenders implements SenderOwner {
  /** {@inheritDoc SenderOwner.report} */
  readonly report: Report;
  readonly #channel: SendersChannel;
  readonly #windowBytes: number;
  readonly #senders = new SparseMap<number, StreamSender>();
  /** Those that have something to send, in the order of their turns, each once. */
  readonly #ready = new Fifo<StreamSender>();
  readonly #isReady = new SparseSet<StreamSender>();
  /** Those that could send if the other side returned bytes. */
  readonly #blocked = new SparseSet<StreamSender>();
  /** Those that wait until a long message has left, their own or another's. */
  readonly #heldUp = new SparseSet<StreamSender>();
  /** Ids of streams that sent a long message which may not have left. */
  readonly #long = new SparseSet<number>();
  #unreturnedBytes = 0;
  #isPumping = false;
  #isRoomAwaited = false;

  /**
   * @param channel - the connection
   * @param windowBytes - what the other side is ready to hold, of all streams together
   * @param report - gets what sources throw when they are left
   */
  constructor(channel: SendersChannel, windowBytes: number, report: Report) {
    this.report = report;
    this.#channel = channel;
    this.#windowBytes = windowBytes;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#senders.size;
  }

  /** Whether values wait that may leave now. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Whether a stream of this id is open. */
  has(id: number): boolean {
    return this.#senders.has(id);
  }

  /** Adds a stream, whose id must have none; it begins with `start` of what is returned. */
  open(id: number, credit: number, policy: OverflowPolicy): StreamSender {
    const sender = new StreamSender(id, credit, policy, this);
    this.#senders.set(id, sender);
    return sender;
  }

  /** The policy of a stream, if it is known only once its source is there. */
  declare(id: number, policy: OverflowPolicy): void {
    this.#senders.get(id)?.declare(policy);
  }

  /**
   * The other side asks for more values of a stream, and returns bytes.
   * @returns whether the stream is open
   * @throws ProtocolError for more than can be
   */
  receiveCredit(id: number, items: number, bytes: number): boolean {
    const sender = this.#senders.get(id);
    if (sender === undefined) return false;
    sender.receiveCredit(items, bytes);
    this.#unreturnedBytes -= bytes;
    // Those that wait for bytes go first: they have waited longer.
    if (bytes > 0) this.#unblock();
    sender.resume();
    return true;
  }

  /**
   * The other side leaves a stream: its source is left, and the end is told.
   * @returns whether the stream was open
   */
  cancel(id: number): boolean {
    const sender = this.#senders.get(id);
    if (sender === undefined) return false;
    this.#forget(sender);
    sender.leave();
    this.#channel.complete(id, sender.takeDropped());
    return true;
  }

  /** Sends what may leave, the streams in turn, until the room is used up. */
  pump(roomBytes: number): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#readmit();
    let room = roomBytes;
    try {
      for (let sender = this.#next(room); sender !== undefined; sender = this.#next(room)) {
        room -= sender.send(this.#sending);
        if (this.#channel.isHeldUp(sender.id)) this.#long.add(sender.id);
        sender.pull();
        if (sender.isSendable) this.onSendable(sender);
      }
    } finally {
      this.#isPumping = false;
    }
    if (this.#ready.length > 0 || this.#heldUp.size > 0) this.#channel.requestFlush();
  }

  /** Less waits to be written: sources are asked for more. */
  proceed(): void {
    if (!this.#isRoomAwaited) return;
    this.#isRoomAwaited = false;
    for (const sender of [...this.#senders.values()]) sender.pull();
  }

  /** {@inheritDoc SenderOwner.isCongested} */
  get isCongested(): boolean {
    return this.#channel.isCongested();
  }

  /** {@inheritDoc SenderOwner.awaitRoom} */
  awaitRoom(): void {
    this.#isRoomAwaited = true;
    this.#channel.requestRoom();
  }

  /** Ends every stream by an error of the library; values that wait are dropped. */
  failAll(error: unknown): void {
    for (const sender of [...this.#senders.values()]) {
      sender.breakOff(error);
      sender.send(this.#sending);
    }
  }

  /** The connection has ended: all sources are left. */
  close(): void {
    const senders = [...this.#senders.values()];
    this.#senders.clear();
    this.#ready.clear();
    this.#isReady.clear();
    this.#blocked.clear();
    this.#heldUp.clear();
    this.#long.clear();
    for (const sender of senders) sender.leave();
  }

  /** {@inheritDoc SenderOwner.onSendable} */
  onSendable(sender: StreamSender): void {
    if (this.#isReady.has(sender) || !this.#senders.has(sender.id)) return;
    this.#isReady.add(sender);
    this.#ready.push(sender);
    if (!this.#isPumping) this.#channel.requestFlush();
  }

  /** {@inheritDoc SenderOwner.onEnded} */
  onEnded(sender: StreamSender): void {
    this.#forget(sender);
  }

  /** Counts what the senders send. */
  readonly #sending: SenderChannel = {
    next: (id, values, dropped, mostBytes) => {
      const bytes = this.#channel.next(id, values, dropped, mostBytes);
      this.#unreturnedBytes += bytes;
      return bytes;
    },
    isHeldUp: (id) => this.#channel.isHeldUp(id),
    complete: (id, dropped) => {
      this.#channel.complete(id, dropped);
    },
    fail: (id, error, isRefusal, dropped) => {
      this.#channel.fail(id, error, isRefusal, dropped);
    },
  };

  /** The stream whose turn it is, of those that may send within the window. */
  #next(room: number): StreamSender | undefined {
    while (room > 0) {
      const sender = this.#ready.take();
      if (sender === undefined) return undefined;
      this.#isReady.delete(sender);
      if (!sender.isSendable || this.#senders.get(sender.id) !== sender) continue;
      if (this.#channel.isHeldUp(sender.id)) this.#heldUp.add(sender);
      else if (sender.isAtEnd || this.#hasWindow(sender)) return sender;
      // One that has nothing out waits only for the long messages of others.
      else if (sender.unreturnedBytes === 0) this.#heldUp.add(sender);
      else this.#blocked.add(sender);
    }
    return undefined;
  }

  /**
   * A stream with nothing out may always send, so that slow streams never hold up others; one with much out only while
   * as much is free, so that a slow one leaves room for others.
   */
  #hasWindow({ unreturnedBytes }: StreamSender): boolean {
    const leftBytes = this.#windowBytes - this.#unreturnedBytes;
    return unreturnedBytes === 0 ? leftBytes > 0 || !this.#hasLong() : unreturnedBytes < leftBytes;
  }

  /**
   * Whether a long message of values has not left: what is sent now overtakes it, and it must still find the window open
   * when it arrives.
   */
  #hasLong(): boolean {
    for (const id of this.#long) if (!this.#channel.isHeldUp(id)) this.#long.delete(id);
    return this.#long.size > 0;
  }

  #readmit(): void {
    if (this.#heldUp.size === 0) return;
    const heldUp = [...this.#heldUp];
    this.#heldUp.clear();
    for (const sender of heldUp) this.onSendable(sender);
  }

  #unblock(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const sender of blocked) if (sender.isSendable) this.onSendable(sender);
  }

  #forget(sender: StreamSender): void {
    if (this.#senders.get(sender.id) === sender) this.#senders.delete(sender.id);
    this.#isReady.delete(sender);
    this.#blocked.delete(sender);
    this.#heldUp.delete(sender);
    this.#long.delete(sender.id);
    this.#unreturnedBytes -= sender.unreturnedBytes;
    if (sender.unreturnedBytes > 0) this.#unblock();
  }
}

/** Says that an id is used that never was. */
export function neverSubscribed(id: number): ProtocolError {
  return new ProtocolError(`a message to stream ${id}, which was never subscribed`);
}
