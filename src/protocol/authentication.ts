/**
 * How two sides prove to each other that they have the same secret, of which nothing crosses: each tags what both have
 * made up for this one handshake. Knows no cryptography: who has the secret gives a `Prover`. PROTOCOL.md,
 * "Authentication".
 *
 * The server proves first. So a program that has taken the server's port is found out before it gets anything that it could
 * show the server, or try guesses at the secret against.
 */
import { AuthenticationError, ProtocolError } from '../errors.js';
import { joinBytes } from './bytes.js';
import { protocolVersion } from './messages.js';

/** Bytes of what each side makes up. */
export const nonceBytes = 32;

/** Bytes of a proof: those of SHA-256. */
export const proofBytes = 32;

/** Has the secret. */
export interface Prover {
  /** HMAC-SHA-256 of a text under the secret. */
  prove(text: Uint8Array): Uint8Array;
  /** Whether a proof is that of a text; takes as long whatever the proof. */
  isProof(text: Uint8Array, proof: Uint8Array): boolean;
}

/** What a client proves that it has, and wants proved. */
export interface TokenOffer {
  readonly prover: Prover;
  /** Random, of this handshake only. */
  readonly nonce: Uint8Array;
}

/** What a client shows. */
export interface ClientAuthentication {
  /** Marshalled; `undefined`: none. */
  readonly credentials?: unknown;
  /** The shared token, in place of credentials. */
  readonly token?: TokenOffer | undefined;
}

/** What a client asks of its server: that it proves to have the token, before anything it says is believed. */
export class ServerProof {
  readonly #token: TokenOffer | undefined;
  #isGiven = false;

  /** @param token - what the client offers; `undefined`: nothing is asked */
  constructor(token: TokenOffer | undefined) {
    this.#token = token;
  }

  /** Whether the server still has to prove itself. */
  get isMissing(): boolean {
    return this.#token !== undefined && !this.#isGiven;
  }

  /**
   * Takes a CHALLENGE.
   * @returns the client's proof
   * @throws AuthenticationError when the server's is wrong; ProtocolError when none was asked for
   */
  answer(nonce: Uint8Array, proof: Uint8Array): Uint8Array {
    if (this.#token === undefined || this.#isGiven)
      throw new ProtocolError('a CHALLENGE that was not asked for');
    const { prover, nonce: own } = this.#token;
    if (!prover.isProof(textOf('server', own, nonce), proof)) {
      throw new AuthenticationError('the server did not prove that it has the shared token');
    }
    this.#isGiven = true;
    return prover.prove(textOf('client', own, nonce));
  }
}

/** What a server asks of one client. */
export class ClientProof {
  #asked: { readonly prover: Prover; readonly text: Uint8Array } | undefined;

  /**
   * Makes a CHALLENGE.
   * @param theirs - the client's nonce
   * @param own - random, of this handshake only
   * @returns the server's proof
   */
  challenge(prover: Prover, theirs: Uint8Array, own: Uint8Array): Uint8Array {
    this.#asked = { prover, text: textOf('client', theirs, own) };
    return prover.prove(textOf('server', theirs, own));
  }

  /**
   * Takes a PROOF.
   * @returns whether it is right
   * @throws ProtocolError when none was asked for, or it has come already
   */
  isRight(proof: Uint8Array): boolean {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked === undefined) throw new ProtocolError('a PROOF that was not asked for');
    return asked.prover.isProof(asked.text, proof);
  }
}

/**
 * What a proof is of. The role, so that a proof sent back proves nothing; the version, so that none holds for another; and
 * both nonces, so that neither side alone makes a text that was proved before.
 */
function textOf(role: 'client' | 'server', client: Uint8Array, server: Uint8Array): Uint8Array {
  const label = new TextEncoder().encode(`tandem-rpc shared token, ${role}`);
  const parts = [label, Uint8Array.of(0, protocolVersion), client, server];
  const text = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  joinBytes(parts, text);
  return text;
}
