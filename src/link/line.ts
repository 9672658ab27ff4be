/**
 * What a session asks of whatever carries its messages: one connection, or one after another.
 */
import type { CloseCode } from '../protocol/close-reason.js';
import type { SessionMessage } from '../protocol/messages.js';
import type { Sent } from '../protocol/outbox.js';

/** Carries the messages of one session. */
export interface Line {
  /** Whether the connection is lost and the session waits for another. */
  readonly isAway: boolean;
  /** Whether this side has ended it: of messages that came together, those not yet acted on are not any more. */
  readonly isClosing: boolean;
  /** Whether something has arrived that was not acted on yet; there is a flush when it was. */
  readonly hasUnhandled: boolean;
  /** How often what arrived waited so that other connections had their turn. */
  readonly yields: number;
  /** The other side asked for what it may not have, or gave up what it had asked for. */
  countRefusal(): void;
  /** Bytes waiting to be written. */
  readonly queuedBytes: number;
  /** Of those the bytes that whatever is sent now waits behind. */
  readonly backlogBytes: number;
  /** Whether these are so many that what can wait is to wait (`limits.highWaterBytes`). */
  readonly isCongested: boolean;
  /** Bytes that may be sent so that nothing waits long for them; none while away. */
  readonly roomBytes: number;
  /** Bytes of stream values that the peer is ready to hold. */
  readonly peerStreamBytes: number;
  /** Whether long messages wait, which others overtake. */
  readonly hasLongMessages: boolean;
  /** Bytes that the message sent last took. */
  readonly lastMessageBytes: number;
  /**
   * Sends a session message.
   * @throws UnserializableValueError, LimitExceededError when it cannot be encoded; nothing was sent then
   */
  send(message: SessionMessage, mostBytes?: number): Sent;
  /** Takes a message back; true when the other side will surely never act on it. */
  withdraw(sent: Sent): boolean;
  /** Whether a message was given to a transport as a whole. */
  isHandedOver(sent: Sent): boolean;
  /** Whether the other side has acknowledged a message; always false where sessions end with their connection. */
  hasReached(sent: Sent): boolean;
  /** Whether a message came after the last one that the peer says it has read. */
  isBeyond(sent: Sent, lastReceived: number): boolean;
  /** The session has what it needs to begin: the handshake's deadline no longer counts. */
  markReady(): void;
  /** Calls back once what was sent has left, or, where it is acknowledged, has arrived. */
  whenSent(onSent: () => void): void;
  /** Has `onFlush` of the sink called: at the end of this turn, or once there is room. */
  requestFlush(): void;
  /** Has `onRoom` of the sink called as soon as less waits, if it is not too much then. */
  requestRoom(): void;
  /** The session's next deadline may have moved forward. */
  deadlineChanged(): void;
  /** Ends it, telling the peer why. */
  close(code: CloseCode, message: string): void;
}
