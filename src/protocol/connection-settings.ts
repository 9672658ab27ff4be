/** What a connection is told at its making. */

import type { ClientAuthentication } from './authentication.js';
import type { Codec } from './codec.js';
import type { SlabPool } from './framing.js';
import type { Limits } from './limits.js';
import type { ResumeOffer } from './messages.js';

/** What this end of the connection is there for. */
export type ConnectionRole =
  /** Waits for a HELLO or a PROBE. */
  | { readonly side: 'listener' }
  /** Wants a connection. */
  | DialerRole
  /** Only asks who listens. */
  | { readonly side: 'prober' };

/** Wants a connection. */
export interface DialerRole {
  readonly side: 'dialer';
  /** Of the handover that sent it here. */
  readonly ticket?: string | undefined;
  /** What it is to be known by. */
  readonly authentication?: ClientAuthentication | undefined;
  /** The session that it wants to go on with. */
  readonly resume?: ResumeOffer | undefined;
}

/** Fixed for the life of the connection, short of `timeoutMs`, which `setTimeout` changes. */
export interface ConnectionSettings {
  /** What this end is there for. */
  readonly role: ConnectionRole;
  /** How long this side bears silence, in milliseconds. */
  readonly timeoutMs: number;
  /** Milliseconds between pings, where short enough for the peer; `undefined`: a third of the timeout. */
  readonly heartbeatIntervalMs: number | undefined;
  /** How long the peer may take from the first byte to `markReady`, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /**
   * How long authentication may take on top of that, in milliseconds; `undefined`: there is none. A listener counts it from
   * HELLO, a dialer from the opening of a server, which shows that there is one.
   */
  readonly authenticationTimeoutMs?: number | undefined;
  /** Whether the transport keeps the heartbeats. */
  readonly areHeartbeatsElsewhere?: boolean;
  /** Bytes of session messages that may wait for this side; `undefined`: it takes all at once. */
  readonly windowBytes?: number;
  /** Bytes that are kept until they are acknowledged, where sessions can be resumed; `undefined`: they cannot. */
  readonly keptBytes?: number | undefined;
  /** Bounds on what is received and sent. */
  readonly limits: Limits;
  /** Turns messages into bytes and back; used by this connection alone. */
  readonly codec: Codec;
  /** Lends the space in which frames are gathered. */
  readonly slabs: SlabPool;
}
