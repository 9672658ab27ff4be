/**
 * Brings one session back to its server whose client has left it already, and whose connection was lost while what is open on it ends.
 * Dials that server and no other, until the session goes on, the server says that it does not, or nobody is there.
 * PROTOCOL.md, "Drain".
 */
import { Backoff } from '../link/backoff.js';
import type { ConnectionEnd } from '../link/connection.js';
import { Reconnect } from '../link/reconnect.js';
import type { Address, Transport } from '../transports/transport.js';
import type { ClientCredentials } from './client-credentials.js';
import type { ResolvedClientOptions } from './options.js';
import { Peer, type PeerSettings, type PeerSink } from './peer.js';

/** What bringing sessions back needs of the client. */
export interface ReturningSettings {
  readonly options: Pick<
    ResolvedClientOptions,
    'transports' | 'scheduler' | 'initialDelayMs' | 'maxDelayMs' | 'random'
  >;
  /** Credentials for attempts of their own, at the time at which they are asked for. */
  readonly credentials: () => ClientCredentials;
  /** The settings for an attempt that shows these. */
  readonly peerSettings: (credentials: ClientCredentials) => PeerSettings;
  readonly dialTimeoutMs: () => number;
  /** Gets what goes wrong. */
  readonly onError: (error: unknown) => void;
}

/**
 * A server that stops listens as long as a session may come back. Where nobody listens so often in a row, in two seconds or so, it has
 * gone: what is open is to be told that, and not at the end of the window only.
 */
const maxRefusedDials = 5;

/** Whether a server that was asked for a session says that it does not go on: it looks for it before it says any of this. */
export function saysSessionIsOver({ reason: { code, by } }: ConnectionEnd): boolean {
  return (
    by === 'remote' && (code === 'server-stopped' || code === 'server-full' || code === 'too-many-sessions')
  );
}

/** One return. Whoever makes it closes it, also when the session has come back or has ended. */
export class Returning {
  readonly #settings: ReturningSettings;
  readonly #away: Peer;
  readonly #credentials: ClientCredentials;
  readonly #reconnect: Reconnect;
  #attempt: Peer | undefined;
  #refusedDials = 0;

  /**
   * Begins.
   * @param away - whose session it is
   * @param address - of its server
   * @param settings - of the client
   */
  constructor(away: Peer, address: Address, settings: ReturningSettings) {
    const { options, dialTimeoutMs } = settings;
    const { transports, scheduler, initialDelayMs, maxDelayMs, random } = options;
    this.#settings = settings;
    this.#away = away;
    this.#credentials = settings.credentials();
    const backoff = new Backoff(initialDelayMs, maxDelayMs, random);
    backoff.established(scheduler.now());
    this.#reconnect = new Reconnect(
      {
        transports,
        addresses: [address],
        isBound: () => true,
        scheduler,
        dialTimeoutMs,
        backoff,
        prepare: this.#credentials.prepare,
      },
      {
        onTransport: (transport) => {
          this.#refusedDials = 0;
          this.#begin(transport);
        },
        onFailed: ({ kind, error }) => {
          this.#refusedDials = kind === 'refused' ? this.#refusedDials + 1 : 0;
          if (this.#refusedDials >= maxRefusedDials) this.#giveUp(`its server has gone: ${error.message}`);
        },
      },
    );
    this.#reconnect.ended(undefined);
  }

  /** No more attempts. */
  close(): void {
    this.#reconnect.stop();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.close('disconnected', 'the session has ended meanwhile');
  }

  #giveUp(why: string): void {
    this.#away.lose(`the connection was lost while what was open on it ended, and ${why}`);
  }

  #begin(transport: Transport): void {
    const settings = this.#settings.peerSettings(this.#credentials);
    const authentication = this.#credentials.current;
    const resume = Peer.offer(settings, this.#away);
    const role = { side: 'dialer', ticket: undefined, authentication, resume } as const;
    const ignore = (): void => undefined;
    const sink: PeerSink = {
      onContinued: (grant) => {
        // From here on the connection is the session's.
        this.#attempt = undefined;
        this.#reconnect.stop();
        this.#away.adopt(attempt, grant);
      },
      onEstablished: (_, refusal) => {
        this.#giveUp(`the server does not continue the session: ${refusal ?? 'it resumes none'}`);
        return '';
      },
      onHandover: () => {
        this.#giveUp('the server does not continue the session: it has a port for a new one');
      },
      onClosed: (end) => {
        if (this.#attempt !== attempt) return;
        this.#attempt = undefined;
        if (saysSessionIsOver(end) || end.reason.code === 'unauthenticated') this.#giveUp(end.reason.message);
        else this.#reconnect.ended(end.retryAfterMs);
      },
      onError: this.#settings.onError,
      // Nothing comes of an attempt but the session that is asked for.
      ...{ onAway: ignore, onKept: ignore, onResumed: ignore, onGoAway: ignore, onHeartbeat: ignore },
      ...{ onUnresponsive: ignore, onReady: ignore, onRegistered: ignore, onUnregistered: ignore },
      ...{ onHello: ignore, onIdentified: undefined },
    };
    const attempt = new Peer(transport, role, settings, sink, this.#away);
    this.#attempt = attempt;
    attempt.connection.open();
  }
}
