/**
 * RPCServer: listens at one address, and manages the connections of its clients.
 */
import type { Observable, Subscription } from 'rxjs';
import { ConnectionLostError, NotConnectedError, RPCError, UnknownConnectionError } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import { printable } from '../protocol/close-reason.js';
import { Codec } from '../protocol/codec.js';
import type { ConnectionSettings } from '../protocol/connection-core.js';
import { SlabPool } from '../protocol/framing.js';
import type { RemoteProxy } from '../proxies/types.js';
import { isSameList, Lifecycle } from '../streams/lifecycle.js';
import type { StateStream } from '../streams/state-stream.js';
import type { Address, Transport } from '../transports/transport.js';
import type { Counts } from './communicator.js';
import { DedicatedPort } from './dedicated-port.js';
import { RPCDispatcher } from './dispatcher.js';
import { LocalRegistry } from './local-registry.js';
import {
  checkMaxConnections,
  checkNames,
  checkTimeout,
  resolveServerOptions,
  type ResolvedServerOptions,
  type ServerOptions,
} from './options.js';
import { faultOf, handshakeTimeoutMs, Peer, type PeerSettings } from './peer.js';
import { ServerConnection } from './server-connection.js';
import { StartListening } from './start-listening.js';
import { clientStatuses, serverStates, type ClientStatus, type ServerStatus } from './status.js';
import { Waiting } from './waiting.js';

/** How to stop a server. */
export interface StopOptions {
  /** Seconds that running calls may take to end first; meanwhile no new ones are taken. Default 0. */
  readonly drainInSeconds?: number;
}

/** Longest reason of a disconnection, in UTF-16 code units: what the other side would keep of it. */
const maxReasonLength = 1_024;

/** A full server asks clients to come back after this long, and as much again at random. */
const retryAfterFullMs = 1_000;

/**
 * A server of many clients, at one host and port, of which there can be only one.
 *
 * Both sides register objects, and call each other's. A proxy of this class is tied to its connection id. Derive from it
 * and override hooks, or subscribe to the streams of the same names.
 */
export class RPCServer extends RPCDispatcher {
  /** Does not listen. */
  static readonly STATE_NOT_RUNNING = serverStates.notRunning;
  /** About to listen. */
  static readonly STATE_STARTING = serverStates.starting;
  /** Listens. */
  static readonly STATE_RUNNING = serverStates.running;
  /** About to have stopped. */
  static readonly STATE_STOPPING = serverStates.stopping;

  /** The state now, then each change; completes on `dispose()`. */
  readonly status$: Observable<ServerStatus>;
  /** The ids of the connected clients, now and after each change; completes on `dispose()`. */
  readonly connections$: Observable<readonly string[]>;

  readonly #options: ResolvedServerOptions;
  readonly #lifecycle: Lifecycle;
  readonly #registry: LocalRegistry;
  readonly #slabs = new SlabPool();
  readonly #statusStream: StateStream<ServerStatus>;
  readonly #connectionsStream: StateStream<readonly string[]>;
  readonly #peers = new Set<Peer>();
  readonly #connections = new Map<string, ServerConnection>();
  readonly #dedicatedPorts = new Set<DedicatedPort>();
  readonly #running: Waiting<void>;
  readonly #stopped: Waiting<void>;
  #status: ServerStatus = serverStates.notRunning;
  #timeoutMs: number;
  #maxConnectionsAllowed: number | null;
  #listening: StartListening | undefined;
  #address: Address | undefined;
  #draining: Subscription | undefined;
  #isDisposed = false;

  /**
   * @param options - host, port, timeout, objects to register and more; see `ServerOptions`
   * @throws TypeError, RangeError naming the option that cannot be
   */
  constructor(options: ServerOptions) {
    const resolved = resolveServerOptions(options);
    const lifecycle = new Lifecycle(resolved);
    const registry = new LocalRegistry();
    super(lifecycle, registry);
    this.#options = resolved;
    this.#lifecycle = lifecycle;
    this.#registry = registry;
    this.#timeoutMs = resolved.timeoutMs;
    this.#maxConnectionsAllowed = resolved.maxConnectionsAllowed;
    this.#statusStream = lifecycle.state<ServerStatus>(this.#status);
    this.#connectionsStream = lifecycle.state<readonly string[]>([], isSameList);
    this.#running = new Waiting(resolved.scheduler);
    this.#stopped = new Waiting(resolved.scheduler);
    this.status$ = this.#statusStream.observable;
    this.connections$ = this.#connectionsStream.observable;
    for (const [name, object] of Object.entries(resolved.localProxyObjects)) registry.add(name, object, {});
  }

  /**
   * Hook: the state has changed.
   * @param newStatus - one of `RPCServer.STATE_…`
   */
  statusChanged(newStatus: ServerStatus): void | Promise<void> {}

  /**
   * Starts to listen. On a running server it has no effect; on one that is stopping it waits for that.
   * @returns resolves once it listens
   * @throws ServerAlreadyRunningException when a Tandem server already runs there; PortInUseError when another program
   * has the port; RPCError when listening is not possible, or `stop()` came before
   */
  start(): Promise<void> {
    if (this.#isDisposed)
      return Promise.reject(new NotConnectedError('cannot start: the server was disposed'));
    if (this.#status === serverStates.running) return Promise.resolve();
    const running = this.#running.wait({}, () => 'listening');
    if (this.#status === serverStates.notRunning) this.#start();
    return running;
  }

  /**
   * Stops listening, tells every client, and disconnects them. Has no effect on a stopped server.
   * @param options - `drainInSeconds` lets running calls end first
   * @returns resolves once every connection has ended and the address is free
   */
  stop(options: StopOptions = {}): Promise<void> {
    checkNames('stop()', options, ['drainInSeconds']);
    const { drainInSeconds = 0 } = options;
    const drainMs = drainInSeconds === 0 ? 0 : checkTimeout('drainInSeconds', drainInSeconds);
    if (this.#status === serverStates.notRunning) return Promise.resolve();
    const stopped = this.#stopped.wait({}, () => 'end');
    // The last word counts, also over a start that waits for an earlier stop.
    this.#running.reject(new RPCError('the server was stopped while it was starting'));
    if (this.#status !== serverStates.stopping) this.#stop(drainMs);
    else if (drainMs === 0 && this.#draining !== undefined) this.#closeAll();
    return stopped;
  }

  /** Whether the server is starting up or running. */
  isRunning(): boolean {
    return this.#status === serverStates.starting || this.#status === serverStates.running;
  }

  /** The state now: one of `RPCServer.STATE_…`. */
  status(): ServerStatus {
    return this.#status;
  }

  /** Where the server listens, `undefined` when it does not. */
  address(): Address | undefined {
    return this.#address;
  }

  /** The ids of the connected clients, the oldest first. */
  connections(): string[] {
    return [...this.#connections.values()].filter(({ isConnected }) => isConnected).map(({ id }) => id);
  }

  /**
   * The status of one client's connection: one of `RPCClient.STATUS_…`.
   * @throws UnknownConnectionError
   */
  connectionStatus(connectionID: string): ClientStatus {
    return this.#connection(connectionID).status;
  }

  /**
   * The status of one client's connection, now and after each change; completes when that connection has ended.
   * @throws UnknownConnectionError
   */
  connectionStatus$(connectionID: string): Observable<ClientStatus> {
    return this.#connection(connectionID).streams.status.observable;
  }

  /**
   * What a client sent as its unique identifier, `""` until it has.
   * @throws UnknownConnectionError
   */
  connectionUniqueIdentifier(connectionID: string): string {
    return this.#connection(connectionID).identifier;
  }

  /**
   * The object that a client registered under a name.
   * @returns a proxy, the same one at each call; `undefined` when that client registered none of this name
   * @throws UnknownConnectionError
   */
  remoteProxyObject<T extends object>(connectionID: string, name: string): RemoteProxy<T> | undefined {
    // The caller says which type the remote object has; the client alone knows.
    return this.#connection(connectionID).proxy(name) as RemoteProxy<T> | undefined;
  }

  /**
   * The names that a client has registered.
   * @throws UnknownConnectionError
   */
  remoteProxyObjects(connectionID: string): string[] {
    return this.#connection(connectionID).communicator.remoteNames;
  }

  /**
   * The names that a client has registered, now and after each change; completes when that connection has ended.
   * @throws UnknownConnectionError
   */
  remoteProxyObjects$(connectionID: string): Observable<readonly string[]> {
    return this.#connection(connectionID).streams.names.observable;
  }

  /**
   * What is open now, on one connection or on all.
   * @throws UnknownConnectionError
   */
  counts(connectionID?: string): Counts {
    const of =
      connectionID === undefined ? [...this.#connections.values()] : [this.#connection(connectionID)];
    const counts = of.map(({ communicator }) => communicator.counts);
    const sum = (key: keyof Counts): number => counts.reduce((total, one) => total + one[key], 0);
    return {
      calls: sum('calls'),
      incomingCalls: sum('incomingCalls'),
      streams: sum('streams'),
      references: sum('references'),
      queuedBytes: sum('queuedBytes'),
    };
  }

  /**
   * Closes one client's connection; the client is told why, and will connect again if it likes.
   * @param reason - for the client and for `disconnectionMade`; up to 1,024 characters of it
   * @throws UnknownConnectionError
   */
  disconnect(connectionID: string, reason = 'the server disconnected this client'): void {
    const connection = this.#connection(connectionID);
    if (connection.isConnected) connection.setStatus(clientStatuses.disconnecting);
    connection.peer.close('disconnected', printable(reason, maxReasonLength));
  }

  /**
   * Changes how many clients may be connected at one time, from now on; those that are connected stay.
   * @param maxConnectionsAllowed - a whole number from 0, or `null` for no bound
   * @throws RangeError
   */
  setMaxConnectionsAllowed(maxConnectionsAllowed: number | null): void {
    this.#maxConnectionsAllowed = checkMaxConnections(maxConnectionsAllowed);
  }

  /**
   * Changes `timeoutInSeconds` from now on, for open connections too.
   * @throws RangeError
   */
  setTimeout(seconds: number): void {
    this.#timeoutMs = checkTimeout('timeoutInSeconds', seconds);
    for (const peer of this.#peers) peer.connection.setTimeout(this.#timeoutMs);
  }

  /** Stops, and completes every stream. The server cannot be started again. */
  dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#running.reject(new NotConnectedError('cannot start: the server was disposed'));
    const stopped = this.stop();
    if (this.#status === serverStates.notRunning) this.#complete();
    return stopped;
  }

  /** {@inheritDoc RPCServer.dispose} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  // ── Starting and stopping ───────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    this.#lifecycle.attach(this);
    this.#statusStream.setHook((newStatus) => this.statusChanged(newStatus));
    const { transports, host, port, scheduler } = this.#options;
    const listening = new StartListening(
      { transports, address: { host, port }, scheduler, connection: () => this.#probeSettings() },
      {
        onListening: (address) => {
          this.#address = address;
          // Before the hook, which may stop and start again.
          this.#running.resolve();
          this.#setStatus(serverStates.running);
        },
        onTransport: (transport) => {
          this.#accept(transport, undefined);
        },
        onFailed: (error) => {
          this.#listenFailed(error);
        },
      },
    );
    this.#listening = listening;
    this.#setStatus(serverStates.starting);
    // The hook may have stopped it.
    if (this.#listening === listening) listening.start();
  }

  /** It could not start, or the system took the listening socket away. */
  #listenFailed(error: Error): void {
    this.#listening = undefined;
    if (this.#status === serverStates.running) {
      this.#lifecycle.report(error);
      this.#stop(0);
      return;
    }
    // Before the hook, which may start again and wait anew.
    this.#running.reject(error);
    this.#setStatus(serverStates.notRunning);
  }

  #stop(drainMs: number): void {
    // Before the hook, which may start again and wait anew.
    this.#running.reject(new RPCError('the server was stopped while it was starting'));
    this.#setStatus(serverStates.stopping);
    this.#address = undefined;
    const listening = this.#listening;
    this.#listening = undefined;
    let isFree = listening === undefined;
    const finish = (): void => {
      if (isFree && this.#peers.size === 0) this.#hasStopped();
    };
    this.#onPeerGone = finish;
    listening?.close(() => {
      isFree = true;
      finish();
    });
    if (drainMs === 0) this.#closeAll();
    else this.#drain(drainMs);
  }

  /** Called when a peer has ended while the server stops. */
  #onPeerGone: (() => void) | undefined;

  #drain(drainMs: number): void {
    this.#draining = this.#options.scheduler.schedule(() => {
      this.#closeAll();
    }, drainMs);
    const busy = new Set(this.#connections.values());
    for (const connection of [...busy]) {
      connection.communicator.drain(() => {
        busy.delete(connection);
        if (busy.size === 0) this.#closeAll();
      });
    }
    if (busy.size === 0) this.#closeAll();
  }

  #closeAll(): void {
    this.#draining?.unsubscribe();
    this.#draining = undefined;
    for (const port of [...this.#dedicatedPorts]) port.close();
    for (const connection of this.#connections.values()) {
      if (connection.isConnected) connection.setStatus(clientStatuses.disconnecting);
    }
    for (const peer of [...this.#peers]) peer.close('server-stopped', 'the server stops');
    this.#onPeerGone?.();
  }

  #hasStopped(): void {
    if (this.#status !== serverStates.stopping) return;
    this.#onPeerGone = undefined;
    // Before the hook, which may start again, stop again, or both.
    this.#stopped.resolve();
    this.#setStatus(serverStates.notRunning);
    if (this.status() !== serverStates.notRunning) return;
    if (this.#isDisposed) this.#complete();
    else if (this.#running.size > 0) this.#start();
  }

  #complete(): void {
    this.#statusStream.complete();
    this.#connectionsStream.complete();
    this.#lifecycle.complete();
  }

  #setStatus(status: ServerStatus): void {
    this.#status = status;
    this.#statusStream.set(status);
  }

  // ── Connections ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody dialled: on the server's port, or on the dedicated one of a client that has been given this ticket. */
  #accept(
    transport: Transport,
    dedicated: { readonly ticket: string; readonly port: DedicatedPort } | undefined,
  ): void {
    let connection: ServerConnection | undefined;
    const peer = new Peer(transport, { side: 'listener' }, this.#peerSettings(), {
      onHello: (ticket) => {
        connection = this.#greet(peer, ticket, dedicated);
      },
      onEstablished: () => '',
      onReady: () => {
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
      onHeartbeat: (roundTripMs) => {
        const at = this.#options.scheduler.now();
        this.#lifecycle.heartbeat.emit({ connectionID: connection?.id ?? '', roundTripMs, at });
      },
      onClosed: (end) => {
        this.#ended(peer, connection, end);
      },
      onError: this.#lifecycle.report,
      onHandover: () => {
        // Only a client is handed over.
      },
    });
    this.#peers.add(peer);
    peer.connection.open();
  }

  #greet(
    peer: Peer,
    ticket: string | undefined,
    dedicated: { readonly ticket: string; readonly port: DedicatedPort } | undefined,
  ): ServerConnection | undefined {
    if (ticket !== dedicated?.ticket) {
      peer.connection.refuse('protocol-error', 'the ticket is not for this port', undefined);
    } else if (this.#status !== serverStates.running) {
      peer.connection.refuse('server-stopped', 'the server stops', retryAfterFullMs);
    } else if (dedicated !== undefined) {
      return this.#admit(peer, dedicated.port);
    } else if (this.#isFull()) {
      const retryAfterMs = retryAfterFullMs * (1 + this.#options.random());
      const text = `the server has all the clients it allows (${this.#maxConnectionsAllowed ?? 0})`;
      peer.connection.refuse('server-full', text, retryAfterMs);
    } else if (this.#options.dedicatedPorts) {
      this.#handOver(peer);
    } else {
      return this.#welcome(peer);
    }
    return undefined;
  }

  /** A ticket is good for one connection, and for as long as its port is open: it holds one of the places. */
  #admit(peer: Peer, port: DedicatedPort): ServerConnection | undefined {
    if (!port.isClosed) {
      port.close();
      return this.#welcome(peer);
    }
    peer.connection.refuse('disconnected', 'the ticket has been used, or has expired', undefined);
    return undefined;
  }

  /** Clients on their way to a port of their own count already. */
  #isFull(): boolean {
    const max = this.#maxConnectionsAllowed;
    if (max === null) return false;
    const ending = [...this.#connections.values()].filter(
      ({ status }) => status === clientStatuses.disconnected,
    ).length;
    return this.#connections.size - ending + this.#dedicatedPorts.size >= max;
  }

  #welcome(peer: Peer): ServerConnection {
    const id = this.#options.createID();
    const streams = {
      status: this.#lifecycle.state<ClientStatus>(clientStatuses.connecting),
      names: this.#lifecycle.state<readonly string[]>([], isSameList),
    };
    const connection = new ServerConnection(id, peer, streams, () => {
      if (peer.communicator === undefined) throw new ConnectionLostError('the handshake is not complete');
      return peer.communicator;
    });
    this.#connections.set(id, connection);
    peer.connection.welcome(id);
    return connection;
  }

  #handOver(peer: Peer): void {
    const { transports, scheduler, createID, host } = this.#options;
    const ticket = createID();
    const port: DedicatedPort = new DedicatedPort(
      { transports, host, scheduler, timeoutMs: handshakeTimeoutMs(this.#timeoutMs) },
      {
        onListening: (number) => {
          // A client that is gone by now will not come.
          if (this.#peers.has(peer)) peer.connection.handOver(number, ticket);
          else port.close();
        },
        onTransport: (transport) => {
          this.#accept(transport, { ticket, port });
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
    const { id, communicator } = connection;
    connection.setStatus(clientStatuses.connected);
    this.#connectionsStream.set(this.connections());
    const names = communicator.remoteNames;
    connection.streams.names.set(names);
    this.#lifecycle.connectionMade.emit(id);
    for (const name of names) this.#lifecycle.registered.emit({ connectionID: id, name });
  }

  #ended(peer: Peer, connection: ServerConnection | undefined, end: ConnectionEnd): void {
    this.#peers.delete(peer);
    const fault = faultOf(end, peer.connection.description, connection?.id);
    if (fault !== undefined) this.#lifecycle.report(fault);
    if (connection !== undefined) this.#lost(connection, end);
    this.#onPeerGone?.();
  }

  #lost(connection: ServerConnection, end: ConnectionEnd): void {
    const { id, streams } = connection;
    const wasMade = connection.status !== clientStatuses.connecting;
    connection.setStatus(clientStatuses.disconnected);
    if (!wasMade) {
      this.#connections.delete(id);
      return;
    }
    this.#connectionsStream.set(this.connections());
    this.#lifecycle.disconnectionMade.emit({ connectionID: id, reason: end.reason });
    streams.status.complete();
    streams.names.complete();
    // Status and identifier stay readable until the hook and the subscribers have been told.
    this.#lifecycle.afterDelivery(() => this.#connections.delete(id));
  }

  #connection(connectionID: string): ServerConnection {
    const connection = this.#connections.get(connectionID);
    if (connection !== undefined && connection.status !== clientStatuses.connecting) return connection;
    throw new UnknownConnectionError(`there is no connection ${JSON.stringify(connectionID)}`, {
      connectionID,
    });
  }

  // ── Settings ────────────────────────────────────────────────────────────────────────────────────────────────────

  #peerSettings(): PeerSettings {
    const { scheduler, limits, exposeErrors, callTimeoutMs, heartbeatIntervalMs } = this.#options;
    return {
      scheduler,
      limits,
      exposeErrors,
      callTimeoutMs,
      heartbeatIntervalMs,
      slabs: this.#slabs,
      registry: this.#registry,
      timeoutMs: this.#timeoutMs,
    };
  }

  #probeSettings(): ConnectionSettings {
    const { limits } = this.#options;
    return {
      role: { side: 'prober' },
      timeoutMs: this.#timeoutMs,
      heartbeatIntervalMs: undefined,
      handshakeTimeoutMs: handshakeTimeoutMs(this.#timeoutMs),
      limits,
      codec: new Codec(limits),
      slabs: this.#slabs,
    };
  }
}
