/**
 * The one place where a decoded value becomes a message: every field is checked here, once; behind it the types are
 * trusted. PROTOCOL.md, "Messages".
 */
import { ProtocolError } from '../errors.js';
import { nonceBytes, proofBytes } from './authentication.js';
import {
  memberNamePattern,
  type Message,
  MessageType,
  type NextMessage,
  objectNamePattern,
  type ReceivedNextMessage,
} from './messages.js';

/** Characters of an identifier, a close message or a code that a peer may send. */
const maxTextLength = 4_096;

/** Milliseconds that a peer may name as its timeout: a year is longer than any timer can be armed for. */
const maxTimeoutMs = 2_147_483_647;

/** Bytes of a token: those of this side have 32. */
const maxTokenBytes = 128;

/** What a credit may come to. */
const maxCredit = 2 ** 31 - 1;

type Fields = readonly unknown[];
type Parser = (fields: Fields) => boolean;

/** One check for each type: whether the fields are of the form that PROTOCOL.md gives. */
const parsers: ReadonlyMap<unknown, readonly [name: string, isValid: Parser]> = new Map([
  [MessageType.request, ['REQUEST', (f: Fields) => isID(f[1]) && isCall(f, 2)]],
  [MessageType.response, ['RESPONSE', isResponse]],
  [MessageType.notify, ['NOTIFY', (f: Fields) => isCall(f, 1)]],
  [MessageType.cancel, ['CANCEL', (f: Fields) => f.length === 2 && isID(f[1])]],
  [
    MessageType.subscribe,
    ['SUBSCRIBE', (f: Fields) => isID(f[1]) && isCredit(f[5]) && isCallAt(f, 2) && isMetaAt(f, 6)],
  ],
  [
    MessageType.next,
    ['NEXT', (f: Fields) => isID(f[1]) && Array.isArray(f[2]) && f[2].length > 0 && isDroppedAt(f, 3)],
  ],
  [MessageType.complete, ['COMPLETE', (f: Fields) => isID(f[1]) && isDroppedAt(f, 2)]],
  [MessageType.fail, ['FAIL', (f: Fields) => isID(f[1]) && isWireError(f[2]) && isDroppedAt(f, 3)]],
  [MessageType.credit, ['CREDIT', isCreditMessage]],
  [MessageType.release, ['RELEASE', (f: Fields) => f.length === 2 && isListOf(f[1], isReleased)]],
  [MessageType.abort, ['ABORT', (f: Fields) => isID(f[1]) && (f.length === 2 || f.length === 3)]],
  [MessageType.register, ['REGISTER', isRegister]],
  [MessageType.unregister, ['UNREGISTER', (f: Fields) => f.length === 2 && isListOf(f[1], isObjectName)]],
  [MessageType.identify, ['IDENTIFY', (f: Fields) => f.length === 2 && isText(f[1])]],
  [MessageType.fragment, ['FRAGMENT', isFragment]],
  [MessageType.hello, ['HELLO', (f: Fields) => f.length === 2 && isHello(f[1])]],
  [MessageType.welcome, ['WELCOME', (f: Fields) => f.length === 2 && isWelcome(f[1])]],
  [MessageType.refuse, ['REFUSE', isRefuse]],
  [MessageType.ping, ['PING', isHeartbeat]],
  [MessageType.pong, ['PONG', isHeartbeat]],
  [MessageType.ack, ['ACK', (f: Fields) => f.length === 2 && isCount(f[1])]],
  [MessageType.sequence, ['SEQUENCE', (f: Fields) => f.length === 2 && isID(f[1])]],
  [
    MessageType.goodbye,
    ['GOODBYE', (f: Fields) => f.length === 4 && isText(f[1]) && isText(f[2]) && isCount(f[3])],
  ],
  [MessageType.timeout, ['TIMEOUT', (f: Fields) => f.length === 2 && isTimeout(f[1])]],
  [MessageType.probe, ['PROBE', (f: Fields) => f.length === 1]],
  [MessageType.identity, ['IDENTITY', (f: Fields) => f.length === 2 && isIdentity(f[1])]],
  [MessageType.window, ['WINDOW', (f: Fields) => f.length === 2 && isID(f[1])]],
  [MessageType.challenge, ['CHALLENGE', (f: Fields) => f.length === 3 && isNonce(f[1]) && isProof(f[2])]],
  [MessageType.proof, ['PROOF', (f: Fields) => f.length === 2 && isProof(f[1])]],
  [MessageType.goaway, ['GOAWAY', isGoAway]],
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

/** A NEXT as the receiver counts it. */
export function asReceived(
  [type, id, values, dropped]: NextMessage | ReceivedNextMessage,
  bytes: number,
): ReceivedNextMessage {
  return [type, id, values, dropped ?? 0, bytes];
}

function isCreditMessage(f: Fields): boolean {
  return f.length === 4 && isID(f[1]) && isCount(f[2]) && isCount(f[3]) && (f[2] !== 0 || f[3] !== 0);
}

function isReleased(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isID(value[0]) && isID(value[1]);
}

/** How many values were dropped, at the end of a message, if any. */
function isDroppedAt(f: Fields, at: number): boolean {
  return f.length === at || (f.length === at + 1 && isCount(f[at]));
}

function isCredit(value: unknown): boolean {
  return isID(value) && (value as number) <= maxCredit;
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
  if (!Array.isArray(value) || !isObjectName(value[0]) || !isListOf(value[1], isMemberName)) return false;
  return value.length === 2 || (value.length === 3 && isListOf(value[2], isMemberName));
}

function isFragment(f: Fields): boolean {
  return (
    f.length === 4 && isID(f[1]) && (f[2] === 0 || f[2] === 1 || f[2] === 2) && f[3] instanceof Uint8Array
  );
}

function isHeartbeat(f: Fields): boolean {
  return (f.length === 2 || (f.length === 3 && isCount(f[2]))) && isID(f[1]);
}

function isRefuse(f: Fields): boolean {
  return (f.length === 3 || (f.length === 4 && isTimeout(f[3]))) && isText(f[1]) && isText(f[2]);
}

function isGoAway(f: Fields): boolean {
  return (f.length === 2 || (f.length === 3 && isTimeout(f[2]))) && isText(f[1]);
}

function isHello(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { version, timeoutMs, streamBytes, windowBytes, ticket, codecs, nonce, resume } = value;
  if (!isID(version) || !isTimeout(timeoutMs) || !isSizeIfAny(streamBytes) || !isSizeIfAny(windowBytes))
    return false;
  if (nonce !== undefined && !isNonce(nonce)) return false;
  if (resume !== undefined && !isResumeOffer(resume)) return false;
  return isTextIfAny(ticket) && (codecs === undefined || isListOf(codecs, isText));
}

function isWelcome(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { version, timeoutMs, streamBytes, windowBytes, connectionID, codec, resume } = value;
  if (!isID(version) || !isTimeout(timeoutMs) || !isSizeIfAny(streamBytes) || !isSizeIfAny(windowBytes))
    return false;
  if (resume !== undefined && !isResumeGrant(resume)) return false;
  return isText(connectionID) && isTextIfAny(codec);
}

function isResumeOffer(value: unknown): boolean {
  if (!isRecord(value) || !isTimeout(value['windowMs'])) return false;
  const { session } = value;
  if (session === undefined) return true;
  if (!isRecord(session)) return false;
  const { connectionID, token, attempt, received } = session;
  return isText(connectionID) && isToken(token) && isID(attempt) && isCount(received);
}

function isResumeGrant(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { token, windowMs, received, refusal } = value;
  if (!isToken(token) || !isTimeout(windowMs)) return false;
  return (received === undefined || isCount(received)) && isTextIfAny(refusal);
}

function isToken(value: unknown): boolean {
  return value instanceof Uint8Array && value.length > 0 && value.length <= maxTokenBytes;
}

function isNonce(value: unknown): boolean {
  return value instanceof Uint8Array && value.length === nonceBytes;
}

function isProof(value: unknown): boolean {
  return value instanceof Uint8Array && value.length === proofBytes;
}

function isSizeIfAny(value: unknown): boolean {
  return value === undefined || isID(value);
}

function isIdentity(value: unknown): boolean {
  return isRecord(value) && isID(value['version']) && isText(value['service']);
}

function isCall(f: Fields, at: number): boolean {
  return isCallAt(f, at) && isMetaAt(f, at + 3);
}

function isCallAt(f: Fields, at: number): boolean {
  return (
    (typeof f[at] === 'string' || isID(f[at])) && typeof f[at + 1] === 'string' && Array.isArray(f[at + 2])
  );
}

function isMetaAt(f: Fields, at: number): boolean {
  if (f.length === at) return true;
  const meta = f[at];
  if (f.length !== at + 1 || !isRecord(meta)) return false;
  const { timeoutMs, within } = meta;
  if (within !== undefined && !isID(within)) return false;
  return timeoutMs === undefined || (isTimeout(timeoutMs) && timeoutMs !== 0);
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

function isTextIfAny(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= maxTextLength;
}

function describe(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}
