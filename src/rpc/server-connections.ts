/**
 * The clients of one server, from the moment somebody dials to the end of each: greets, admits or refuses, hands over to
 * ports of their own, and tells the lifecycle. Knows nothing of listening, starting and stopping.
 */
import { ConnectionLostError, UnknownConnectionError } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { CloseCode } from '../protocol/close-reason.js';
import type { Hello, ResumeGrant, ResumeRequest } from '../protocol/messages.js';
import { SparseMap } from '../protocol/sparse.js';
import { isSameList, type Lifecycle } from '../streams/lifecycle.js';
import type { ListStream } from '../streams/list-stream.js';
import type { Transport } from '../transports/transport.js';
import { type noServerCounts, type Counts } from './counts.js';
import type { Authenticator } from './authenticator.js';
import { AwaySessions } from './away-sessions.js';
import { DedicatedPorts, type Handover } from './dedicated-ports.js';
import { isSharedToken } from './shared-token.js';
import { Places } from './places.js';
import { Drain } from './drain.js';
import { HandshakeGate, type Pass } from './handshake-gate.js';
import type { ResolvedServerOptions } from './options.js';
import { faultOf, isOverLimit, Peer, type PeerSettings } from './peer.js';
import { ServerConnection } from './server-connection.js';
import { refusalOfClaim } from './session-claim.js';
import { clientStatuses, type ClientStatus } from './status.js';

/** What the clients of a server need. */
export interface ServerConnectionsSettings {
  readonly options: ResolvedServerOptions;
  readonly lifecycle: Lifecycle;
  /** Says who a client is; `undefined`: nobody asks. */
  readonly authenticator: Authenticator | undefined;
  /** The settings for a new peer, with the timeout of the moment. */
  readonly peerSettings: () => PeerSettings;
  /** Whether new clients are welcome. */
  readonly isAccepting: () => boolean;
  /** Called when the last peer has gone. */
  readonly onEmpty: () => void;
  /** Called during a drain, whenever there is no session left that may come back. */
  readonly onNoneToReturn: () => void;
}

/** What is returned where a session goes on. */
const resumed = 'resumed';

/** A full server, or one that stops, asks clients to come back after this long, and as much again at random. */
const retryAfterMs = 1_000;

/** The clients of one server, which owns this and ends it by `closeAll`. */
export class ServerConnections {
  /** The ids of the connected clients, as delivered; completed by the server. */
  readonly ids$: ListStream<string>;
  readonly #settings: ServerConnectionsSettings;
  readonly #lifecycle: Lifecycle;
  readonly #peers = new Set<Peer>();
  /** Who may still come in. */
  readonly places: Places;
  /** Those whose sessions have no connection. */
  readonly #away: AwaySessions;
  /** Those about whom it is not known yet who they are, with what ends the asking. */
  readonly #attempts = new SparseMap<Peer, () => void>();
  readonly #connections = new Map<string, ServerConnection>();
  readonly #dedicatedPorts: DedicatedPorts;
  readonly #gate: HandshakeGate;
  #overLimits = 0;
  #drain: Drain | undefined;

  /** @param settings - of the server */
  constructor(settings: ServerConnectionsSettings) {
    this.#settings = settings;
    this.#lifecycle = settings.lifecycle;
    const { options, lifecycle, peerSettings } = settings;
    const { limits, authenticate, maxConnectionsAllowed, scheduler } = options;
    const { report } = lifecycle;
    this.#gate = new HandshakeGate(limits, scheduler, report);
    this.#away = new AwaySessions(limits, scheduler);
    this.#dedicatedPorts = new DedicatedPorts({
      options,
      timeoutMs: () => peerSettings().timeoutMs,
      isWaiting: (peer) => this.#peers.has(peer),
      accept: (transport, handover) => {
        this.accept(transport, handover);
      },
      report,
    });
    this.places = new Places(maxConnectionsAllowed, {
      limits,
      hasPrincipals: authenticate !== undefined && !isSharedToken(authenticate),
      expected: () => this.#dedicatedPorts.size,
      report,
    });
    this.ids$ = lifecycle.list();
  }

  /** Whether nobody is connected or about to be. */
  get isEmpty(): boolean {
    return this.#peers.size === 0;
  }

  /** The ids of the connected clients, the oldest first. */
  get ids(): string[] {
    return this.all.filter(({ isMade }) => isMade).map(({ id }) => id);
  }

  /** Every connection that can be asked for, those included whose end is still to be told. */
  get all(): ServerConnection[] {
    return [...this.#connections.values()].filter(({ status }) => status !== clientStatuses.connecting);
  }

  /**
   * The connection of this id.
   * @throws UnknownConnectionError when there is none, or its end has been told
   */
  find(id: string): ServerConnection {
    const connection = this.#connections.get(id);
    if (connection !== undefined && connection.status !== clientStatuses.connecting) return connection;
    throw new UnknownConnectionError(`there is no connection ${JSON.stringify(id)}`, { connectionID: id });
  }

  /** Somebody dialled: on the server's port, or on the dedicated one of a client that was sent there. */
  accept(transport: Transport, handover?: Handover): void {
    // Those that are away have no socket, and those who wait to be looked at are no peers yet.
    const open = this.#peers.size - this.#away.size + this.#gate.waiting;
    if (!this.places.hasFile(open)) {
      this.#gate.turnAway(transport, `${open} files are connections already`, 'maxOpenFiles');
      return;
    }
    this.#gate.enter(transport, (pass) => this.#begin(transport, handover, pass));
  }

  /** What is counted for the server as a whole. */
  get counts(): Pick<Counts, keyof typeof noServerCounts> {
    return {
      handshakes: this.#gate.size,
      refusedConnections: this.#gate.refused,
      refusedClients: this.places.refused,
      refusedOfPrincipals: this.places.refusedOfPrincipals,
      awaySessions: this.#away.size,
      awayBytes: this.#away.bytes,
      evictedSessions: this.#away.evicted,
      overLimits: this.#overLimits,
    };
  }

  /** @returns how to end it for the sake of others */
  #begin(transport: Transport, handover: Handover | undefined, pass: Pass): () => void {
    let connection: ServerConnection | undefined;
    const { options } = this.#settings;
    const { waitedMs, heard, greeted, leave: onMadeOrEnded } = pass;
    // A user's verdict takes what it takes; all else is a matter of round trips.
    const { authenticate } = options;
    const awaitsVerdict = authenticate !== undefined && !isSharedToken(authenticate);
    const settings = { ...this.#settings.peerSettings(), waitedMs };
    const peer = new Peer(transport, { side: 'listener' }, settings, {
      onHello: (hello) => {
        heard();
        if (!awaitsVerdict) greeted();
        this.#authenticate(peer, hello, (identity) => {
          peer.identity = identity;
          connection = this.#greet(peer, hello, handover);
          if (awaitsVerdict) greeted();
          // Its connection carries an earlier session now.
          if (!this.#peers.has(peer)) onMadeOrEnded();
        });
      },
      onContinued: () => {
        // Only a client asks for a session.
      },
      onAway: () => {
        if (connection?.isConnected === true) connection.setStatus(clientStatuses.autoConnecting);
        onMadeOrEnded();
        this.#away.add(peer);
      },
      onKept: () => {
        this.#away.changed(peer);
      },
      onResumed: () => {
        this.#away.delete(peer);
        if (connection?.status !== clientStatuses.autoConnecting) return;
        connection.setStatus(clientStatuses.connected);
        this.#lifecycle.resumed.emit(connection.id);
      },
      onEstablished: () => '',
      onReady: () => {
        onMadeOrEnded();
        if (connection !== undefined) this.#made(connection);
      },
      onRegistered: (name) => {
        connection?.streams.names.set(connection.communicator.remoteNames);
        this.#lifecycle.registered.emit({ connectionID: connection?.id ?? '', name });
      },
      onUnregistered: (name) => {
        connection?.streams.names.set(connection.communicator.remoteNames);
        this.#lifecycle.unregistered.emit({ connectionID: connection?.id ?? '', name });
      },
      onIdentified: (identifier) => {
        if (connection !== undefined) connection.identifier = identifier;
      },
      onHeartbeat: (roundTripMs, loopLagMs) => {
        const at = options.scheduler.now();
        this.#lifecycle.heartbeat.emit({ connectionID: connection?.id ?? '', roundTripMs, loopLagMs, at });
      },
      onUnresponsive: (isUnresponsive) => {
        this.#lifecycle.setUnresponsive(connection?.id ?? '', isUnresponsive);
      },
      onClosed: (end) => {
        this.#ended(peer, connection, end);
        onMadeOrEnded();
      },
      onError: this.#lifecycle.report,
      onGoAway: () => {
        // It stays connected until it has done.
      },
      onHandover: () => {
        // Only a client is handed over.
      },
    });
    this.#peers.add(peer);
    peer.connection.open();
    return () => {
      peer.close('handshake-timeout', 'nothing more was said, and others wait to be let in');
    };
  }

  /** Changes how long silence is borne, on every connection. */
  setTimeout(timeoutMs: number): void {
    for (const peer of this.#peers) peer.connection.setTimeout(timeoutMs);
  }

  /** Ends one client's connection. */
  disconnect(id: string, reason: string): void {
    const connection = this.find(id);
    if (connection.isMade) connection.setStatus(clientStatuses.disconnecting);
    connection.peer.close('disconnected', reason);
  }

  /** Whether nothing new is taken. */
  get isDraining(): boolean {
    return this.#drain !== undefined;
  }

  /** Whether there is a session that may come by another connection. */
  get haveSomeToReturn(): boolean {
    for (const { status, peer } of this.#connections.values())
      if (status !== clientStatuses.disconnected && peer.isResumable) return true;
    return false;
  }

  /** Nothing new is taken from any client; calls back once nothing is open, or the time is over. */
  drain(drainMs: number, onDone: () => void): void {
    const drain = new Drain({
      scheduler: this.#settings.options.scheduler,
      drainMs,
      sessions: () => this.#live.map(({ communicator }) => communicator),
      onDone: (isInTime) => {
        if (!isInTime) for (const { communicator } of this.#live) communicator.endStreams();
        onDone();
      },
    });
    this.#drain = drain;
    for (const connection of this.#live) this.#drainOne(connection);
    drain.consider();
  }

  /** What is open is not waited for any longer. */
  endDrain(): void {
    this.#drain?.cancel();
    this.#drain = undefined;
  }

  /** Ends every connection, and every port that waits for a client. */
  closeAll(code: CloseCode, message: string): void {
    this.#gate.close();
    this.#dedicatedPorts.close();
    for (const connection of this.all) {
      if (connection.isMade) connection.setStatus(clientStatuses.disconnecting);
    }
    for (const peer of [...this.#peers]) peer.close(code, message);
  }

  /** Those that may have something open. */
  get #live(): ServerConnection[] {
    return this.all.filter(({ isMade }) => isMade);
  }

  #drainOne({ peer }: ServerConnection): void {
    peer.drain('server-stopped', this.#retryAfterMs(), () => {
      this.#drain?.consider();
    });
  }

  /** When clients are to come back: not all at one moment. */
  #retryAfterMs(): number {
    return retryAfterMs * (1 + this.#settings.options.random());
  }

  /** Nothing else of a client is looked at before it is known who it is. */
  #authenticate(peer: Peer, hello: Hello, admit: (identity: unknown) => void): void {
    const { authenticator } = this.#settings;
    if (authenticator === undefined) {
      admit(undefined);
      return;
    }
    const leave = authenticator.check(hello, peer.connection, (identity) => {
      this.#attempts.delete(peer);
      admit(identity);
    });
    if (peer.identity === undefined) this.#attempts.set(peer, leave);
  }

  #greet(peer: Peer, hello: Hello, handover: Handover | undefined): ServerConnection | undefined {
    const { options, isAccepting } = this.#settings;
    const { ticket, resume } = hello;
    // It may have gone while it was being authenticated.
    if (!this.#peers.has(peer)) return undefined;
    if (ticket !== handover?.ticket) {
      // No fault: a port is free for another client as soon as it is not waited at any more.
      peer.connection.refuse('disconnected', 'the ticket is not for this port', undefined);
      return undefined;
    }
    // Who was sent to a port of his own has asked for his session before, and in vain.
    const refusal =
      handover === undefined ? resume?.session && this.#resume(peer, resume.session) : handover.refusal;
    if (refusal === resumed) return undefined;
    if (!isAccepting()) {
      peer.connection.refuse('server-stopped', 'the server stops', this.#retryAfterMs());
    } else {
      // Who was sent to a port of his own has a place by that.
      const noPlace = this.places.refusalOf(peer.identity, handover !== undefined);
      if (noPlace !== undefined) peer.connection.refuse(noPlace.code, noPlace.message, this.#retryAfterMs());
      else if (handover !== undefined) return this.#admit(peer, handover, hello);
      else if (options.dedicatedPorts) this.#dedicatedPorts.handOver(peer, refusal);
      else return this.#welcome(peer, hello, refusal);
    }
    return undefined;
  }

  /** A ticket is good for one connection, and for as long as its port is open: it holds one of the places. */
  #admit(peer: Peer, { port, refusal }: Handover, hello: Hello): ServerConnection | undefined {
    if (!port.isClosed) {
      port.close();
      return this.#welcome(peer, hello, refusal);
    }
    peer.connection.refuse('disconnected', 'the ticket has been used, or has expired', undefined);
    return undefined;
  }

  #welcome(peer: Peer, { resume }: Hello, refusal: string | undefined): ServerConnection {
    const id = this.#settings.options.createID();
    const streams = {
      status: this.#lifecycle.state<ClientStatus>(clientStatuses.connecting),
      names: this.#lifecycle.state<readonly string[]>([], isSameList),
    };
    const connection = new ServerConnection(id, peer, streams, () => {
      if (peer.communicator === undefined) throw new ConnectionLostError('the handshake is not complete');
      return peer.communicator;
    });
    this.#connections.set(id, connection);
    this.places.take(connection, peer.identity);
    const windowMs = this.#windowMs(resume?.windowMs);
    peer.connection.welcome(
      id,
      windowMs === undefined
        ? undefined
        : {
            token: connection.tokens.renew(),
            windowMs,
            ...(refusal === undefined ? {} : { refusal }),
          },
    );
    return connection;
  }

  /** How long a session may be away, if both sides want it to. */
  #windowMs(wantedMs: number | undefined): number | undefined {
    const { resume } = this.#settings.options;
    return resume === undefined || wantedMs === undefined ? undefined : Math.min(resume.windowMs, wantedMs);
  }

  /** Has a session go on by the connection of a peer, which is done with then. @returns `resumed`, or why it cannot */
  #resume(peer: Peer, claim: ResumeRequest): string {
    // What is open may go on by a connection that came in time.
    if (!this.#settings.isAccepting() && !this.isDraining) return 'unknown';
    const session = this.#connections.get(claim.connectionID);
    const refusal = refusalOfClaim(session, peer.identity, claim, this.#lifecycle.report);
    if (refusal !== undefined || session === undefined) return refusal ?? 'unknown';
    const grant: ResumeGrant = {
      token: session.tokens.renew(claim.token),
      windowMs: this.#windowMs(Infinity) ?? 0,
    };
    const goesOn = this.#lifecycle.during(() => session.peer.continueOn(peer, grant));
    if (!goesOn) return 'unknown';
    this.#peers.delete(peer);
    return resumed;
  }

  #made(connection: ServerConnection): void {
    this.#lifecycle.during(() => {
      const { id, communicator } = connection;
      connection.setStatus(clientStatuses.connected);
      this.ids$.add(id);
      const names = communicator.remoteNames;
      connection.streams.names.set(names);
      this.#lifecycle.connectionMade.emit(id);
      for (const name of names) this.#lifecycle.registered.emit({ connectionID: id, name });
      // Welcomed before: its first calls may be on their way.
      if (this.isDraining) this.#drainOne(connection);
    });
  }

  #ended(peer: Peer, connection: ServerConnection | undefined, end: ConnectionEnd): void {
    this.#lifecycle.during(() => {
      this.#peers.delete(peer);
      this.#away.delete(peer);
      this.#attempts.get(peer)?.();
      this.#attempts.delete(peer);
      const fault = faultOf(end, peer.connection, connection?.id);
      if (fault !== undefined) this.#lifecycle.report(fault);
      if (isOverLimit(end) && end.reason.by === 'local') this.#overLimits += 1;
      if (connection !== undefined) this.#lost(connection, end);
      this.#drain?.consider();
      if (this.isDraining && !this.haveSomeToReturn) this.#settings.onNoneToReturn();
      if (this.isEmpty) this.#settings.onEmpty();
    });
  }

  #lost(connection: ServerConnection, end: ConnectionEnd): void {
    const { id, streams } = connection;
    const wasMade = connection.status !== clientStatuses.connecting;
    connection.setStatus(clientStatuses.disconnected);
    this.places.leave(connection);
    if (!wasMade) {
      this.#connections.delete(id);
      return;
    }
    this.ids$.delete(id);
    this.#lifecycle.setUnresponsive(id, false);
    this.#lifecycle.disconnectionMade.emit({ connectionID: id, reason: end.reason });
    streams.status.complete();
    streams.names.complete();
    // Status and identifier stay readable until the hook and the subscribers have been told.
    this.#lifecycle.afterDelivery(() => this.#connections.delete(id));
  }
}
