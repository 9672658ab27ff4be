/** Until when a connection must be ready: a handshake takes a message or two, a verdict on credentials may take longer. */

import type { ConnectionRole, ConnectionSettings } from './connection-settings.js';

/** The deadline of one connection's handshake. */
export class HandshakeDeadline {
  readonly #settings: ConnectionSettings;
  #endsMs: number;
  #isAuthenticating = false;
  #isReady = false;

  /** @param nowMs - the time from which on it counts */
  constructor(settings: ConnectionSettings, nowMs: number) {
    this.#settings = settings;
    this.#endsMs = nowMs + settings.handshakeTimeoutMs;
  }

  /** When it passes; `Infinity` once the session has what it needs. */
  get endsMs(): number {
    return this.#isReady ? Infinity : this.#endsMs;
  }

  /** What this side waits for from now on is a verdict, if `side` is its own and there is authentication. */
  allowAuthentication(side: ConnectionRole['side'], nowMs: number): void {
    const { role, handshakeTimeoutMs, authenticationTimeoutMs } = this.#settings;
    if (role.side !== side || authenticationTimeoutMs === undefined) return;
    this.#isAuthenticating = true;
    // A dialer waits a little longer than the server that it waits for.
    this.#endsMs = nowMs + authenticationTimeoutMs + (side === 'dialer' ? handshakeTimeoutMs : 0);
  }

  /** The connection is established: if there was a verdict to wait for, the rest has its own time. */
  endAuthentication(nowMs: number): void {
    if (this.#isAuthenticating) this.#endsMs = nowMs + this.#settings.handshakeTimeoutMs;
    this.#isAuthenticating = false;
  }

  /** The session has what it needs to begin. */
  meet(): void {
    this.#isReady = true;
  }

  /** What did not happen in time. @param awaitsOpening - whether not even the peer's opening came */
  describe(awaitsOpening: boolean): string {
    const { role, handshakeTimeoutMs, authenticationTimeoutMs = 0 } = this.#settings;
    if (this.#isAuthenticating) {
      const whose = role.side === 'dialer' ? 'the server said nothing about' : 'no end came of';
      return `${whose} the authentication within ${authenticationTimeoutMs} ms`;
    }
    const doing = awaitsOpening ? 'did not begin to speak this protocol' : 'did not complete the handshake';
    return `the peer ${doing} within ${handshakeTimeoutMs} ms`;
  }
}
