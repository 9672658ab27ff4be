/**
 * The calls that this side has made and that are not answered: each ends exactly once, by its answer, its timeout, its
 * signal or the end of the connection.
 */
import { ConnectionLostError, RPCTimeoutError, type RPCErrorDetails, type Stage } from '../errors.js';
import { Deadlines } from '../protocol/deadlines.js';
import type { ResponseMessage } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { ConnectionEnd } from '../link/connection.js';
import { onceAborted } from '../streams/abort-listeners.js';
import { OpenCalls } from './open-calls.js';
import type { SentMessage } from './sending.js';
import { errorFromWire } from './wire-errors.js';

/** What this table asks of the connection. */
export interface CallChannel {
  /** Takes a message back, and what it lent; true when the other side will surely never act on it. */
  withdraw(message: SentMessage): boolean;
  /** Whether the other side surely has not acted on a message, now that the connection has ended. */
  cannotHaveArrived(sent: Sent, end: ConnectionEnd): boolean;
  /** How far a message got. */
  stageOf(sent: Sent, end?: ConnectionEnd): Stage;
  /** Tells the other side that nobody waits for this call any more. */
  cancel(id: number): void;
}

/** A call of the table; made by whoever sends the call, so that it is made once. */
export interface PendingCall extends SentMessage {
  readonly id: number;
  /** The object, member and connection, for errors. */
  readonly object: string;
  readonly member: string;
  /** Milliseconds until it is given up, `undefined`: never. */
  readonly timeoutMs: number | undefined;
  /** Aborting it gives the call up. */
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** When it is given up: set by the table, `undefined` before. */
  deadlineMs: number | undefined;
  /** Ends listening to the signal: set by the table, `undefined` before. */
  unlisten: (() => void) | undefined;
}

/** The open calls of one connection. */
export class PendingCalls {
  readonly #connectionID: string;
  readonly #channel: CallChannel;
  readonly #onTaken: () => void;
  readonly #calls = new OpenCalls<PendingCall>();
  readonly #deadlines = new Deadlines<number>();

  /**
   * @param connectionID - for errors
   * @param channel - the connection
   * @param onTaken - a call has ended: there is room for another
   */
  constructor(connectionID: string, channel: CallChannel, onTaken: () => void) {
    this.#connectionID = connectionID;
    this.#channel = channel;
    this.#onTaken = onTaken;
  }

  /** How many calls are open. */
  get size(): number {
    return this.#calls.size;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** Enters a call that was sent. */
  add(call: PendingCall, nowMs: number): void {
    this.#calls.add(call);
    if (call.timeoutMs !== undefined) call.deadlineMs = this.#deadlines.add(call.id, nowMs + call.timeoutMs);
    if (call.signal !== undefined) this.#listen(call, call.signal);
  }

  /** Whether a call of this id is open. */
  has(id: number): boolean {
    return this.#calls.find(id) !== undefined;
  }

  /** The message of a call, if it is open. */
  sentOf(id: number): Sent | undefined {
    return this.#calls.find(id)?.sent;
  }

  /** Whether a reference was lent with a call that is open. */
  hasLent(number: number): boolean {
    return this.#calls.entries().some(({ lent }) => lent?.includes(number) === true);
  }

  /** The answer of a call cannot be read. */
  reject(id: number, error: unknown): void {
    this.#take(id)?.reject(error);
  }

  /**
   * Takes an answer.
   * @returns whether such a call was open; an answer may cross the word that nobody waits for it
   */
  receive(message: ResponseMessage): boolean {
    const [, id, error, result] = message;
    const call = this.#take(id);
    if (call === undefined) return false;
    if (error === undefined || error === null) call.resolve(result);
    else call.reject(errorFromWire(error, this.#details(call)));
    return true;
  }

  /** Gives up the calls whose time is over. */
  handleDeadline(nowMs: number): void {
    for (const id of this.#deadlines.takeDue(nowMs)) {
      const call = this.#take(id);
      if (call === undefined) continue;
      const isWithdrawn = this.#giveUp(call);
      const executed = isWithdrawn ? 'no' : 'unknown';
      const stage = isWithdrawn ? 'queued' : this.#channel.stageOf(call.sent);
      const text = `${describe(call)} was not answered within ${Math.round(call.timeoutMs ?? 0) / 1_000} s`;
      call.reject(new RPCTimeoutError(text, { ...this.#details(call), executed, stage }));
    }
  }

  /** The connection has ended: so do all calls. */
  close(end: ConnectionEnd): void {
    for (const { id } of this.#calls.entries()) {
      const call = this.#take(id);
      if (call === undefined) continue;
      const executed = this.#channel.cannotHaveArrived(call.sent, end) ? 'no' : 'unknown';
      const text = `${describe(call)} was not answered before the connection ended: ${end.reason.message}`;
      const stage = this.#channel.stageOf(call.sent, end);
      call.reject(new ConnectionLostError(text, { ...this.#details(call), executed, stage }));
    }
  }

  #listen(call: PendingCall, signal: AbortSignal): void {
    const onAbort = (): void => {
      this.#take(call.id);
      this.#giveUp(call);
      call.reject(signal.reason);
    };
    // Reading the arguments may have run code that aborted it.
    if (signal.aborted) onAbort();
    else call.unlisten = onceAborted(signal, onAbort);
  }

  /** Takes a call out of the table, with everything that hung on it. */
  #take(id: number): PendingCall | undefined {
    const call = this.#calls.take(id);
    if (call === undefined) return undefined;
    if (call.deadlineMs !== undefined) this.#deadlines.remove(id, call.deadlineMs);
    call.unlisten?.();
    this.#onTaken();
    return call;
  }

  /** @returns whether the call surely never runs */
  #giveUp(call: PendingCall): boolean {
    if (this.#channel.withdraw(call)) return true;
    this.#channel.cancel(call.id);
    return false;
  }

  #details(call: PendingCall): RPCErrorDetails {
    return { connectionID: this.#connectionID, object: call.object, member: call.member };
  }
}

function describe({ object, member }: PendingCall): string {
  return member === '' ? `a ${object}` : `${object}.${member}`;
}
