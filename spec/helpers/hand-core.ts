/**
 * Connection cores worked by hand: bytes go in and out when the spec says so, and time passes when it says so.
 */
import { Codec } from '../../src/protocol/codec.js';
import { ConnectionCore } from '../../src/protocol/connection-core.js';
import type { ConnectionEvent } from '../../src/protocol/connection-events.js';
import type { ConnectionRole, ConnectionSettings } from '../../src/protocol/connection-settings.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { FrameReader, SlabPool } from '../../src/protocol/framing.js';

import { defaultLimits, maxFrameBytes } from '../../src/protocol/limits.js';
import type { Message } from '../../src/protocol/messages.js';
import { parseMessage } from '../../src/protocol/parse-message.js';
import { frameOf, joined, openingBytes } from './wire.js';

/** The end of a connection, as its core reports it. */
export type ClosedEvent = Extract<ConnectionEvent, { readonly type: 'closed' }>;

/** What a core is made with: timeout 10 s, handshake 5 s, default limits, unless told. */
export function settingsOf(
  role: ConnectionRole,
  changes: Partial<ConnectionSettings> = {},
): ConnectionSettings {
  const limits = changes.limits ?? defaultLimits;
  return {
    role,
    timeoutMs: 10_000,
    heartbeatIntervalMs: undefined,
    handshakeTimeoutMs: 5_000,
    limits,
    codec: new Codec(limits),
    slabs: new SlabPool(),
    ...changes,
  };
}

/** One core, and what its driver would do. */
export class HandCore {
  /** The core. */
  readonly core: ConnectionCore;
  /** Everything that happened, in order. */
  readonly events: ConnectionEvent[] = [];
  /** The time. */
  nowMs = 0;
  readonly #reader = new FrameReader(new FragmentPool());
  readonly #codec = new Codec(defaultLimits);
  #hasOpening = false;

  constructor(role: ConnectionRole, changes: Partial<ConnectionSettings> = {}, previous?: ConnectionCore) {
    this.core = new ConnectionCore(settingsOf(role, changes), 0, previous);
  }

  /** Hands in each of these as a chunk. */
  receive(...chunks: readonly Uint8Array[]): this {
    for (const chunk of chunks) {
      this.core.receive(chunk, this.nowMs);
      while (this.core.hasUnread) this.core.readOn(this.nowMs);
    }
    this.#takeEvents();
    return this;
  }

  /** Hands in one frame of these messages, unchecked. */
  hear(...messages: readonly (readonly unknown[])[]): this {
    return this.receive(frameOf(...messages));
  }

  /** Answers HELLO. */
  welcome(connectionID = 'c1'): this {
    this.core.welcome(connectionID, this.nowMs);
    this.#takeEvents();
    return this;
  }

  /** Lets time pass, each deadline being handled when it is due; a suspicion is not acted on. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.core.nextDeadlineMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.core.nextDeadlineMs);
      this.core.handleDeadline(this.nowMs);
      this.#takeEvents();
    }
    this.nowMs = endMs;
    return this;
  }

  /** Lets time pass in which this side's own loop is blocked: what was due is handled at its end. */
  block(ms: number): this {
    this.nowMs += ms;
    if (this.core.nextDeadlineMs <= this.nowMs) this.core.handleDeadline(this.nowMs);
    this.#takeEvents();
    return this;
  }

  /** Says that everything that had arrived was read. */
  confirmSuspicion(): this {
    this.core.confirmSuspicion(this.nowMs);
    this.#takeEvents();
    return this;
  }

  /** Ends it. */
  close(code: ClosedEvent['reason']['code'] = 'disconnected', message = 'bye'): this {
    this.core.close(code, message);
    this.#takeEvents();
    return this;
  }

  /** Takes what is to be written. */
  takeBytes(roomBytes = Infinity): Uint8Array {
    const bytes = joined(...this.core.takeFrames(roomBytes));
    this.#takeEvents();
    return bytes;
  }

  /** Takes what is to be written, as messages; the opening is passed over. */
  takeMessages(roomBytes = Infinity): Message[] {
    return this.read(this.takeBytes(roomBytes));
  }

  /** Reads what was taken before. */
  read(bytes: Uint8Array): Message[] {
    const isBeginning = !this.#hasOpening && bytes.length > 0;
    this.#hasOpening ||= isBeginning;
    this.#reader.push(isBeginning ? bytes.subarray(openingBytes.length) : bytes);
    const messages: Message[] = [];
    for (
      let frame = this.#reader.read(maxFrameBytes);
      frame !== undefined;
      frame = this.#reader.read(maxFrameBytes)
    ) {
      for (const value of this.#codec.decodeFrame(frame, false)) messages.push(parseMessage(value));
    }
    return messages;
  }

  /** The end, if it has come. */
  get closed(): ClosedEvent | undefined {
    this.#takeEvents();
    return this.events.find((event): event is ClosedEvent => event.type === 'closed');
  }

  /** The kinds of what happened, in order. */
  get happened(): ConnectionEvent['type'][] {
    this.#takeEvents();
    return this.events.map(({ type }) => type);
  }

  /** Every session message that was received, in order. */
  get received(): Message[] {
    this.#takeEvents();
    return this.events.flatMap((event) => (event.type === 'messages' ? event.messages : []));
  }

  #takeEvents(): void {
    this.events.push(...this.core.takeEvents());
  }
}

/** A listening core that has read HELLO and answered it; what it wrote so far was taken. */
export function establishedListener(
  changes: Partial<ConnectionSettings> = {},
  peerTimeoutMs = 10_000,
): HandCore {
  const hand = new HandCore({ side: 'listener' }, changes);
  hand
    .receive(openingBytes)
    .hear([32, { version: 1, timeoutMs: peerTimeoutMs }])
    .welcome();
  hand.takeMessages();
  return hand;
}

/** A dialling core that was welcomed; what it wrote so far was taken. */
export function establishedDialer(
  changes: Partial<ConnectionSettings> = {},
  peerTimeoutMs = 10_000,
): HandCore {
  const hand = new HandCore({ side: 'dialer' }, changes);
  hand.takeMessages();
  hand.receive(openingBytes).hear([33, { version: 1, connectionID: 'c1', timeoutMs: peerTimeoutMs }]);
  return hand;
}

/** Two established cores, and the wire between them. */
export class CorePair {
  readonly dialer: HandCore;
  readonly listener: HandCore;

  constructor(
    changes: Partial<ConnectionSettings> = {},
    listenerChanges: Partial<ConnectionSettings> = changes,
  ) {
    this.dialer = new HandCore({ side: 'dialer' }, changes);
    this.listener = new HandCore({ side: 'listener' }, listenerChanges);
    this.exchange();
    this.listener.welcome();
    this.exchange();
  }

  /** Carries bytes both ways until both are quiet. */
  exchange(): this {
    for (;;) {
      const up = this.dialer.takeBytes();
      const down = this.listener.takeBytes();
      if (up.length + down.length === 0) return this;
      this.listener.receive(up);
      this.dialer.receive(down);
    }
  }

  /** Lets time pass on both sides, in steps, with what is written carried at once. */
  pass(ms: number, stepMs: number): this {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      this.dialer.pass(stepMs);
      this.listener.pass(stepMs);
      this.exchange();
      this.dialer.confirmSuspicion();
      this.listener.confirmSuspicion();
    }
    return this;
  }
}
