/**
 * By what a server knows the client that may continue a session: tokens that are secret, new at each connection, and kept as
 * hashes, so that whoever reads a server's memory dump cannot take its sessions over.
 * PROTOCOL.md, "Resuming".
 */
import { nodeCrypto } from './node-crypto.js';

/** As many as nobody guesses. */
const tokenBytes = 32;

/** The tokens of one session. */
export class SessionTokens {
  #current: Uint8Array | undefined;
  /** The one that was shown last: good until the client is known to have the new one. */
  #shown: Uint8Array | undefined;
  #attempt = 0;

  /** A new token, the current one from now on. @param shown - the one that it was given for */
  renew(shown?: Uint8Array): Uint8Array {
    const token = crypto.getRandomValues(new Uint8Array(tokenBytes));
    this.#shown = shown === undefined ? undefined : hashOf(shown);
    this.#current = hashOf(token);
    return token;
  }

  /**
   * Whether a client may continue the session.
   * @param token - that it shows
   * @param isConfirmed - whether it is known to have the current one
   */
  isGood(token: Uint8Array, isConfirmed: boolean): boolean {
    const hash = hashOf(token);
    return isEqual(hash, this.#current) || (!isConfirmed && isEqual(hash, this.#shown));
  }

  /**
   * Whether an attempt is the newest: one that was given up may arrive late, and would strand its client.
   * @param attempt - as the client counts
   */
  isNewest(attempt: number): boolean {
    if (attempt <= this.#attempt) return false;
    this.#attempt = attempt;
    return true;
  }
}

function hashOf(token: Uint8Array): Uint8Array {
  return nodeCrypto().createHash('sha256').update(token).digest();
}

/** Of hashes: how long it takes tells nothing of a token. */
function isEqual(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && nodeCrypto().timingSafeEqual(one, other);
}
