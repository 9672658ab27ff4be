/**
 * What this side asks for and does not send yet: the other side runs so many calls at a time, and reads as fast as it likes. What waits
 * for a place waits for room behind those; what may not wait for a place, and subscriptions, wait for room only.
 */
import { ConnectionLostError, LimitExceededError, RPCTimeoutError } from '../errors.js';
import type { Limits } from '../protocol/limits.js';
import type { Asked } from './asked.js';
import { CallQueue } from './call-queue.js';
import { currentCallIfAny } from './current-call.js';
import { roughBytes } from './rough-bytes.js';
import type { Sending } from './sending.js';

/** What waiting needs. */
export interface WaitingSettings {
  readonly sending: Sending;
  readonly limits: Limits;
  readonly now: () => number;
  /** The deadline of something that waits may be the next. */
  readonly deadlineChanged: () => void;
  /** How many calls are not answered. */
  readonly unanswered: () => number;
  /** Throws what can be said against something now: it is not to wait for that. */
  readonly check: (asked: Asked) => void;
  /** Says in an error what it is of, and that it never ran. */
  readonly asCallError: (error: unknown, asked: Asked) => unknown;
}

/** The calls and subscriptions of one connection that wait. */
export class WaitingCalls {
  readonly #settings: WaitingSettings;
  readonly #forPlace = new CallQueue();
  readonly #forRoom = new CallQueue();

  /** @param settings - of the connection */
  constructor(settings: WaitingSettings) {
    this.#settings = settings;
  }

  /** How many there are. */
  get size(): number {
    return this.#forPlace.size + this.#forRoom.size;
  }

  /** Bytes of what they will send, about. */
  get bytes(): number {
    return this.#forPlace.bytes + this.#forRoom.bytes;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return Math.min(this.#forPlace.nextDeadlineMs, this.#forRoom.nextDeadlineMs);
  }

  /**
   * Where a call is to wait; `undefined`: it may be sent.
   * @throws LimitExceededError where it may not wait either
   */
  queueFor(asked: Asked): CallQueue | undefined {
    const { limits, unanswered } = this.#settings;
    const { maxOutgoingCalls } = limits;
    const hasRoom = this.#forRoom.size === 0 && this.hasRoom(asked.args);
    if (hasRoom && unanswered() < maxOutgoingCalls && this.#forPlace.size === 0) return undefined;
    // Whoever waits for a method that is served now may be the one who has all the places: waiting for one could last for ever.
    // So it goes at once, and the other side refuses it if it has no room. Only for its bytes it waits: these leave whoever waits.
    const isNested = currentCallIfAny()?.isEnded === false;
    if (isNested && unanswered() + this.#forRoom.size >= maxOutgoingCalls * 2) throw this.#tooMany(asked);
    if (isNested && hasRoom) return undefined;
    return isNested ? this.#forRoom : this.#forPlace;
  }

  /**
   * Has something wait.
   * @param start - it may be sent, with what is left of its time; what it throws is rejected
   * @returns takes it out again
   * @throws LimitExceededError where as many wait as may, or so many bytes of them
   */
  wait(queue: CallQueue, asked: Asked, reject: (error: unknown) => void, start: Start): () => void {
    const { now, deadlineChanged, limits, sending, check, asCallError } = this.#settings;
    if (this.size >= limits.maxWaitingCalls) throw this.#tooMany(asked);
    check(asked);
    const { timeoutMs } = asked;
    const bytes = roughBytes(asked.args, limits.maxNodes);
    this.#checkBytes(asked, bytes);
    const takeOut = queue.add(
      {
        bytes,
        timeoutMs,
        signal: asked.options.signal,
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
          return asCallError(new RPCTimeoutError(text), asked);
        },
        lost: (reason) => asCallError(new ConnectionLostError(reason), asked),
      },
      now(),
    );
    if (timeoutMs !== undefined) deadlineChanged();
    if (!this.#hasRoomFor(bytes)) sending.requestRoom();
    return takeOut;
  }

  /**
   * Has a subscription wait, if it must.
   * @param start - see `wait`
   * @returns takes it out again; `undefined` where it may be sent at once
   * @throws LimitExceededError where it may not wait either
   */
  holdSubscription(asked: Asked, reject: (error: unknown) => void, start: Start): (() => void) | undefined {
    if (this.#forRoom.size === 0 && this.hasRoom(asked.args)) return undefined;
    return this.wait(this.#forRoom, asked, reject, start);
  }

  /**
   * Whether something may be sent: up to half of the mark always, so that what is large has its turn, and beyond that what fits below
   * the mark.
   */
  hasRoom(args: readonly unknown[]): boolean {
    const { sending, limits } = this.#settings;
    if (sending.backlogBytes <= limits.highWaterBytes / 2) return true;
    return this.#hasRoomFor(roughBytes(args, limits.maxNodes));
  }

  /** There is room, or a place: what waits goes its way, as far as there is. */
  proceed(): void {
    const { now } = this.#settings;
    for (let queue = this.#nextQueue(); queue !== undefined; queue = this.#nextQueue()) {
      // One that cannot be sent makes room for another.
      queue.startNext(now());
    }
  }

  /** The time of something may be over. */
  handleDeadline(nowMs: number): void {
    this.#forPlace.handleDeadline(nowMs);
    this.#forRoom.handleDeadline(nowMs);
  }

  /** The connection has ended: nothing has its turn any more. */
  close(reason: string): void {
    for (const queue of [this.#forRoom, this.#forPlace])
      queue.close(`the connection ended before its turn: ${reason}`);
  }

  #hasRoomFor(bytes: number): boolean {
    const { sending, limits } = this.#settings;
    const { backlogBytes } = sending;
    return backlogBytes <= limits.highWaterBytes / 2 || backlogBytes + bytes <= limits.highWaterBytes;
  }

  /** Whose turn it is; where only room is missing, that is asked for. */
  #nextQueue(): CallQueue | undefined {
    const { sending, limits, unanswered } = this.#settings;
    const hasPlace = unanswered() < limits.maxOutgoingCalls;
    const queue = this.#forRoom.size > 0 || !hasPlace ? this.#forRoom : this.#forPlace;
    const bytes = queue.nextBytes;
    if (bytes === undefined) return undefined;
    if (this.#hasRoomFor(bytes)) return queue;
    sending.requestRoom();
    return undefined;
  }

  /** The one whose turn is next may be larger than the bound by itself, and so may the one behind it. */
  #checkBytes(asked: Asked, bytes: number): void {
    const { limits, asCallError } = this.#settings;
    const behindBytes = this.bytes - (this.#forRoom.nextBytes ?? this.#forPlace.nextBytes ?? 0);
    if (behindBytes <= 0 || behindBytes + bytes <= limits.maxWaitingBytes) return;
    const text = `${this.size} calls wait with some ${this.bytes} bytes, and this one has ${bytes}`;
    const error = new LimitExceededError(`${text} (limits.maxWaitingBytes changes the bound)`);
    throw asCallError(error, asked);
  }

  #tooMany(asked: Asked): unknown {
    const { unanswered, asCallError } = this.#settings;
    const text = `${unanswered()} calls are not answered and ${this.size} wait (limits.maxOutgoingCalls and limits.maxWaitingCalls change the bounds)`;
    return asCallError(new LimitExceededError(text), asked);
  }

  #describeWait(): string {
    const { limits, unanswered, sending } = this.#settings;
    if (unanswered() >= limits.maxOutgoingCalls) return `${unanswered()} others were not answered`;
    return `others waited to be sent before it, behind ${sending.backlogBytes} bytes,`;
  }
}

/** Something may be sent, with what is left of its time, in milliseconds. */
type Start = (leftMs: number | undefined) => void;
