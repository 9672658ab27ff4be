/**
 * The beginning of a connection: the opening, then HELLO and its answer, or PROBE and its answer.
 *
 * The dialling side says its opening and its HELLO at once, so that a connection costs one round trip; the listening
 * side says its own opening only when it has seen a right one, or has nothing to lose: with the reason why it closes.
 * PROTOCOL.md, "Handshake".
 */

import { AuthenticationError, ProtocolError, type PortOccupant } from '../errors.js';
import { ClientProof, ServerProof, type ClientAuthentication, type Prover } from './authentication.js';
import type { ConnectionRole, ConnectionSettings, DialerRole } from './connection-settings.js';
import {
  MessageType,
  protocolVersion,
  type ConnectionMessage,
  type Hello,
  type ResumeGrant,
  type Welcome,
} from './messages.js';
import { httpAnswer, OpeningReader, type OpeningVerdict } from './opening.js';
import type { Outbox } from './outbox.js';

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
  readonly #settings: ConnectionSettings;
  readonly #role: ConnectionRole;
  readonly #outbox: Outbox;
  #opening: OpeningReader | undefined = new OpeningReader();
  #occupant: PortOccupant | undefined;
  #hasHello = false;
  readonly #serverProof: ServerProof;
  readonly #clientProof = new ClientProof();

  /**
   * @param settings - of the connection; what HELLO tells is among them
   * @param outbox - where it speaks
   */
  constructor(settings: ConnectionSettings, outbox: Outbox) {
    const { role } = settings;
    this.#settings = settings;
    this.#role = role;
    this.#outbox = outbox;
    const authentication = role.side === 'dialer' ? role.authentication : undefined;
    this.#serverProof = new ServerProof(authentication?.token);
    if (role.side === 'listener') return;
    outbox.sendOpening();
    if (role.side === 'prober') outbox.sendControl([MessageType.probe]);
    else outbox.sendControl([MessageType.hello, helloOf(settings, role)]);
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

  /**
   * Answers HELLO: the client is in.
   * @param timeoutMs - how long this side bears silence now
   * @param codec - that this side has chosen; `undefined`: the built-in one
   * @param grant - how the session can be resumed; `undefined`: not at all
   */
  sendWelcome(
    timeoutMs: number,
    connectionID: string,
    codec: string | undefined,
    grant: ResumeGrant | undefined,
  ): void {
    this.#outbox.sendControl([
      MessageType.welcome,
      {
        ...toldByBoth(this.#settings, timeoutMs),
        connectionID,
        ...(codec === undefined ? {} : { codec }),
        ...(grant === undefined ? {} : { resume: grant }),
      },
    ]);
    // A frame of its own: until it is read, the peer accepts small frames only, and knows of no other codec.
    this.#outbox.finishFrame();
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

function helloOf(settings: ConnectionSettings, role: DialerRole): Hello {
  const { timeoutMs, codec } = settings;
  const { ticket, authentication, resume } = role;
  const { names } = codec.agreed;
  return {
    ...toldByBoth(settings, timeoutMs),
    ...(ticket === undefined ? {} : { ticket }),
    ...(names.length === 0 ? {} : { codecs: names }),
    ...shown(authentication),
    ...(resume === undefined ? {} : { resume }),
  };
}

/** What each side must know of the other: it is in HELLO and in WELCOME. */
function toldByBoth(
  { limits, windowBytes }: ConnectionSettings,
  timeoutMs: number,
): Pick<Hello & Welcome, 'version' | 'timeoutMs' | 'streamBytes' | 'windowBytes'> {
  return {
    version: protocolVersion,
    timeoutMs,
    streamBytes: limits.maxStreamBytes,
    ...(windowBytes === undefined ? {} : { windowBytes }),
  };
}

function describe(verdict: Exclude<OpeningVerdict, { readonly kind: 'tandem' }>): string {
  if (verdict.kind === 'other-version') {
    return `the other side speaks version ${verdict.version} of the protocol, this side ${protocolVersion}`;
  }
  const who = verdict.occupant === 'unknown' ? 'something else' : verdict.occupant;
  return `the other side does not speak this protocol, but ${who}`;
}
