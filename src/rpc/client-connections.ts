/**
 * The connections of one client, one after another: dials, greets, is lost or left, and dials again until it is told to stop. Tells the
 * lifecycle. Knows nothing of those who wait, nor of proxies.
 */
import { Backoff } from '../link/backoff.js';
import type { ConnectionEnd } from '../link/connection.js';
import { Reconnect } from '../link/reconnect.js';
import { Turns } from '../link/turns.js';
import { CloseReason, type CloseCode } from '../protocol/close-reason.js';
import type { Lifecycle } from '../streams/lifecycle.js';
import type { StateStream } from '../streams/state-stream.js';
import type { Transport } from '../transports/transport.js';
import { authenticationTimeoutMs } from './authenticator.js';
import type { Authorization } from './authorization.js';
import type { ClientCredentials } from './client-credentials.js';
import { ClientFaults } from './client-faults.js';
import type { ClientObjects } from './client-objects.js';
import type { RPCCommunicator } from './communicator.js';
import { sumOf, type Counts } from './counts.js';
import { Departures } from './departures.js';
import type { Interception } from './interception.js';
import type { LocalRegistry } from './local-registry.js';
import type { ResolvedClientOptions } from './options.js';
import { peerSettingsOf } from './peer-settings.js';
import { handshakeTimeoutMs, Peer, type PeerSettings, type PeerSink } from './peer.js';
import { saysSessionIsOver } from './returning.js';
import { clientStatuses, type ClientStatus } from './status.js';

/** What the connections of a client need. */
export interface ClientConnectionsSettings {
  readonly options: ResolvedClientOptions;
  readonly lifecycle: Lifecycle;
  readonly registry: LocalRegistry;
  readonly interception: Interception | undefined;
  readonly authorization: Authorization | undefined;
  readonly credentials: ClientCredentials;
  /** What the server has registered, as its users see it. */
  readonly objects: ClientObjects;
  /** There is a connection, or a session has one again. */
  readonly onConnected: () => void;
  /** Nothing is looked for any more: it was told to stop, or its credentials were refused. */
  readonly onStopped: () => void;
  /** What was left has ended, and so has a stop that waited for it. */
  readonly onGone: () => void;
}

/** The connections of one client, which owns this, and ends it by `stop`. */
export class ClientConnections {
  /** The status, as delivered; completed by the client. */
  readonly status$: StateStream<ClientStatus>;
  readonly #settings: ClientConnectionsSettings;
  readonly #options: ResolvedClientOptions;
  readonly #lifecycle: Lifecycle;
  readonly #objects: ClientObjects;
  readonly #credentials: ClientCredentials;
  /** Connections that were left, while what is open there ends. */
  readonly #departures: Departures;
  readonly #faults: ClientFaults;
  readonly #turns = new Turns();
  #status: ClientStatus = clientStatuses.disconnected;
  #timeoutMs: number;
  #identifier: string;
  #reconnect: Reconnect | undefined;
  /** The present connection or attempt. */
  #peer: Peer | undefined;
  /** The session whose connection is lost, while it can be resumed. */
  #away: Peer | undefined;
  /** The session, once it is made; also while it is away. */
  #connected: RPCCommunicator | undefined;
  #lastFailure: string | undefined;
  /** When the server wants to be asked again. */
  #retryAtMs: number | undefined;
  /** Why it has stopped by itself. */
  #refusal: string | undefined;
  /** @param settings - of the client */
  constructor(settings: ClientConnectionsSettings) {
    const { options, lifecycle, objects, credentials, onGone } = settings;
    const { report } = lifecycle;
    this.#settings = settings;
    this.#options = options;
    this.#lifecycle = lifecycle;
    this.#objects = objects;
    this.#credentials = credentials;
    this.#timeoutMs = options.timeoutMs;
    this.#identifier = options.identifier;
    this.#faults = new ClientFaults(options.addresses, report);
    this.status$ = lifecycle.state<ClientStatus>(this.#status);
    const returning = {
      options,
      credentials: () => credentials.beside(),
      peerSettings: ({ current }: ClientCredentials) => this.#peerSettings(current !== undefined),
      dialTimeoutMs: () => handshakeTimeoutMs(this.#timeoutMs),
      onError: report,
    };
    this.#departures = new Departures(returning, () => {
      lifecycle.during(() => {
        if (!this.isStarted) this.#setStatus(clientStatuses.disconnected);
        onGone();
      });
    });
  }

  /** Whether it looks for a connection, or has one. */
  get isStarted(): boolean {
    return this.#reconnect !== undefined;
  }

  /** Whether what was open when it was told to stop is waited for. */
  get isDraining(): boolean {
    return this.#departures.isDraining;
  }

  /** The status now. */
  get status(): ClientStatus {
    return this.#status;
  }

  /** The session, once it is made; also while it is away. */
  get connected(): RPCCommunicator | undefined {
    return this.#connected;
  }

  /** The session, while it has a connection. */
  get present(): RPCCommunicator | undefined {
    return this.#away === undefined ? this.#connected : undefined;
  }

  /** The one that was left by which the call came that the running code serves. */
  get serving(): RPCCommunicator | undefined {
    return this.#departures.serving;
  }

  /** The name of the codec in use. */
  get codecName(): string | undefined {
    return this.#connected === undefined ? undefined : this.#peer?.codecName;
  }

  /** Why the last attempt failed, if it did. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** When the server wants to be asked again. */
  get retryAtMs(): number | undefined {
    return this.#retryAtMs;
  }

  /** Why it has stopped by itself. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Told to stop where it has stopped by itself: what was left before that ends as well, and it may be started as if it was not refused. */
  forget(): void {
    this.#refusal = undefined;
    this.#lifecycle.during(() => {
      this.#departures.close();
    });
  }

  /** What is open now. */
  get counts(): Counts {
    const present = this.#connected === undefined ? [] : [this.#connected.counts];
    return { ...sumOf([...present, this.#departures.counts]), overLimits: this.#faults.overLimits };
  }

  /** Changes how long silence is borne. */
  setTimeout(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#peer?.connection.setTimeout(timeoutMs);
  }

  /** Tells the server who this is: now if connected, and again on every later connection. */
  identify(identifier: string): void {
    this.#identifier = identifier;
    // Also between the handshake and the server's first words, when the one before has been told already.
    (this.#away ?? this.#peer)?.communicator?.identify(identifier);
  }

  /** Begins to look for a connection. */
  start(): void {
    this.#refusal = undefined;
    const { transports, addresses, scheduler, initialDelayMs, maxDelayMs, random } = this.#options;
    const backoff = new Backoff(initialDelayMs, maxDelayMs, random);
    const reconnect: Reconnect = new Reconnect(
      {
        transports,
        addresses,
        // A session that waits for its server is at that one.
        isBound: () => this.#away !== undefined,
        scheduler,
        backoff,
        prepare: this.#credentials.prepare,
        dialTimeoutMs: () => handshakeTimeoutMs(this.#timeoutMs),
      },
      {
        onTransport: (transport, ticket) => {
          this.#faults.dialled();
          this.#lifecycle.during(() => {
            this.#begin(reconnect, transport, ticket, backoff);
          });
        },
        onFailed: ({ error }) => {
          this.#lastFailure = error.message;
          this.#setStatus(clientStatuses.autoConnecting);
          this.#faults.undialled(error);
        },
      },
    );
    this.#reconnect = reconnect;
    this.#lifecycle.during(() => {
      this.#setStatus(clientStatuses.autoConnecting);
      reconnect.start();
    });
  }

  /**
   * Ends the connection, or leaves it to what is open there, and looks for no other one.
   * @param drainMs - how long what is open may take to end
   */
  stop(drainMs: number): void {
    const reconnect = this.#reconnect;
    this.#refusal = undefined;
    this.#lifecycle.during(() => {
      if (reconnect !== undefined) this.#stop(reconnect, drainMs > 0);
      if (drainMs === 0) this.#departures.close();
      else this.#departures.drain(drainMs);
      if (this.#departures.isDraining) return;
      if (reconnect !== undefined) this.#setStatus(clientStatuses.disconnected);
      this.#settings.onGone();
    });
  }

  #stop(reconnect: Reconnect, isDraining: boolean): void {
    this.#setStatus(clientStatuses.disconnecting);
    reconnect.stop();
    this.#reconnect = undefined;
    const leaving = this.#away ?? this.#peer;
    if (isDraining && leaving !== undefined) {
      const reason = new CloseReason('disconnected', 'the client disconnects', 'local');
      this.#depart(reconnect, leaving, reason);
    }
    this.#leave();
    this.#settings.onStopped();
  }

  /** Ends the connection now, also inside one of its own calls, where the transport ends a little later. */
  #leave(): void {
    const text = 'the client disconnected';
    this.#away?.close('disconnected', text);
    const peer = this.#peer;
    peer?.close('disconnected', text);
    if (peer === undefined || this.#peer !== peer) return;
    this.#lost(new CloseReason('disconnected', text, 'local'));
  }

  /** A transport is open: the handshake begins. */
  #begin(reconnect: Reconnect, transport: Transport, ticket: string | undefined, backoff: Backoff): void {
    let handover: { readonly port: number; readonly ticket: string } | undefined;
    const { scheduler } = this.#options;
    this.#setStatus(clientStatuses.connecting);
    const away = this.#away;
    const authentication = this.#credentials.current;
    const settings = this.#peerSettings(authentication !== undefined);
    const role = { side: 'dialer', ticket, authentication, resume: Peer.offer(settings, away) } as const;
    const sink: PeerSink = {
      onEstablished: (_, refusal) => {
        away?.lose(`the server does not continue the session: ${refusal ?? 'it resumes none'}`);
        return this.#identifier;
      },
      onContinued: (grant) => {
        // Only a session that is away is asked for.
        if (away === undefined) return;
        this.#peer = this.#away = undefined;
        this.#lifecycle.during(() => {
          away.adopt(peer, grant);
        });
      },
      onAway: (reason) => {
        this.#lifecycle.during(() => {
          if (this.#departures.has(peer)) {
            this.#departures.lost(peer);
            return;
          }
          this.#went(peer, reason);
          reconnect.ended(undefined);
        });
      },
      onKept: () => {
        // A client has one session, and `limits.maxQueuedBytes` bounds that.
      },
      onResumed: () => {
        if (this.#departures.has(peer)) {
          this.#departures.returned(peer);
          return;
        }
        backoff.established(scheduler.now());
        this.#resumed(peer);
      },
      onReady: () => {
        backoff.established(scheduler.now());
        if (this.#peer !== peer) return;
        this.#made(peer.communicator);
        if (peer.goAway !== undefined) this.#move(reconnect, peer, ...peer.goAway);
      },
      onGoAway: (code, retryAfterMs) => {
        this.#lifecycle.during(() => {
          this.#move(reconnect, peer, code, retryAfterMs);
        });
      },
      onRegistered: (name) => {
        this.#changed(peer, (objects, { connectionID, remoteNames }) => {
          objects.registered(connectionID, name, remoteNames);
        });
      },
      onUnregistered: (name) => {
        this.#changed(peer, (objects, { connectionID, remoteNames }) => {
          objects.unregistered(connectionID, name, remoteNames);
        });
      },
      onHandover: (port, given) => {
        handover = { port, ticket: given };
      },
      onHeartbeat: (roundTripMs, loopLagMs) => {
        if (this.#departures.has(peer)) return;
        backoff.confirmed();
        const connectionID = peer.communicator?.connectionID ?? '';
        this.#lifecycle.heartbeat.emit({ connectionID, roundTripMs, loopLagMs, at: scheduler.now() });
      },
      onUnresponsive: (isUnresponsive) => {
        if (this.#departures.has(peer)) return;
        const connectionID = peer.communicator?.connectionID ?? '';
        this.#lifecycle.setUnresponsive(connectionID, isUnresponsive);
      },
      onClosed: (end) => {
        this.#lifecycle.during(() => {
          if (this.#departures.has(peer)) {
            this.#faults.ended(peer, end);
            this.#departures.ended(peer);
            return;
          }
          const wasAway = this.#away === peer;
          this.#noteRetryAfter(end.retryAfterMs);
          // What was said of earlier credentials is not true of those that were given meanwhile.
          if (!wasAway && isRefusal(end) && !this.#credentials.areRenewed) {
            this.#refused(reconnect, peer, end);
            return;
          }
          if (away !== undefined && this.#away === away && saysSessionIsOver(end))
            away.lose(`the server does not continue the session: ${end.reason.message}`);
          this.#ended(peer, end);
          // Another attempt is on its way, or the first step of the one that took the place of the session.
          if (wasAway) return;
          // Not `this.#reconnect`, which may be another one by now: the one that was stopped has no effect any more.
          if (handover === undefined) reconnect.ended(end.retryAfterMs);
          else reconnect.handOver(handover.port, handover.ticket);
        });
      },
      onError: this.#lifecycle.report,
      onIdentified: undefined,
      onHello: () => {
        // Only a listening side is greeted.
      },
    };
    const peer: Peer = new Peer(transport, role, settings, sink, away);
    this.#peer = peer;
    peer.connection.open();
  }

  #made(communicator: RPCCommunicator | undefined): void {
    if (communicator === undefined) return;
    this.#lifecycle.during(() => {
      this.#connected = communicator;
      this.#lastFailure = this.#retryAtMs = undefined;
      const { connectionID, remoteNames } = communicator;
      this.#setStatus(clientStatuses.connected);
      this.#lifecycle.connectionMade.emit(connectionID);
      this.#objects.made(connectionID, remoteNames);
      this.#settings.onConnected();
    });
  }

  /** What the server has registered has changed; no longer of interest once the client has left. */
  #changed(peer: Peer, tell: (objects: ClientObjects, communicator: RPCCommunicator) => void): void {
    const communicator = this.#connected;
    if (communicator === undefined || peer.communicator !== communicator) return;
    this.#lifecycle.during(() => {
      tell(this.#objects, communicator);
    });
  }

  /** The server takes nothing new: another one is looked for, while what is open here ends. */
  #move(reconnect: Reconnect, peer: Peer, code: CloseCode, retryAfterMs: number | undefined): void {
    const reason = new CloseReason(code, 'the server takes no new calls', 'remote');
    if (this.#peer !== peer || !this.#depart(reconnect, peer, reason)) return;
    this.#lastFailure = reason.message;
    this.#noteRetryAfter(retryAfterMs);
    this.#setStatus(clientStatuses.autoConnecting);
    reconnect.leave(retryAfterMs);
  }

  /** For its user the client is not connected any more. @returns whether it was */
  #depart(reconnect: Reconnect, peer: Peer, reason: CloseReason): boolean {
    const communicator = this.#connected;
    if (communicator === undefined || peer.communicator !== communicator) return false;
    if (this.#peer === peer) this.#peer = undefined;
    if (this.#away === peer) this.#away = undefined;
    this.#departures.add(peer, communicator, reconnect.address);
    this.#endSession(reason);
    return true;
  }

  #noteRetryAfter(retryAfterMs: number | undefined): void {
    this.#retryAtMs = retryAfterMs === undefined ? undefined : this.#options.scheduler.now() + retryAfterMs;
  }

  /** A connection, or an attempt at one, is over. */
  #ended(peer: Peer, end: ConnectionEnd): void {
    this.#faults.ended(peer, end);
    if (this.#away === peer) {
      this.#away = undefined;
      this.#endSession(end.reason);
      // An attempt to go on with it has come too late.
      if (end.reason.by === 'local') this.#peer?.close('disconnected', 'the session has ended meanwhile');
      return;
    }
    if (this.#peer !== peer) return;
    this.#lastFailure = end.reason.message;
    this.#lost(end.reason);
  }

  /** The connection of a session is lost; another is looked for. */
  #went(peer: Peer, reason: CloseReason): void {
    this.#lastFailure = reason.message;
    this.#peer = undefined;
    this.#away = peer;
    this.#setStatus(clientStatuses.autoConnecting);
  }

  /** The session goes on by another connection. */
  #resumed(peer: Peer): void {
    const { communicator } = peer;
    this.#peer = peer;
    this.#lastFailure = undefined;
    if (communicator === undefined || this.#connected !== communicator) return;
    this.#setStatus(clientStatuses.connected);
    this.#lifecycle.resumed.emit(communicator.connectionID);
    this.#settings.onConnected();
  }

  /** The server does not know the client by these credentials, and would not tomorrow: nothing more is tried. */
  #refused(reconnect: Reconnect, peer: Peer, end: ConnectionEnd): void {
    const isCurrent = this.#reconnect === reconnect;
    reconnect.stop();
    if (isCurrent) this.#reconnect = undefined;
    this.#ended(peer, end);
    this.#away?.lose('the credentials were refused');
    if (!isCurrent) return;
    this.#refusal = end.reason.message;
    this.#setStatus(clientStatuses.disconnected);
    this.#settings.onStopped();
  }

  #lost(reason: CloseReason): void {
    this.#peer = undefined;
    // An attempt has failed while the session waits.
    if (this.#away !== undefined) {
      if (this.#reconnect !== undefined) this.#setStatus(clientStatuses.autoConnecting);
      return;
    }
    if (this.#reconnect !== undefined) this.#setStatus(clientStatuses.autoConnecting);
    this.#endSession(reason);
  }

  #endSession(reason: CloseReason): void {
    const communicator = this.#connected;
    this.#connected = undefined;
    if (communicator === undefined) return;
    this.#objects.lost();
    this.#lifecycle.setUnresponsive(communicator.connectionID, false);
    this.#lifecycle.disconnectionMade.emit({ connectionID: communicator.connectionID, reason });
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    this.status$.set(status);
  }

  /** @param isAuthenticated - whether something is shown */
  #peerSettings(isAuthenticated: boolean): PeerSettings {
    const { registry, interception, authorization } = this.#settings;
    return peerSettingsOf(this.#options, {
      turns: this.#turns,
      interception,
      authorization,
      registry,
      timeoutMs: this.#timeoutMs,
      authenticationTimeoutMs: isAuthenticated ? authenticationTimeoutMs : undefined,
    });
  }
}

/** Whether the server itself says that these credentials will not do. */
function isRefusal({ reason }: ConnectionEnd): boolean {
  return reason.code === 'unauthenticated' && reason.by === 'remote';
}
