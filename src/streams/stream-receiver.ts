/**
 * One stream on its way in: what arrived waits here until the observer has run, on its scheduler and at its pace; only
 * then is credit returned. The credit in all begins small, grows while the observer keeps up, and shrinks when it does
 * not, so that a slow observer does not see old values and a fast one is not held up. PROTOCOL.md, "Streams".
 */
import type { SchedulerLike } from 'rxjs';
import { ProtocolError } from '../errors.js';
import { Fifo } from './fifo.js';
import { unbounded, type Pace } from './pace.js';

/** Who gets the values; usually an rxjs Subscriber. It must not throw. */
export interface StreamSink {
  next(value: unknown): void;
  error(error: unknown): void;
  complete(): void;
  /** So many values were dropped by the producer before the one that follows. */
  onDropped(count: number): void;
  /** When the taker is ready; absent: always. */
  readonly pace: Pace | undefined;
}

/** What the receivers of one connection share. */
export interface ReceiverOwner {
  /** Runs the observers. */
  readonly scheduler: SchedulerLike;
  /** Bytes of values that all receivers together may hold. */
  readonly windowBytes: number;
  /** Bytes received by all of them and not returned. */
  readonly unreturnedBytes: number;
  /** Returns credit to the other side. */
  returnCredit(receiver: StreamReceiver, items: number, bytes: number): void;
}

/** Credit at the beginning, in values: what a slow observer has waiting in front of it. */
const initialCreditItems = 32;
/** Where a taker has a pace, what is under way is work that somebody did too early if the taker leaves, or is slow. */
const initialPacedCreditItems = 2;
/** Credit at the most: it covers a round trip on a loopback connection several times over. */
const maxCreditItems = 1_024;
const maxPacedCreditItems = 256;

/** How many values are given out before the clock is asked whether others should have their turn. */
const valuesBetweenLooks = 8;
/** How long values are given out in a row, in milliseconds: half a slice of the main-thread scheduler. */
const maxRunMs = 4;

/** How long a value may wait here, in milliseconds, before the taker counts as slow: no user notices it yet. */
const maxWaitMs = 20;

interface Batch {
  readonly values: readonly unknown[];
  readonly bytes: number;
  readonly arrivedMs: number;
  given: number;
}

/** One incoming stream. */
export class StreamReceiver {
  /** The subscription's id. */
  readonly id: number;
  readonly #owner: ReceiverOwner;
  readonly #sink: StreamSink;
  readonly #pace: Pace;
  readonly #maxCredit: number;
  readonly #batches = new Fifo<Batch>();
  #waiting = 0;
  /** Values in all that may be under way, waiting, or given out and not returned. */
  #window: number;
  /** Values that may still arrive. */
  #credit: number;
  #givenItems = 0;
  #givenBytes = 0;
  #unreturnedBytes = 0;
  #receivedCount = 0;
  #isSlow = false;
  /** Whether somebody waited for values when they came. */
  #isStarved = false;
  #ending: { readonly error?: unknown } | undefined;
  #isScheduled = false;
  #isRunning = false;
  #isStopped = false;
  readonly #run = (): void => {
    this.#isScheduled = false;
    this.#giveOut();
  };
  readonly #schedule = (): void => {
    if (this.#isScheduled || this.#isRunning || this.#isStopped) return;
    this.#isScheduled = true;
    this.#owner.scheduler.schedule(this.#run);
  };

  /** Whoever takes values asks for one: it comes at once, in that very call, where a turn for each would cost far more. */
  readonly #goOn = (): void => {
    if (!this.#isScheduled && !this.#isRunning) this.#giveOut();
  };

  /**
   * @param id - of the subscription
   * @param sink - who gets the values
   * @param owner - the table
   */
  constructor(id: number, sink: StreamSink, owner: ReceiverOwner) {
    this.id = id;
    this.#sink = sink;
    this.#owner = owner;
    this.#pace = sink.pace ?? unbounded;
    this.#maxCredit = sink.pace === undefined ? maxCreditItems : maxPacedCreditItems;
    this.#window = this.#credit = initialCredit(sink);
  }

  /** Bytes received and not returned. */
  get unreturnedBytes(): number {
    return this.#unreturnedBytes;
  }

  /** Whether anything has arrived: then the producer surely has begun. */
  get hasBegun(): boolean {
    return this.#receivedCount > 0;
  }

  /** How many values have arrived. */
  get receivedCount(): number {
    return this.#receivedCount;
  }

  /**
   * Values arrived.
   * @throws ProtocolError for more than there was credit for
   */
  receive(values: readonly unknown[], dropped: number, bytes: number): void {
    if (values.length > this.#credit) {
      throw new ProtocolError(
        `${values.length} values of stream ${this.id}, where ${this.#credit} were asked for`,
      );
    }
    this.#receivedCount += values.length;
    this.#isStarved ||= this.#waiting === 0 && this.#pace.isReady;
    this.#credit -= values.length;
    this.#unreturnedBytes += bytes;
    this.#waiting += values.length;
    this.#batches.push({ values, bytes, arrivedMs: this.#owner.scheduler.now(), given: 0 });
    if (dropped > 0) this.#sink.onDropped(dropped);
    this.#schedule();
  }

  /** Bytes are missed elsewhere: returns those of values that were given out. */
  returnIdle(): void {
    if (!this.#isRunning) this.#returnCredit();
  }

  /** The producer has ended, or is lost: what has arrived is still given out. */
  end(ending: { readonly error?: unknown }, dropped: number): void {
    this.#ending ??= ending;
    if (dropped > 0) this.#sink.onDropped(dropped);
    this.#schedule();
  }

  /** Nobody wants the values any more. */
  stop(): void {
    this.#isStopped = true;
    this.#batches.clear();
  }

  #giveOut(): void {
    if (this.#isStopped) return;
    this.#isRunning = true;
    const fromMs = this.#owner.scheduler.now();
    let given = 0;
    let hasMore = false;
    for (let batch = this.#batches.peek(); batch !== undefined; batch = this.#batches.peek()) {
      if (!this.#pace.isReady) break;
      given += 1;
      if (given % valuesBetweenLooks === 0 && this.#mustRest(fromMs)) {
        hasMore = true;
        break;
      }
      this.#giveOne(batch);
      if (this.#hasLeft()) return;
    }
    this.#isRunning = false;
    this.#returnCredit();
    if (hasMore) this.#schedule();
    else if (this.#batches.length > 0) this.#pace.onReady(this.#goOn);
    else this.#finish();
  }

  /** The observer may leave while it runs. */
  #hasLeft(): boolean {
    return this.#isStopped;
  }

  #giveOne(batch: Batch): void {
    const value = batch.values[batch.given];
    batch.given += 1;
    this.#waiting -= 1;
    const isLast = batch.given === batch.values.length;
    if (isLast) this.#batches.take();
    this.#sink.next(value);
    this.#givenItems += 1;
    if (!isLast) return;
    this.#givenBytes += batch.bytes;
    this.#isSlow ||= this.#owner.scheduler.now() - batch.arrivedMs > maxWaitMs;
  }

  /** A busy observer leaves the thread to others now and then, and gives credit back on the way. */
  #mustRest(fromMs: number): boolean {
    this.#returnCredit();
    return this.#owner.scheduler.now() - fromMs >= maxRunMs;
  }

  /** Credit goes back in bulk: when half of it is used up, or when its bytes are missed elsewhere. */
  #returnCredit(): void {
    if (this.#ending !== undefined || this.#isStopped) return;
    const { windowBytes, unreturnedBytes } = this.#owner;
    const isDue =
      this.#givenItems * 2 >= this.#window ||
      this.#givenBytes * 4 >= windowBytes ||
      (this.#givenItems > 0 && this.#waiting === 0 && unreturnedBytes * 2 >= windowBytes);
    if (!isDue) return;
    const items = Math.max(0, this.#givenItems + this.#resize());
    const bytes = this.#givenBytes;
    this.#window += items - this.#givenItems;
    this.#credit += items;
    this.#givenItems = this.#givenBytes = 0;
    this.#unreturnedBytes -= bytes;
    if (items > 0 || bytes > 0) this.#owner.returnCredit(this, items, bytes);
  }

  /** By how much the window should change. */
  #resize(): number {
    const [isSlow, isStarved] = [this.#isSlow, this.#isStarved];
    this.#isSlow = this.#isStarved = false;
    if (isSlow) return Math.max(initialCredit(this.#sink), this.#window >> 1) - this.#window;
    // Somebody waits for more, or did: it is the credit that bounds the stream.
    return this.#waiting === 0 || isStarved ? Math.min(this.#maxCredit, this.#window * 2) - this.#window : 0;
  }

  #finish(): void {
    const ending = this.#ending;
    if (ending === undefined) return;
    this.#isStopped = true;
    if ('error' in ending) this.#sink.error(ending.error);
    else this.#sink.complete();
  }
}

/** The credit that a subscription begins with. */
export function initialCredit(sink: StreamSink): number {
  return sink.pace === undefined ? initialCreditItems : initialPacedCreditItems;
}
