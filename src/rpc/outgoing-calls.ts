/**
 * The calls that this side makes on one connection: checked, marshalled, sent, and entered among the pending ones; or
 * refused here, with `executed: "no"`, before anything was sent.
 */
import {
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
import type { Asked } from './asked.js';
import { CancelPace } from './cancel-pace.js';
import { callTimeMs, noTimeLeft } from './call-time.js';
import { withinCall } from './current-call.js';
import { listMembers } from './member-list.js';
import { PendingCalls } from './pending-calls.js';
import type { RemoteObjects } from './remote-objects.js';
import type { Report } from '../streams/user-callback.js';
import type { Sending } from './sending.js';
import { SentNotifications } from './sent-notifications.js';
import { describeCall, labelOf } from './targets.js';
import { WaitingCalls } from './waiting-calls.js';

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
  /** Made for the first call or subscription. */
  #waiting: WaitingCalls | undefined;
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
        if (this.waitingCount > 0) this.waiting.proceed();
        settings.onEnded();
      },
    );
  }

  /** How many calls are not answered, those included that wait for their turn. */
  get size(): number {
    return this.#pending.size + this.waitingCount;
  }

  /** What waits for its turn, subscriptions included. */
  get waiting(): WaitingCalls {
    this.#waiting ??= new WaitingCalls({
      sending: this.#sending,
      limits: this.#settings.limits,
      now: this.#settings.now,
      deadlineChanged: this.#settings.deadlineChanged,
      unanswered: () => this.#pending.size,
      check: (asked) => {
        this.#check(asked);
      },
      asCallError: (error, asked) => this.asCallError(error, asked),
    });
    return this.#waiting;
  }

  /** How many of these there are. */
  get waitingCount(): number {
    return this.#waiting?.size ?? 0;
  }

  /** Bytes of what these will send, about. */
  get waitingBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return Math.min(
      this.#pending.nextDeadlineMs,
      this.#waiting?.nextDeadlineMs ?? Infinity,
      this.#cancels.nextDeadlineMs,
    );
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
      const asked = this.asked(target, member, args, options, this.#settings.callTimeoutMs);
      const queue = this.waiting.queueFor(asked);
      if (queue === undefined) {
        this.#start(asked, asked.timeoutMs, resolve, reject);
        return;
      }
      this.waiting.wait(queue, asked, reject, (leftMs) => {
        this.#start(asked, leftMs, resolve, reject);
      });
    });
  }

  /** Calls a method without waiting for an answer; throws when it was not sent. */
  notify(target: Target, member: string, args: readonly unknown[], options: CallOptions): void {
    if (options.signal?.aborted === true) return;
    const { sent } = this.send({ target, member, args, options, timeoutMs: undefined }, () => {
      if (!this.waiting.hasRoom(args)) {
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
    this.#waiting?.handleDeadline(nowMs);
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
    this.#waiting?.close(end.reason.message);
    this.#pending.close(end);
  }

  /** Sends a call or a subscription, or throws an error that says which one, without having sent anything. */
  send(asked: Asked, makeMessage: Parameters<Sending['send']>[0]): ReturnType<Sending['send']> {
    try {
      this.#checkSendable(asked);
      return this.#sending.send(makeMessage);
    } catch (error) {
      throw this.asCallError(error, asked);
    }
  }

  /** Says which call failed; it never ran. */
  asCallError(error: unknown, { target, member }: Pick<Asked, 'target' | 'member'>): unknown {
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
   * What is asked, with the time that it may take.
   * @param defaultMs - that time, in milliseconds, where its options name none; `undefined`: no bound
   * @throws RPCTimeoutError when nothing is left of it
   */
  asked(
    target: Target,
    member: string,
    args: readonly unknown[],
    options: CallOptions,
    defaultMs: number | undefined,
  ): Asked {
    const timeoutMs = callTimeMs(options, defaultMs);
    const asked: Asked = { target, member, args, options, timeoutMs };
    if (timeoutMs !== 0) return asked;
    throw this.asCallError(new RPCTimeoutError(noTimeLeft), asked);
  }

  /** Calls a method now. @throws RPCError, and whatever reading the arguments throws, when it was not sent */
  #start(
    asked: Asked,
    timeoutMs: number | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const { target, member, args, options } = asked;
    // Taken first: reading the arguments may run code of theirs that makes another call.
    const id = this.#sending.takeID();
    const { sent, lent } = this.send(asked, () => {
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

  #check(asked: Asked): void {
    try {
      this.#checkSendable(asked);
    } catch (error) {
      throw this.asCallError(error, asked);
    }
  }

  #checkSendable({ target, member, args, options }: Asked): void {
    this.#sending.checkOpen(options, target);
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
