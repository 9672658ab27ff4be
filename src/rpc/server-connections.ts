/**
 * The clients of one server, from the moment somebody dials to the end of each: greets, admits or refuses, hands over to
 * ports of their own, and tells the lifecycle. Knows nothing of listening, starting and stopping.
 */
import { AuthenticationError, ConnectionLostError, UnknownConnectionError } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { CloseCode } from '../protocol/close-reason.js';
import type { Hello, ResumeGrant, ResumeRequest } from '../protocol/messages.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';
import { isSameList, type Lifecycle } from '../streams/lifecycle.js';
import type { ListStream } from '../streams/list-stream.js';
import type { Transport } from '../transports/transport.js';
import type { Counts } from './counts.js';
import type { Authenticator } from './authenticator.js';
import { DedicatedPort } from './dedicated-port.js';
import { Drain } from './drain.js';
import { HandshakeGate } from './handshake-gate.js';
import type { ResolvedServerOptions } from './options.js';
import { faultOf, handshakeTimeoutMs, isOverLimit, Peer, type PeerSettings } from './peer.js';
import { isSamePrincipal } from './same-principal.js';
import { ServerConnection } from './server-connection.js';
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
}

/** The port that a client was sent to, and what it must show there. */
interface Handover {
  readonly ticket: string;
  readonly port: DedicatedPort;
}

/** What is returned where a session goes on. */
const resumed = 'resumed';

/** A full server, or one that stops, asks clients to come back after this long, and as much again at random. */
const retryAfterMs = 1_000;

/** The clients of one server, which owns this and ends it by `closeAll`. */
export class ServerConnections {
  /** The ids of the connected clients, as delivered; completed by the server. */
  readonly ids$: ListStream<string>;
  /** How many clients may be connected at one time, `null` for no bound. */
  maxConnectionsAllowed: number | null;
  readonly #settings: ServerConnectionsSettings;
  readonly #lifecycle: Lifecycle;
  readonly #peers = new Set<Peer>();
  /** Those whose sessions have no connection, the longest first. */
  readonly #away = new SparseSet<Peer>();
  /** Those about whom it is not known yet who they are, with what ends the asking. */
  readonly #attempts = new SparseMap<Peer, () => void>();
  readonly #connections = new Map<string, ServerConnection>();
  readonly #dedicatedPorts = new Set<DedicatedPort>();
  readonly #gate: HandshakeGate;
  #overLimits = 0;
  #drain: Drain | undefined;

  /** @param settings - of the server */
  constructor(settings: ServerConnectionsSettings) {
    this.#settings = settings;
    this.#lifecycle = settings.lifecycle;
    this.#gate = new HandshakeGate(settings.options.limits, settings.lifecycle.report);
    this.maxConnectionsAllowed = settings.options.maxConnectionsAllowed;
    this.ids$ = settings.lifecycle.list();
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
    this.#gate.enter(transport, (leave) => {
      this.#begin(transport, handover, leave);
    });
  }

  /** What is counted for the server as a whole. */
  get counts(): Pick<Counts, 'handshakes' | 'refusedConnections' | 'overLimits'> {
    return {
      handshakes: this.#gate.size,
      refusedConnections: this.#gate.refused,
      overLimits: this.#overLimits,
    };
  }

  #begin(transport: Transport, handover: Handover | undefined, onMadeOrEnded: () => void): void {
    let connection: ServerConnection | undefined;
    const { options } = this.#settings;
    const peer = new Peer(transport, { side: 'listener' }, this.#settings.peerSettings(), {
      onHello: (hello) => {
        this.#authenticate(peer, hello, (identity) => {
          peer.identity = identity;
          connection = this.#greet(peer, hello, handover);
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
        this.#evict(peer);
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
    for (const port of [...this.#dedicatedPorts]) port.close();
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
      // Nobody listens any more where it could come back.
      if (peer.isAway) peer.close('server-stopped', 'the server stops');
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
    const refusal = resume?.session && this.#resume(peer, resume.session);
    if (refusal === resumed) return undefined;
    if (ticket !== handover?.ticket) {
      peer.connection.refuse('protocol-error', 'the ticket is not for this port', undefined);
    } else if (!isAccepting()) {
      peer.connection.refuse('server-stopped', 'the server stops', this.#retryAfterMs());
    } else if (handover !== undefined) {
      return this.#admit(peer, handover.port, hello, refusal);
    } else if (this.#isFull()) {
      const text = `the server has all the clients it allows (${this.maxConnectionsAllowed ?? 0})`;
      peer.connection.refuse('server-full', text, this.#retryAfterMs());
    } else if (options.dedicatedPorts) {
      this.#handOver(peer);
    } else {
      return this.#welcome(peer, hello, refusal);
    }
    return undefined;
  }

  /** A ticket is good for one connection, and for as long as its port is open: it holds one of the places. */
  #admit(
    peer: Peer,
    port: DedicatedPort,
    hello: Hello,
    refusal: string | undefined,
  ): ServerConnection | undefined {
    if (!port.isClosed) {
      port.close();
      return this.#welcome(peer, hello, refusal);
    }
    peer.connection.refuse('disconnected', 'the ticket has been used, or has expired', undefined);
    return undefined;
  }

  /** Clients on their way to a port of their own count already. */
  #isFull(): boolean {
    const max = this.maxConnectionsAllowed;
    // By far the most: not all need be looked at for each that comes.
    if (max === null || this.#connections.size + this.#dedicatedPorts.size < max) return false;
    const live = [...this.#connections.values()].filter(
      // A session of which the client may not know takes no place.
      ({ status, peer }) =>
        status !== clientStatuses.disconnected && !(status === clientStatuses.connecting && peer.isAway),
    );
    return live.length + this.#dedicatedPorts.size >= max;
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

  /** It has the token: the session is its own, or stolen, and either is worth a word. */
  #reportOther(connectionID: string): void {
    const text =
      'a client asked for a session of another principal, and got a new one: to go on with a session, authenticate() has to return the same value again, or plain data with the same in it';
    this.#lifecycle.report(new AuthenticationError(text, { connectionID }));
  }

  /** A session is away; too many are not kept. */
  #evict(peer: Peer): void {
    this.#away.add(peer);
    const { maxAwaySessions } = this.#settings.options.limits;
    if (this.#away.size <= maxAwaySessions) return;
    const [oldest] = this.#away;
    oldest?.lose(
      `more than ${maxAwaySessions} sessions were away (limits.maxAwaySessions changes the bound)`,
    );
  }

  /** Has a session go on by the connection of a peer, which is done with then. @returns `resumed`, or why it cannot */
  #resume(peer: Peer, { connectionID, token, attempt, received }: ResumeRequest): string {
    const connection = this.#connections.get(connectionID);
    // One that has ended may still be here, until that was told.
    if (connection === undefined || connection.status === clientStatuses.disconnected) return 'unknown';
    // What is open may go on by a connection that came in time.
    if (!this.#settings.isAccepting() && !this.isDraining) return 'unknown';
    const { tokens } = connection;
    const { connection: present, isExpired } = connection.peer;
    // Who shows no good token learns nothing, and changes nothing.
    if (!tokens.isGood(token, present.isConfirmed)) return 'unknown';
    if (!isSamePrincipal(connection.identity, peer.identity)) {
      this.#reportOther(connectionID);
      return 'unknown';
    }
    if (!tokens.isNewest(attempt)) return 'superseded';
    const fault = isExpired ? 'expired' : present.canContinueFrom(received) ? undefined : 'gap';
    if (fault !== undefined) {
      connection.peer.lose(`the client came back in vain: ${fault}`);
      return fault;
    }
    const windowMs = this.#windowMs(Infinity) ?? 0;
    const grant: ResumeGrant = { token: tokens.renew(token), windowMs };
    const goesOn = this.#lifecycle.during(() => connection.peer.continueOn(peer, grant));
    if (!goesOn) return 'unknown';
    this.#peers.delete(peer);
    return resumed;
  }

  #handOver(peer: Peer): void {
    const { transports, scheduler, createID, host } = this.#settings.options;
    const ticket = createID();
    const { timeoutMs } = this.#settings.peerSettings();
    const port: DedicatedPort = new DedicatedPort(
      { transports, host, scheduler, timeoutMs: handshakeTimeoutMs(timeoutMs) },
      {
        onListening: (number) => {
          // A client that is gone by now will not come.
          if (this.#peers.has(peer)) peer.connection.handOver(number, ticket);
          else port.close();
        },
        onTransport: (transport) => {
          this.accept(transport, { ticket, port });
        },
        onClosed: (error) => {
          this.#dedicatedPorts.delete(port);
          if (error === undefined) return;
          this.#lifecycle.report(error);
          peer.close('server-stopped', 'no port could be had for this client');
        },
      },
    );
    this.#dedicatedPorts.add(port);
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
      if (this.isEmpty) this.#settings.onEmpty();
    });
  }

  #lost(connection: ServerConnection, end: ConnectionEnd): void {
    const { id, streams } = connection;
    const wasMade = connection.status !== clientStatuses.connecting;
    connection.setStatus(clientStatuses.disconnected);
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
