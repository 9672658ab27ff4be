/**
 * The streams that this side serves on one connection: from a SUBSCRIBE to the source, and from its values to messages.
 */
import { throwError, type Observable } from 'rxjs';
import { RPCError } from '../errors.js';
import type { Line } from '../link/line.js';
import { Deadlines } from '../protocol/deadlines.js';
import { MessageType, type WireError } from '../protocol/messages.js';
import { isSchemasWord, SchemaFailure, validateArguments } from '../proxies/schemas.js';
import { declaredPolicy, defaultPolicy } from '../streams/overflow.js';
import type { StreamSender } from '../streams/stream-sender.js';
import { StreamSenders } from '../streams/stream-senders.js';
import { laterSource, streamSource } from '../streams/stream-source.js';
import type { Report } from '../streams/user-callback.js';
import { isAuthorizationsWord, type Admission } from './authorization.js';
import { runInCall, type ServedCall } from './current-call.js';
import type { Interception } from './interception.js';
import type { Sending, SentMessage } from './sending.js';
import { describeCall, type FoundStream } from './targets.js';
import { isThenable } from './thenable.js';
import { refusalOf, sendError, thrownToWire, type ErrorExposure } from './wire-errors.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';

/** What serving streams needs. */
export interface ServedStreamsSettings {
  readonly connection: Line;
  readonly sending: Sending;
  readonly exposeErrors: ErrorExposure;
  readonly interception: Interception | undefined;
  readonly report: Report;
  /** The deadline of a stream may be the next. */
  readonly deadlineChanged: () => void;
}

/** One stream to serve. */
export interface Subscription {
  readonly id: number;
  readonly credit: number;
  readonly call: ServedCall;
  /** What is waited for before anything else happens; `undefined`: nothing. */
  readonly admission: Admission | undefined;
  readonly found: FoundStream;
  readonly args: readonly unknown[];
  /** Whether the source was reached: then the answer to whether it ran is yes. */
  hasRun: boolean;
  /** How many promises of its method, or of its iterator, are not settled. */
  running: number;
}

/** The served streams of one connection. */
export class ServedStreams {
  readonly #settings: ServedStreamsSettings;
  readonly #senders: StreamSenders;
  /** What is open, as it began. */
  readonly #subscriptions = new SparseMap<number, Subscription>();
  /** What has ended for its reader, and not for its method: a place is free only then (HTTP/2 Rapid Reset). */
  readonly #lingering = new SparseSet<Subscription>();
  readonly #deadlines = new Deadlines<ServedCall>();
  /** Long messages of values that may not have left. */
  readonly #long = new SparseMap<number, SentMessage>();

  /** @param settings - of the connection */
  constructor(settings: ServedStreamsSettings) {
    this.#settings = settings;
    const { connection, sending } = settings;
    this.#senders = new StreamSenders(
      {
        next: (id, values, dropped, mostBytes) => this.#sendNext(id, values, dropped, mostBytes),
        complete: (id, dropped) => {
          this.#forget(id);
          sending.sendPlain(dropped === 0 ? [MessageType.complete, id] : [MessageType.complete, id, dropped]);
        },
        fail: (id, error, isRefusal, dropped) => {
          const hasRun = this.#subscriptions.get(id)?.hasRun ?? true;
          this.#forget(id);
          this.#sendFail(id, this.#wireError(error, isRefusal, hasRun), dropped);
        },
        isHeldUp: (id) => this.#isHeldUp(id),
        requestFlush: () => {
          connection.requestFlush();
        },
        isCongested: () => connection.isCongested,
        requestRoom: () => {
          connection.requestRoom();
        },
      },
      connection.peerStreamBytes,
      settings.report,
    );
  }

  /** How many streams are open. */
  get size(): number {
    return this.#senders.size;
  }

  /** How many are open or have not really ended. */
  get running(): number {
    return this.#senders.size + this.#lingering.size;
  }

  /** Whether values wait that may leave now. */
  get hasReady(): boolean {
    return this.#senders.hasReady;
  }

  /** Whether a stream of this id is open. */
  has(id: number): boolean {
    return this.#senders.has(id);
  }

  /** Begins a stream. */
  start(subscription: Subscription): void {
    const { id, credit, call, found, admission } = subscription;
    const policy = 'source' in found ? undefined : found.stream.policy;
    const sender = this.#senders.open(id, credit, policy ?? defaultPolicy);
    this.#subscriptions.set(id, subscription);
    if (call.deadlineMs !== undefined) {
      this.#deadlines.add(call, call.deadlineMs);
      this.#settings.deadlineChanged();
    }
    if (admission === undefined) {
      this.#enter(sender, subscription);
      return;
    }
    // One whose reader leaves has its place until then: what waits is bounded by that.
    subscription.running += 1;
    admission.whenDecided(() => {
      subscription.running -= 1;
      if (this.#subscriptions.get(id) !== subscription) {
        if (subscription.running === 0) this.#lingering.delete(subscription);
        admission.leave();
        return;
      }
      try {
        admission.enter();
      } catch (error) {
        sender.refuse(error);
        return;
      }
      this.#enter(sender, subscription);
    });
  }

  #enter(sender: StreamSender, subscription: Subscription): void {
    const { interception } = this.#settings;
    const { call, args } = subscription;
    try {
      if (interception === undefined) this.#begin(sender, subscription);
      else {
        const stream$ = interception.stream(call, args, (changed) => this.#source$(subscription, changed));
        this.#serve(sender, subscription, stream$);
      }
    } catch (error) {
      sender.fail(error);
    }
  }

  /** The reader asks for more. @returns whether the stream is open */
  receiveCredit(id: number, items: number, bytes: number): boolean {
    return this.#senders.receiveCredit(id, items, bytes);
  }

  /** The reader leaves. @returns whether the stream was open */
  cancel(id: number): boolean {
    const subscription = this.#subscriptions.get(id);
    const wasOpen = this.#senders.cancel(id);
    subscription?.call.abort(leftReason());
    return wasOpen;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** The time of streams is over: their readers leave them, or are about to. */
  handleDeadline(nowMs: number): void {
    for (const call of this.#deadlines.takeDue(nowMs)) call.expire();
  }

  /** Sends what may leave. */
  pump(roomBytes: number): void {
    this.#senders.pump(roomBytes);
  }

  /** Less waits to be written: sources are asked for more. */
  proceed(): void {
    this.#senders.proceed();
  }

  /** Ends every stream by an error of this library, as far as it can be told now; values that wait are dropped. */
  failAll(error: RPCError): void {
    this.#senders.failAll(error);
  }

  /** The connection has ended. */
  close(): void {
    this.#senders.close();
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    this.#lingering.clear();
    this.#long.clear();
    for (const { call } of subscriptions) call.abort(leftReason());
  }

  /** Without interceptors: the source may come later, if a method gives a promise of it. */
  #begin(sender: StreamSender, subscription: Subscription): void {
    const source = this.#source(subscription, subscription.args);
    if (!isThenable(source)) {
      this.#serve(sender, subscription, source);
      return;
    }
    // Once: a foreign thenable may do its work each time that it is asked.
    const promise = Promise.resolve(source);
    this.#watchRun(subscription, promise);
    promise.then(
      (stream) => {
        try {
          this.#serve(sender, subscription, stream);
        } catch (error) {
          sender.fail(error);
        }
      },
      (error: unknown) => {
        sender.fail(error);
      },
    );
  }

  /** With interceptors: whatever the source is, it is an Observable. */
  #source$(subscription: Subscription, args: readonly unknown[]): Observable<unknown> {
    const toSource = (value: unknown): Observable<unknown> =>
      this.#toSource(subscription, value) ?? throwError(() => noStream(subscription.call));
    try {
      const source = this.#source(subscription, args);
      if (!isThenable(source)) return toSource(source);
      const promise = Promise.resolve(source);
      this.#watchRun(subscription, promise);
      return laterSource(promise, toSource, this.#settings.report);
    } catch (error) {
      return throwError(() => error);
    }
  }

  /** What a member holds or returns, or a promise of it. */
  #source(subscription: Subscription, args: readonly unknown[]): unknown {
    const { call, found } = subscription;
    if ('source' in found) {
      subscription.hasRun = true;
      return found.source;
    }
    const { object, stream, schemas } = found;
    const { method } = stream;
    const read = (checked: readonly unknown[]): unknown => {
      subscription.hasRun = true;
      return runInCall<unknown>(call, () => {
        const value: unknown =
          method === undefined ? Reflect.get(object, call.member) : Reflect.apply(method, object, checked);
        return value;
      });
    };
    if (schemas === undefined) return read(args);
    const checked = validateArguments(schemas, args);
    return checked instanceof Promise ? checked.then(read) : read(checked);
  }

  /** Counts a subscription until something of it has really ended. */
  #watchRun(subscription: Subscription, end: Promise<unknown>): void {
    subscription.running += 1;
    const ended = (): void => {
      subscription.running -= 1;
      if (subscription.running === 0) this.#lingering.delete(subscription);
    };
    end.then(ended, ended);
  }

  #toSource(subscription: Subscription, value: unknown): Observable<unknown> | undefined {
    const { id, call } = subscription;
    const { report } = this.#settings;
    const declared = typeof value === 'object' && value !== null ? declaredPolicy(value) : undefined;
    // Behind interceptors the stream has begun by then, with the policy of its member.
    if (declared !== undefined) this.#senders.declare(id, declared);
    return streamSource(value, {
      enter: (run) => runInCall(call, run),
      report,
      onLeft: (end) => {
        this.#watchRun(subscription, end);
      },
    });
  }

  #serve(sender: StreamSender, subscription: Subscription, value: unknown): void {
    const { call } = subscription;
    const source$ = this.#toSource(subscription, value);
    if (source$ === undefined) {
      sender.refuse(noStream(call));
      return;
    }
    sender.start(source$);
  }

  #sendNext(id: number, values: readonly unknown[], dropped: number, mostBytes: number): number {
    const { sending } = this.#settings;
    const message = sending.send(() => {
      const marshalled = sending.codec.marshal(values, 'values') as readonly unknown[];
      return dropped === 0 ? [MessageType.next, id, marshalled] : [MessageType.next, id, marshalled, dropped];
    }, mostBytes);
    if (typeof message.sent !== 'number') this.#long.set(id, message);
    return sending.lastMessageBytes;
  }

  #isHeldUp(id: number): boolean {
    const sent = this.#long.get(id)?.sent;
    if (typeof sent !== 'object') return false;
    if (sent.lastNumber === 0) return true;
    this.#long.delete(id);
    return false;
  }

  /** A stream ends: values that its reader no longer waits for must not come after the end. */
  #forget(id: number): void {
    this.#endCall(id);
    const message = this.#long.get(id);
    if (message === undefined) return;
    this.#long.delete(id);
    this.#settings.sending.withdraw(message);
  }

  #endCall(id: number): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    this.#subscriptions.delete(id);
    if (subscription.running > 0) this.#lingering.add(subscription);
    const { call } = subscription;
    call.isEnded = true;
    if (call.deadlineMs !== undefined) this.#deadlines.remove(call, Math.ceil(call.deadlineMs));
  }

  #sendFail(id: number, error: WireError, dropped: number): void {
    sendError(error, (fitting) => {
      this.#settings.sending.sendPlain(
        dropped === 0 ? [MessageType.fail, id, fitting] : [MessageType.fail, id, fitting, dropped],
      );
    });
  }

  #wireError(error: unknown, isRefusal: boolean, hasRun: boolean): WireError {
    const { sending, exposeErrors, report } = this.#settings;
    if (!hasRun && isSchemasWord(error)) {
      // The reader is only told that it failed.
      if (error instanceof SchemaFailure) report(error);
      return refusalOf(error, 'no');
    }
    if (isAuthorizationsWord(error)) return refusalOf(error.error, 'no');
    if (isRefusal && error instanceof RPCError) return refusalOf(error, hasRun ? 'yes' : 'no');
    const wire = thrownToWire(error, exposeErrors, sending.codec);
    return hasRun ? wire : { ...wire, executed: 'no' };
  }
}

function leftReason(): DOMException {
  return new DOMException('the reader left the stream, or its connection ended', 'AbortError');
}

function noStream({ object, member }: ServedCall): RPCError {
  const what = describeCall(object, member);
  return new RPCError(`${what} holds no stream: an Observable or an AsyncIterable is needed`);
}
