/**
 * Why a connection ended: a code for programs, a sentence for people, and who ended it.
 * PROTOCOL.md, "Ends of a connection".
 */

/** The kinds of end. */
export type CloseCode =
  /** One side ended it on purpose: `disconnect`, `disconnectFromServer`, `dispose`. */
  | 'disconnected'
  /** The server stops. */
  | 'server-stopped'
  /** The server has as many clients as it allows. */
  | 'server-full'
  /** The server has as many clients of one principal as it allows. */
  | 'too-many-sessions'
  /** Credentials were refused, or a shared token was not proved. */
  | 'unauthenticated'
  /** Too many credentials from the same address were refused. */
  | 'throttled'
  /** Nothing was heard for longer than the timeout. */
  | 'timeout'
  /** Its main loop had not turned for longer than the other side bears. */
  | 'unresponsive'
  /** The handshake was not complete in time. */
  | 'handshake-timeout'
  /** A side sent what the protocol does not allow, or something else than this protocol. */
  | 'protocol-error'
  /** A bound on what one connection may hold was reached. */
  | 'limit-exceeded'
  /** A side cancelled more running calls than the other bears. */
  | 'too-many-cancels'
  /** The pipe broke, or ended without a word. */
  | 'connection-lost'
  /** A session that can be resumed was not, in time or at all. */
  | 'session-lost';

/** Characters of a reason, sent or received: well below what a message may hold. */
export const maxReasonLength = 1_024;

const codes: ReadonlySet<string> = new Set<CloseCode>([
  'disconnected',
  'server-stopped',
  'server-full',
  'too-many-sessions',
  'unauthenticated',
  'throttled',
  'timeout',
  'unresponsive',
  'handshake-timeout',
  'protocol-error',
  'limit-exceeded',
  'too-many-cancels',
  'connection-lost',
  'session-lost',
]);

/** Why and by whom a connection was ended. */
export class CloseReason {
  /** The kind of end. */
  readonly code: CloseCode;
  /** For people: what happened. */
  readonly message: string;
  /** Who ended it: this side, the other, or the transport below both. */
  readonly by: 'local' | 'remote' | 'transport';

  /** Made by the library only. */
  constructor(code: CloseCode, message: string, by: 'local' | 'remote' | 'transport') {
    this.code = code;
    this.message = message;
    this.by = by;
  }

  /** A reason that a peer gave: an unknown code, from a newer peer, is an ordinary end; its text is made safe to log. */
  static fromPeer(code: string, message: string): CloseReason {
    return new CloseReason(
      isCloseCode(code) ? code : 'disconnected',
      printable(message, maxReasonLength),
      'remote',
    );
  }

  /** The sentence, so that a reason can stand in a log line as it is. */
  toString(): string {
    return this.message;
  }
}

/** Makes a text safe to stand in a log line or in a message: no control characters, well-formed, not endless. */
export function printable(text: string, maxLength: number): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  // Control characters could forge log lines or drive a terminal; a lone surrogate, which the cut may leave, has no UTF-8.
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/gu, '\ufffd');
}

function isCloseCode(code: string): code is CloseCode {
  return codes.has(code);
}
