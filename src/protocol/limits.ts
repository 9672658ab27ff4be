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
   * Bytes of stream values that this side holds, all streams of a connection together, before their observers have run; the
   * other side is told, and sends no more.
   */
  readonly maxStreamBytes: number;
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
  maxStreamBytes: 4 * 1024 * 1024,
};

/** What each limit may be set to: below the floor the protocol itself would not work, above the ceiling nothing was tested. */
export const limitRanges: { readonly [Name in keyof Limits]: readonly [least: number, most: number] } = {
  maxMessageBytes: [1_024, 1024 * 1024 * 1024],
  // The encoder and the marshalling pass recurse once a level: 512 levels fit a default stack many times over.
  maxDepth: [4, 512],
  maxNodes: [64, 100_000_000],
  maxStringBytes: [256, 512 * 1024 * 1024],
  maxBinaryBytes: [1, 1024 * 1024 * 1024],
  maxArrayItems: [64, 100_000_000],
  maxMapEntries: [16, 10_000_000],
  maxKeyBytes: [16, 65_536],
  maxBigintBits: [64, 1_048_576],
  maxArguments: [1, 65_536],
  maxRegisteredObjects: [1, 1_000_000],
  maxQueuedBytes: [65_536, 4 * 1024 * 1024 * 1024],
  maxStreamBytes: [65_536, 1024 * 1024 * 1024],
};

/** Bytes of one frame, after its length: a peer that announces more is refused before anything is buffered. */
export const maxFrameBytes = 256 * 1024;

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
