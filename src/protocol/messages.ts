/**
 * The messages of the protocol: their numbers, their shapes, in the order of their numbers.
 *
 * A message is a MessagePack array `[type, …]` and stays one in memory: a tuple, told apart by its first item, costs
 * nothing to make. Types below 32 belong to the session and are counted; types from 32 belong to the connection.
 * `parse-message.ts` makes them of decoded values. PROTOCOL.md, "Messages".
 */

/** The protocol's major version, in the opening and the handshake. */
export const protocolVersion = 1;

/** The first item of each message. */
export const MessageType = {
  request: 0,
  response: 1,
  notify: 2,
  cancel: 3,
  subscribe: 4,
  next: 5,
  complete: 6,
  fail: 7,
  credit: 8,
  register: 9,
  unregister: 10,
  identify: 11,
  release: 12,
  fragment: 13,
  abort: 14,
  hello: 32,
  welcome: 33,
  refuse: 34,
  ping: 35,
  pong: 36,
  ack: 37,
  goodbye: 38,
  timeout: 39,
  probe: 40,
  identity: 41,
  handover: 42,
  sequence: 43,
  window: 44,
  challenge: 45,
  proof: 46,
  goaway: 47,
} as const;

/** What travels with a call besides its arguments; unknown keys are ignored, so that a newer peer may add some. */
export interface CallMeta {
  /** The caller's `metadata` call option. */
  readonly metadata?: unknown;
  /** Milliseconds that the caller goes on waiting, counted from when this was sent. */
  readonly timeoutMs?: number;
  /** The id of the call or stream of the other side during which this is asked: that one may wait for the answer. */
  readonly within?: number;
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

/** What is called: a registered object by its name, or a reference that the called side has lent by its number. */
export type Target = string | number;

/** A registered object: its name, the names of its exposed members, and of those the streams that are no methods. */
export type RegisteredObject = readonly [
  name: string,
  members: readonly string[],
  properties?: readonly string[],
];

/** Asks for a call. Ids are chosen by the caller, rising, never used twice on a connection. */
export type RequestMessage = readonly [
  type: typeof MessageType.request,
  id: number,
  target: Target,
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
  target: Target,
  member: string,
  args: readonly unknown[],
  meta?: CallMeta,
];
/** The caller no longer waits for this call: no answer follows. Or for this stream: its COMPLETE or FAIL still follows. */
export type CancelMessage = readonly [type: typeof MessageType.cancel, id: number];
/** Subscribes to a stream: a `$` member, or a lent stream, whose member is `""`. Ids are of one row with those of calls. */
export type SubscribeMessage = readonly [
  type: typeof MessageType.subscribe,
  id: number,
  target: Target,
  member: string,
  args: readonly unknown[],
  credit: number,
  meta?: CallMeta,
];
/** Values of a stream, and how many were dropped before the first of them. */
export type NextMessage = readonly [
  type: typeof MessageType.next,
  id: number,
  values: readonly unknown[],
  dropped?: number,
];
/** The same as it is received: with the bytes that it took on the wire, which the receiver counts itself. */
export type ReceivedNextMessage = readonly [
  type: typeof MessageType.next,
  id: number,
  values: readonly unknown[],
  dropped: number,
  bytes: number,
];
/** The stream has ended, after so many dropped values; nothing follows. */
export type CompleteMessage = readonly [type: typeof MessageType.complete, id: number, dropped?: number];
/** The stream has failed, after so many dropped values; nothing follows. */
export type FailMessage = readonly [
  type: typeof MessageType.fail,
  id: number,
  error: WireError,
  dropped?: number,
];
/** So many more values may be sent, and so many bytes of earlier ones are off the receiver's hands. */
export type CreditMessage = readonly [
  type: typeof MessageType.credit,
  id: number,
  items: number,
  bytes: number,
];
/** References that the sender of this no longer holds: each with how many times it had been lent. */
export type ReleaseMessage = readonly [
  type: typeof MessageType.release,
  released: readonly (readonly [number: number, count: number])[],
];
/** A lent AbortSignal was aborted. */
export type AbortMessage = readonly [type: typeof MessageType.abort, number: number, reason?: unknown];
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
  | SubscribeMessage
  | NextMessage
  | ReceivedNextMessage
  | CompleteMessage
  | FailMessage
  | CreditMessage
  | ReleaseMessage
  | AbortMessage
  | RegisterMessage
  | UnregisterMessage
  | IdentifyMessage;

/** Which session a client wants to continue, and how far it has read. */
export interface ResumeRequest {
  /** The id of the session, which is that of its connection. */
  readonly connectionID: string;
  /** The last that the server gave for it. */
  readonly token: Uint8Array;
  /** Which attempt at this session this is, counted up at each dial. */
  readonly attempt: number;
  /** The number of the last session message that the client has received. */
  readonly received: number;
}
/** A client would resume: how long its session may be away, and which one is, if any. */
export interface ResumeOffer {
  /** Milliseconds; the smaller one of both sides counts. */
  readonly windowMs: number;
  /** The session to continue; absent: none. */
  readonly session?: ResumeRequest;
}
/** How the server answers: the session can be resumed, is resumed, or cannot be. */
export interface ResumeGrant {
  /** To be shown at the next attempt, in place of all earlier ones. */
  readonly token: Uint8Array;
  /** Milliseconds that the session may be away. */
  readonly windowMs: number;
  /** The number of the last session message that the server has received; absent: the session is a new one. */
  readonly received?: number;
  /** Why the session that was asked for cannot be continued, if one was. */
  readonly refusal?: string;
}

/** What the dialling side says first. */
export interface Hello {
  /** The protocol's major version. */
  readonly version: number;
  /** How long the client bears silence, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of stream values that the client is ready to hold; 1 MiB if it does not say. */
  readonly streamBytes?: number;
  /** Bytes of session messages that may wait at the client; no bound if it does not say. */
  readonly windowBytes?: number;
  /** The ticket from a handover, on a dedicated port. */
  readonly ticket?: string;
  /** The codecs that the client speaks besides the built-in one. */
  readonly codecs?: readonly string[];
  /** Sessions can be resumed, and perhaps one is to be. */
  readonly resume?: ResumeOffer;
  /** What the server is to know the client by; any value without references. */
  readonly credentials?: unknown;
  /** The client's half of what both sides prove a shared token with: it expects CHALLENGE. */
  readonly nonce?: Uint8Array;
}
/** What the listening side answers. */
export interface Welcome {
  /** The protocol's major version. */
  readonly version: number;
  /** The id of this connection. */
  readonly connectionID: string;
  /** How long the server bears silence, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of stream values that the server is ready to hold; 1 MiB if it does not say. */
  readonly streamBytes?: number;
  /** Bytes of session messages that may wait at the server; no bound if it does not say. */
  readonly windowBytes?: number;
  /** The codec that both use from now on, one of those offered; the built-in one if it does not say. */
  readonly codec?: string;
  /** The session can be resumed, or is; absent: it ends with the connection. */
  readonly resume?: ResumeGrant;
}
/** What a probe learns. */
export interface Identity {
  /** The protocol's major version. */
  readonly version: number;
  /** Always `"tandem"`. */
  readonly service: string;
}

/** A sign of life; `loopLagMs`: for how long the sender's main loop had not turned, whole milliseconds, 0 if it does not say. */
export type PingMessage = readonly [type: typeof MessageType.ping, id: number, loopLagMs?: number];
/** Answers a PING. */
export type PongMessage = readonly [type: typeof MessageType.pong, id: number, loopLagMs?: number];

/** How long the sender bears silence from now on. */
export type TimeoutMessage = readonly [type: typeof MessageType.timeout, timeoutMs: number];

/** The sender has every session message up to this number. */
export type AckMessage = readonly [type: typeof MessageType.ack, received: number];
/** The next session message has this number. */
export type SequenceMessage = readonly [type: typeof MessageType.sequence, number: number];
/** The server's half of what both sides prove a shared token with, and its proof. */
export type ChallengeMessage = readonly [
  type: typeof MessageType.challenge,
  nonce: Uint8Array,
  proof: Uint8Array,
];
/** The sender takes no new calls; when to try again, here or at another address, if it says so. */
export type GoAwayMessage = readonly [type: typeof MessageType.goaway, code: string, retryAfterMs?: number];
/** The client's proof. */
export type ProofMessage = readonly [type: typeof MessageType.proof, proof: Uint8Array];

/** A message of the connection: never counted. */
export type ConnectionMessage =
  | readonly [type: typeof MessageType.hello, hello: Hello]
  | readonly [type: typeof MessageType.welcome, welcome: Welcome]
  | readonly [type: typeof MessageType.refuse, code: string, message: string, retryAfterMs?: number]
  | PingMessage
  | PongMessage
  | AckMessage
  | SequenceMessage
  | readonly [type: typeof MessageType.goodbye, code: string, message: string, lastReceived: number]
  | TimeoutMessage
  | readonly [type: typeof MessageType.probe]
  | readonly [type: typeof MessageType.identity, identity: Identity]
  | readonly [type: typeof MessageType.handover, port: number, ticket: string]
  | readonly [type: typeof MessageType.window, bytes: number]
  | ChallengeMessage
  | ProofMessage
  | GoAwayMessage;

/** Any message. */
export type Message = SessionMessage | FragmentMessage | ConnectionMessage;

/** What an object may be called. Reliability: names are looked up in Maps only, yet logs and menus show them. */
export const objectNamePattern = /^[A-Za-z0-9_][A-Za-z0-9._:/-]{0,127}$/;

/** What a member may be called. */
export const memberNamePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}\$?$/;

/** Whether a message belongs to the session: those are counted. */
export function isSessionMessage(message: Message): message is SessionMessage | FragmentMessage {
  return message[0] < 32;
}
