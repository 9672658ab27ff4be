/**
 * The options of servers and clients: checked and completed once, at the door. Inside, nothing is optional any more,
 * and durations are milliseconds.
 *
 * The only file, beside the schedulers and transports, that reaches for the platform's clock, chance and console: as
 * defaults.
 */
import type { SchedulerLike } from 'rxjs';
import { monotonicScheduler } from '../link/monotonic-scheduler.js';
import { nonceBytes } from '../protocol/authentication.js';
import type { Limits } from '../protocol/limits.js';
import type { MessageCodec } from '../protocol/message-codec.js';
import { threadTransports } from '../io-thread/thread-transports.js';
import { nodeCrypto } from './node-crypto.js';
import type { ResumeSettings } from './peer.js';
import { mainThreadScheduler } from '../main-thread/main-thread-scheduler.js';
import { tcpTransports } from '../transports/tcp.js';
import type { TransportProvider } from '../transports/transport.js';
import type { Authenticate } from './authenticator.js';
import type { Authorize } from './authorization.js';
import {
  checkBoolean,
  checkCodecs,
  checkDuration,
  checkExposure,
  checkFunction,
  checkHost,
  checkIdentifier,
  checkLimits,
  checkMaxConnections,
  checkNames,
  checkNumber,
  checkObject,
  checkPort,
  checkScheduler,
  checkTimeout,
  checkTransport,
  isLoopback,
} from './checks.js';
import { checkAddresses, type Addresses } from './client-addresses.js';
import { checkInterceptors, type RPCInterceptor } from './interceptors.js';
import { readOpenFiles } from './open-files.js';
import { isSharedToken, type SharedToken } from './shared-token.js';
import type { ErrorExposure } from './wire-errors.js';

/** What servers and clients have in common. */
export interface DispatcherOptions {
  /** The host name or address. Default `"127.0.0.1"`; `"localhost"` is taken as that. */
  readonly host?: string;
  /** Objects to register from the start, by name. Default: none. */
  readonly localProxyObjects?: Readonly<Record<string, object>>;
  /**
   * Seconds of silence after which the other side counts as gone. Default 10; from 0.01 to 2,147,483. Too small,
   * and a busy machine's pauses count as silence; too large, and a peer that hangs is noticed late.
   */
  readonly timeoutInSeconds?: number;
  /** Seconds between heartbeats. Default a third of the timeout; where the other side needs more, more are sent. */
  readonly heartbeatIntervalInSeconds?: number;
  /**
   * Seconds after which the other side, although it is alive, counts as unresponsive because its main loop has not turned; see
   * `unresponsive$`. Only a peer with `thread: true` can tell; of another one a busy loop is silence. Default 60; from 0.01 to
   * 2,147,483. Too small, and each long computation is reported.
   */
  readonly unresponsiveAfterInSeconds?: number;
  /** Whether to disconnect a peer as soon as it is unresponsive. Default false: it is reported, and its calls wait. */
  readonly disconnectUnresponsive?: boolean;
  /** Seconds that a call may take unless its own options say otherwise; `null` (default): as long as its connection lives. */
  readonly callTimeoutInSeconds?: number | null;
  /** Where hooks and subscribers are called. Default `mainThreadScheduler`. */
  readonly callbackScheduler?: SchedulerLike;
  /** Every timer, and the time. Default: a monotonic one; in tests a `TestScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Bounds on what one connection may hold or send; see `Limits` for each. */
  readonly limits?: Partial<Limits>;
  /**
   * What may encode and decode the messages in place of the built-in codec, such as `msgpackrCodec()`: one, or some, the best
   * first. A client offers them, a server chooses from what is offered; where they have none in common the built-in one is
   * used, to the same effect. Default: none but that.
   */
  readonly codec?: MessageCodec | readonly MessageCodec[];
  /**
   * Whether sockets, frames and heartbeats are on an I/O thread, one for all servers and clients of this thread: then a busy main
   * thread makes no peer believe that it is gone, and calls wait instead. Default false. Costs a thread, and more of each call; needs
   * real time and TCP, so it goes with neither `scheduler` nor `transport`.
   */
  readonly thread?: boolean;
  /** What carries the bytes. Default: TCP. */
  readonly transport?: TransportProvider;
  /**
   * Functions around every call, notification, subscription and callback, of both directions; the first is the outermost.
   * Default: none, at no cost.
   */
  readonly interceptors?: readonly RPCInterceptor[];
  /**
   * Says which calls, subscriptions and notifications of the other side are allowed, before anything is made of what came with
   * them. A refused one fails with `PermissionDeniedError`, and never ran. Default: all, at no cost.
   */
  readonly authorize?: Authorize;
  /** How much of an error that a local method throws the other side may see. Default `"message"`. */
  readonly exposeErrors?: ErrorExposure;
  /**
   * Has a session outlive its connections: one that is lost is no end, calls and streams go on by the next one. Both sides must
   * want it. Default: none, a lost connection is a `disconnectionMade` at once.
   */
  readonly resume?: ResumeOptions;
  /** Chance, from 0 up to 1, for the pauses between attempts. Default `Math.random`; in tests a seeded one. */
  readonly random?: () => number;
}

/** How a session outlives its connections. */
export interface ResumeOptions {
  /**
   * Seconds that it may be without one, until it ends. Default 60; from 0.01 to 2,147,483; of both sides the smaller one
   * counts. What is open stays open for so long, and takes memory.
   */
  readonly windowInSeconds?: number;
  /**
   * Bytes of messages that are kept until the other side has acknowledged them; more wait. Default 4 MiB; 256 KiB to 64 MiB. A
   * link carries no more than this in the time of a round trip and 100 ms.
   */
  readonly maxBytes?: number;
}

/** The options of an RPCServer. */
export interface ServerOptions extends DispatcherOptions {
  /** The port: 1 to 65,535, or 0 for one chosen by the system. */
  readonly port: number;
  /** How many clients may be connected at one time; `null` (default): no bound but `limits.maxConnections`. */
  readonly maxConnectionsAllowed?: number | null;
  /** Hand each client over to a port of its own, which the system picks. Default false: firewalls pass one port. */
  readonly dedicatedPorts?: boolean;
  /**
   * Says who a client is, by what it shows as `credentials`, or proves a shared token. Nothing else of a client is looked at before.
   * Default: nobody is asked.
   */
  readonly authenticate?: Authenticate | SharedToken;
  /** Listen beyond this machine although nothing is encrypted: with or without `authenticate`. Default false. */
  readonly allowInsecure?: boolean;
}

/** The options of an RPCClient. */
export interface ClientOptions extends DispatcherOptions {
  /** The port: 1 to 65,535. Needed unless `url` or `urls` is given. */
  readonly port?: number;
  /** Host and port in one: `"tcp://host:port"`. */
  readonly url?: string;
  /**
   * The addresses of several servers that serve the same, 1 to 64, in place of host and port. They are dialled in turn, the first one
   * first: the next when one cannot be reached, or takes no new calls any more. After a loss the one that was lost comes first.
   */
  readonly urls?: readonly string[];
  /** The unique identifier told to the server on each connection. Default `""`: none. */
  readonly identifier?: string;
  /**
   * What the server is to know this client by: any value that crosses, up to 12 KiB; a function that gives it, or a promise of it, asked
   * before each attempt to connect, for 10 seconds at most; or a shared token. A value is sent as it is: to whoever has the
   * server's port. Default: nothing.
   */
  readonly credentials?: unknown;
  /** The pauses between attempts to connect. */
  readonly reconnect?: ReconnectOptions;
}

/** The pauses between attempts to connect: each is random up to a ceiling that doubles from attempt to attempt. */
export interface ReconnectOptions {
  /** The first ceiling, in seconds. Default 0.1; 0 to 3,600; never more than the last one. */
  readonly initialDelayInSeconds?: number;
  /** The last ceiling, in seconds. Default 5; 0 to 3,600. */
  readonly maxDelayInSeconds?: number;
}

/** The options in common, checked and complete. */
export interface ResolvedOptions {
  readonly localProxyObjects: Readonly<Record<string, object>>;
  readonly timeoutMs: number;
  readonly heartbeatIntervalMs: number | undefined;
  readonly unresponsiveAfterMs: number;
  readonly disconnectUnresponsive: boolean;
  readonly callTimeoutMs: number | undefined;
  readonly callbackScheduler: SchedulerLike;
  readonly scheduler: SchedulerLike;
  readonly limits: Limits;
  readonly codecs: readonly MessageCodec[];
  readonly transports: TransportProvider;
  readonly exposeErrors: ErrorExposure;
  readonly interceptors: readonly RPCInterceptor[];
  readonly resume: ResumeSettings | undefined;
  readonly authorize: Authorize | undefined;
  readonly random: () => number;
  readonly createID: () => string;
  /** Of bytes that nobody can foresee. */
  readonly createNonce: () => Uint8Array;
  readonly warn: (message: string, kind: string) => void;
}

/** A server's options, checked and complete. */
export interface ResolvedServerOptions extends ResolvedOptions {
  readonly host: string;
  readonly port: number;
  readonly maxConnectionsAllowed: number | null;
  readonly dedicatedPorts: boolean;
  readonly authenticate: Authenticate | SharedToken | undefined;
  /** How many files the process may open, where connections are files and the system says so. */
  readonly readOpenFiles: () => number | undefined;
}

/** A client's options, checked and complete. */
export interface ResolvedClientOptions extends ResolvedOptions {
  readonly addresses: Addresses;
  readonly identifier: string;
  readonly credentials: unknown;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

const commonNames = [
  'port',
  'host',
  'localProxyObjects',
  'timeoutInSeconds',
  'heartbeatIntervalInSeconds',
  'unresponsiveAfterInSeconds',
  'disconnectUnresponsive',
  'callTimeoutInSeconds',
  'callbackScheduler',
  'scheduler',
  'limits',
  'codec',
  'thread',
  'transport',
  'exposeErrors',
  'interceptors',
  'resume',
  'authorize',
  'random',
] as const;
const serverNames: readonly string[] = [
  ...commonNames,
  'maxConnectionsAllowed',
  'dedicatedPorts',
  'allowInsecure',
  'authenticate',
];
const reconnectNames: readonly string[] = ['initialDelayInSeconds', 'maxDelayInSeconds'];
const clientNames: readonly string[] = [
  ...commonNames,
  'identifier',
  'credentials',
  'reconnect',
  'url',
  'urls',
];

/**
 * Checks and completes a server's options.
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
export function resolveServerOptions(options: ServerOptions): ResolvedServerOptions {
  checkNames('RPCServer', options, serverNames);
  // A server keeps the tokens of sessions as hashes.
  if (options.resume !== undefined) nodeCrypto();
  const host = checkHost(options.host);
  const { maxConnectionsAllowed = null } = options;
  const isInsecureAllowed = checkBoolean('allowInsecure', options.allowInsecure) ?? false;
  const authenticate =
    options.authenticate === undefined ? undefined : checkAuthenticate(options.authenticate);
  if (!isLoopback(host) && options.transport === undefined) {
    const text = describeExposure(host, authenticate, options.exposeErrors);
    if (!isInsecureAllowed) {
      throw new RangeError(`${text}; listen on 127.0.0.1 or ::1, or say allowInsecure: true`);
    }
    warn(text, 'insecure');
  }
  return {
    ...resolveCommon(options),
    host,
    port: checkPort(options.port, 0),
    maxConnectionsAllowed: checkMaxConnections(maxConnectionsAllowed),
    dedicatedPorts: checkBoolean('dedicatedPorts', options.dedicatedPorts) ?? false,
    authenticate,
    // Of another transport nobody knows what its connections cost.
    readOpenFiles: options.transport === undefined ? readOpenFiles : () => undefined,
  };
}

/**
 * Checks and completes a client's options.
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
export function resolveClientOptions(options: ClientOptions): ResolvedClientOptions {
  checkNames('RPCClient', options, clientNames);
  const { reconnect = {}, identifier = '' } = options;
  checkNames('reconnect', reconnect, reconnectNames);
  const { initialDelayInSeconds = 0.1, maxDelayInSeconds = 5 } = reconnect;
  // Not spread into another object: that gives each client's options a hidden class of their own.
  return Object.assign(resolveCommon(options), {
    addresses: checkAddresses(options),
    identifier: checkIdentifier(identifier),
    credentials: options.credentials,
    initialDelayMs: checkNumber('reconnect.initialDelayInSeconds', initialDelayInSeconds, 0, 3_600) * 1_000,
    maxDelayMs: checkNumber('reconnect.maxDelayInSeconds', maxDelayInSeconds, 0, 3_600) * 1_000,
  });
}

function resolveCommon(options: DispatcherOptions): ResolvedOptions {
  const {
    timeoutInSeconds = 10,
    heartbeatIntervalInSeconds,
    unresponsiveAfterInSeconds = 60,
    disconnectUnresponsive,
    callTimeoutInSeconds = null,
    localProxyObjects = none,
    callbackScheduler = mainThreadScheduler,
    scheduler = monotonicScheduler,
    limits,
    codec,
    thread,
    transport,
    exposeErrors = 'message',
    interceptors,
    resume,
    authorize,
    random = Math.random,
  } = options;
  const checkedLimits = checkLimits(limits);
  return {
    localProxyObjects: checkObject('localProxyObjects', localProxyObjects),
    timeoutMs: checkTimeout('timeoutInSeconds', timeoutInSeconds),
    heartbeatIntervalMs:
      heartbeatIntervalInSeconds === undefined
        ? undefined
        : checkDuration('heartbeatIntervalInSeconds', heartbeatIntervalInSeconds),
    unresponsiveAfterMs: checkTimeout('unresponsiveAfterInSeconds', unresponsiveAfterInSeconds),
    disconnectUnresponsive: checkBoolean('disconnectUnresponsive', disconnectUnresponsive) ?? false,
    callTimeoutMs:
      callTimeoutInSeconds === null ? undefined : checkDuration('callTimeoutInSeconds', callTimeoutInSeconds),
    callbackScheduler: checkScheduler('callbackScheduler', callbackScheduler),
    scheduler: checkScheduler('scheduler', scheduler),
    limits: checkedLimits,
    codecs: codec === undefined ? noCodecs : checkCodecs(codec),
    transports:
      thread === undefined && transport === undefined
        ? defaultTransports
        : transportsFor(checkedLimits, transport, checkBoolean('thread', thread) ?? false, options),
    exposeErrors: checkExposure(exposeErrors),
    interceptors: interceptors === undefined ? noInterceptors : checkInterceptors(interceptors),
    resume: resume === undefined ? undefined : checkResume(resume),
    authorize: authorize === undefined ? undefined : checkFunction('authorize', authorize),
    random: checkFunction('random', random),
    createID,
    createNonce,
    warn,
  };
}

/** @throws TypeError, RangeError */
function checkResume(resume: ResumeOptions): ResumeSettings {
  checkNames('resume', resume, ['windowInSeconds', 'maxBytes']);
  const { windowInSeconds = 60, maxBytes = 4 * 1024 * 1024 } = resume;
  return {
    windowMs: checkTimeout('resume.windowInSeconds', windowInSeconds),
    maxBytes: checkNumber('resume.maxBytes', maxBytes, 256 * 1024, 64 * 1024 * 1024),
  };
}

/** @throws TypeError where a thread is asked for together with what can be on no other thread */
function transportsFor(
  limits: Limits,
  transport: TransportProvider | undefined,
  isThreaded: boolean,
  options: DispatcherOptions,
): TransportProvider {
  if (!isThreaded) return transport === undefined ? defaultTransports : checkTransport(transport);
  for (const name of ['transport', 'scheduler'] as const) {
    if (options[name] !== undefined)
      throw new TypeError(`thread: true needs TCP and real time: it goes without the option ${name}`);
  }
  return threadTransports(limits);
}

/** One for all: it has no state. */
const defaultTransports = tcpTransports();

const none: Readonly<Record<string, object>> = {};
const noCodecs: readonly MessageCodec[] = [];
const noInterceptors: readonly RPCInterceptor[] = [];

function createID(): string {
  return crypto.randomUUID();
}

function createNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(nonceBytes));
}

/** What a listener that others can reach exposes; who is authenticated may still be heard, and what he sends be changed. */
function describeExposure(
  host: string,
  authenticate: Authenticate | SharedToken | undefined,
  exposeErrors: ErrorExposure | undefined,
): string {
  const what = [`host is ${JSON.stringify(host)}, which others can reach, and nothing is encrypted`];
  if (authenticate === undefined) what.push(' or authenticated');
  else if (isSharedToken(authenticate)) {
    what.push(': the shared token stays secret, but all else can be read and changed on the way');
  } else what.push(': credentials, like all else, can be read and changed on the way');
  if (exposeErrors === 'stack')
    what.push('; exposeErrors: "stack" shows every caller where the program lies');
  return what.join('');
}

/** @throws TypeError */
function checkAuthenticate(authenticate: Authenticate | SharedToken): Authenticate | SharedToken {
  if (isSharedToken(authenticate) || typeof authenticate === 'function') return authenticate;
  throw new TypeError('authenticate is neither a function nor a shared token');
}

function warn(message: string, kind: string): void {
  process.emitWarning(message, { type: 'TandemWarning', code: kind });
}
