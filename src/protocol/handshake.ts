/**
 * The beginning of a connection: the opening, then HELLO and its answer, or PROBE and its answer.
 *
 * The dialling side says its opening and its HELLO at once, so that a connection costs one round trip; the listening
 * side says its own opening only when it has seen a right one, or has nothing to lose: with the reason why it closes.
 * PROTOCOL.md, "Handshake".
 */

import { AuthenticationError, ProtocolError, type PortOccupant } from '../errors.js';
import { ClientProof, ServerProof, type ClientAuthentication, type Prover } from './authentication.js';
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
  /**
   * Wants a connection; with the ticket of a handover, if it was sent here by one, with what it is to be known by, and to resume,
   * if it says so.
   */
  | {
      readonly side: 'dialer';
      readonly ticket?: string | undefined;
      readonly authentication?: ClientAuthentication | undefined;
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
  | typeof MessageType.challenge
  | typeof MessageType.proof
>;

/** Which of them each side may receive. */
const expected: Readonly<Record<ConnectionRole['side'], readonly number[]>> = {
  listener: [MessageType.hello, MessageType.probe, MessageType.proof],
  dialer: [MessageType.welcome, MessageType.refuse, MessageType.handover, MessageType.challenge],
  prober: [MessageType.identity, MessageType.refuse],
};

/** The handshake of one connection, seen from one side. */
export class Handshake {
  readonly #role: ConnectionRole;
  readonly #outbox: Outbox;
  #opening: OpeningReader | undefined = new OpeningReader();
  #occupant: PortOccupant | undefined;
  #hasHello = false;
  readonly #serverProof: ServerProof;
  readonly #clientProof = new ClientProof();

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
    const authentication = role.side === 'dialer' ? role.authentication : undefined;
    this.#serverProof = new ServerProof(authentication?.token);
    if (role.side === 'listener') return;
    outbox.sendOpening();
    if (role.side === 'prober') outbox.sendControl([MessageType.probe]);
    else
      outbox.sendControl([
        MessageType.hello,
        {
          ...helloOf(timeoutMs, streamBytes, windowBytes, role.ticket, codecs),
          ...shown(authentication),
          ...(role.resume === undefined ? {} : { resume: role.resume }),
        },
      ]);
  }

  /** Whether the peer's opening is still to come, as a whole or in part. */
  get awaitsOpening(): boolean {
    return this.#opening !== undefined;
  }

  /** Whether what the server says is not to be believed yet, since it has still to prove that it has the shared token. */
  get isServerUnproved(): boolean {
    return this.#serverProof.isMissing;
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
    if (message[0] === MessageType.welcome || message[0] === MessageType.handover) this.#checkProved();
    if (message[0] === MessageType.handover) this.#checkHandover();
    if (message[0] === MessageType.hello || message[0] === MessageType.welcome) checkVersion(message[1]);
    // The table of expected types holds these types only.
    return message as HandshakeMessage;
  }

  /** Asks a client that offered it to prove that it has the shared token, and proves it to the client. */
  challenge(prover: Prover, theirs: Uint8Array, own: Uint8Array): void {
    this.#outbox.sendControl([MessageType.challenge, own, this.#clientProof.challenge(prover, theirs, own)]);
  }

  /**
   * Answers CHALLENGE.
   * @throws AuthenticationError when the server's proof is wrong; ProtocolError when none was asked for
   */
  answerChallenge(nonce: Uint8Array, proof: Uint8Array): void {
    this.#outbox.sendControl([MessageType.proof, this.#serverProof.answer(nonce, proof)]);
  }

  /**
   * Whether a PROOF is right.
   * @throws ProtocolError when none was asked for
   */
  isRightProof(proof: Uint8Array): boolean {
    return this.#clientProof.isRight(proof);
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

  #checkProved(): void {
    if (!this.isServerUnproved) return;
    throw new AuthenticationError('the server was to prove that it has the shared token, and did not');
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

function shown(authentication: ClientAuthentication | undefined): Pick<Hello, 'credentials' | 'nonce'> {
  if (authentication === undefined) return {};
  const { credentials, token } = authentication;
  if (token !== undefined) return { nonce: token.nonce };
  return credentials === undefined ? {} : { credentials };
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
