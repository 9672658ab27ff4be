/**
 * RPCClient: one connection to one server, made again whenever it is lost, until it is told to stop.
 */
import type { Observable } from 'rxjs';
import { AuthenticationError, NotConnectedError } from '../errors.js';
import { neverExposedKey } from '../proxies/exposure.js';
import type { RemoteProxy } from '../proxies/types.js';
import { Lifecycle } from '../streams/lifecycle.js';
import { Authorization } from './authorization.js';
import { checkIdentifier, checkTimeout } from './checks.js';
import { describeAddresses } from './client-addresses.js';
import { ClientCaller } from './client-caller.js';
import { ClientConnections } from './client-connections.js';
import { ClientCredentials } from './client-credentials.js';
import { ClientObjects } from './client-objects.js';
import type { Counts } from './counts.js';
import { RPCDispatcher } from './dispatcher.js';
import { Interception } from './interception.js';
import { LocalRegistry } from './local-registry.js';
import { resolveClientOptions, type ClientOptions, type ResolvedClientOptions } from './options.js';
import { clientStatuses, type ClientStatus } from './status.js';
import { checkDrain, type DisconnectOptions } from './stop-options.js';
import { Waiting, type WaitOptions } from './waiting.js';

/**
 * A client of one server, at one host and port. Start it with `connectToServer()`; it then keeps trying, and comes back
 * after each loss, until `disconnectFromServer()`.
 *
 * Both sides register objects, and call each other's. A proxy of this class is addressed by name, and serves again after
 * a reconnect. Derive from it and override hooks, or subscribe to the streams of the same names.
 */
export class RPCClient extends RPCDispatcher {
  /** A server is being looked for, or waited for between two attempts. */
  static readonly STATUS_AUTO_CONNECTING = clientStatuses.autoConnecting;
  /** Not started, or stopped. */
  static readonly STATUS_DISCONNECTED = clientStatuses.disconnected;
  /** A server was reached, and the handshake runs. */
  static readonly STATUS_CONNECTING = clientStatuses.connecting;
  /** Connected. */
  static readonly STATUS_CONNECTED = clientStatuses.connected;
  /** Being stopped. */
  static readonly STATUS_DISCONNECTING = clientStatuses.disconnecting;

  /** The status now, then each change; completes on `dispose()`. */
  readonly status$: Observable<ClientStatus>;
  /** The names that the server has registered, now and after each change; empty while not connected. */
  readonly remoteProxyObjects$: Observable<readonly string[]>;

  readonly #options: ResolvedClientOptions;
  readonly #lifecycle: Lifecycle;
  readonly #registry: LocalRegistry;
  readonly #interception: Interception | undefined;
  readonly #objects: ClientObjects;
  readonly #credentials: ClientCredentials;
  readonly #connections: ClientConnections;
  readonly #connectedWaiting: Waiting<void>;
  readonly #goneWaiting: Waiting<void>;
  #isDisposed = false;

  /**
   * @param options - host, port, timeout, objects to register and more; see `ClientOptions`
   * @throws TypeError, RangeError naming the option that cannot be
   */
  constructor(options: ClientOptions) {
    const resolved = resolveClientOptions(options);
    const lifecycle = new Lifecycle(resolved);
    const registry = new LocalRegistry();
    super(lifecycle, registry);
    this.#options = resolved;
    this.#lifecycle = lifecycle;
    this.#registry = registry;
    const { credentials, limits, scheduler, createNonce } = resolved;
    this.#credentials = new ClientCredentials(credentials, {
      limits,
      scheduler,
      createNonce,
      report: lifecycle.report,
    });
    this.#connectedWaiting = new Waiting(resolved.scheduler);
    this.#goneWaiting = new Waiting(resolved.scheduler);
    this.#interception = Interception.of(resolved.interceptors, lifecycle.report);
    const direct = new ClientCaller({
      connected: () => this.#connections.serving ?? this.#connections.connected,
      whenConnected: (waitOptions) => this.whenConnected(waitOptions),
      notConnected: (what, call) => this.#notConnected(what, call),
      callTimeoutMs: resolved.callTimeoutMs,
      now: () => resolved.scheduler.now(),
      report: lifecycle.report,
    });
    const caller = this.#interception?.outgoing(direct, () => this.connectionID()) ?? direct;
    this.#objects = new ClientObjects(caller, lifecycle, resolved.scheduler);
    this.remoteProxyObjects$ = this.#objects.names$.observable;
    this.#connections = new ClientConnections({
      options: resolved,
      lifecycle,
      registry,
      interception: this.#interception,
      authorization: Authorization.of(resolved.authorize, lifecycle.report),
      credentials: this.#credentials,
      objects: this.#objects,
      onConnected: () => {
        this.#connectedWaiting.resolve();
      },
      onStopped: () => {
        const makeError = (): Error => this.#cannotWait('wait any longer');
        this.#connectedWaiting.reject(makeError);
        this.#objects.rejectWaiting(makeError);
      },
      onGone: () => {
        this.#goneWaiting.resolve();
      },
    });
    this.status$ = this.#connections.status$.observable;
    for (const [name, object] of Object.entries(resolved.localProxyObjects)) registry.add(name, object, {});
  }

  static {
    Object.defineProperty(this.prototype, neverExposedKey, { value: ['status$', 'remoteProxyObjects$'] });
  }

  /**
   * Hook: the status has changed.
   * @param newStatus - one of `RPCClient.STATUS_…`
   */
  statusChanged(newStatus: ClientStatus): void | Promise<void> {}

  /**
   * Starts, and returns at once: the client connects, and connects again after each loss, until
   * `disconnectFromServer()`. Has no effect on a client that is started. One that has stopped since its credentials were
   * refused starts again.
   *
   * With `thread: true`, where no I/O thread can be started, or it has died three times within a minute, `errors$` has an error with
   * the code `"io-thread"`, once, and the client goes on trying.
   * @throws NotConnectedError on a disposed client
   */
  connectToServer(): void {
    if (this.#isDisposed) throw this.#notConnected('connect');
    if (!this.canStart()) return;
    this.#lifecycle.attach(this);
    this.#connections.status$.setHook((newStatus) => this.statusChanged(newStatus));
    this.#connections.start();
  }

  /**
   * Ends the connection, telling the server, and the trying. Open calls are settled, and everybody who waits is told.
   * Has no effect on a client that is stopped.
   *
   * With `drainInSeconds` what is open ends first: running calls of both directions, and streams; nothing new is begun or taken. Called
   * again without it, it ends at once what is left.
   * @param options - `drainInSeconds` lets what is open end first
   * @returns resolves when that is done
   * @throws TypeError, RangeError for options that cannot be
   */
  disconnectFromServer(options: DisconnectOptions = {}): Promise<void> {
    const drainMs = checkDrain('disconnectFromServer()', options);
    if (!this.canStop()) {
      this.#connections.forget();
      return Promise.resolve();
    }
    const gone = this.#goneWaiting.wait({}, () => 'end');
    this.#connections.stop(drainMs);
    return gone;
  }

  /**
   * Changes the `credentials`, from the next attempt to connect on; the present connection stays. A client that has stopped since
   * those before were refused starts again.
   * @param credentials - as in the options
   * @throws UnserializableValueError, AuthenticationError when they cannot be sent
   */
  setCredentials(credentials: unknown): void {
    this.#credentials.set(credentials);
    if (this.#connections.refusal !== undefined) this.connectToServer();
  }

  /** Whether `connectToServer()` would do something now. */
  canStart(): boolean {
    return !this.#connections.isStarted && !this.#isDisposed;
  }

  /** Whether `disconnectFromServer()` would do something now. */
  canStop(): boolean {
    return this.#connections.isStarted || this.#connections.isDraining;
  }

  /** Whether there is a connection now. */
  isConnected(): boolean {
    return this.#connections.present !== undefined;
  }

  /** The status now: one of `RPCClient.STATUS_…`. */
  status(): ClientStatus {
    return this.#connections.status;
  }

  /** The id that the server knows this client by, `undefined` while not connected; another one on each connection. */
  connectionID(): string | undefined {
    return this.#connections.connected?.connectionID;
  }

  /**
   * The name of the codec that was agreed on with the server: `"msgpack"` is the built-in one. `undefined` while not connected.
   */
  codec(): string | undefined {
    return this.#connections.codecName;
  }

  /**
   * Tells the server who this is: now if connected, and again on every later connection.
   * @param identifier - up to 4,096 characters
   * @throws TypeError, RangeError for something else
   */
  sendUniqueIdentifier(identifier: string): void {
    this.#connections.identify(checkIdentifier(identifier));
  }

  /**
   * The object that the server registered under a name.
   * @returns a proxy, the same one at each call; `undefined` when none of this name is registered, or while not connected
   */
  remoteProxyObject<T extends object>(name: string): RemoteProxy<T> | undefined {
    // The caller says which type the remote object has; the server alone knows.
    return this.#objects.find(name) as RemoteProxy<T> | undefined;
  }

  /** The names that the server has registered; none while not connected. */
  remoteProxyObjects(): string[] {
    return this.#connections.connected?.remoteNames ?? [];
  }

  /** The object of this name now and after each change: `undefined` while it is not registered, or not connected. */
  remoteProxyObject$<T extends object>(name: string): Observable<RemoteProxy<T> | undefined> {
    return this.#objects.stream(name).observable as Observable<RemoteProxy<T> | undefined>;
  }

  /**
   * Waits for a connection.
   * @param options - `signal` and `timeoutInSeconds` to give up
   * @returns resolves at once when connected
   * @throws NotConnectedError when not started, or stopped meanwhile; RPCTimeoutError; the signal's reason
   */
  whenConnected(options: WaitOptions = {}): Promise<void> {
    if (this.isConnected()) return Promise.resolve();
    if (!this.#connections.isStarted) return Promise.reject(this.#cannotWait('wait for a connection'));
    return this.#connectedWaiting.wait(options, () => `connection to ${this.#where}${this.#failure}`);
  }

  /**
   * Waits until the server has registered an object of this name.
   * @param options - `signal` and `timeoutInSeconds` to give up
   * @returns its proxy, at once when it is registered
   * @throws NotConnectedError when not started, or stopped meanwhile; RPCTimeoutError; the signal's reason
   */
  whenRemoteProxyObject<T extends object>(name: string, options: WaitOptions = {}): Promise<RemoteProxy<T>> {
    const proxy = this.remoteProxyObject<T>(name);
    if (proxy !== undefined) return Promise.resolve(proxy);
    if (!this.#connections.isStarted) return Promise.reject(this.#cannotWait(`wait for "${name}"`));
    const what = (): string =>
      this.#connections.connected === undefined
        ? `connection to ${this.#where}${this.#failure}, hence no object "${name}"`
        : `object "${name}" was registered by the server`;
    return this.#objects.wait(name, options, what) as Promise<RemoteProxy<T>>;
  }

  /**
   * Changes `timeoutInSeconds` from now on, for the open connection too.
   * @throws RangeError
   */
  setTimeout(seconds: number): void {
    this.#connections.setTimeout(checkTimeout('timeoutInSeconds', seconds));
  }

  /** What is open now. */
  counts(): Counts {
    return this.#connections.counts;
  }

  /** Disconnects, and completes every stream. The client cannot be started again. */
  dispose(): Promise<void> {
    const done = this.disconnectFromServer();
    if (this.#isDisposed) return done;
    this.#isDisposed = true;
    this.#connections.status$.complete();
    this.#objects.complete();
    this.#interception?.dispose();
    this.#lifecycle.complete();
    this.#options.transports.dispose?.();
    return done;
  }

  /** {@inheritDoc RPCClient.dispose} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #where(): string {
    return describeAddresses(this.#options.addresses);
  }

  get #failure(): string {
    const { lastFailure } = this.#connections;
    return lastFailure === undefined ? '' : ` (the last attempt: ${lastFailure})`;
  }

  #refusedError(reason: string): AuthenticationError {
    return new AuthenticationError(
      `${this.#where} refused this client: ${reason}; setCredentials() gives it others`,
    );
  }

  #cannotWait(what: string): Error {
    const { refusal } = this.#connections;
    return refusal === undefined ? this.#notConnected(what) : this.#refusedError(refusal);
  }

  /** Says what could not be done for want of a connection, and why there is none. */
  #notConnected(
    what: string,
    call?: { readonly object: string; readonly member: string },
  ): NotConnectedError {
    const { isStarted, refusal, retryAtMs } = this.#connections;
    const why = this.#isDisposed
      ? 'the client was disposed'
      : refusal !== undefined
        ? `the server refused this client: ${refusal}`
        : !isStarted
          ? 'the client is stopped: connectToServer() starts it'
          : `not connected to ${this.#where}${this.#failure}`;
    const dueMs = isStarted ? retryAtMs : undefined;
    const retryAfterInSeconds =
      dueMs === undefined ? undefined : Math.max(0, dueMs - this.#options.scheduler.now()) / 1_000;
    return new NotConnectedError(
      `cannot ${what}: ${why}`,
      call === undefined ? { retryAfterInSeconds } : { ...call, executed: 'no', retryAfterInSeconds },
    );
  }
}
