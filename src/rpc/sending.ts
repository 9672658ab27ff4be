/**
 * The way out of one connection: ids, and messages with what they lend. A message that fails to encode, or is taken back,
 * has lent nothing.
 */
import { ConnectionLostError, NotConnectedError, type Stage } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { Line } from '../link/line.js';
import type { Codec } from '../protocol/codec.js';
import { MessageType, type SessionMessage, type Target } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';
import type { ExportTable } from '../proxies/export-table.js';
import type { CallOptions } from '../proxies/types.js';
import { withinCall } from './current-call.js';

/** What was sent, and the numbers of the references that it lent. */
export interface SentMessage {
  readonly sent: Sent;
  readonly lent: readonly number[] | undefined;
}

/** What sending needs. */
export interface SendingSettings {
  readonly connectionID: string;
  readonly connection: Line;
  readonly codec: Codec;
  readonly exports: ExportTable;
  /** Has stream values leave that came before: what follows does not overtake them as far as there is credit. */
  readonly beforeSend: () => void;
}

/** The way out. */
export class Sending {
  readonly #settings: SendingSettings;
  readonly #connection: Line;
  readonly #exports: ExportTable;
  /** The last answer or end of a stream, and the last one that was long, which it may have overtaken. */
  #lastAnswer: Sent | undefined;
  #lastLongAnswer: Sent | undefined;
  #lastID = 0;
  #end: ConnectionEnd | undefined;
  /** Seconds after which to try again, and that the other side takes nothing new. */
  #goAway: { readonly retryAfterInSeconds: number | undefined } | undefined;

  /** @param settings - of the connection */
  constructor(settings: SendingSettings) {
    this.#settings = settings;
    this.#connection = settings.connection;
    this.#exports = settings.exports;
  }

  /** The id of the connection. */
  get connectionID(): string {
    return this.#settings.connectionID;
  }

  /** Whether what is sent waits for another connection. */
  get isAway(): boolean {
    return this.#connection.isAway;
  }

  /** Marshals what is sent. */
  get codec(): Codec {
    return this.#settings.codec;
  }

  /** Bytes that the message sent last took. */
  get lastMessageBytes(): number {
    return this.#connection.lastMessageBytes;
  }

  /** Bytes that whatever is sent now waits behind. */
  get backlogBytes(): number {
    return this.#connection.backlogBytes;
  }

  /** Whether these are so many that what can wait is to wait. */
  get isCongested(): boolean {
    return this.#connection.isCongested;
  }

  /** Has whatever waits told when less is queued, if it is not too much then. */
  requestRoom(): void {
    this.#connection.requestRoom();
  }

  /** The next id of a call or a subscription. */
  takeID(): number {
    this.#lastID += 1;
    return this.#lastID;
  }

  /** Whether an id was given out. */
  wasTaken(id: number): boolean {
    return id <= this.#lastID;
  }

  /**
   * @throws ConnectionLostError when the connection has ended
   * @throws NotConnectedError when the session waits for another connection, and the call is not to wait, or when the other side
   * takes nothing new
   */
  checkOpen({ whenDisconnected }: CallOptions, target: Target): void {
    if (whenDisconnected === 'fail' && this.#connection.isAway)
      throw new NotConnectedError('the connection is lost, and another one is looked for');
    if (this.#end === undefined) {
      this.#checkTaken(target);
      return;
    }
    throw new ConnectionLostError(`the connection has ended: ${this.#end.reason.message}`);
  }

  /**
   * Makes and sends a message.
   * @param makeMessage - marshals what is the user's
   * @param mostBytes - that it may take
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded, or takes more; nothing was sent or lent
   *   then
   */
  send(makeMessage: () => SessionMessage, mostBytes?: number): SentMessage {
    const exports = this.#exports;
    this.#settings.beforeSend();
    const outer = exports.begin();
    let sent: Sent;
    try {
      const message = makeMessage();
      sent = this.#connection.send(message, mostBytes);
      this.#note(message, sent);
    } catch (error) {
      exports.takeBack(exports.end(outer));
      throw error;
    }
    return { sent, lent: exports.end(outer) };
  }

  /** Sends a message that lends nothing. */
  sendPlain(message: SessionMessage): void {
    this.#settings.beforeSend();
    this.#note(message, this.#connection.send(message));
  }

  /** Whether the other side is known to have all answers and ends of streams; of a session that can be resumed. */
  get hasAnswered(): boolean {
    const hasReached = (sent: Sent | undefined): boolean =>
      sent === undefined || this.#connection.hasReached(sent);
    return hasReached(this.#lastAnswer) && hasReached(this.#lastLongAnswer);
  }

  /** Takes a message back, and what it lent; true when the other side will surely never act on it. */
  withdraw({ sent, lent }: SentMessage): boolean {
    if (!this.#connection.withdraw(sent)) return false;
    this.#exports.takeBack(lent);
    return true;
  }

  /** Whether the other side has acknowledged a message. */
  hasReached(sent: Sent): boolean {
    return this.#connection.hasReached(sent);
  }

  /** Whether a message was given to the transport as a whole. */
  isHandedOver(sent: Sent): boolean {
    return this.#connection.isHandedOver(sent);
  }

  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean {
    return this.#connection.isBeyond(sent, lastReceived);
  }

  /** Whether the other side surely has not acted on a message, now that the connection has ended. */
  cannotHaveArrived(sent: Sent, end: ConnectionEnd): boolean {
    if (!this.isHandedOver(sent)) return true;
    return end.lastReceived !== undefined && this.isBeyond(sent, end.lastReceived);
  }

  /** How far a message got. @param end - of the session, if it has come */
  stageOf(sent: Sent, end?: ConnectionEnd): Stage {
    if (!this.isHandedOver(sent)) return 'queued';
    const isRead = end?.lastReceived !== undefined && !this.isBeyond(sent, end.lastReceived);
    return isRead || this.#connection.hasReached(sent) ? 'received' : 'sent';
  }

  /** Tells the other side that nobody waits for a call or a stream any more. */
  cancel(id: number): void {
    this.sendPlain([MessageType.cancel, id]);
  }

  /** The other side takes nothing new. */
  noteGoAway(retryAfterMs: number | undefined): void {
    this.#goAway = { retryAfterInSeconds: retryAfterMs === undefined ? undefined : retryAfterMs / 1_000 };
  }

  #note([type]: SessionMessage, sent: Sent): void {
    if (type !== MessageType.response && type !== MessageType.complete && type !== MessageType.fail) return;
    if (typeof sent === 'number') this.#lastAnswer = sent;
    else this.#lastLongAnswer = sent;
  }

  /** What the other side may need for what it has begun is asked for: only it knows which references these are. */
  #checkTaken(target: Target): void {
    if (
      this.#goAway === undefined ||
      typeof target === 'number' ||
      withinCall(this.connectionID) !== undefined
    )
      return;
    throw new NotConnectedError('the other side is stopping and takes no new calls', this.#goAway);
  }

  /** The connection has ended. */
  close(end: ConnectionEnd): void {
    this.#end = end;
  }
}
