/**
 * RPCClient: one connection to one server, made again whenever it is lost, until it is told to stop.
 */
import type { Observable } from 'rxjs';
import {
  AuthenticationError,
  LimitExceededError,
  NotConnectedError,
  RPCError,
  ServerFullError,
} from '../errors.js';
import { Backoff } from '../link/backoff.js';
import type { ConnectionEnd } from '../link/connection.js';
import { Reconnect } from '../link/reconnect.js';
import { CloseReason, type CloseCode } from '../protocol/close-reason.js';
import { sharedSlabs } from '../protocol/framing.js';
import { neverExposedKey } from '../proxies/exposure.js';
import type { RemoteProxy } from '../proxies/types.js';
import { Lifecycle } from '../streams/lifecycle.js';
import type { StateStream } from '../streams/state-stream.js';
import type { Transport } from '../transports/transport.js';
import { authenticationTimeoutMs } from './authenticator.js';
import { Authorization } from './authorization.js';
import { checkIdentifier, checkTimeout } from './checks.js';
import { ClientCaller } from './client-caller.js';
import { ClientCredentials } from './client-credentials.js';
import { ClientObjects } from './client-objects.js';
import type { RPCCommunicator } from './communicator.js';
import { sumOf, type Counts } from './counts.js';
import { Departures } from './departures.js';
import { RPCDispatcher } from './dispatcher.js';
import { Interception } from './interception.js';
import { LocalRegistry } from './local-registry.js';
import { resolveClientOptions, type ClientOptions, type ResolvedClientOptions } from './options.js';
import { faultOf, handshakeTimeoutMs, isOverLimit, Peer, type PeerSink } from './peer.js';
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
  readonly #authorization: Authorization | undefined;
  readonly #statusStream: StateStream<ClientStatus>;
  readonly #objects: ClientObjects;
  readonly #credentials: ClientCredentials;
  readonly #connectedWaiting: Waiting<void>;
  /** Connections that were left, while what is open there ends. */
  readonly #departures: Departures;
  readonly #goneWaiting: Waiting<void>;
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
  #isDisposed = false;
  /** Whether attempts fail for want of an I/O thread, which was reported. */
  #lacksThread = false;
  /** Connections that ended since the server went beyond a limit. */
  #overLimits = 0;

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
    this.#timeoutMs = resolved.timeoutMs;
    this.#identifier = resolved.identifier;
    const { credentials, limits, scheduler, createNonce } = resolved;
    this.#credentials = new ClientCredentials(credentials, {
      limits,
      scheduler,
      createNonce,
      report: lifecycle.report,
    });
    this.#statusStream = lifecycle.state<ClientStatus>(this.#status);
    this.#connectedWaiting = new Waiting(resolved.scheduler);
    this.#goneWaiting = new Waiting(resolved.scheduler);
    this.#departures = new Departures(resolved.scheduler, () => {
      lifecycle.during(() => {
        if (this.canStart()) this.#setStatus(clientStatuses.disconnected);
        this.#goneWaiting.resolve();
      });
    });
    this.status$ = this.#statusStream.observable;
    this.#interception = Interception.of(resolved.interceptors, lifecycle.report);
    this.#authorization = Authorization.of(resolved.authorize, lifecycle.report);
    const direct = new ClientCaller({
      connected: () => this.#departures.serving ?? this.#connected,
      whenConnected: (waitOptions) => this.whenConnected(waitOptions),
      notConnected: (what, call) => this.#notConnected(what, call),
      callTimeoutMs: resolved.callTimeoutMs,
      now: () => resolved.scheduler.now(),
      report: lifecycle.report,
    });
    const caller = this.#interception?.outgoing(direct, () => this.connectionID()) ?? direct;
    this.#objects = new ClientObjects(caller, lifecycle, resolved.scheduler);
    this.remoteProxyObjects$ = this.#objects.names$.observable;
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
    this.#refusal = undefined;
    this.#lifecycle.attach(this);
    this.#statusStream.setHook((newStatus) => this.statusChanged(newStatus));
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
          this.#lacksThread = false;
          this.#lifecycle.during(() => {
            this.#begin(reconnect, transport, ticket, backoff);
          });
        },
        onFailed: ({ error }) => {
          this.#lastFailure = error.message;
          this.#setStatus(clientStatuses.autoConnecting);
          this.#noteThread(error);
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
    const reconnect = this.#reconnect;
    this.#refusal = undefined;
    const isAgain = reconnect === undefined;
    if (isAgain && !this.#departures.isDraining) return Promise.resolve();
    const gone = this.#goneWaiting.wait({}, () => 'end');
    this.#lifecycle.during(() => {
      if (reconnect !== undefined) this.#stop(reconnect, drainMs > 0);
      if (drainMs === 0) this.#departures.close();
      else this.#departures.drain(drainMs);
      if (this.#departures.isDraining) return;
      if (!isAgain) this.#setStatus(clientStatuses.disconnected);
      this.#goneWaiting.resolve();
    });
    return gone;
  }

  #stop(reconnect: Reconnect, isDraining: boolean): void {
    this.#setStatus(clientStatuses.disconnecting);
    reconnect.stop();
    this.#reconnect = undefined;
    const peer = this.#peer;
    if (isDraining && peer !== undefined) {
      this.#depart(peer, new CloseReason('disconnected', 'the client disconnects', 'local'));
    }
    this.#leave();
    const waitError = (): NotConnectedError => this.#notConnected('wait any longer');
    this.#connectedWaiting.reject(waitError);
    this.#objects.rejectWaiting(waitError);
  }

  /**
   * Changes the `credentials`, from the next attempt to connect on; the present connection stays. A client that has stopped since
   * those before were refused starts again.
   * @param credentials - as in the options
   * @throws UnserializableValueError, AuthenticationError when they cannot be sent
   */
  setCredentials(credentials: unknown): void {
    this.#credentials.set(credentials);
    if (this.#refusal !== undefined) this.connectToServer();
  }

  /** Whether `connectToServer()` would do something now. */
  canStart(): boolean {
    return this.#reconnect === undefined && !this.#isDisposed;
  }

  /** Whether `disconnectFromServer()` would do something now. */
  canStop(): boolean {
    return this.#reconnect !== undefined || this.#departures.isDraining;
  }

  /** Whether there is a connection now. */
  isConnected(): boolean {
    return this.#present !== undefined;
  }

  /** The status now: one of `RPCClient.STATUS_…`. */
  status(): ClientStatus {
    return this.#status;
  }

  /** The id that the server knows this client by, `undefined` while not connected; another one on each connection. */
  connectionID(): string | undefined {
    return this.#connected?.connectionID;
  }

  /**
   * The name of the codec that was agreed on with the server: `"msgpack"` is the built-in one. `undefined` while not connected.
   */
  codec(): string | undefined {
    return this.#connected === undefined ? undefined : this.#peer?.codecName;
  }

  /**
   * Tells the server who this is: now if connected, and again on every later connection.
   * @param identifier - up to 4,096 characters
   * @throws TypeError, RangeError for something else
   */
  sendUniqueIdentifier(identifier: string): void {
    this.#identifier = checkIdentifier(identifier);
    // Also between the handshake and the server's first words, when the one before has been told already.
    (this.#away ?? this.#peer)?.communicator?.identify(identifier);
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
    return this.#connected?.remoteNames ?? [];
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
    if (this.#reconnect === undefined) return Promise.reject(this.#cannotWait('wait for a connection'));
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
    if (this.#reconnect === undefined) return Promise.reject(this.#cannotWait(`wait for "${name}"`));
    const what = (): string =>
      this.#connected === undefined
        ? `connection to ${this.#where}${this.#failure}, hence no object "${name}"`
        : `object "${name}" was registered by the server`;
    return this.#objects.wait(name, options, what) as Promise<RemoteProxy<T>>;
  }

  /**
   * Changes `timeoutInSeconds` from now on, for the open connection too.
   * @throws RangeError
   */
  setTimeout(seconds: number): void {
    this.#timeoutMs = checkTimeout('timeoutInSeconds', seconds);
    this.#peer?.connection.setTimeout(this.#timeoutMs);
  }

  /** What is open now. */
  counts(): Counts {
    const present = this.#connected === undefined ? [] : [this.#connected.counts];
    return { ...sumOf([...present, this.#departures.counts]), overLimits: this.#overLimits };
  }

  /** Disconnects, and completes every stream. The client cannot be started again. */
  dispose(): Promise<void> {
    const done = this.disconnectFromServer();
    if (this.#isDisposed) return done;
    this.#isDisposed = true;
    this.#statusStream.complete();
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

  /** No server is to blame for an attempt that there was no I/O thread for, and waiting may not help: that is reported, once. */
  #noteThread(error: Error): void {
    // By its code: the thread may be that of another copy of the package.
    const lacksThread = (error as { code?: unknown }).code === 'io-thread';
    if (lacksThread && !this.#lacksThread) {
      const text = `cannot connect to ${this.#where}: ${error.message}`;
      this.#lifecycle.report(new RPCError(text, { cause: error }, 'io-thread'));
    }
    this.#lacksThread = lacksThread;
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

  /** The session, while it has a connection. */
  get #present(): RPCCommunicator | undefined {
    return this.#away === undefined ? this.#connected : undefined;
  }

  /** A transport is open: the handshake begins. */
  #begin(reconnect: Reconnect, transport: Transport, ticket: string | undefined, backoff: Backoff): void {
    let handover: { readonly port: number; readonly ticket: string } | undefined;
    const { scheduler } = this.#options;
    this.#setStatus(clientStatuses.connecting);
    const settings = this.#peerSettings();
    const away = this.#away;
    const authentication = this.#credentials.current;
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
          // Where it was left nobody listens any more, or nobody dials.
          if (this.#departures.has(peer)) {
            peer.lose(`the connection was lost while what was open on it ended: ${reason.message}`);
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
            this.#reportFault(peer, end);
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
      this.#connectedWaiting.resolve();
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
    if (this.#peer !== peer || !this.#depart(peer, reason)) return;
    this.#lastFailure = reason.message;
    this.#noteRetryAfter(retryAfterMs);
    this.#setStatus(clientStatuses.autoConnecting);
    reconnect.leave(retryAfterMs);
  }

  /** For its user the client is not connected any more. @returns whether it was */
  #depart(peer: Peer, reason: CloseReason): boolean {
    const communicator = this.#connected;
    if (communicator === undefined || peer.communicator !== communicator) return false;
    this.#peer = undefined;
    this.#departures.add(peer, communicator);
    this.#endSession(reason);
    return true;
  }

  #noteRetryAfter(retryAfterMs: number | undefined): void {
    this.#retryAtMs = retryAfterMs === undefined ? undefined : this.#options.scheduler.now() + retryAfterMs;
  }

  /** A connection, or an attempt at one, is over. */
  #ended(peer: Peer, end: ConnectionEnd): void {
    this.#reportFault(peer, end);
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
    this.#connectedWaiting.resolve();
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
    const makeError = (): AuthenticationError => this.#refusedError(this.#refusal ?? '');
    this.#connectedWaiting.reject(makeError);
    this.#objects.rejectWaiting(makeError);
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

  #reportFault(peer: Peer, end: ConnectionEnd): void {
    const { connection } = peer;
    if (isOverLimit(end) && end.reason.by === 'local') this.#overLimits += 1;
    const { code, message } = end.reason;
    const fault =
      code === 'server-full'
        ? new ServerFullError(`${connection.description}: ${message}`)
        : code === 'unauthenticated'
          ? new AuthenticationError(`${connection.description}: ${message}`)
          : code === 'too-many-sessions'
            ? new LimitExceededError(`${connection.description}: ${message}`)
            : faultOf(end, connection, peer.communicator?.connectionID);
    if (fault !== undefined) this.#lifecycle.report(fault);
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    this.#statusStream.set(status);
  }

  #peerSettings(): ConstructorParameters<typeof Peer>[2] {
    const {
      scheduler,
      callbackScheduler,
      limits,
      codecs,
      exposeErrors,
      callTimeoutMs,
      heartbeatIntervalMs,
      unresponsiveAfterMs,
      disconnectUnresponsive,
      resume,
      random,
    } = this.#options;
    return {
      resume,
      scheduler,
      now: () => scheduler.now(),
      limits,
      codecs,
      callbackScheduler,
      interception: this.#interception,
      random,
      exposeErrors,
      callTimeoutMs,
      heartbeatIntervalMs,
      unresponsiveAfterMs,
      disconnectUnresponsive,
      slabs: sharedSlabs,
      registry: this.#registry,
      timeoutMs: this.#timeoutMs,
      authorization: this.#authorization,
      authenticationTimeoutMs: this.#credentials.current === undefined ? undefined : authenticationTimeoutMs,
    };
  }

  get #where(): string {
    return this.#options.addresses.map(({ host, port }) => `${host}:${port}`).join(' or ');
  }

  get #failure(): string {
    return this.#lastFailure === undefined ? '' : ` (the last attempt: ${this.#lastFailure})`;
  }

  #refusedError(reason: string): AuthenticationError {
    return new AuthenticationError(
      `${this.#where} refused this client: ${reason}; setCredentials() gives it others`,
    );
  }

  #cannotWait(what: string): Error {
    return this.#refusal === undefined ? this.#notConnected(what) : this.#refusedError(this.#refusal);
  }

  /** Says what could not be done for want of a connection, and why there is none. */
  #notConnected(
    what: string,
    call?: { readonly object: string; readonly member: string },
  ): NotConnectedError {
    const why = this.#isDisposed
      ? 'the client was disposed'
      : this.#refusal !== undefined
        ? `the server refused this client: ${this.#refusal}`
        : this.#reconnect === undefined
          ? 'the client is stopped: connectToServer() starts it'
          : `not connected to ${this.#where}${this.#failure}`;
    const leftMs = this.#reconnect === undefined ? undefined : this.#retryAtMs;
    const retryAfterInSeconds =
      leftMs === undefined ? undefined : Math.max(0, leftMs - this.#options.scheduler.now()) / 1_000;
    return new NotConnectedError(
      `cannot ${what}: ${why}`,
      call === undefined ? { retryAfterInSeconds } : { ...call, executed: 'no', retryAfterInSeconds },
    );
  }
}

/** Whether the server itself says that these credentials will not do. */
function isRefusal({ reason }: ConnectionEnd): boolean {
  return reason.code === 'unauthenticated' && reason.by === 'remote';
}
