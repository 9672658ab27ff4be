/**
 * The beginning of a connection: the opening, then HELLO and its answer, or PROBE and its answer.
 *
 * The dialling side says its opening and its HELLO at once, so that a connection costs one round trip; the listening
 * side says its own opening only when it has seen a right one, or has nothing to lose: with the reason why it closes.
 * PROTOCOL.md, "Handshake".
 */

import { ProtocolError, type PortOccupant } from '../errors.js';
import {
  MessageType,
  protocolVersion,
  type ConnectionMessage,
  type Hello,
  type ResumeOffer,
  type Welcome,
} from './messages.js';
import { httpAnswer, OpeningReader, type OpeningVerdict } from './opening.js';
import type { Outbox } from './outbox.js';

/** What this end of the connection is there for. */
export type ConnectionRole =
  /** Waits for a HELLO or a PROBE. */
  | { readonly side: 'listener' }
  /** Wants a connection; with the ticket of a handover, if it was sent here by one; and to resume, if it says so. */
  | {
      readonly side: 'dialer';
      readonly ticket?: string | undefined;
      readonly resume?: ResumeOffer | undefined;
    }
  /** Only asks who listens. */
  | { readonly side: 'prober' };

type MessageOf<Type extends number> = Extract<
  ConnectionMessage,
  readonly [type: Type, ...fields: readonly unknown[]]
>;

/** The messages that mean something before a connection is established. */
export type HandshakeMessage = MessageOf<
  | typeof MessageType.hello
  | typeof MessageType.probe
  | typeof MessageType.welcome
  | typeof MessageType.refuse
  | typeof MessageType.handover
  | typeof MessageType.identity
>;

/** Which of them each side may receive. */
const expected: Readonly<Record<ConnectionRole['side'], readonly number[]>> = {
  listener: [MessageType.hello, MessageType.probe],
  dialer: [MessageType.welcome, MessageType.refuse, MessageType.handover],
  prober: [MessageType.identity, MessageType.refuse],
};

/** The handshake of one connection, seen from one side. */
export class Handshake {
  readonly #role: ConnectionRole;
  readonly #outbox: Outbox;
  #opening: OpeningReader | undefined = new OpeningReader();
  #occupant: PortOccupant | undefined;
  #hasHello = false;

  /**
   * @param role - what this end is there for
   * @param outbox - where it speaks
   * @param timeoutMs - how long this side bears silence, told in HELLO
   * @param streamBytes - what this side is ready to hold of stream values, told in HELLO
   * @param windowBytes - how much of session messages may wait here, told in HELLO; `undefined`: no bound
   * @param codecs - the names of those that this side speaks besides the built-in one, told in HELLO
   */
  constructor(
    role: ConnectionRole,
    outbox: Outbox,
    timeoutMs: number,
    streamBytes: number,
    windowBytes: number | undefined,
    codecs: readonly string[],
  ) {
    this.#role = role;
    this.#outbox = outbox;
    if (role.side === 'listener') return;
    outbox.sendOpening();
    if (role.side === 'prober') outbox.sendControl([MessageType.probe]);
    else
      outbox.sendControl([
        MessageType.hello,
        {
          ...helloOf(timeoutMs, streamBytes, windowBytes, role.ticket, codecs),
          ...(role.resume === undefined ? {} : { resume: role.resume }),
        },
      ]);
  }

  /** Whether the peer's opening is still to come, as a whole or in part. */
  get awaitsOpening(): boolean {
    return this.#opening !== undefined;
  }

  /** What seems to be at the other side, once its first bytes were found not to be of this protocol. */
  get occupant(): PortOccupant | undefined {
    return this.#occupant;
  }

  /**
   * Takes a chunk while the opening is awaited.
   * @returns the bytes behind the opening, or `undefined` when more must come
   * @throws ProtocolError when it is another protocol, or another version of this one
   */
  receiveOpening(chunk: Uint8Array): Uint8Array | undefined {
    const verdict = this.#opening?.receive(chunk);
    if (verdict === undefined) return undefined;
    if (verdict.kind !== 'tandem') {
      this.#occupant = verdict.kind === 'foreign' ? verdict.occupant : 'tandem';
      throw new ProtocolError(describe(verdict));
    }
    this.#opening = undefined;
    if (this.#role.side === 'listener') this.#outbox.sendOpening();
    return verdict.rest;
  }

  /**
   * Checks a message that came before the connection was established.
   * @throws ProtocolError when it is not one that this side may receive now
   */
  receive(message: ConnectionMessage): HandshakeMessage {
    if (!expected[this.#role.side].includes(message[0])) {
      throw new ProtocolError(`a message of type ${message[0]} before the handshake was complete`);
    }
    if (message[0] === MessageType.hello) this.#checkFirst();
    if (message[0] === MessageType.handover) this.#checkHandover();
    if (message[0] === MessageType.hello || message[0] === MessageType.welcome) checkVersion(message[1]);
    // The table of expected types holds these types only.
    return message as HandshakeMessage;
  }

  /** Tells a peer whose handshake failed why, in words that it can read. */
  sendRefusal(code: string, reason: string): void {
    if (this.#role.side !== 'listener') return;
    if (this.#occupant === 'http') {
      this.#outbox.sendPlain(httpAnswer);
      return;
    }
    this.#outbox.sendOpening();
    this.#outbox.sendControl([MessageType.refuse, code, reason]);
  }

  /** A client that was sent on from port to port would dial for ever. */
  #checkHandover(): void {
    if ('ticket' in this.#role && this.#role.ticket !== undefined) {
      throw new ProtocolError('a HANDOVER in answer to a ticket');
    }
  }

  #checkFirst(): void {
    if (this.#hasHello) throw new ProtocolError('a second HELLO');
    this.#hasHello = true;
  }
}

function checkVersion({ version }: Hello | Welcome): void {
  if (version === protocolVersion) return;
  throw new ProtocolError(`protocol version ${version}, where ${protocolVersion} is spoken`);
}

function helloOf(
  timeoutMs: number,
  streamBytes: number,
  windowBytes: number | undefined,
  ticket: string | undefined,
  codecs: readonly string[],
): Hello {
  return {
    version: protocolVersion,
    timeoutMs,
    streamBytes,
    ...(windowBytes === undefined ? {} : { windowBytes }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(codecs.length === 0 ? {} : { codecs }),
  };
}

function describe(verdict: Exclude<OpeningVerdict, { readonly kind: 'tandem' }>): string {
  if (verdict.kind === 'other-version') {
    return `the other side speaks version ${verdict.version} of the protocol, this side ${protocolVersion}`;
  }
  const who = verdict.occupant === 'unknown' ? 'something else' : verdict.occupant;
  return `the other side does not speak this protocol, but ${who}`;
}
