/**
 * One stream on its way out: what its source produces waits here for credit, and leaves many values to a message.
 *
 * A source that can be paused is asked for values only while there is credit; one that cannot obeys its overflow policy.
 * A value is read when it leaves, at the end of the turn in which it came, or later. PROTOCOL.md, "Streams".
 */
import { Observable, type Subscription } from 'rxjs';
import { ProtocolError } from '../errors.js';
import { WaitingValues, type OverflowPolicy } from './overflow.js';
import { inPace, type Pace } from './pace.js';
import { callUser, type Report } from './user-callback.js';

/** How the values of a sender leave. */
export interface SenderChannel {
  /**
   * Sends values, and how many were dropped before the first of them.
   * @returns the bytes that this took
   * @param mostBytes - that it may take
   * @throws RPCError when one cannot cross, or it would take more; then nothing was sent
   */
  next(id: number, values: readonly unknown[], dropped: number, mostBytes: number): number;
  /** Whether a long message of a stream has not left: what follows would overtake it. */
  isHeldUp(id: number): boolean;
  /** Sends the end. */
  complete(id: number, dropped: number): void;
  /**
   * Sends the end by an error.
   * @param isRefusal - whether it is the library's own word, not the source's
   */
  fail(id: number, error: unknown, isRefusal: boolean, dropped: number): void;
}

/** What a sender tells the table that it is in. */
export interface SenderOwner {
  /** Gets what a source throws when it is left. */
  readonly report: Report;
  /** Whether so much waits to be written that sources are not to be asked for more. */
  readonly isCongested: boolean;
  /** It asks its source again when that is over. */
  awaitRoom(): void;
  /** It has something to send that may leave. */
  onSendable(sender: StreamSender): void;
  /** The stream is over; nothing more is sent. */
  onEnded(sender: StreamSender): void;
}

/** Bytes of values that one message gathers: enough to make the message's own cost small. */
const targetMessageBytes = 16 * 1024;

/** Bytes that a message of several values has at most, where values have grown since the last: more would go in fragments. */
const maxGatheredBytes = 4 * targetMessageBytes;

/** The most values in one message. */
const maxMessageItems = 1_024;

/** Credit in all: more than this would not be counted exactly by every peer. */
const maxCredit = 2 ** 31 - 1;

type Ending = { readonly error: unknown; readonly isRefusal: boolean } | 'complete';

/** One outgoing stream. */
export class StreamSender implements Pace {
  /** The subscription's id, given by the other side. */
  readonly id: number;
  readonly #owner: SenderOwner;
  readonly #waiting: WaitingValues;
  #credit: number;
  #unreturnedBytes = 0;
  /** How many values the next message may hold; of the first it is not known how large they are. */
  #itemsToSend = 1;
  #subscription: Subscription | undefined;
  #onReady: (() => void)[] = [];
  #ending: Ending | undefined;
  #isOver = false;

  /**
   * @param id - of the subscription
   * @param credit - how many values the other side has asked for
   * @param policy - for a source that cannot be paused
   * @param owner - the table
   */
  constructor(id: number, credit: number, policy: OverflowPolicy, owner: SenderOwner) {
    this.id = id;
    this.#waiting = new WaitingValues(policy);
    this.#credit = credit;
    this.#owner = owner;
  }

  /** Bytes sent that the other side has not returned. */
  get unreturnedBytes(): number {
    return this.#unreturnedBytes;
  }

  /** Whether values, or the end behind them, could leave as far as the number of values goes. */
  get isSendable(): boolean {
    if (this.#isOver) return false;
    return this.#waiting.length > 0 ? this.#credit > 0 : this.#ending !== undefined;
  }

  /** Whether the end alone is left to send, which takes no credit. */
  get isAtEnd(): boolean {
    return this.#waiting.length === 0 && this.#ending !== undefined;
  }

  /**
   * Begins: subscribes to the source.
   */
  start(source$: Observable<unknown>): void {
    if (this.#isOver) return;
    const values$ = inPace(source$, this);
    // The subscription is needed at once: a source that never pauses is only stopped from inside.
    const owned$ = new Observable<unknown>((subscriber) => {
      this.#subscription = subscriber;
      return values$.subscribe(subscriber);
    });
    this.#subscription = owned$.subscribe({
      next: (value) => {
        this.#take(value);
      },
      // It is left first: rxjs would throw at whoever emits what its teardown throws.
      error: (error: unknown) => {
        this.#unsubscribe();
        this.fail(error);
      },
      complete: () => {
        this.#unsubscribe();
        this.#end('complete');
      },
    });
  }

  /** The policy, if it is known only once the source is there. */
  declare(policy: OverflowPolicy): void {
    this.#waiting.declare(policy);
  }

  /** Ends by an error of the source, behind the values that wait. */
  fail(error: unknown): void {
    this.#end({ error, isRefusal: false });
  }

  /** Ends by an error of the library. */
  refuse(error: unknown): void {
    this.#end({ error, isRefusal: true });
  }

  /** Ends by an error of the library, in place of the values that wait. */
  breakOff(error: unknown): void {
    if (this.#isOver) return;
    this.#waiting.drop(0);
    this.#onReady = [];
    this.#ending = { error, isRefusal: true };
    this.#unsubscribe();
  }

  /** {@inheritDoc Pace.isReady} */
  get isReady(): boolean {
    return this.#waiting.length < Math.min(this.#credit, this.#itemsToSend) && !this.#owner.isCongested;
  }

  /** {@inheritDoc Pace.onReady} */
  onReady(callback: () => void): void {
    this.#onReady.push(callback);
    if (this.#owner.isCongested) this.#owner.awaitRoom();
  }

  /**
   * The other side asks for more, and has done with some.
   * @returns how many bytes it returned
   * @throws ProtocolError for more than can be
   */
  receiveCredit(items: number, bytes: number): void {
    if (this.#credit + items > maxCredit) {
      throw new ProtocolError(
        `a credit of ${items} values on top of ${this.#credit}, where ${maxCredit} are the most`,
      );
    }
    if (bytes > this.#unreturnedBytes) {
      throw new ProtocolError(
        `${bytes} bytes of a stream were returned, where ${this.#unreturnedBytes} were out`,
      );
    }
    this.#credit += items;
    this.#unreturnedBytes -= bytes;
  }

  /** Goes on, with the credit that it has got. */
  resume(): void {
    this.pull();
    if (this.isSendable) this.#owner.onSendable(this);
  }

  /** Asks the source to go on, if it can be paused and there is room for more. */
  pull(): void {
    if (this.#onReady.length === 0 || this.#isOver) return;
    if (this.#owner.isCongested) this.#owner.awaitRoom();
    if (!this.isReady) return;
    const callbacks = this.#onReady;
    this.#onReady = [];
    for (const callback of callbacks) callback();
  }

  /**
   * Sends what one message takes, or the end.
   * @returns the bytes sent
   */
  send(channel: SenderChannel): number {
    const values = this.#waiting.take(Math.min(this.#credit, this.#itemsToSend));
    const bytes = values.length > 0 ? this.#sendValues(values, channel) : 0;
    this.#sendEnd(channel);
    return bytes;
  }

  /** The other side leaves, or the connection is over: the source is left. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting.drop(0);
    this.#onReady = [];
    this.#unsubscribe();
  }

  /** How many values were dropped that the other side has not been told of. */
  takeDropped(): number {
    return this.#waiting.takeDropped();
  }

  #sendValues(values: readonly unknown[], channel: SenderChannel): number {
    const dropped = this.#waiting.takeDropped();
    try {
      const bytes = channel.next(this.id, values, dropped, values.length > 1 ? maxGatheredBytes : Infinity);
      this.#sent(values.length, bytes);
      return bytes;
    } catch (error) {
      this.#waiting.countDropped(dropped);
      if (values.length === 1) {
        // One that cannot cross ends the stream.
        this.#waiting.countDropped(1);
        this.breakOff(error);
      } else {
        // One of them cannot cross, or all together are too much: those before it still leave.
        this.#waiting.putBack(values);
        this.#itemsToSend = values.length >> 1;
      }
      return 0;
    }
  }

  #sent(items: number, bytes: number): void {
    this.#credit -= items;
    this.#unreturnedBytes += bytes;
    this.#itemsToSend = Math.max(
      1,
      Math.min(maxMessageItems, Math.floor((targetMessageBytes * items) / bytes)),
    );
  }

  #sendEnd(channel: SenderChannel): void {
    const ending = this.#ending;
    if (ending === undefined || this.#waiting.length > 0 || this.#isOver || channel.isHeldUp(this.id)) return;
    this.#isOver = true;
    const dropped = this.#waiting.takeDropped();
    if (ending === 'complete') channel.complete(this.id, dropped);
    else channel.fail(this.id, ending.error, ending.isRefusal, dropped);
    this.#owner.onEnded(this);
  }

  #take(value: unknown): void {
    if (this.#isOver || this.#ending !== undefined) return;
    const error = this.#waiting.push(value, this.#credit);
    if (error !== undefined) {
      this.refuse(error);
      this.#unsubscribe();
    } else if (this.#credit > 0) this.#owner.onSendable(this);
  }

  #end(ending: Ending): void {
    if (this.#isOver || this.#ending !== undefined) return;
    this.#ending = ending;
    this.#onReady = [];
    if (this.isSendable) this.#owner.onSendable(this);
  }

  #unsubscribe(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    callUser(() => subscription?.unsubscribe(), undefined, this.#owner.report);
  }
}
