/**
 * The calls that this side has made and that are not answered: each ends exactly once, by its answer, its timeout, its
 * signal or the end of the connection.
 */
import { ConnectionLostError, RPCTimeoutError, type RPCErrorDetails } from '../errors.js';
import { Deadlines } from '../protocol/deadlines.js';
import type { ResponseMessage } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { ConnectionEnd } from '../link/connection.js';
import { errorFromWire } from './wire-errors.js';

/** What this table asks of the connection. */
export interface CallChannel {
  /** Takes a message back; true when the other side will surely never act on it. */
  withdraw(sent: Sent): boolean;
  /** Whether a message was given to the transport as a whole. */
  isHandedOver(sent: Sent): boolean;
  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean;
  /** Tells the other side that nobody waits for this call any more. */
  cancel(id: number): void;
}

/** A call to be entered in the table. */
export interface NewCall {
  /** How far its request got. */
  readonly sent: Sent;
  /** The object, member and connection, for errors. */
  readonly object: string;
  readonly member: string;
  /** Milliseconds until it is given up, `undefined`: never. */
  readonly timeoutMs: number | undefined;
  /** Aborting it gives the call up. */
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface PendingCall extends NewCall {
  deadlineMs: number | undefined;
}

/** The calls that one signal gives up. */
interface SignalledCalls {
  readonly ids: Set<number>;
  readonly onAbort: () => void;
}

/** The open calls of one connection. */
export class PendingCalls {
  readonly #connectionID: string;
  readonly #channel: CallChannel;
  readonly #calls = new Map<number, PendingCall>();
  readonly #deadlines = new Deadlines<number>();
  /** One listener for each signal, however many calls share it: the platform warns of more than ten. */
  readonly #signalled = new Map<AbortSignal, SignalledCalls>();

  /**
   * @param connectionID - for errors
   * @param channel - the connection
   */
  constructor(connectionID: string, channel: CallChannel) {
    this.#connectionID = connectionID;
    this.#channel = channel;
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
  add(id: number, call: NewCall, nowMs: number): void {
    const pending: PendingCall = { ...call, deadlineMs: undefined };
    this.#calls.set(id, pending);
    if (call.timeoutMs !== undefined) pending.deadlineMs = this.#deadlines.add(id, nowMs + call.timeoutMs);
    if (call.signal !== undefined) this.#listen(id, call.signal);
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
      const executed = this.#giveUp(id, call) ? 'no' : 'unknown';
      const text = `${call.object}.${call.member} was not answered within ${(call.timeoutMs ?? 0) / 1_000} s`;
      call.reject(new RPCTimeoutError(text, { ...this.#details(call), executed }));
    }
  }

  /** The connection has ended: so do all calls. */
  close(end: ConnectionEnd): void {
    for (const id of [...this.#calls.keys()]) {
      const call = this.#take(id);
      if (call === undefined) continue;
      const executed = this.#cannotHaveRun(call.sent, end) ? 'no' : 'unknown';
      const text = `${call.object}.${call.member} was not answered before the connection ended: ${end.reason.message}`;
      call.reject(new ConnectionLostError(text, { ...this.#details(call), executed }));
    }
  }

  #listen(id: number, signal: AbortSignal): void {
    let signalled = this.#signalled.get(signal);
    if (signalled === undefined) {
      const ids = new Set<number>();
      signalled = {
        ids,
        onAbort: () => {
          for (const each of [...ids]) this.#abort(each, signal);
        },
      };
      this.#signalled.set(signal, signalled);
      signal.addEventListener('abort', signalled.onAbort, { once: true });
    }
    signalled.ids.add(id);
  }

  #unlisten(id: number, signal: AbortSignal): void {
    const signalled = this.#signalled.get(signal);
    if (signalled?.ids.delete(id) !== true || signalled.ids.size > 0) return;
    this.#signalled.delete(signal);
    signal.removeEventListener('abort', signalled.onAbort);
  }

  #abort(id: number, signal: AbortSignal): void {
    const call = this.#take(id);
    if (call === undefined) return;
    this.#giveUp(id, call);
    call.reject(signal.reason);
  }

  /** Takes a call out of the table, with everything that hung on it. */
  #take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    this.#calls.delete(id);
    if (call.deadlineMs !== undefined) this.#deadlines.remove(id, call.deadlineMs);
    if (call.signal !== undefined) this.#unlisten(id, call.signal);
    return call;
  }

  /** @returns whether the call surely never runs */
  #giveUp(id: number, call: PendingCall): boolean {
    if (this.#channel.withdraw(call.sent)) return true;
    this.#channel.cancel(id);
    return false;
  }

  #cannotHaveRun(sent: Sent, end: ConnectionEnd): boolean {
    if (!this.#channel.isHandedOver(sent)) return true;
    return end.lastReceived !== undefined && this.#channel.isBeyond(sent, end.lastReceived);
  }

  #details(call: PendingCall): RPCErrorDetails {
    return { connectionID: this.#connectionID, object: call.object, member: call.member };
  }
}
