/**
 * What two sides have said to each other so far, in both directions: all that outlives a connection whose session goes on.
 * Tells the other side how far it got, often enough that what that one keeps stays small. PROTOCOL.md, "Resuming".
 */

import { Inbox } from './inbox.js';
import { defaultPeerStreamBytes } from './limits.js';
import { MessageType } from './messages.js';
import { Outbox } from './outbox.js';
import type { ConnectionSettings } from './connection-settings.js';

/** Session messages, or bytes of their frames, after which they are acknowledged at once. */
const ackAfterMessages = 32;
const ackAfterBytes = 64 * 1024;

/** Milliseconds after which they are acknowledged however few they are. */
const ackAfterMs = 100;

/** What was received and sent, how far, and whether it goes on when the connection is lost. */
export class Session {
  /** What is received. */
  readonly inbox: Inbox;
  /** What is sent. */
  readonly outbox: Outbox;
  /** Bytes of stream values that the other side is ready to hold; known once a connection is established. */
  peerStreamBytes = defaultPeerStreamBytes;
  #isResumable = false;
  #ackAtMs = Infinity;

  /**
   * @param inbox - where its messages arrive
   * @param outbox - where they leave
   */
  constructor(inbox: Inbox, outbox: Outbox) {
    this.inbox = inbox;
    this.outbox = outbox;
  }

  /** One in which nothing was said yet, of a connection with these settings. */
  static new({ codec, limits, slabs }: ConnectionSettings): Session {
    return new Session(
      new Inbox(codec, limits, slabs.fragments),
      new Outbox(codec, slabs, limits.maxQueuedBytes),
    );
  }

  /** One that is over, in the place of one that goes on elsewhere: what is sent to it never leaves. */
  static over(received: Inbox, { codec, slabs }: ConnectionSettings): Session {
    const session = new Session(received, new Outbox(codec, slabs, 0));
    session.outbox.end();
    return session;
  }

  /** Whether it outlives its connection. */
  get isResumable(): boolean {
    return this.#isResumable;
  }

  /** When `sendAck` is due; `Infinity`: it is not. */
  get ackAtMs(): number {
    return this.#ackAtMs;
  }

  /** From now on it outlives its connections. @param keptBytes - that may wait to be acknowledged */
  outliveConnections(keptBytes: number): void {
    this.#isResumable = true;
    this.inbox.beginNumbers();
    this.outbox.keepSent(keptBytes);
  }

  /** Its connection is lost. */
  detach(): void {
    this.#ackAtMs = Infinity;
    this.outbox.detach();
  }

  /**
   * Goes on by the connection on which `beginning` was said, which is no session any more then.
   * @throws ProtocolError when the other side cannot have received so much, or had received more
   */
  continueOn(beginning: Session, received: number): void {
    this.outbox.continueOn(beginning.outbox, received);
    this.inbox.continueOn(beginning.inbox);
  }

  /** Acknowledges what has arrived, at once where it is much, else before long. */
  considerAck(nowMs: number): void {
    const { unacknowledgedCount, unacknowledgedBytes } = this.inbox;
    if (unacknowledgedCount === 0) return;
    if (unacknowledgedCount >= ackAfterMessages || unacknowledgedBytes >= ackAfterBytes) this.sendAck();
    else if (this.#ackAtMs === Infinity) this.#ackAtMs = nowMs + ackAfterMs;
  }

  /** Acknowledges what has arrived. */
  sendAck(): void {
    this.#ackAtMs = Infinity;
    this.outbox.sendControl([MessageType.ack, this.inbox.acknowledge()]);
  }
}
