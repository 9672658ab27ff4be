/**
 * The calls that this side makes on one connection: checked, marshalled, sent, and entered among the pending ones; or
 * refused here, with `executed: "no"`, before anything was sent.
 */
import {
  ConnectionLostError,
  LimitExceededError,
  NotConnectedError,
  RPCError,
  RPCTimeoutError,
  UnknownMethodError,
  UnknownObjectError,
} from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { Limits } from '../protocol/limits.js';
import { MessageType, type CallMeta, type ResponseMessage, type Target } from '../protocol/messages.js';
import type { CallOptions } from '../proxies/types.js';
import { CallQueue } from './call-queue.js';
import { CancelPace } from './cancel-pace.js';
import { callTimeMs, noTimeLeft } from './call-time.js';
import { currentCallIfAny, withinCall } from './current-call.js';
import { listMembers } from './member-list.js';
import { PendingCalls } from './pending-calls.js';
import type { RemoteObjects } from './remote-objects.js';
import { roughBytes } from './rough-bytes.js';
import type { Report } from '../streams/user-callback.js';
import type { Sending } from './sending.js';
import { SentNotifications } from './sent-notifications.js';
import { describeCall, labelOf } from './targets.js';

/** What making calls needs. */
export interface OutgoingSettings {
  readonly sending: Sending;
  readonly limits: Limits;
  /** Milliseconds that a call may take unless its options say otherwise; `undefined`: no bound. */
  readonly callTimeoutMs: number | undefined;
  readonly now: () => number;
  /** What the other side has registered. */
  readonly remote: RemoteObjects;
  /** The deadline of a call may be the next. */
  readonly deadlineChanged: () => void;
  /** A call has ended. */
  readonly onEnded: () => void;
  /** Gets what nobody waits for. */
  readonly report: Report;
}

/** The outgoing calls of one connection. */
export class OutgoingCalls {
  readonly #settings: OutgoingSettings;
  readonly #sending: Sending;
  readonly #pending: PendingCalls;
  /** What waits for a place, and for room behind those. */
  readonly #queue = new CallQueue();
  /** What waits for room only: calls for which a place must not be waited for, and subscriptions. */
  readonly #unplaced = new CallQueue();
  readonly #cancels: CancelPace;
  /** Present once there was one. */
  #notified: SentNotifications | undefined;

  /** @param settings - of the connection */
  constructor(settings: OutgoingSettings) {
    const { sending } = settings;
    this.#settings = settings;
    this.#sending = sending;
    this.#cancels = new CancelPace(
      settings.limits.maxCancels,
      (id) => {
        sending.cancel(id);
      },
      () => sending.isAway,
    );
    this.#pending = new PendingCalls(
      sending.connectionID,
      {
        withdraw: (message) => sending.withdraw(message),
        cannotHaveArrived: (sent, end) => sending.cannotHaveArrived(sent, end),
        stageOf: (sent, end) => sending.stageOf(sent, end),
        cancel: (id) => {
          if (!this.#cancels.request(id, settings.now())) settings.deadlineChanged();
        },
      },
      () => {
        if (this.waiting > 0) this.proceed();
        settings.onEnded();
      },
    );
  }

  /** How many calls are not answered, those included that wait for their turn. */
  get size(): number {
    return this.#pending.size + this.waiting;
  }

  /** How many wait for their turn, subscriptions included. */
  get waiting(): number {
    return this.#queue.size + this.#unplaced.size;
  }

  /** Bytes of what these will send, about. */
  get waitingBytes(): number {
    return this.#queue.bytes + this.#unplaced.bytes;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    const queuesMs = Math.min(this.#queue.nextDeadlineMs, this.#unplaced.nextDeadlineMs);
    return Math.min(this.#pending.nextDeadlineMs, queuesMs, this.#cancels.nextDeadlineMs);
  }

  /** Calls a method; every failure is a rejection. */
  call(target: Target, member: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        // The reason is the user's, whatever it is.
        reject(signal.reason as Error);
        return;
      }
      const timeoutMs = this.timeoutMs(target, member, options, this.#settings.callTimeoutMs);
      const queue = this.#queueFor(target, member, args, options);
      if (queue === undefined) {
        this.#start(target, member, args, options, timeoutMs, resolve, reject);
        return;
      }
      this.#wait(queue, target, member, args, options, timeoutMs, reject, (leftMs) => {
        this.#start(target, member, args, options, leftMs, resolve, reject);
      });
    });
  }

  /**
   * Has a subscription wait where so much is queued that it must.
   * @param start - it may be sent, with what is left of its time; what it throws is rejected
   * @returns takes it out again; `undefined` where it may be sent at once
   * @throws LimitExceededError where it may not wait either
   */
  waitForRoom(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    timeoutMs: number | undefined,
    reject: (error: unknown) => void,
    start: (leftMs: number | undefined) => void,
  ): (() => void) | undefined {
    if (this.#unplaced.size === 0 && this.#hasRoom(args)) return undefined;
    this.#checkWaiting(target, member, args, options);
    return this.#wait(this.#unplaced, target, member, args, options, timeoutMs, reject, start);
  }

  /** There is room, or a place: what waits goes its way, as far as there is. */
  proceed(): void {
    const { now } = this.#settings;
    for (let queue = this.#nextQueue(); queue !== undefined; queue = this.#nextQueue()) {
      // One that cannot be sent makes room for another.
      queue.startNext(now());
    }
  }

  /** Calls a method without waiting for an answer; throws when it was not sent. */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    if (options.signal?.aborted === true) return;
    const { sent } = this.send(target, member, args, options, () => {
      if (!this.#hasRoom(args)) {
        const text = `${this.#sending.backlogBytes} bytes wait to be sent, and nobody waits for this one`;
        throw new LimitExceededError(`${text} (limits.highWaterBytes changes the bound)`);
      }
      const meta = this.meta(options, undefined);
      const marshalled = this.#sending.codec.marshal(args, 'arguments') as readonly unknown[];
      return meta === undefined
        ? [MessageType.notify, target, member, marshalled]
        : [MessageType.notify, target, member, marshalled, meta];
    });
    this.#notified ??= new SentNotifications(this.#sending);
    this.#notified.add(sent, target, member);
  }

  /** An answer came to a call that nobody waits for. */
  receiveLate(id: number): void {
    this.#cancels.forget(id);
  }

  /** Whether a reference was lent with a call that waits for its answer. */
  hasLent(number: number): boolean {
    return this.#pending.hasLent(number);
  }

  /** Whether a call waits for its answer. */
  has(id: number): boolean {
    return this.#pending.has(id);
  }

  /** Takes an answer. @returns whether a call waited for it */
  receive(message: ResponseMessage): boolean {
    const sent = this.#notified && this.#pending.sentOf(message[1]);
    if (sent !== undefined) this.#notified?.answered(sent);
    return this.#pending.receive(message);
  }

  /** The answer of a call cannot be read: it is rejected. */
  reject(id: number, error: unknown): void {
    this.#pending.reject(id, error);
  }

  /** The time of a call is over. */
  handleDeadline(nowMs: number): void {
    this.#pending.handleDeadline(nowMs);
    this.#queue.handleDeadline(nowMs);
    this.#unplaced.handleDeadline(nowMs);
    this.#cancels.handleDeadline(nowMs);
  }

  /** A heartbeat was answered, on a connection that is all there is of its session. */
  noteHeartbeat(roundTripMs: number): void {
    this.#notified?.heartbeat(this.#settings.now(), roundTripMs);
  }

  /** The connection has ended: so do all calls, and whoever has notified is told of what may be lost. */
  close(end: ConnectionEnd): void {
    const loss = this.#notified?.close(end);
    if (loss !== undefined) this.#settings.report(loss);
    this.#cancels.close();
    // First, so that none of them has its turn by the end of another.
    for (const queue of [this.#unplaced, this.#queue])
      queue.close(`the connection ended before its turn: ${end.reason.message}`);
    this.#pending.close(end);
  }

  /** Sends a call or a subscription, or throws an error that says which one, without having sent anything. */
  send(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    makeMessage: Parameters<Sending['send']>[0],
  ): ReturnType<Sending['send']> {
    try {
      this.#sending.checkOpen(options, target);
      this.#checkTarget(target, member, args);
      return this.#sending.send(makeMessage);
    } catch (error) {
      throw this.asCallError(error, target, member);
    }
  }

  /** Says which call failed; it never ran. */
  asCallError(error: unknown, target: Target, member: string): unknown {
    if (!(error instanceof RPCError)) return error;
    const Kind = error.constructor as new (message: string, details: object) => RPCError;
    const object = labelOf(target);
    const details = {
      executed: 'no',
      connectionID: this.#sending.connectionID,
      object,
      member,
      cause: error.cause,
      retryAfterInSeconds: error instanceof NotConnectedError ? error.retryAfterInSeconds : undefined,
    } as const;
    return new Kind(`cannot call ${describeCall(object, member)}: ${error.message}`, details);
  }

  /** What travels with a call besides its arguments. */
  meta({ metadata }: CallOptions, timeoutMs: number | undefined): CallMeta | undefined {
    const within = withinCall(this.#sending.connectionID);
    if (metadata === undefined && within === undefined)
      return timeoutMs === undefined ? undefined : { timeoutMs };
    return {
      ...(metadata === undefined ? {} : { metadata: this.#sending.codec.marshal(metadata, 'metadata', 2) }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(within === undefined ? {} : { within }),
    };
  }

  /**
   * How long a call may take, in milliseconds.
   * @throws RPCTimeoutError when nothing is left
   */
  timeoutMs(
    target: Target,
    member: string,
    options: CallOptions,
    defaultMs: number | undefined,
  ): number | undefined {
    const timeMs = callTimeMs(options, defaultMs);
    if (timeMs !== 0) return timeMs;
    throw this.asCallError(new RPCTimeoutError(noTimeLeft), target, member);
  }

  /** Calls a method now. @throws RPCError, and whatever reading the arguments throws, when it was not sent */
  #start(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    timeoutMs: number | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    // Taken first: reading the arguments may run code of theirs that makes another call.
    const id = this.#sending.takeID();
    const { sent, lent } = this.send(target, member, args, options, () => {
      const { codec } = this.#sending;
      const meta = this.meta(options, timeoutMs);
      // Marshalling keeps an array an array.
      const marshalled = codec.marshal(args, 'arguments') as readonly unknown[];
      return meta === undefined
        ? [MessageType.request, id, target, member, marshalled]
        : [MessageType.request, id, target, member, marshalled, meta];
    });
    this.#pending.add(
      {
        id,
        sent,
        lent,
        object: labelOf(target),
        member,
        timeoutMs,
        signal: options.signal,
        resolve,
        reject,
        deadlineMs: undefined,
        unlisten: undefined,
      },
      timeoutMs === undefined ? 0 : this.#settings.now(),
    );
    if (timeoutMs !== undefined) this.#settings.deadlineChanged();
  }

  /**
   * Where a call waits that is not to be sent yet; `undefined`: it may be sent.
   * @throws LimitExceededError where it may not wait either
   */
  #queueFor(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
  ): CallQueue | undefined {
    const { maxOutgoingCalls } = this.#settings.limits;
    const { size } = this.#pending;
    const hasRoom = this.#unplaced.size === 0 && this.#hasRoom(args);
    if (hasRoom && size < maxOutgoingCalls && this.#queue.size === 0) return undefined;
    // Whoever waits for a method that is served now may be the one who has all the places: waiting for one could last for ever.
    // So it goes at once, and the other side refuses it if it has no room. Only for its bytes it waits: these leave whoever waits.
    const isNested = currentCallIfAny()?.isEnded === false;
    if (isNested && size + this.#unplaced.size >= maxOutgoingCalls * 2) throw this.#tooMany(target, member);
    if (isNested && hasRoom) return undefined;
    this.#checkWaiting(target, member, args, options);
    return isNested ? this.#unplaced : this.#queue;
  }

  /**
   * Whether something may be sent: up to half of the mark always, so that what is large has its turn, and beyond that what fits below
   * the mark.
   */
  #hasRoom(args: readonly unknown[]): boolean {
    const { highWaterBytes, maxNodes } = this.#settings.limits;
    if (this.#sending.backlogBytes <= highWaterBytes / 2) return true;
    return this.#hasRoomFor(roughBytes(args, maxNodes));
  }

  #hasRoomFor(bytes: number): boolean {
    const { highWaterBytes } = this.#settings.limits;
    const { backlogBytes } = this.#sending;
    return backlogBytes <= highWaterBytes / 2 || backlogBytes + bytes <= highWaterBytes;
  }

  /** Whose turn it is; where only room is missing, that is asked for. */
  #nextQueue(): CallQueue | undefined {
    const hasPlace = this.#pending.size < this.#settings.limits.maxOutgoingCalls;
    const queue = this.#unplaced.size > 0 || !hasPlace ? this.#unplaced : this.#queue;
    const bytes = queue.nextBytes;
    if (bytes === undefined) return undefined;
    if (this.#hasRoomFor(bytes)) return queue;
    this.#sending.requestRoom();
    return undefined;
  }

  /** @throws LimitExceededError where as many wait as may; and what can be refused now is not to wait for it */
  #checkWaiting(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    if (this.waiting >= this.#settings.limits.maxWaitingCalls) throw this.#tooMany(target, member);
    this.#check(target, member, args, options);
  }

  #tooMany(target: Target, member: string): unknown {
    const text = `${this.#pending.size} calls are not answered and ${this.waiting} wait (limits.maxOutgoingCalls and limits.maxWaitingCalls change the bounds)`;
    return this.asCallError(new LimitExceededError(text), target, member);
  }

  /** @returns takes it out of the queue */
  #wait(
    queue: CallQueue,
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    timeoutMs: number | undefined,
    reject: (error: unknown) => void,
    start: (leftMs: number | undefined) => void,
  ): () => void {
    const { now, deadlineChanged, limits } = this.#settings;
    const bytes = roughBytes(args, limits.maxNodes);
    // The one whose turn is next may be larger than the bound by itself, and so may the one behind it.
    const behindBytes = this.waitingBytes - (this.#unplaced.nextBytes ?? this.#queue.nextBytes ?? 0);
    if (behindBytes > 0 && behindBytes + bytes > limits.maxWaitingBytes) {
      const text = `${this.waiting} calls wait with some ${this.waitingBytes} bytes, and this one has ${bytes}`;
      const error = new LimitExceededError(`${text} (limits.maxWaitingBytes changes the bound)`);
      throw this.asCallError(error, target, member);
    }
    const takeOut = queue.add(
      {
        bytes,
        timeoutMs,
        signal: options.signal,
        start: (leftMs) => {
          try {
            start(leftMs);
          } catch (error) {
            reject(error);
          }
        },
        reject,
        expired: () => {
          const text = `${this.#describeWait()} for ${(timeoutMs ?? 0) / 1_000} s`;
          return this.asCallError(new RPCTimeoutError(text), target, member);
        },
        lost: (reason) => this.asCallError(new ConnectionLostError(reason), target, member),
      },
      now(),
    );
    if (timeoutMs !== undefined) deadlineChanged();
    if (!this.#hasRoomFor(bytes)) this.#sending.requestRoom();
    return takeOut;
  }

  #describeWait(): string {
    const { size } = this.#pending;
    if (size >= this.#settings.limits.maxOutgoingCalls) return `${size} others were not answered`;
    return `others waited to be sent before it, behind ${this.#sending.backlogBytes} bytes,`;
  }

  #check(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    try {
      this.#sending.checkOpen(options, target);
      this.#checkTarget(target, member, args);
    } catch (error) {
      throw this.asCallError(error, target, member);
    }
  }

  #checkTarget(target: Target, member: string, args: readonly unknown[]): void {
    if (typeof target === 'string') this.#checkName(target, member);
    const { maxArguments } = this.#settings.limits;
    if (args.length > maxArguments) {
      throw new LimitExceededError(
        `${args.length} arguments, where ${maxArguments} are allowed (limits.maxArguments changes the bound)`,
      );
    }
  }

  #checkName(object: string, member: string): void {
    const { remote } = this.#settings;
    const members = remote.members(object);
    if (members === undefined) throw new UnknownObjectError(`no object "${object}" is registered`);
    if (!members.has(member))
      throw new UnknownMethodError(
        `"${object}" has no method or stream "${member}": ${listMembers(members)}`,
      );
  }
}
