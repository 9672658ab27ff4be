/**
 * Every error that Tandem throws, rejects with or reports, in one tree below `RPCError`.
 *
 * A stable string `code` tells the kind, also between two copies of the package (ESM beside CommonJS), where
 * `instanceof` lies. For a call, `executed` says whether the body of the method ran at the other side:
 * `"no"` and `"yes"` are facts, `"unknown"` is the honest rest.
 *
 *   RPCError
 *   ├── ServerAlreadyRunningException, PortInUseError                  starting a server
 *   ├── NotConnectedError, ServerFullError                             the connection
 *   ├── AuthenticationError, PermissionDeniedError                     who may connect, and what they may call
 *   ├── ConnectionLostError, of streams StreamLostError
 *   ├── ProtocolError, LimitExceededError                              what the wire carried
 *   ├── UnknownConnectionError, UnknownObjectError, UnknownMethodError  names
 *   ├── InvalidArgumentsError, UnserializableValueError                values
 *   ├── StaleReferenceError                                            references
 *   ├── StreamOverflowError                                            streams
 *   └── RPCTimeoutError, RemoteError                                   calls
 */

/** Whether the body of a called method ran at the other side. */
export type Executed = 'no' | 'yes' | 'unknown';

/**
 * How far a call got: it never left this side (`"queued"`); all of it was given to a transport, and nothing more is known
 * (`"sent"`); the other side surely has it (`"received"`), since it answered or acknowledged it. That it has it does not say
 * that it ran it.
 */
export type Stage = 'queued' | 'sent' | 'received';

/** What an error can tell about the call or connection it belongs to. */
export interface RPCErrorDetails {
  /** Whether the method's body ran; present on every error of a call. */
  readonly executed?: Executed | undefined;
  /** How far the call got; what follows from `executed` unless it is given. */
  readonly stage?: Stage | undefined;
  /** The connection concerned, if any. */
  readonly connectionID?: string | undefined;
  /** The name of the object called. */
  readonly object?: string | undefined;
  /** The name of the member called. */
  readonly member?: string | undefined;
  /** Seconds after which to try again, where somebody has said so. */
  readonly retryAfterInSeconds?: number | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** The root of Tandem's errors. */
export class RPCError extends Error {
  /** The kind of the error, in kebab-case; part of the public contract. */
  readonly code: string;
  /** Whether the called method's body ran; `undefined` where no call is concerned. */
  readonly executed: Executed | undefined;
  /** How far the call got; `undefined` where no call is concerned. */
  readonly stage: Stage | undefined;
  /** The connection concerned, if any. */
  readonly connectionID: string | undefined;
  /** The name of the object called, if a call is concerned. */
  readonly object: string | undefined;
  /** The name of the member called, if a call is concerned. */
  readonly member: string | undefined;

  /**
   * @param message - what was tried, what was found, which option changes it
   * @param details - the call and connection concerned
   * @param code - the kind; subclasses give their own
   */
  constructor(message: string, details: RPCErrorDetails = {}, code = 'rpc') {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.executed = details.executed;
    this.stage = details.stage ?? stageOf(details.executed);
    this.connectionID = details.connectionID;
    this.object = details.object;
    this.member = details.member;
  }

  static {
    this.prototype.name = 'RPCError';
  }
}

/** Without anything more: what did not run was refused before it left, and what ran had arrived. */
function stageOf(executed: Executed | undefined): Stage | undefined {
  if (executed === undefined) return undefined;
  return executed === 'no' ? 'queued' : executed === 'yes' ? 'received' : 'sent';
}

/** Another Tandem server already runs at the address. */
export class ServerAlreadyRunningException extends RPCError {
  /** @param message - which address, and what answered there */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'server-already-running');
  }

  static {
    this.prototype.name = 'ServerAlreadyRunningException';
  }
}

/**
 * What holds a port: a program speaking another protocol, one that was not recognised (`"unknown"`), or one that
 * accepts connections and says nothing (`"unresponsive"`: hung, stopped, or waiting for something else). `"tandem"` is a
 * Tandem peer of another major version.
 */
export type PortOccupant = 'http' | 'tls' | 'ssh' | 'messagepack-rpc' | 'tandem' | 'unknown' | 'unresponsive';

/** A program that is not a Tandem server holds the port. */
export class PortInUseError extends RPCError {
  /** What seems to be there. */
  readonly occupant: PortOccupant;

  /**
   * @param message - which address, and what answered there
   * @param occupant - what seems to be there
   */
  constructor(message: string, occupant: PortOccupant, details?: RPCErrorDetails) {
    super(message, details, 'port-in-use');
    this.occupant = occupant;
  }

  static {
    this.prototype.name = 'PortInUseError';
  }
}

/** A call was made, or something awaited, while there is no connection, or none that takes calls. Such a call never ran. */
export class NotConnectedError extends RPCError {
  /** Seconds after which to try again, if the other side has said so: it stops, or did, and takes no new calls. */
  readonly retryAfterInSeconds: number | undefined;

  /** @param message - what needed the connection */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'not-connected');
    this.retryAfterInSeconds = details?.retryAfterInSeconds;
  }

  static {
    this.prototype.name = 'NotConnectedError';
  }
}

/** The connection ended; `executed` says what that means for the call. */
export class ConnectionLostError extends RPCError {
  /**
   * @param message - which connection, and why it ended
   * @param code - the kind; a subclass gives its own
   */
  constructor(message: string, details?: RPCErrorDetails, code = 'connection-lost') {
    super(message, details, code);
  }

  static {
    this.prototype.name = 'ConnectionLostError';
  }
}

/** The server has as many clients as it allows (`maxConnectionsAllowed`), or as it can have (`limits.maxConnections`). The client tries again. */
export class ServerFullError extends RPCError {
  /** @param message - the server's words */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'server-full');
  }

  static {
    this.prototype.name = 'ServerFullError';
  }
}

/**
 * Credentials were refused, or a server could not prove that it has the shared token. On a client that was refused this is
 * final: it does not dial again until it is given other credentials.
 */
export class AuthenticationError extends RPCError {
  /** @param message - who refused whom; never what was shown */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'authentication');
  }

  static {
    this.prototype.name = 'AuthenticationError';
  }
}

/** The called side's `authorize` does not allow the call, whether or not there is such an object. It never ran. */
export class PermissionDeniedError extends RPCError {
  /** @param message - what was called */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'permission-denied');
  }

  static {
    this.prototype.name = 'PermissionDeniedError';
  }
}

/** The peer sent what the protocol does not allow, or is not a Tandem peer. Its connection is closed. */
export class ProtocolError extends RPCError {
  /** @param message - what was found and what is allowed */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'protocol');
  }

  static {
    this.prototype.name = 'ProtocolError';
  }
}

/** A value or queue is larger than a limit allows; the message names the limit's option. */
export class LimitExceededError extends RPCError {
  /** @param message - what was too large, its size, the bound and the option that changes it */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'limit-exceeded');
  }

  static {
    this.prototype.name = 'LimitExceededError';
  }
}

/** No connection has this id. */
export class UnknownConnectionError extends RPCError {
  /** @param message - the id that was given */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'unknown-connection');
  }

  static {
    this.prototype.name = 'UnknownConnectionError';
  }
}

/** The other side has registered no object of this name. */
export class UnknownObjectError extends RPCError {
  /** @param message - the name that was called */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'unknown-object');
  }

  static {
    this.prototype.name = 'UnknownObjectError';
  }
}

/** The object has no such method, or does not expose it: both look the same. */
export class UnknownMethodError extends RPCError {
  /** @param message - the member that was called, and those there are */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'unknown-method');
  }

  static {
    this.prototype.name = 'UnknownMethodError';
  }
}

/** A value that cannot cross; the message holds its path, such as `arguments[0].items[3].onClick`. */
export class UnserializableValueError extends RPCError {
  /** @param message - the path of the value and why it cannot cross */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'unserializable-value');
  }

  static {
    this.prototype.name = 'UnserializableValueError';
  }
}

/** One thing that a schema found wrong with an argument. */
export interface ArgumentIssue {
  /** What is wrong, in the schema's words. */
  readonly message: string;
  /** Where: the position of the argument, then the keys that lead to the value within it. */
  readonly path: readonly (string | number)[];
}

/** The arguments are not what the called side's schemas allow; the method never ran. */
export class InvalidArgumentsError extends RPCError {
  /** What the schemas found, at most the first 32. */
  readonly issues: readonly ArgumentIssue[];

  /**
   * @param message - which arguments, and what is wrong with the first of them
   * @param issues - all that is wrong
   */
  constructor(message: string, issues: readonly ArgumentIssue[], details?: RPCErrorDetails) {
    super(message, details, 'invalid-arguments');
    this.issues = issues;
  }

  static {
    this.prototype.name = 'InvalidArgumentsError';
  }
}

/** A reference that was disposed of, or whose connection has ended. Such a call never ran. */
export class StaleReferenceError extends RPCError {
  /** @param message - which reference, and why it holds no longer */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'stale-reference');
  }

  static {
    this.prototype.name = 'StaleReferenceError';
  }
}

/** A source produced more than its reader took and its window holds, and its declared overflow is `"error"`. */
export class StreamOverflowError extends RPCError {
  /** @param message - the window, and what changes it */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'stream-overflow');
  }

  static {
    this.prototype.name = 'StreamOverflowError';
  }
}

/** A stream ended because its connection did; what it would have produced is unknown. */
export class StreamLostError extends ConnectionLostError {
  /** The index, from 0, of the last value that came; -1: none did. All up to it are given out before this error. */
  readonly lastIndex: number;

  /**
   * @param message - which connection, and why it ended
   * @param lastIndex - of the last value that came
   */
  constructor(message: string, details?: RPCErrorDetails, lastIndex = -1) {
    super(message, details, 'stream-lost');
    this.lastIndex = lastIndex;
  }

  static {
    this.prototype.name = 'StreamLostError';
  }
}

/** A call, or waiting for something, took longer than its timeout. */
export class RPCTimeoutError extends RPCError {
  /** @param message - what was waited for, and for how long */
  constructor(message: string, details?: RPCErrorDetails) {
    super(message, details, 'timeout');
  }

  static {
    this.prototype.name = 'RPCTimeoutError';
  }
}

/** What a thrown value looked like where it was thrown. */
export interface RemoteErrorContent {
  /** The thrown error's `name`. */
  readonly remoteName: string;
  /** The thrown error's `code`, if it had one. */
  readonly remoteCode?: string | number | undefined;
  /** Its own further data: its `data` member if that is all it has besides, else its own enumerable members. */
  readonly data?: unknown;
  /** Its stack over there, only where that side says `exposeErrors: "stack"`. */
  readonly remoteStack?: string | undefined;
}

/** The called method ran over there and threw, or rejected. */
export class RemoteError extends RPCError {
  /** The thrown error's `name`. */
  readonly remoteName: string;
  /** The thrown error's `code`, if it had one. */
  readonly remoteCode: string | number | undefined;
  /** What else the thrown error carried. */
  readonly data: unknown;
  /** Its stack over there, only where that side exposes stacks. */
  readonly remoteStack: string | undefined;

  /**
   * @param message - the thrown error's message
   * @param content - what else it carried
   */
  constructor(message: string, content: RemoteErrorContent, details?: RPCErrorDetails) {
    super(message, details, 'remote');
    this.remoteName = content.remoteName;
    this.remoteCode = content.remoteCode;
    this.data = content.data;
    this.remoteStack = content.remoteStack;
  }

  static {
    this.prototype.name = 'RemoteError';
  }
}
