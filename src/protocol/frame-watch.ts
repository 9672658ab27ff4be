/**
 * The part of a connection that a thread of its own keeps while the main thread is busy: where frames begin and end, whether they
 * may be decoded at all, and heartbeats. Everything else passes, as it came, to the main thread.
 *
 * What it needs of a frame it finds by a scan, without decoding: the type of each message. A frame of heartbeats alone ends here;
 * among others they pass as well, and the main thread ignores them. A machine without I/O, like ConnectionCore: inputs are
 * `receive`, `handleDeadline` and the commands, outputs are `takeForwarded`, `takeReplies` and `takeEvents`.
 * PROTOCOL.md, "Heartbeats".
 */

import { ProtocolError } from '../errors.js';
import { byteAt, itemAt } from './bytes.js';
import { printable, type CloseCode } from './close-reason.js';
import type { Codec } from './codec.js';
import { CodecTools } from './codec-tools.js';
import type { FragmentPool } from './fragment-pool.js';
import { FrameReader } from './framing.js';
import { Heartbeat } from './heartbeat.js';
import {
  frameTookTooLong,
  maxFrameBytes,
  maxFrameMs,
  maxHandshakeFrameBytes,
  type Limits,
} from './limits.js';
import {
  MessageType,
  type ConnectionMessage,
  type PingMessage,
  type PongMessage,
  type TimeoutMessage,
} from './messages.js';
import { OpeningReader } from './opening.js';
import { parseMessage } from './parse-message.js';
import type { Prescan } from './prescan.js';

/** What happened, for the main thread. */
export type FrameWatchEvent =
  /** A ping was answered. */
  | { readonly type: 'heartbeat'; readonly roundTripMs: number; readonly loopLagMs: number }
  /** The peer told something new of how long its main loop had not turned. */
  | { readonly type: 'lag'; readonly loopLagMs: number }
  /** The peer did what the protocol does not allow: nothing more of it is read. */
  | { readonly type: 'fault'; readonly code: CloseCode; readonly message: string };

const headerBytes = 4;

/** Watches what one peer sends. */
export class FrameWatch {
  readonly #prescan: Prescan;
  readonly #codec: Codec;
  readonly #reader: FrameReader;
  #opening: OpeningReader | undefined = new OpeningReader();
  /** Whether it does not speak this protocol: then all passes, for the main thread to say what it is. */
  #isForeign = false;
  #isFaulty = false;
  #maxBytes: number;
  #heartbeat: Heartbeat | undefined;
  #peerLagMs = 0;
  #isLagNews = false;
  #partialEndsMs = Infinity;
  #forwarded: Uint8Array[] = [];
  #replies: Uint8Array[] = [];
  #events: FrameWatchEvent[] = [];

  /**
   * @param limits - bounds on what is received
   * @param isStranger - whether the peer dialled: until heartbeats start its frames are small
   * @param codec - for heartbeats, which hold nothing of users: one for all connections
   * @param pool - lends the buffers in which fragments are gathered
   */
  constructor(limits: Limits, isStranger: boolean, codec: Codec, pool: FragmentPool) {
    this.#reader = new FrameReader(pool);
    this.#prescan = CodecTools.of(limits).prescan;
    this.#codec = codec;
    this.#maxBytes = isStranger ? maxHandshakeFrameBytes : maxFrameBytes;
  }

  /** Takes bytes from the transport, which are not kept. @param ownLagMs - for how long our main loop has not turned */
  receive(chunk: Uint8Array, nowMs: number, ownLagMs: number): void {
    if (this.#isFaulty) return;
    this.#heartbeat?.receiveBytes(nowMs);
    try {
      const rest = this.#passOpening(chunk);
      if (rest !== undefined) this.#receiveFrames(rest, nowMs, ownLagMs);
    } catch (error) {
      // Scans and decoders throw errors of the protocol, and nothing else.
      this.#fail((error as Error).message);
    }
    if (this.#reader.partialBytes === 0) this.#partialEndsMs = Infinity;
    else if (this.#partialEndsMs === Infinity) this.#partialEndsMs = nowMs + maxFrameMs;
  }

  /** Heartbeats begin, once the main thread has agreed with the peer. */
  startHeartbeats(
    timeoutMs: number,
    peerTimeoutMs: number,
    intervalMs: number | undefined,
    nowMs: number,
  ): void {
    this.#maxBytes = maxFrameBytes;
    this.#heartbeat = new Heartbeat(timeoutMs, peerTimeoutMs, intervalMs, nowMs);
  }

  /** Changes how long this side bears silence. */
  setTimeout(timeoutMs: number, nowMs: number): void {
    this.#heartbeat?.setTimeout(timeoutMs, nowMs);
  }

  /** So many bytes that were forwarded have been taken: the peer, whose window they were, may send as many more. */
  widenWindow(bytes: number): void {
    if (this.#heartbeat !== undefined) this.#write([MessageType.window, bytes]);
  }

  /** The peer does not read what it is sent: nothing more of it is read. */
  refuseDeaf(maxQueuedBytes: number): void {
    if (this.#isFaulty) return;
    this.#fail(
      `more than ${maxQueuedBytes} bytes wait because the peer does not read (limits.maxQueuedBytes changes the bound)`,
      'limit-exceeded',
    );
  }

  /** Nothing is read by our own choice: silence says nothing about the peer. */
  excuseSilence(nowMs: number): void {
    this.#heartbeat?.receiveBytes(nowMs);
  }

  /**
   * Acts on the deadlines that have passed.
   * @returns whether the peer is suspect: read what has arrived, then ask `isDead`
   */
  handleDeadline(nowMs: number, ownLagMs: number): boolean {
    let isSuspect = nowMs >= this.#partialEndsMs;
    if (this.#heartbeat !== undefined && nowMs >= this.#heartbeat.nextDeadlineMs) {
      const due = this.#heartbeat.handleDeadline(nowMs);
      isSuspect ||= due.isSuspect;
      if (due.ping !== undefined) this.#reply(MessageType.ping, due.ping, ownLagMs);
    }
    return isSuspect;
  }

  /** Asked after reading once more: whether the peer has been silent for too long; a frame that takes too long is a fault. */
  isDead(nowMs: number): boolean {
    if (nowMs >= this.#partialEndsMs) this.#fail(frameTookTooLong);
    return this.#heartbeat?.isDead() === true;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    if (this.#isFaulty) return Infinity;
    return Math.min(this.#heartbeat?.nextDeadlineMs ?? Infinity, this.#partialEndsMs);
  }

  /**
   * Takes what is for the main thread: the opening, then whole frames; views of memory that is written over when the next chunk
   * comes, or buffers of the pool, for the taker to give back.
   */
  takeForwarded(): readonly Uint8Array[] {
    const forwarded = this.#forwarded;
    if (forwarded.length > 0) this.#forwarded = [];
    return forwarded;
  }

  /** Takes what is to be written now: frames of heartbeats. */
  takeReplies(): readonly Uint8Array[] {
    const replies = this.#replies;
    if (replies.length > 0) this.#replies = [];
    return replies;
  }

  /** Takes what has happened since the last call; it came after what was forwarded before. */
  takeEvents(): readonly FrameWatchEvent[] {
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    if (!this.#isLagNews) return events;
    // However often it has changed meanwhile: only the last word counts.
    this.#isLagNews = false;
    return [{ type: 'lag', loopLagMs: this.#peerLagMs }, ...events];
  }

  /** Lets the opening pass. @returns the bytes behind it that begin a frame, if there are any */
  #passOpening(chunk: Uint8Array): Uint8Array | undefined {
    if (this.#isForeign) this.#forwarded.push(chunk);
    if (this.#isForeign || this.#opening === undefined) return this.#isForeign ? undefined : chunk;
    const verdict = this.#opening.receive(chunk);
    if (verdict?.kind !== 'tandem') {
      this.#isForeign = verdict !== undefined;
      this.#forwarded.push(chunk);
      return undefined;
    }
    this.#opening = undefined;
    this.#forwarded.push(chunk.subarray(0, chunk.length - verdict.rest.length));
    return verdict.rest;
  }

  #receiveFrames(chunk: Uint8Array, nowMs: number, ownLagMs: number): void {
    this.#reader.push(chunk);
    for (let frame = this.#reader.read(this.#maxBytes); frame !== undefined;) {
      this.#partialEndsMs = Infinity;
      const passes = this.#look(frame, nowMs, ownLagMs);
      if (passes) this.#forward(frame);
      frame = this.#reader.read(this.#maxBytes);
    }
  }

  #forward(frame: Uint8Array): void {
    const header = new Uint8Array(headerBytes);
    new DataView(header.buffer).setUint32(0, frame.length);
    this.#forwarded.push(header, frame);
  }

  /** Scans a frame, and acts on what it holds of heartbeats. @returns whether there is anything else in it */
  #look(frame: Uint8Array, nowMs: number, ownLagMs: number): boolean {
    // A fragment has bounds of its own, which the main thread checks without decoding.
    if (frame[1] === MessageType.fragment) return this.#pass();
    let passes = false;
    for (let start = 0; start < frame.length;) {
      const end = this.#prescan.scan(frame, start, frame.length);
      if (this.#heartbeat === undefined || !isHeartbeat(this.#typeAt(frame, start, end)))
        passes = this.#pass();
      else passes = this.#receive(this.#decode(frame.subarray(start, end)), nowMs, ownLagMs) || passes;
      start = end;
    }
    return passes;
  }

  /** What is no heartbeat comes of the peer's main loop, which has turned since it told its lag. @returns true */
  #pass(): true {
    this.#noteLag(0);
    return true;
  }

  /** The type of a message: a small number nearly always, and then there is nothing to be decoded for it. */
  #typeAt(frame: Uint8Array, start: number, end: number): unknown {
    const head = byteAt(frame, start);
    const type = byteAt(frame, start + (head === 0xdc ? 3 : head === 0xdd ? 5 : 1));
    return type < 0x80 ? type : this.#valueOf(frame.subarray(start, end))[0];
  }

  #valueOf(message: Uint8Array): readonly unknown[] {
    return itemAt(this.#codec.decodeFrame(message, false), 0);
  }

  #decode(message: Uint8Array): PingMessage | PongMessage | TimeoutMessage {
    // Its type was read already; what only looked like one of these is no message at all.
    return parseMessage(this.#valueOf(message)) as PingMessage | PongMessage | TimeoutMessage;
  }

  /** @returns whether the main thread must know of it too */
  #receive(message: PingMessage | PongMessage | TimeoutMessage, nowMs: number, ownLagMs: number): boolean {
    switch (message[0]) {
      case MessageType.ping:
        this.#noteLag(message[2] ?? 0);
        this.#answer(message[1], nowMs, ownLagMs);
        return false;
      case MessageType.pong:
        this.#noteLag(message[2] ?? 0);
        this.#receivePong(message[1], nowMs);
        return false;
      case MessageType.timeout:
        this.#heartbeat?.setPeerTimeout(message[1], nowMs);
        return true;
    }
  }

  #answer(id: number, nowMs: number, ownLagMs: number): void {
    this.#reply(MessageType.pong, id, ownLagMs);
    const ping = this.#heartbeat?.takePingAlong(nowMs);
    if (ping !== undefined) this.#reply(MessageType.ping, ping, ownLagMs);
  }

  #receivePong(id: number, nowMs: number): void {
    if (this.#heartbeat?.hasSent(id) !== true)
      throw new ProtocolError(`a PONG for ping ${id}, which was never sent`);
    const roundTripMs = this.#heartbeat.receivePong(id, nowMs);
    if (roundTripMs !== undefined)
      this.#events.push({ type: 'heartbeat', roundTripMs, loopLagMs: this.#peerLagMs });
  }

  #noteLag(loopLagMs: number): void {
    if (loopLagMs === this.#peerLagMs) return;
    this.#peerLagMs = loopLagMs;
    this.#isLagNews = true;
  }

  #reply(type: typeof MessageType.ping | typeof MessageType.pong, id: number, ownLagMs: number): void {
    const lagMs = Math.floor(ownLagMs);
    this.#write(lagMs === 0 ? [type, id] : [type, id, lagMs]);
  }

  #write(fields: ConnectionMessage): void {
    const message = this.#codec.encode(fields);
    const frame = new Uint8Array(headerBytes + message.length);
    new DataView(frame.buffer).setUint32(0, message.length);
    frame.set(message, headerBytes);
    this.#replies.push(frame);
  }

  #fail(message: string, code: CloseCode = 'protocol-error'): void {
    this.#isFaulty = true;
    this.#events.push({ type: 'fault', code, message: printable(message, 512) });
  }
}

function isHeartbeat(type: unknown): boolean {
  return type === MessageType.ping || type === MessageType.pong || type === MessageType.timeout;
}
