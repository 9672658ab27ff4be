/**
 * The notifications of one connection of which it is not known whether they have arrived: nobody waits for them, so somebody has to be told
 * when the connection takes them with it. What came behind one and was answered says that it has arrived: an acknowledgement, the
 * answer to a later call, or a heartbeat.
 */
import { ConnectionLostError, type Executed, type Stage } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { Target } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import { Fifo } from '../streams/fifo.js';
import type { Sending } from './sending.js';
import { describeCall, labelOf } from './targets.js';

/** Those of which more is kept than how many they are: as many as a fast sender has under way for a moment. */
const maxKept = 4_096;

interface Notification {
  readonly sent: Sent;
  readonly target: Target;
  readonly member: string;
}

/** What was known at a heartbeat. */
interface Mark {
  readonly atMs: number;
  /** The number of the last notification that had been sent by then. */
  readonly number: number;
}

/** The notifications of one connection. */
export class SentNotifications {
  readonly #sending: Sending;
  readonly #kept = new Fifo<Notification>();
  /** How many older ones are not kept, and the number of the last of them. */
  #older = 0;
  #lastOlder = 0;
  #lastNumber = 0;
  #arrived = 0;
  #mark: Mark | undefined;
  #previousMark: Mark | undefined;

  /** @param sending - by which they leave */
  constructor(sending: Sending) {
    this.#sending = sending;
  }

  /** One was sent. */
  add(sent: Sent, target: Target, member: string): void {
    if (typeof sent === 'number') this.#lastNumber = sent;
    for (let first = this.#kept.peek(); first !== undefined; first = this.#kept.peek()) {
      if (!this.#hasArrived(first.sent)) break;
      this.#kept.take();
    }
    this.#kept.push({ sent, target, member });
    if (this.#kept.length <= maxKept) return;
    this.#older += 1;
    this.#lastOlder = Math.max(this.#lastOlder, numberOf(this.#kept.take()?.sent));
  }

  /** A call was answered: whatever was sent before it has arrived. */
  answered(sent: Sent): void {
    this.#arrive(numberOf(sent));
  }

  /**
   * A heartbeat was answered: what was sent before it has arrived, where nothing is sent again. Which those are is taken from the one
   * before the last, since the clocks that tell when this one was sent may be those of two threads.
   */
  heartbeat(nowMs: number, roundTripMs: number): void {
    const previous = this.#previousMark;
    if (previous !== undefined && nowMs - roundTripMs >= previous.atMs) this.#arrive(previous.number);
    this.#previousMark = this.#mark;
    this.#mark = { atMs: nowMs, number: this.#lastNumber };
  }

  /**
   * The connection has ended.
   * @returns what to say of those that were lost with it, or may have been
   */
  close(end: ConnectionEnd): ConnectionLostError | undefined {
    const { code, by, message } = end.reason;
    // What this side sent before it ended the connection in good order goes before that.
    const isOrderly = by === 'local' && (code === 'disconnected' || code === 'server-stopped');
    let [lost, doubtful] = [0, 0];
    let stage: Stage = 'queued';
    let last: Notification | undefined;
    for (let next = this.#kept.take(); next !== undefined; next = this.#kept.take()) {
      const { sent } = next;
      if (this.#hasArrived(sent)) continue;
      const isLost = this.#sending.cannotHaveArrived(sent, end);
      const got = this.#sending.stageOf(sent, end);
      if (!isLost && (got === 'received' || isOrderly)) continue;
      if (isLost) lost += 1;
      else doubtful += 1;
      if (got !== 'queued') stage = 'sent';
      last = next;
    }
    // Of a side that says how far it has read these are the first that it had.
    const areOlderKnown = isOrderly || (end.lastReceived ?? 0) >= this.#lastOlder;
    const older = areOlderKnown ? 0 : this.#older;
    if (last === undefined) return undefined;
    const object = labelOf(last.target);
    const executed: Executed = doubtful + older > 0 ? 'unknown' : 'no';
    const details = {
      connectionID: this.#sending.connectionID,
      object,
      member: last.member,
      executed,
      stage,
    };
    const text = describeLoss(lost, doubtful, older);
    return new ConnectionLostError(
      `${text} before the connection ended (the last one: ${describeCall(object, last.member)}): ${message}`,
      details,
    );
  }

  #hasArrived(sent: Sent): boolean {
    const number = numberOf(sent);
    return (number > 0 && number <= this.#arrived) || this.#sending.hasReached(sent);
  }

  #arrive(number: number): void {
    this.#arrived = Math.max(this.#arrived, number);
    if (this.#arrived >= this.#lastOlder) this.#older = 0;
  }
}

function numberOf(sent: Sent | undefined): number {
  if (sent === undefined) return 0;
  return typeof sent === 'number' ? sent : sent.lastNumber;
}

function describeLoss(lost: number, doubtful: number, older: number): string {
  const unknown = doubtful + older;
  const count = (number: number): string => `${number} notification${number === 1 ? '' : 's'}`;
  const bound = older > 0 ? 'up to ' : '';
  if (unknown === 0) return `${count(lost)} did not arrive`;
  const may = `${bound}${count(unknown)} may not have arrived`;
  return lost === 0 ? may : `${count(lost)} did not, and ${may}`;
}
