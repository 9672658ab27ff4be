/**
 * What the main thread and the I/O thread say to each other. Each posts one list of these for a turn of its loop; bytes are
 * given away (transferred), never cloned.
 *
 * Numbers name transports, dials and listeners. The main thread chooses even ones, the I/O thread odd ones, for what it accepts; so
 * neither asks the other for one, and none is used again.
 */
import type { CloseCode } from '../protocol/close-reason.js';
import type { Limits } from '../protocol/limits.js';
import type { Address, HeartbeatSettings, TransportFailure } from '../transports/transport.js';

/** An error as it crosses: structured cloning would drop its code. */
export interface ThreadError {
  readonly message: string;
  readonly code: string | undefined;
}

/** What the main thread wants. */
export type ThreadCommand =
  | { readonly type: 'listen'; readonly id: number; readonly address: Address }
  | { readonly type: 'unlisten'; readonly id: number }
  | { readonly type: 'dial'; readonly id: number; readonly address: Address }
  | { readonly type: 'cancel'; readonly id: number }
  /** Bytes may come; `limits` for the scan. */
  | { readonly type: 'open'; readonly id: number; readonly limits: Limits }
  | { readonly type: 'write'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly id: number }
  | { readonly type: 'destroy'; readonly id: number }
  /** Answer with `read` when everything that has arrived was told. */
  | { readonly type: 'read'; readonly id: number; readonly token: number }
  /** So many bytes were consumed: as many more may be told. */
  | { readonly type: 'grant'; readonly id: number; readonly bytes: number }
  | { readonly type: 'heartbeats'; readonly id: number; readonly settings: HeartbeatSettings }
  | { readonly type: 'timeout'; readonly id: number; readonly timeoutMs: number };

/** What the I/O thread tells. */
export type ThreadEvent =
  | { readonly type: 'listening'; readonly id: number; readonly address: Address }
  | {
      readonly type: 'listenFailed';
      readonly id: number;
      readonly kind: TransportFailure['kind'];
      readonly error: ThreadError;
    }
  | { readonly type: 'unlistened'; readonly id: number }
  | {
      readonly type: 'accepted';
      readonly id: number;
      readonly listener: number;
      readonly description: string;
      readonly peerHost: string | undefined;
    }
  | { readonly type: 'dialled'; readonly id: number; readonly description: string }
  | {
      readonly type: 'dialFailed';
      readonly id: number;
      readonly kind: TransportFailure['kind'];
      readonly error: ThreadError;
    }
  /** Whole frames, or what is none. */
  | { readonly type: 'bytes'; readonly id: number; readonly bytes: Uint8Array }
  /** So many of the bytes written were handed to the system. */
  | { readonly type: 'written'; readonly id: number; readonly bytes: number }
  | { readonly type: 'closed'; readonly id: number; readonly error: ThreadError | undefined }
  | { readonly type: 'read'; readonly id: number; readonly token: number }
  | {
      readonly type: 'heartbeat';
      readonly id: number;
      readonly roundTripMs: number;
      readonly loopLagMs: number;
    }
  | { readonly type: 'lag'; readonly id: number; readonly loopLagMs: number }
  | { readonly type: 'silence'; readonly id: number }
  | { readonly type: 'fault'; readonly id: number; readonly code: CloseCode; readonly message: string };

/** What the I/O thread is given at its start. */
export interface ThreadData {
  /** Where the main thread leaves the time of its last turn, see `LoopClock`. */
  readonly loopClock: SharedArrayBuffer;
}

/** An error for the other thread. */
export function toThreadError(error: Error): ThreadError {
  const { code } = error as { code?: unknown };
  return { message: error.message, code: typeof code === 'string' ? code : undefined };
}

/** The error that the other thread told of. */
export function fromThreadError({ message, code }: ThreadError): Error {
  return code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
}
