/**
 * The messages of the protocol: their numbers, their shapes, and the one place where a decoded value becomes one.
 *
 * A message is a MessagePack array `[type, …]` and stays one in memory: a tuple, told apart by its first item, costs
 * nothing to make. Types below 32 belong to the session and are counted; types from 32 belong to the connection.
 * PROTOCOL.md, "Messages".
 */

import { ProtocolError } from '../errors.js';

/** The protocol's major version, in the opening and the handshake. */
export const protocolVersion = 1;

/** The first item of each message. */
export const MessageType = {
  request: 0,
  response: 1,
  notify: 2,
  cancel: 3,
  register: 9,
  unregister: 10,
  identify: 11,
  fragment: 13,
  hello: 32,
  welcome: 33,
  refuse: 34,
  ping: 35,
  pong: 36,
  goodbye: 38,
  timeout: 39,
  probe: 40,
  identity: 41,
  handover: 42,
} as const;

/** What travels with a call besides its arguments; unknown keys are ignored, so that a newer peer may add some. */
export interface CallMeta {
  /** The caller's `metadata` call option. */
  readonly metadata?: unknown;
}

/** A failure as it crosses. */
export interface WireError {
  /** The kind: an `RPCError.code` for a refusal, the error's own code (a string or a number) for a thrown one. */
  readonly code?: string | number;
  /** For people. */
  readonly message: string;
  /** The thrown error's name; absent for a refusal by the library. */
  readonly name?: string;
  /** What else a thrown error carried. */
  readonly data?: unknown;
  /** Its stack, only where that side exposes stacks. */
  readonly stack?: string;
  /** For a refusal: whether the method's body ran. Absent when the method threw, which says that it ran. */
  readonly executed?: 'no' | 'yes';
}

/** A registered object: its name and the names of its exposed members. */
export type RegisteredObject = readonly [name: string, members: readonly string[]];

/** Asks for a call. Ids are chosen by the caller, rising, never used twice on a connection. */
export type RequestMessage = readonly [
  type: typeof MessageType.request,
  id: number,
  target: string,
  member: string,
  args: readonly unknown[],
  meta?: CallMeta,
];
/** Answers a call: an error, or nil and a result, or neither when the result is `undefined`. */
export type ResponseMessage = readonly [
  type: typeof MessageType.response,
  id: number,
  error?: WireError | null,
  result?: unknown,
];
/** A call without an answer. */
export type NotifyMessage = readonly [
  type: typeof MessageType.notify,
  target: string,
  member: string,
  args: readonly unknown[],
  meta?: CallMeta,
];
/** The caller no longer waits for this call; no answer follows. */
export type CancelMessage = readonly [type: typeof MessageType.cancel, id: number];
/** Names objects that may be called from now on; the last of those at the start of a session says `true`. */
export type RegisterMessage = readonly [
  type: typeof MessageType.register,
  objects: readonly RegisteredObject[],
  isComplete?: boolean,
];
/** Names objects that may no longer be called. */
export type UnregisterMessage = readonly [type: typeof MessageType.unregister, names: readonly string[]];
/** The client's unique identifier. */
export type IdentifyMessage = readonly [type: typeof MessageType.identify, identifier: string];
/** A piece of a long message: 0 more follow, 1 the last, 2 abandoned. */
export type FragmentMessage = readonly [
  type: typeof MessageType.fragment,
  id: number,
  end: 0 | 1 | 2,
  bytes: Uint8Array,
];

/** A message of the session: counted, and seen by the communicator (except fragments, which become messages before). */
export type SessionMessage =
  | RequestMessage
  | ResponseMessage
  | NotifyMessage
  | CancelMessage
  | RegisterMessage
  | UnregisterMessage
  | IdentifyMessage;

/** What the dialling side says first. */
export interface Hello {
  /** The protocol's major version. */
  readonly version: number;
  /** How long the client bears silence, in milliseconds. */
  readonly timeoutMs: number;
  /** The ticket from a handover, on a dedicated port. */
  readonly ticket?: string;
}
/** What the listening side answers. */
export interface Welcome {
  /** The protocol's major version. */
  readonly version: number;
  /** The id of this connection. */
  readonly connectionID: string;
  /** How long the server bears silence, in milliseconds. */
  readonly timeoutMs: number;
}
/** What a probe learns. */
export interface Identity {
  /** The protocol's major version. */
  readonly version: number;
  /** Always `"tandem"`. */
  readonly service: string;
}

/** A message of the connection: never counted. */
export type ConnectionMessage =
  | readonly [type: typeof MessageType.hello, hello: Hello]
  | readonly [type: typeof MessageType.welcome, welcome: Welcome]
  | readonly [type: typeof MessageType.refuse, code: string, message: string, retryAfterMs?: number]
  | readonly [type: typeof MessageType.ping, id: number]
  | readonly [type: typeof MessageType.pong, id: number]
  | readonly [type: typeof MessageType.goodbye, code: string, message: string, lastReceived: number]
  | readonly [type: typeof MessageType.timeout, timeoutMs: number]
  | readonly [type: typeof MessageType.probe]
  | readonly [type: typeof MessageType.identity, identity: Identity]
  | readonly [type: typeof MessageType.handover, port: number, ticket: string];

/** Any message. */
export type Message = SessionMessage | FragmentMessage | ConnectionMessage;

/** What an object may be called. Reliability: names are looked up in Maps only, yet logs and menus show them. */
export const objectNamePattern = /^[A-Za-z0-9_][A-Za-z0-9._:/-]{0,127}$/;

/** What a member may be called. */
export const memberNamePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}\$?$/;

/** Characters of an identifier, a close message or a code that a peer may send. */
const maxTextLength = 4_096;

/** Milliseconds that a peer may name as its timeout: a year is longer than any timer can be armed for. */
const maxTimeoutMs = 2_147_483_647;

type Fields = readonly unknown[];
type Parser = (fields: Fields) => boolean;

/** One check for each type: whether the fields are of the form that PROTOCOL.md gives. */
const parsers: ReadonlyMap<unknown, readonly [name: string, isValid: Parser]> = new Map([
  [MessageType.request, ['REQUEST', (f: Fields) => isID(f[1]) && isCall(f, 2)]],
  [MessageType.response, ['RESPONSE', isResponse]],
  [MessageType.notify, ['NOTIFY', (f: Fields) => isCall(f, 1)]],
  [MessageType.cancel, ['CANCEL', (f: Fields) => f.length === 2 && isID(f[1])]],
  [MessageType.register, ['REGISTER', isRegister]],
  [MessageType.unregister, ['UNREGISTER', (f: Fields) => f.length === 2 && isListOf(f[1], isObjectName)]],
  [MessageType.identify, ['IDENTIFY', (f: Fields) => f.length === 2 && isText(f[1])]],
  [MessageType.fragment, ['FRAGMENT', isFragment]],
  [MessageType.hello, ['HELLO', (f: Fields) => f.length === 2 && isHello(f[1])]],
  [MessageType.welcome, ['WELCOME', (f: Fields) => f.length === 2 && isWelcome(f[1])]],
  [MessageType.refuse, ['REFUSE', isRefuse]],
  [MessageType.ping, ['PING', (f: Fields) => f.length === 2 && isID(f[1])]],
  [MessageType.pong, ['PONG', (f: Fields) => f.length === 2 && isID(f[1])]],
  [
    MessageType.goodbye,
    ['GOODBYE', (f: Fields) => f.length === 4 && isText(f[1]) && isText(f[2]) && isCount(f[3])],
  ],
  [MessageType.timeout, ['TIMEOUT', (f: Fields) => f.length === 2 && isTimeout(f[1])]],
  [MessageType.probe, ['PROBE', (f: Fields) => f.length === 1]],
  [MessageType.identity, ['IDENTITY', (f: Fields) => f.length === 2 && isIdentity(f[1])]],
  [MessageType.handover, ['HANDOVER', (f: Fields) => f.length === 3 && isPort(f[1]) && isText(f[2])]],
] as const);

/**
 * Checks that a decoded value is a message of this protocol.
 * @param value - one decoded value of a frame
 * @returns the same value, now known to be a message
 * @throws ProtocolError when the type is unknown or a field is not of its form
 */
export function parseMessage(value: unknown): Message {
  const fields = Array.isArray(value) ? (value as Fields) : [];
  const parser = parsers.get(fields[0]);
  if (parser === undefined) throw new ProtocolError(`unknown message type ${describe(fields[0])}`);
  const [name, isValid] = parser;
  if (!isValid(fields)) throw new ProtocolError(`a ${name} message has fields that it must not have`);
  // The check above is what the type says: one row a message.
  return fields as unknown as Message;
}

/** Whether a message belongs to the session: those are counted. */
export function isSessionMessage(message: Message): message is SessionMessage | FragmentMessage {
  return message[0] < 32;
}

function isResponse(f: Fields): boolean {
  if (!isID(f[1]) || f.length > 4) return false;
  if (f.length <= 2) return true;
  return f.length === 4 ? f[2] === null : isWireError(f[2]);
}

function isRegister(f: Fields): boolean {
  if (f.length !== 2 && !(f.length === 3 && typeof f[2] === 'boolean')) return false;
  return isListOf(f[1], isRegisteredObject);
}

function isRegisteredObject(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length === 2 && isObjectName(value[0]) && isListOf(value[1], isMemberName)
  );
}

function isFragment(f: Fields): boolean {
  return (
    f.length === 4 && isID(f[1]) && (f[2] === 0 || f[2] === 1 || f[2] === 2) && f[3] instanceof Uint8Array
  );
}

function isRefuse(f: Fields): boolean {
  return (f.length === 3 || (f.length === 4 && isTimeout(f[3]))) && isText(f[1]) && isText(f[2]);
}

function isHello(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { version, timeoutMs, ticket } = value;
  return isID(version) && isTimeout(timeoutMs) && (ticket === undefined || isText(ticket));
}

function isWelcome(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { version, timeoutMs, connectionID } = value;
  return isID(version) && isTimeout(timeoutMs) && isText(connectionID);
}

function isIdentity(value: unknown): boolean {
  return isRecord(value) && isID(value['version']) && isText(value['service']);
}

function isCall(f: Fields, at: number): boolean {
  if (typeof f[at] !== 'string' || typeof f[at + 1] !== 'string' || !Array.isArray(f[at + 2])) return false;
  return f.length === at + 3 || (f.length === at + 4 && isRecord(f[at + 3]));
}

function isWireError(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { code, message, name, stack, executed } = value;
  return (
    typeof message === 'string' &&
    (code === undefined || typeof code === 'string' || typeof code === 'number') &&
    (name === undefined || typeof name === 'string') &&
    (stack === undefined || typeof stack === 'string') &&
    (executed === undefined || executed === 'no' || executed === 'yes')
  );
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype;
}

function isObjectName(value: unknown): boolean {
  return typeof value === 'string' && objectNamePattern.test(value);
}

function isMemberName(value: unknown): boolean {
  return typeof value === 'string' && memberNamePattern.test(value);
}

function isID(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= maxTimeoutMs;
}

function isPort(value: unknown): boolean {
  return isID(value) && (value as number) <= 65_535;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= maxTextLength;
}

function describe(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}
