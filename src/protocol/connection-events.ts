/** What a connection tells its driver. */

import type { PortOccupant } from '../errors.js';
import type { CloseCode, CloseReason } from './close-reason.js';
import type { Hello, Identity, ResumeGrant, SessionMessage } from './messages.js';

/** What happened, in order. */
export type ConnectionEvent =
  /** A client wants in: answer with `welcome`, `resume`, `refuse` or `handOver`, possibly after `challenge`. */
  | { readonly type: 'hello'; readonly hello: Hello }
  /** The client has answered the challenge. */
  | { readonly type: 'proof'; readonly isRight: boolean }
  /** The handshake is done; the peer bears that much silence. */
  | {
      readonly type: 'established';
      readonly connectionID: string;
      readonly peerTimeoutMs: number;
      /** How the session can be resumed; `undefined`: it cannot. */
      readonly grant: ResumeGrant | undefined;
    }
  /** The handshake is done, and the session of an earlier connection goes on. */
  | { readonly type: 'resumed'; readonly peerTimeoutMs: number; readonly grant: ResumeGrant }
  /** Session messages that arrived together. */
  | { readonly type: 'messages'; readonly messages: readonly SessionMessage[] }
  /** The server continues on another port. */
  | { readonly type: 'handover'; readonly port: number; readonly ticket: string }
  /** The peer takes no new calls; `code`: why it will end the connection. */
  | { readonly type: 'goaway'; readonly code: CloseCode; readonly retryAfterMs: number | undefined }
  /** The answer to a probe. */
  | { readonly type: 'identity'; readonly identity: Identity }
  /** A ping was answered; `loopLagMs` as in `lag`. */
  | { readonly type: 'heartbeat'; readonly roundTripMs: number; readonly loopLagMs: number }
  /** The peer told, and it is news, for how long its main loop had not turned. */
  | { readonly type: 'lag'; readonly loopLagMs: number }
  /** Something that was due has not come: read what has arrived, then call `confirmSuspicion`. */
  | { readonly type: 'suspect' }
  /** The end; nothing follows. `occupant` says what seems to be there when it is not a Tandem peer. */
  | {
      readonly type: 'closed';
      readonly reason: CloseReason;
      readonly lastReceived: number | undefined;
      readonly occupant: PortOccupant | undefined;
      readonly retryAfterMs: number | undefined;
    };
