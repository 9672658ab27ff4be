/**
 * Secrets that two programs share: proved without being sent, or compared so that nothing shows in the time it takes.
 * PROTOCOL.md, "Authentication".
 */
import { isWellFormed } from '../protocol/bytes.js';
import type { Prover } from '../protocol/authentication.js';
import { nodeCrypto } from './node-crypto.js';

/** Registered, since two copies of the package may meet. */
const sharedTokenKey: unique symbol = Symbol.for('tandem-rpc.shared-token');

/** A secret that client and server prove to each other; made by `sharedToken`, and of use for nothing else. */
export interface SharedToken {
  /** @internal */
  readonly [sharedTokenKey]: Prover;
}

/** The identity of a client that has proved a shared token: they are all the same to the server. */
export const sharedTokenIdentity = 'shared-token';

/**
 * Has client and server prove to each other that they have the same secret, without sending it: give the same one as
 * `credentials` to the client and as `authenticate` to the server.
 *
 * The server proves first, so a client says nothing more to a program that has taken the server's port. Whoever connects to
 * the server is given something to try guesses against, at his leisure: take a secret that cannot be guessed, such as 32 random
 * bytes. It neither encrypts nor keeps out who sits between the two.
 *
 * @param secret - a text or bytes, not empty
 * @throws TypeError, RangeError for something else
 */
export function sharedToken(secret: string | Uint8Array): SharedToken {
  const { createHmac } = nodeCrypto();
  const key = keyOf(secret);
  const prove = (text: Uint8Array): Uint8Array =>
    new Uint8Array(createHmac('sha256', key).update(text).digest());
  const prover: Prover = { prove, isProof: (text, proof) => isSameSecret(proof, prove(text)) };
  // Not to be listed: whoever logs it, or its owner, is shown nothing.
  return Object.freeze(Object.defineProperty({}, sharedTokenKey, { value: prover })) as SharedToken;
}

/** Whether something was made by `sharedToken`. */
export function isSharedToken(value: unknown): value is SharedToken {
  return proverOf(value) !== undefined;
}

/** What proves a shared token; `undefined` for anything else. */
export function proverOf(value: unknown): Prover | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Partial<SharedToken>)[sharedTokenKey];
}

/**
 * Whether what somebody shows is a secret, found out in a time that tells nothing of either: for `authenticate`, where `===` would
 * let a secret be guessed letter by letter.
 *
 * @param shown - whatever it is
 * @param secret - a text or bytes
 */
export function isSameSecret(shown: unknown, secret: string | Uint8Array): boolean {
  if (typeof shown !== 'string' && !(shown instanceof Uint8Array)) return false;
  const { createHash, timingSafeEqual } = nodeCrypto();
  // Hashed, as the lengths must be equal, and are secret too.
  const digest = (value: string | Uint8Array): Uint8Array => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(shown), digest(secret));
}

function keyOf(secret: unknown): Uint8Array {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
    throw new TypeError('the secret of a shared token must be a text or bytes');
  }
  if (secret.length === 0) throw new RangeError('the secret of a shared token is empty');
  if (typeof secret !== 'string') return secret.slice();
  if (isWellFormed(secret)) return new TextEncoder().encode(secret);
  throw new RangeError('the secret of a shared token has a lone surrogate, which UTF-8 does not have');
}
