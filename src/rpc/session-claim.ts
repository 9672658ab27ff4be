/**
 * Whether a client may go on with a session: it has to be the same principal, to show the token, to come later than it did before, and
 * to have what it had. PROTOCOL.md, "Resuming".
 */
import { AuthenticationError } from '../errors.js';
import type { ResumeRequest } from '../protocol/messages.js';
import type { Report } from '../streams/user-callback.js';
import { isSamePrincipal } from './same-principal.js';
import type { ServerConnection } from './server-connection.js';
import { clientStatuses } from './status.js';

/**
 * Looks at a claim. One that is the client's own and cannot be met ends the session: the two would not agree any more.
 * @param session - that is asked for, if there is one
 * @param identity - of who asks
 * @param claim - what it shows
 * @param report - gets what the server's owner should know
 * @returns why it cannot go on, in the words of the protocol; `undefined` if it does
 */
export function refusalOfClaim(
  session: ServerConnection | undefined,
  identity: unknown,
  { connectionID, token, attempt, received }: ResumeRequest,
  report: Report,
): string | undefined {
  // One that has ended may still be here, until that was told.
  if (session === undefined || session.status === clientStatuses.disconnected) return 'unknown';
  const { tokens, peer } = session;
  const { connection, isExpired } = peer;
  // Who shows no good token learns nothing, and changes nothing.
  if (!tokens.isGood(token, connection.isConfirmed)) return 'unknown';
  if (!isSamePrincipal(session.identity, identity)) {
    // It has the token: the session is its own, or stolen, and either is worth a word.
    const text =
      'a client asked for a session of another principal, and got a new one: to go on with a session, authenticate() has to return the same value again, or plain data with the same in it';
    report(new AuthenticationError(text, { connectionID }));
    return 'unknown';
  }
  if (!tokens.isNewest(attempt)) return 'superseded';
  const fault = isExpired ? 'expired' : connection.canContinueFrom(received) ? undefined : 'gap';
  if (fault !== undefined) peer.lose(`the client came back in vain: ${fault}`);
  return fault;
}
