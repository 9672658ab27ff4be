/**
 * What Tandem asks of anything that carries bytes: one live, ordered, two-way pipe, with a way to listen and to dial.
 *
 * A transport knows no messages, no retries and no time. It reports its end exactly once and nothing after it; none of
 * its methods ever calls a sink before returning. `spec/contracts/transport-contract.ts` holds every implementation to
 * this page.
 */

import type { CloseCode } from '../protocol/close-reason.js';

/** Where a server listens. */
export interface Address {
  /** A host name or literal IP address. */
  readonly host: string;
  /** 1 to 65,535; 0 asks the system to choose when listening. */
  readonly port: number;
}

/** Receives what happens on a transport. */
export interface TransportSink {
  /** Bytes arrived. They are the receiver's until it returns: the transport may read into the same memory again. */
  onChunk(chunk: Uint8Array): void;
  /**
   * What came is not what the protocol allows, and nothing more of it is delivered; of transports that look at what they carry.
   */
  onFault?(code: CloseCode, message: string): void;
  /** The queue has drained after `write` answered false. */
  onWritable(): void;
  /**
   * The end, exactly once, also after `close` or `destroy`; `error` is absent after an orderly end, and where the system
   * cannot tell: that the peer meant to end must be known from its words.
   */
  onClosed(error: Error | undefined): void;
}

/** How a transport keeps heartbeats, where it does; all in milliseconds. */
export interface HeartbeatSettings {
  /** How long this side bears silence. */
  readonly timeoutMs: number;
  /** How long the other side does. */
  readonly peerTimeoutMs: number;
  /** Between pings, where short enough for the peer; `undefined`: a third of the timeout. */
  readonly intervalMs: number | undefined;
}

/** Receives what heartbeats tell; nothing after `onClosed` of the transport. */
export interface HeartbeatSink {
  /** A ping was answered, by a peer whose main loop had not turned for so long. */
  onHeartbeat(roundTripMs: number, loopLagMs: number): void;
  /** The peer told something new of how long its main loop had not turned. */
  onLoopLag(loopLagMs: number): void;
  /** Nothing was heard for the timeout. */
  onSilence(): void;
}

/**
 * The heartbeats of a transport that lives on a thread of its own, where they go on while the thread of its owner is busy. What
 * such a transport delivers are whole frames, heartbeats among them that it has answered.
 */
export interface TransportHeartbeats {
  /** Bytes of session messages that may wait for this thread: the peer is told, and sends no more. */
  readonly windowBytes: number;
  /** Begins, once both sides have agreed; called once, before anything else is written. */
  start(settings: HeartbeatSettings, sink: HeartbeatSink): void;
  /** Changes how long this side bears silence. */
  setTimeout(timeoutMs: number): void;
}

/** One live pipe of bytes. Whoever received it owns it, and must `close` or `destroy` it. */
export interface Transport {
  /**
   * Names both ends for messages to people, the dialling one first: `tcp 127.0.0.1:51234 -> 127.0.0.1:4000`. Asked for while
   * the pipe is open.
   */
  readonly description: string;
  /** The host of the other end: a literal IP address; `undefined` where there is none. */
  readonly peerHost?: string | undefined;
  /** Keeps the heartbeats of the connection, where the transport can: then its owner does not. */
  readonly heartbeats?: TransportHeartbeats | undefined;
  /** Whether `write` copies, so that what was given may be written over at once. */
  readonly isCopying?: boolean;
  /** Bytes given to `write` that have not been handed to the system yet. */
  readonly queuedBytes: number;
  /** Starts delivery to the sink; called once. What arrived before it is delivered after it returned. */
  open(sink: TransportSink): void;
  /**
   * Queues bytes in order, all pieces together; the caller must not change them afterwards. Ignored once the pipe has ended.
   * @returns false when the queue is full and the caller should wait for `onWritable`; true on a pipe that has ended
   */
  write(...pieces: readonly Uint8Array[]): boolean;
  /**
   * Calls `flush` once, soon: asked for while a chunk is dealt with, or by a microtask, when there are no more microtasks, so
   * that what follows in later ones leaves in the same write. Never after `onClosed`.
   */
  scheduleFlush(flush: () => void): void;
  /** Calls back once everything that had already reached this machine has been handed to `onChunk`; never after `onClosed`. */
  afterReading(callback: () => void): void;
  /** Delivers nothing more until `resume`: what comes waits with the system. The end may be told only after that. */
  pause(): void;
  /** Delivers again. Has no effect where nothing was paused, and before `open` has taken effect. */
  resume(): void;
  /**
   * Writes what is queued, then ends the pipe; nothing more is read. Has no effect on an ended pipe. The end is reported
   * when the peer has ended too, which a peer that hangs never does: whoever cannot wait calls `destroy` in the end.
   */
  close(): void;
  /** Ends the pipe at once; what is queued is lost. Has no effect on an ended pipe. */
  destroy(): void;
}

/** A failure to listen or to dial. */
export interface TransportFailure {
  /** `"address-in-use"` and `"refused"` are told apart, since starting a server turns on them. */
  readonly kind: 'address-in-use' | 'refused' | 'other';
  /** The system's error. */
  readonly error: Error;
}

/** Receives what happens to a listener. */
export interface ListenSink {
  /** It listens, at this address; once, before any transport. */
  onListening(address: Address): void;
  /** Somebody dialled. The receiver owns the transport. */
  onTransport(transport: Transport): void;
  /** It could not listen, or no longer does; final. */
  onFailed(failure: TransportFailure): void;
}

/** A place where transports arrive. */
export interface Listener {
  /**
   * Stops listening and frees the address; transports that were accepted live on. Nothing more is reported to the sink.
   * `onClosed` is called once the address is free.
   */
  close(onClosed: () => void): void;
}

/** Receives the outcome of one dial: exactly one of the two, unless it is cancelled first. */
export interface DialSink {
  /** Connected. The receiver owns the transport. */
  onTransport(transport: Transport): void;
  /** Not connected; final. */
  onFailed(failure: TransportFailure): void;
}

/** One attempt to connect. */
export interface Dial {
  /** Gives up; neither outcome is reported afterwards. Has no effect once there is an outcome. */
  cancel(): void;
}

/** A kind of transport: how to listen and how to dial. */
export interface TransportProvider {
  /** Starts to listen. */
  listen(address: Address, sink: ListenSink): Listener;
  /** Starts to connect. */
  dial(address: Address, sink: DialSink): Dial;
  /** Its user is done with it: what it holds besides the transports that it made goes with the last of them. */
  dispose?(): void;
}
