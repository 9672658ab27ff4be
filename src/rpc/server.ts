/**
 * RPCServer: listens at one address, and manages the connections of its clients.
 */
import type { Observable } from 'rxjs';
import { NotConnectedError, RPCError } from '../errors.js';
import { Turns } from '../link/turns.js';
import { Codec } from '../protocol/codec.js';
import type { ConnectionSettings } from '../protocol/connection-settings.js';
import { sharedSlabs } from '../protocol/framing.js';
import { neverExposedKey } from '../proxies/exposure.js';
import type { RemoteProxy } from '../proxies/types.js';
import { Lifecycle } from '../streams/lifecycle.js';
import type { StateStream } from '../streams/state-stream.js';
import type { Address } from '../transports/transport.js';
import { Authenticator, authenticationTimeoutMs } from './authenticator.js';
import { Authorization } from './authorization.js';
import { checkMaxConnections, checkTimeout } from './checks.js';
import { sumOf, type Counts } from './counts.js';
import { RPCDispatcher } from './dispatcher.js';
import { Interception } from './interception.js';
import { LocalRegistry } from './local-registry.js';
import { resolveServerOptions, type ResolvedServerOptions, type ServerOptions } from './options.js';
import { handshakeTimeoutMs, type PeerSettings } from './peer.js';
import { peerSettingsOf } from './peer-settings.js';
import { ServerConnections } from './server-connections.js';
import { StartListening } from './start-listening.js';
import { serverStates, type ClientStatus, type ServerStatus } from './status.js';
import { checkDrain, type StopOptions } from './stop-options.js';
import { Waiting } from './waiting.js';

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
  readonly #turns = new Turns();
  readonly #interception: Interception | undefined;
  readonly #authorization: Authorization | undefined;
  readonly #clients: ServerConnections;
  readonly #statusStream: StateStream<ServerStatus>;
  readonly #running: Waiting<void>;
  readonly #stopped: Waiting<void>;
  #status: ServerStatus = serverStates.notRunning;
  #timeoutMs: number;
  /** What all peers are given, until the timeout changes. */
  #settings: PeerSettings | undefined;
  #listening: StartListening | undefined;
  #address: Address | undefined;
  #isAddressFree = true;
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
    this.#interception = Interception.of(resolved.interceptors, lifecycle.report);
    this.#authorization = Authorization.of(resolved.authorize, lifecycle.report);
    this.#timeoutMs = resolved.timeoutMs;
    this.#statusStream = lifecycle.state<ServerStatus>(this.#status);
    this.#clients = new ServerConnections({
      options: resolved,
      lifecycle,
      authenticator: Authenticator.of(resolved, lifecycle.report),
      peerSettings: () => (this.#settings ??= this.#peerSettings()),
      isAccepting: () => this.#status === serverStates.running,
      onEmpty: () => {
        this.#finishStop();
      },
      onNoneToReturn: () => {
        this.#closeListening();
      },
    });
    this.#running = new Waiting(resolved.scheduler);
    this.#stopped = new Waiting(resolved.scheduler);
    this.status$ = this.#statusStream.observable;
    this.connections$ = this.#clients.ids$.observable;
    for (const [name, object] of Object.entries(resolved.localProxyObjects)) registry.add(name, object, {});
  }

  static {
    Object.defineProperty(this.prototype, neverExposedKey, { value: ['status$', 'connections$'] });
  }

  /**
   * Hook: the state has changed.
   * @param newStatus - one of `RPCServer.STATE_…`
   */
  statusChanged(newStatus: ServerStatus): void | Promise<void> {}

  /**
   * Starts to listen. On a running server it has no effect; on one that is stopping it waits for that.
   *
   * With `thread: true`, a server whose I/O thread has died three times within a minute stops, and reports that on `errors$` with the
   * code `"io-thread"`. Until the oldest of these deaths is a minute ago `start()` rejects with that code as well; after that it begins
   * anew, with `port: 0` on another port.
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
   *
   * With `drainInSeconds` what is open ends first: running calls of both directions, and streams; nothing new is taken, and clients with
   * `urls` go elsewhere. Where sessions can be resumed it goes on listening until the last of them has ended, for those whose connection is
   * lost meanwhile. Called again without it, it ends at once what is left.
   * @param options - `drainInSeconds` lets what is open end first
   * @returns resolves once every connection has ended and the address is free
   */
  stop(options: StopOptions = {}): Promise<void> {
    const drainMs = checkDrain('stop()', options);
    if (this.#status === serverStates.notRunning) return Promise.resolve();
    const stopped = this.#stopped.wait({}, () => 'end');
    // The last word counts, also over a start that waits for an earlier stop.
    this.#running.reject(() => new RPCError('the server was stopped while it was starting'));
    if (this.#status !== serverStates.stopping) {
      this.#lifecycle.during(() => {
        this.#stop(drainMs);
      });
    } else if (drainMs === 0 && this.#clients.isDraining) this.#closeAll();
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

  /** Where the server listens, `undefined` when it does not, or no longer for new clients. */
  address(): Address | undefined {
    return this.#address;
  }

  /** The ids of the connected clients, the oldest first. */
  connections(): string[] {
    return this.#clients.ids;
  }

  /**
   * The status of one client's connection: one of `RPCClient.STATUS_…`.
   * @throws UnknownConnectionError
   */
  connectionStatus(connectionID: string): ClientStatus {
    return this.#clients.find(connectionID).status;
  }

  /**
   * The status of one client's connection, now and after each change; completes when that connection has ended.
   * @throws UnknownConnectionError
   */
  connectionStatus$(connectionID: string): Observable<ClientStatus> {
    return this.#clients.find(connectionID).streams.status.observable;
  }

  /**
   * What a client sent as its unique identifier, `""` until it has.
   * @throws UnknownConnectionError
   */
  connectionUniqueIdentifier(connectionID: string): string {
    return this.#clients.find(connectionID).identifier;
  }

  /**
   * Who a client is, as `authenticate` has said; `undefined` without that option.
   * @throws UnknownConnectionError
   */
  connectionIdentity(connectionID: string): unknown {
    return this.#clients.find(connectionID).identity;
  }

  /**
   * The name of the codec that was agreed on with a client: `"msgpack"` is the built-in one.
   * @throws UnknownConnectionError
   */
  connectionCodec(connectionID: string): string {
    return this.#clients.find(connectionID).peer.codecName;
  }

  /**
   * The object that a client registered under a name.
   * @returns a proxy, the same one at each call; `undefined` when that client registered none of this name
   * @throws UnknownConnectionError
   */
  remoteProxyObject<T extends object>(connectionID: string, name: string): RemoteProxy<T> | undefined {
    // The caller says which type the remote object has; the client alone knows.
    return this.#clients.find(connectionID).proxy(name) as RemoteProxy<T> | undefined;
  }

  /**
   * The names that a client has registered.
   * @throws UnknownConnectionError
   */
  remoteProxyObjects(connectionID: string): string[] {
    return this.#clients.find(connectionID).communicator.remoteNames;
  }

  /**
   * The names that a client has registered, now and after each change; completes when that connection has ended.
   * @throws UnknownConnectionError
   */
  remoteProxyObjects$(connectionID: string): Observable<readonly string[]> {
    return this.#clients.find(connectionID).streams.names.observable;
  }

  /**
   * What is open now, on one connection or on all.
   * @throws UnknownConnectionError
   */
  counts(connectionID?: string): Counts {
    const of = connectionID === undefined ? this.#clients.all : [this.#clients.find(connectionID)];
    const sum = sumOf(of.map(({ communicator }) => communicator.counts));
    return connectionID === undefined ? { ...sum, ...this.#clients.counts } : sum;
  }

  /**
   * Closes one client's connection; the client is told why, and will connect again if it likes.
   * @param reason - for the client and for `disconnectionMade`; up to 1,024 characters of it
   * @throws UnknownConnectionError
   */
  disconnect(connectionID: string, reason = 'the server disconnected this client'): void {
    this.#lifecycle.during(() => {
      this.#clients.disconnect(connectionID, reason);
    });
  }

  /**
   * Changes how many clients may be connected at one time, from now on; those that are connected stay. Never more than
   * `limits.maxConnections`.
   * @param maxConnectionsAllowed - a whole number from 0, or `null` for no bound but that
   * @throws RangeError
   */
  setMaxConnectionsAllowed(maxConnectionsAllowed: number | null): void {
    this.#clients.places.maxConnectionsAllowed = checkMaxConnections(maxConnectionsAllowed);
  }

  /**
   * Changes `timeoutInSeconds` from now on, for open connections too.
   * @throws RangeError
   */
  setTimeout(seconds: number): void {
    this.#timeoutMs = checkTimeout('timeoutInSeconds', seconds);
    this.#settings = undefined;
    this.#clients.setTimeout(this.#timeoutMs);
  }

  /** Stops, and completes every stream. The server cannot be started again. */
  dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#running.reject(() => new NotConnectedError('cannot start: the server was disposed'));
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
          this.#clients.places.noteOpenFiles(this.#options.readOpenFiles());
          this.#address = address;
          this.#setStatus(serverStates.running);
          this.#running.resolve();
        },
        onTransport: (transport) => {
          this.#clients.accept(transport);
        },
        onFailed: (error) => {
          this.#lifecycle.during(() => {
            this.#listenFailed(error);
          });
        },
      },
    );
    this.#listening = listening;
    this.#lifecycle.during(() => {
      this.#setStatus(serverStates.starting);
      listening.start();
    });
  }

  /** It could not start, or the system took the listening socket away. */
  #listenFailed(error: Error): void {
    this.#listening = undefined;
    if (this.#status === serverStates.stopping) {
      // Sessions that are away cannot come back: the drain goes on without them, for as long as it may.
      this.#lifecycle.report(error);
      this.#finishStop();
      return;
    }
    if (this.#status === serverStates.running) {
      this.#lifecycle.report(error);
      this.#stop(0);
      return;
    }
    this.#setStatus(serverStates.notRunning);
    this.#running.reject(() => error);
  }

  #stop(drainMs: number): void {
    this.#running.reject(() => new RPCError('the server was stopped while it was starting'));
    this.#setStatus(serverStates.stopping);
    this.#address = undefined;
    if (drainMs === 0) {
      this.#closeAll();
      return;
    }
    this.#clients.drain(drainMs, () => {
      this.#closeAll();
    });
    if (!this.#clients.haveSomeToReturn) this.#closeListening();
  }

  /** Nobody comes any more. */
  #closeListening(): void {
    const listening = this.#listening;
    if (listening === undefined) return;
    this.#listening = undefined;
    this.#isAddressFree = false;
    listening.close(() => {
      this.#isAddressFree = true;
      this.#finishStop();
    });
  }

  #closeAll(): void {
    this.#lifecycle.during(() => {
      this.#closeListening();
      this.#clients.endDrain();
      this.#clients.closeAll('server-stopped', 'the server stops');
      this.#finishStop();
    });
  }

  /** The last step of stopping, once every connection has ended and the address is free. */
  #finishStop(): void {
    if (this.#status !== serverStates.stopping || this.#listening !== undefined) return;
    if (!this.#isAddressFree || !this.#clients.isEmpty) return;
    this.#lifecycle.during(() => {
      // The last client may have left by itself while the drain went on.
      this.#clients.endDrain();
      this.#setStatus(serverStates.notRunning);
      this.#stopped.resolve();
      if (this.#isDisposed) this.#complete();
      else if (this.#running.size > 0) this.#start();
    });
  }

  #complete(): void {
    this.#statusStream.complete();
    this.#clients.ids$.complete();
    this.#interception?.dispose();
    this.#lifecycle.complete();
    this.#options.transports.dispose?.();
  }

  #setStatus(status: ServerStatus): void {
    this.#status = status;
    this.#statusStream.set(status);
  }

  // ── Settings ────────────────────────────────────────────────────────────────────────────────────────────────────

  #peerSettings(): PeerSettings {
    return peerSettingsOf(this.#options, {
      interception: this.#interception,
      turns: this.#turns,
      authorization: this.#authorization,
      registry: this.#registry,
      timeoutMs: this.#timeoutMs,
      authenticationTimeoutMs: this.#options.authenticate === undefined ? undefined : authenticationTimeoutMs,
    });
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
      slabs: sharedSlabs,
    };
  }
}
