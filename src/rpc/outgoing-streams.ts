/**
 * The streams that this side subscribes to on one connection. Each subscription is one at the other side, begun with its
 * first credit in the same message, and ends exactly once: by its end, its timeout, its signal, or with its connection.
 */
import type { SchedulerLike } from 'rxjs';
import {
  ConnectionLostError,
  LimitExceededError,
  RPCTimeoutError,
  StreamLostError,
  type RPCErrorDetails,
} from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import { Deadlines } from '../protocol/deadlines.js';
import {
  MessageType,
  type CompleteMessage,
  type FailMessage,
  type ReceivedNextMessage,
  type Target,
} from '../protocol/messages.js';
import type { CallOptions } from '../proxies/types.js';
import { onceAborted } from '../streams/abort-listeners.js';
import type { OpenStream } from '../streams/remote-stream.js';
import { initialCredit, type StreamReceiver, type StreamSink } from '../streams/stream-receiver.js';
import { StreamReceivers } from '../streams/stream-receivers.js';
import type { Asked } from './asked.js';
import type { OutgoingCalls } from './outgoing-calls.js';
import type { Sending, SentMessage } from './sending.js';
import { describeCall, labelOf } from './targets.js';
import { errorFromWire } from './wire-errors.js';
import { SparseMap } from '../protocol/sparse.js';

/** What subscribing needs. */
export interface OutgoingStreamsSettings {
  readonly sending: Sending;
  /** Checks and sends; subscriptions and calls are sent alike. */
  readonly calls: OutgoingCalls;
  /** Runs the observers. */
  readonly callbackScheduler: SchedulerLike;
  /** Bytes of values that all streams together may hold. */
  readonly maxStreamBytes: number;
  /** How many may be open at one time. */
  readonly maxStreams: number;
  readonly now: () => number;
  readonly deadlineChanged: () => void;
}

interface Subscribed extends SentMessage {
  readonly object: string;
  readonly member: string;
  readonly timeoutMs: number | undefined;
  readonly receiver: StreamReceiver;
  readonly sink: StreamSink;
  readonly settle: () => void;
}

/** The subscriptions of one connection. */
export class OutgoingStreams {
  readonly #settings: OutgoingStreamsSettings;
  readonly #receivers: StreamReceivers;
  readonly #subscribed = new SparseMap<number, Subscribed>();
  readonly #deadlines = new Deadlines<number>();
  /** How many wait to be sent. */
  #waiting = 0;

  /** @param settings - of the connection */
  constructor(settings: OutgoingStreamsSettings) {
    const { sending, callbackScheduler, maxStreamBytes } = settings;
    this.#settings = settings;
    const channel = {
      credit: (id: number, items: number, bytes: number) => {
        sending.sendPlain([MessageType.credit, id, items, bytes]);
      },
      cancel: (id: number) => {
        sending.cancel(id);
      },
    };
    this.#receivers = new StreamReceivers(channel, callbackScheduler, maxStreamBytes);
  }

  /** How many streams are open, those included that were left and whose end has not been told. */
  get size(): number {
    return this.#receivers.size;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** A way to subscribe to a stream. */
  open(target: Target, member: string, args: readonly unknown[], options: CallOptions): OpenStream {
    return (sink) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        sink.error(signal.reason);
        return undefined;
      }
      try {
        return this.#open(target, member, args, options, sink);
      } catch (error) {
        sink.error(error);
        return undefined;
      }
    };
  }

  /** Whether a stream is open whose values somebody wants. */
  has(id: number): boolean {
    return this.#subscribed.has(id);
  }

  /** Whether a reference was lent with a subscription that is open. */
  hasLent(number: number): boolean {
    return [...this.#subscribed.values()].some(({ lent }) => lent?.includes(number) === true);
  }

  /** Values arrived. @returns whether anybody gets them */
  next([, id, values, dropped, bytes]: ReceivedNextMessage): boolean {
    return this.#receivers.next(id, values, dropped, bytes);
  }

  /** A stream is complete. */
  complete([, id, dropped = 0]: CompleteMessage): void {
    this.#subscribed.get(id)?.settle();
    this.#receivers.end(id, {}, dropped);
  }

  /** A stream has failed. @returns whether anybody hears of it */
  fail([, id, wire, dropped = 0]: FailMessage): boolean {
    const subscribed = this.#subscribed.get(id);
    subscribed?.settle();
    const error = errorFromWire(wire, subscribed === undefined ? {} : this.#details(subscribed));
    return this.#receivers.end(id, { error }, dropped);
  }

  /** What arrived for a stream cannot be read: it ends here, and is left. */
  abandon(id: number, error: unknown): void {
    const subscribed = this.#subscribed.get(id);
    if (subscribed !== undefined) this.#fail(subscribed, error);
  }

  /** The time of a stream is over. */
  handleDeadline(nowMs: number): void {
    const { sending } = this.#settings;
    for (const id of this.#deadlines.takeDue(nowMs)) {
      const subscribed = this.#subscribed.get(id);
      if (subscribed === undefined) continue;
      const { object, member, timeoutMs = 0, receiver } = subscribed;
      const text = `${describeCall(object, member)} did not end within ${timeoutMs / 1_000} s`;
      const executed = receiver.hasBegun ? 'yes' : 'unknown';
      const stage = executed === 'yes' ? 'received' : sending.stageOf(subscribed.sent);
      this.#fail(subscribed, new RPCTimeoutError(text, { ...this.#details(subscribed), executed, stage }));
    }
  }

  /** The connection has ended: so do all streams. */
  close(end: ConnectionEnd): void {
    const { sending } = this.#settings;
    const all = new Map(this.#subscribed);
    for (const { settle } of all.values()) settle();
    this.#receivers.close((receiver) => {
      const subscribed = all.get(receiver.id);
      if (subscribed === undefined) return new StreamLostError(end.reason.message, { executed: 'unknown' });
      const isUnseen = sending.cannotHaveArrived(subscribed.sent, end);
      const executed = receiver.hasBegun ? 'yes' : isUnseen ? 'no' : 'unknown';
      const what = describeCall(subscribed.object, subscribed.member);
      const text = `${what} did not end before the connection did: ${end.reason.message}`;
      const stage = executed === 'yes' ? 'received' : sending.stageOf(subscribed.sent, end);
      const details = { ...this.#details(subscribed), executed, stage } as const;
      return new StreamLostError(text, details, receiver.receivedCount - 1);
    });
  }

  /** Subscribes now, or when there is room. @returns leaves the stream, or does not subscribe after all */
  #open(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    sink: StreamSink,
  ): () => void {
    const { calls, maxStreams } = this.#settings;
    if (this.size + this.#waiting >= maxStreams) {
      const text = `${maxStreams} streams are open already (limits.maxStreams changes the bound)`;
      throw calls.asCallError(new LimitExceededError(text), { target, member });
    }
    // A default meant for calls is not meant for streams, which may go on as long as they like.
    const asked = calls.asked(target, member, args, options, undefined);
    let leave: (() => void) | undefined;
    let isWaiting = true;
    const stopWaiting = (): void => {
      if (isWaiting) this.#waiting -= 1;
      isWaiting = false;
    };
    const takeOut = calls.waiting.holdSubscription(
      asked,
      (error) => {
        stopWaiting();
        sink.error(neverSubscribed(error));
      },
      (leftMs) => {
        stopWaiting();
        leave = this.#subscribe(asked, leftMs, sink);
      },
    );
    if (takeOut === undefined) return this.#subscribe(asked, asked.timeoutMs, sink);
    this.#waiting += 1;
    return () => {
      stopWaiting();
      takeOut();
      leave?.();
    };
  }

  #subscribe(asked: Asked, timeoutMs: number | undefined, sink: StreamSink): () => void {
    const { calls, sending } = this.#settings;
    const { target, member, args, options } = asked;
    const id = sending.takeID();
    const message = calls.send(asked, () => {
      const meta = calls.meta(options, timeoutMs);
      const marshalled = sending.codec.marshal(args, 'arguments') as readonly unknown[];
      const credit = initialCredit(sink);
      return meta === undefined
        ? [MessageType.subscribe, id, target, member, marshalled, credit]
        : [MessageType.subscribe, id, target, member, marshalled, credit, meta];
    });
    const receiver = this.#receivers.open(id, sink);
    const subscribed: Subscribed = {
      ...message,
      object: labelOf(target),
      member,
      timeoutMs,
      receiver,
      sink,
      settle: this.#watch(id, timeoutMs, options.signal),
    };
    this.#subscribed.set(id, subscribed);
    // Reading the arguments may have run code that aborted it.
    if (options.signal?.aborted === true) this.abandon(id, options.signal.reason);
    return () => {
      this.#leave(subscribed);
    };
  }

  /** Watches over time and signal. @returns ends that */
  #watch(id: number, timeoutMs: number | undefined, signal: AbortSignal | undefined): () => void {
    const { now, deadlineChanged } = this.#settings;
    const deadlineMs = timeoutMs === undefined ? undefined : this.#deadlines.add(id, now() + timeoutMs);
    if (deadlineMs !== undefined) deadlineChanged();
    const unlisten =
      signal &&
      onceAborted(signal, () => {
        this.abandon(id, signal.reason);
      });
    return () => {
      this.#subscribed.delete(id);
      if (deadlineMs !== undefined) this.#deadlines.remove(id, deadlineMs);
      unlisten?.();
    };
  }

  #fail(subscribed: Subscribed, error: unknown): void {
    this.#leave(subscribed);
    subscribed.sink.error(error);
  }

  #leave(subscribed: Subscribed): void {
    // One that has ended has nothing to be taken back.
    const isOpen = this.#subscribed.has(subscribed.receiver.id);
    subscribed.settle();
    this.#receivers.leave(subscribed.receiver, !isOpen || !this.#settings.sending.withdraw(subscribed));
  }

  #details({ object, member }: Subscribed): RPCErrorDetails {
    return { connectionID: this.#settings.sending.connectionID, object, member };
  }
}

/** A stream that is lost with its connection is told as such, also where it had not been asked for. */
function neverSubscribed(error: unknown): unknown {
  if (!(error instanceof ConnectionLostError) || error instanceof StreamLostError) return error;
  const { message, connectionID, object, member } = error;
  return new StreamLostError(message, { executed: 'no', connectionID, object, member }, -1);
}
