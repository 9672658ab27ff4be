/**
 * Every bound of the protocol, with its unit, its reason and who may change it.
 *
 * `Limits` are options: both sides of a connection have their own, applied to what they receive and, so that a value
 * too large is refused before its first byte leaves, to what they send. The constants below them belong to the wire
 * itself. PROTOCOL.md, "Limits".
 */

/** Bounds on one connection that its owner may change (`limits` in the options of RPCServer and RPCClient). */
export interface Limits {
  /** Bytes of one encoded message, as a whole. */
  readonly maxMessageBytes: number;
  /** How deep arrays, maps, sets and errors may nest, counted from the message itself. */
  readonly maxDepth: number;
  /** Values in one message: each array, map, key, string, number and so on counts as one. */
  readonly maxNodes: number;
  /** UTF-8 bytes of one string. */
  readonly maxStringBytes: number;
  /** Bytes of one byte array, typed array or ArrayBuffer. */
  readonly maxBinaryBytes: number;
  /** Items of one array or Set. */
  readonly maxArrayItems: number;
  /** Entries of one object or Map. */
  readonly maxMapEntries: number;
  /** UTF-8 bytes of a plain object's key. */
  readonly maxKeyBytes: number;
  /** Bits of a bigint's magnitude. */
  readonly maxBigintBits: number;
  /** Arguments of one call. */
  readonly maxArguments: number;
  /** Objects that a peer may have registered at one time. */
  readonly maxRegisteredObjects: number;
  /**
   * Bytes waiting to be written to one connection. Beyond it no message of more than a fragment is taken, and where it is
   * the transport that holds them, the connection is closed, since its peer does not read.
   */
  readonly maxQueuedBytes: number;
  /**
   * The high-water mark below it, as streams have one: with so many bytes waiting to be written to one connection whatever can wait does.
   * Calls and subscriptions of this side wait for their turn, stream values at their source, answers until their turn, and so does what
   * the peer asks for, so that no more answers come of it; notifications fail, with `LimitExceededError`. What keeps the two sides of one
   * mind always leaves: heartbeats, acknowledgements, credit, cancels. The long message whose turn it is does not count, since it may be
   * larger than this by itself. Default 8 MiB, or a quarter of `maxQueuedBytes` where that is less; never more than that. Too small, and
   * a fast link stands still between two turns; too large, and what is sent last waits long behind what was sent first.
   */
  readonly highWaterBytes: number;
  /**
   * Milliseconds that a transport may take for what it holds, some 256 KiB, and `timeoutInSeconds` at least, since until then it is
   * silence that is judged: a peer that reads so slowly, if it reads at all, is disconnected with `limit-exceeded`. Too small, and a slow
   * link is taken for that; too large, and what waits for a peer that hangs is kept for as long.
   */
  readonly maxStallMs: number;
  /**
   * Bytes of stream values that this side holds, all streams of a connection together, before their observers have run; the
   * other side is told, and sends no more.
   */
  readonly maxStreamBytes: number;
  /**
   * Calls and notifications of the other side whose methods run at one time, on one connection: as many as HTTP/2 servers
   * allow, many times over. One more is refused before it runs. A method counts until it has really ended, also when its caller
   * gave it up long before, so that cancelling makes no room.
   */
  readonly maxIncomingCalls: number;
  /**
   * Calls of this side that are not answered, on one connection: as many as the other side runs unless it says otherwise. Further
   * ones wait here for their turn.
   */
  readonly maxOutgoingCalls: number;
  /**
   * Calls and subscriptions of this side that wait for their turn, on one connection: enough for a list that is worked off by
   * `Promise.all`; what they hold is bounded by `maxWaitingBytes`. One more fails at once.
   */
  readonly maxWaitingCalls: number;
  /**
   * Bytes of their arguments, about: those are read when they leave. Default 24 MiB, or what `maxQueuedBytes` leaves
   * beside `highWaterBytes` where that is less: a list of large calls may take as much as may be queued at all. What goes beyond fails at once. The call whose turn is next does not
   * count, and one may wait behind it whatever its size: a message may be larger than this by itself.
   */
  readonly maxWaitingBytes: number;
  /** Streams of one direction that are open at one time, on one connection. One more is refused before it begins. */
  readonly maxStreams: number;
  /**
   * References of one direction that are lent and not given back, on one connection. What would lend one more is not sent; what
   * lends more to this side is refused. Where nobody disposes of them the garbage collector gives them back, which is asked to each
   * time that there are a quarter more, 1,000 at least: with fewer than 4,000, calls that have a callback each fail now and then.
   */
  readonly maxReferences: number;
  /**
   * Cancels of calls that run, within 10 s on one connection. A peer that sends more makes work only to throw it away (HTTP/2 Rapid
   * Reset), and is disconnected. This side sends half as many at most, and the others later.
   */
  readonly maxCancels: number;
  /**
   * Connections of a server that are not made yet, all together: what strangers may make it hold. Further ones
   * wait unread, and meanwhile who says nothing gives way to them: for 250 ms at first, for 1 s once he was answered.
   */
  readonly maxHandshakes: number;
  /** The same from one address, or one IPv6 network of 64 bits; this machine's own are not counted. One more is disconnected. */
  readonly maxHandshakesPerAddress: number;
  /**
   * Messages of one connection that are acted on before the other connections have had their turn: so one that sends without end
   * holds up nobody for long. As many as calls are in flight: with 256 such a batch is cut, which costs its calls a tenth and more.
   */
  readonly maxTurnMessages: number;
  /**
   * Milliseconds that the messages of one connection may take, decoding included, before the others have had their turn: a twentieth
   * of it while one of them has had something to do within a second.
   */
  readonly maxTurnMs: number;
  /**
   * Sessions of a server that have no connection and can be resumed: what clients leave behind that never come back. Beyond it
   * the one that is away for the longest time ends.
   */
  readonly maxAwaySessions: number;
  /**
   * Bytes that those sessions keep, all together: what the other side has not acknowledged, in the buffers that it lies in, and what waits
   * for another connection. Beyond it the one that is away for the longest time ends, and the next.
   */
  readonly maxAwayBytes: number;
  /**
   * Clients of a server at one time, however many `maxConnectionsAllowed` lets in: connected, away, or on their way to a port of their
   * own. One more is refused with `server-full`, and comes back later. Less where the process may open too few files for them.
   */
  readonly maxConnections: number;
  /**
   * Files that the process of a server may open: 64 of them are kept for all else, and there are never more clients than the others.
   * Less where the system allows less, which is read when the server begins to listen, on Linux and with TCP; too large a number does no
   * harm there. Elsewhere it is the bound by itself: too large, and what comes when there is no file left is not even refused. Several servers of one
   * process each have it for themselves: give each its part.
   */
  readonly maxOpenFiles: number;
  /**
   * Clients of a server that are one principal, by what `authenticate` returned, so that one of them does not take all the places. One
   * more is refused with `too-many-sessions`, and comes back later. Not where nobody is told from another: without `authenticate`, with a
   * shared token, and where it returned `true`.
   */
  readonly maxSessionsPerPrincipal: number;
}

/** The limits that hold unless the options say otherwise. */
export const defaultLimits: Limits = {
  maxMessageBytes: 16 * 1024 * 1024,
  maxDepth: 64,
  maxNodes: 250_000,
  maxStringBytes: 4 * 1024 * 1024,
  maxBinaryBytes: 16 * 1024 * 1024,
  maxArrayItems: 100_000,
  maxMapEntries: 10_000,
  maxKeyBytes: 256,
  maxBigintBits: 8_192,
  maxArguments: 64,
  maxRegisteredObjects: 10_000,
  maxQueuedBytes: 32 * 1024 * 1024,
  highWaterBytes: 8 * 1024 * 1024,
  maxStallMs: 30_000,
  maxStreamBytes: 4 * 1024 * 1024,
  maxIncomingCalls: 1_024,
  maxOutgoingCalls: 1_024,
  maxWaitingCalls: 10_000,
  maxWaitingBytes: 24 * 1024 * 1024,
  maxStreams: 1_024,
  maxReferences: 10_000,
  maxCancels: 1_000,
  maxHandshakes: 256,
  maxHandshakesPerAddress: 16,
  maxTurnMessages: 1_024,
  maxTurnMs: 10,
  maxAwaySessions: 10_000,
  maxAwayBytes: 256 * 1024 * 1024,
  maxConnections: 10_000,
  // As many as Linux gives to any process unless it is told otherwise.
  maxOpenFiles: 1_048_576,
  maxSessionsPerPrincipal: 100,
};

/** Of the files that a process may open so many are kept for what is no client: its own, and those who are told that it is full. */
export const reservedFiles = 64;

/** What each limit may be set to: below the floor the protocol itself would not work, above the ceiling nothing was tested. */
export const limitRanges: { readonly [Name in keyof Limits]: readonly [least: number, most: number] } = {
  maxMessageBytes: [1_024, 1024 * 1024 * 1024],
  // The encoder and the marshalling pass recurse once a level: 512 levels fit a default stack many times over.
  maxDepth: [4, 512],
  maxNodes: [64, 100_000_000],
  maxStringBytes: [256, 512 * 1024 * 1024],
  // Tokens of sessions, and what both sides prove a shared token with.
  maxBinaryBytes: [32, 1024 * 1024 * 1024],
  maxArrayItems: [64, 100_000_000],
  maxMapEntries: [16, 10_000_000],
  maxKeyBytes: [16, 65_536],
  maxBigintBits: [64, 1_048_576],
  maxArguments: [1, 65_536],
  maxRegisteredObjects: [1, 1_000_000],
  maxQueuedBytes: [65_536, 4 * 1024 * 1024 * 1024],
  highWaterBytes: [16_384, 4 * 1024 * 1024 * 1024],
  // A timer of the platform cannot be armed for more.
  maxStallMs: [10, 2_147_483_000],
  maxStreamBytes: [65_536, 1024 * 1024 * 1024],
  maxIncomingCalls: [1, 1_000_000],
  maxOutgoingCalls: [1, 1_000_000],
  maxWaitingCalls: [0, 10_000_000],
  maxWaitingBytes: [1, 4 * 1024 * 1024 * 1024],
  maxStreams: [1, 1_000_000],
  maxReferences: [1, 10_000_000],
  // This side sends half as many, hence one at least.
  maxCancels: [2, 1_000_000],
  maxHandshakes: [1, 100_000],
  maxHandshakesPerAddress: [1, 100_000],
  maxTurnMessages: [1, 1_000_000],
  maxTurnMs: [1, 10_000],
  maxAwaySessions: [1, 1_000_000],
  maxAwayBytes: [65_536, 1024 * 1024 * 1024 * 1024],
  maxConnections: [1, 1_000_000],
  maxOpenFiles: [reservedFiles + 1, 1_000_000_000],
  maxSessionsPerPrincipal: [1, 1_000_000],
};

/** Bytes of one frame, after its length: a peer that announces more is refused before anything is buffered. */
export const maxFrameBytes = 256 * 1024;

/**
 * A frame that has begun may take this long, in milliseconds, however many bytes come meanwhile: 30 s, and what the largest takes
 * at 16 KiB/s. Else who writes a byte now and then would hold a place and what it has begun for ever: each byte is a sign of life.
 */
export const maxFrameMs = 46_000;

/** What is said of one that takes longer. */
export const frameTookTooLong = `a frame that was begun did not end within ${maxFrameMs / 1_000} s`;

/** Bytes of one frame before the handshake is complete: a stranger may not make us keep more. */
export const maxHandshakeFrameBytes = 16 * 1024;

/** Bytes of all frames together before the handshake is complete. */
export const maxHandshakeBytes = 32 * 1024;

/**
 * A message longer than this travels in fragments of this size, so that nothing waits long behind it: 64 KiB, a common size
 * of what is cut up by users, and a KiB for what is around it.
 */
export const fragmentBytes = 65 * 1024;

/** A frame is closed and handed on when it has reached this size: half a slab, so that most messages still fit. */
export const frameTargetBytes = 32 * 1024;

/** Bytes of stream values that a peer holds unless it says otherwise in its HELLO or WELCOME. */
export const defaultPeerStreamBytes = 1024 * 1024;

/** Messages of which only some fragments have come, at one time. */
export const maxPartialMessages = 4;
