/**
 * What a client reports of its connections: nobody else is told why an attempt came to nothing.
 */
import { AuthenticationError, LimitExceededError, RPCError, ServerFullError } from '../errors.js';
import type { ConnectionEnd } from '../link/connection.js';
import type { Report } from '../streams/user-callback.js';
import { describeAddresses, type Addresses } from './client-addresses.js';
import { faultOf, isOverLimit, type Peer } from './peer.js';

/** The faults of one client's connections. */
export class ClientFaults {
  readonly #addresses: Addresses;
  readonly #report: Report;
  #overLimits = 0;
  /** Whether attempts fail for want of an I/O thread, which was reported. */
  #lacksThread = false;

  /**
   * @param addresses - that are dialled
   * @param report - gets the errors
   */
  constructor(addresses: Addresses, report: Report) {
    this.#addresses = addresses;
    this.#report = report;
  }

  /** Connections that ended since the server went beyond a limit. */
  get overLimits(): number {
    return this.#overLimits;
  }

  /** A transport is open: if there was no thread, there is one. */
  dialled(): void {
    this.#lacksThread = false;
  }

  /**
   * No transport could be had. No server is to blame for an attempt that there was no I/O thread for, and waiting may not help: that is
   * reported, once.
   */
  undialled(error: Error): void {
    // By its code: the thread may be that of another copy of the package.
    const lacksThread = (error as { code?: unknown }).code === 'io-thread';
    if (lacksThread && !this.#lacksThread) {
      const text = `cannot connect to ${describeAddresses(this.#addresses)}: ${error.message}`;
      this.#report(new RPCError(text, { cause: error }, 'io-thread'));
    }
    this.#lacksThread = lacksThread;
  }

  /** A connection, or an attempt at one, is over. */
  ended({ connection, communicator }: Peer, end: ConnectionEnd): void {
    if (isOverLimit(end) && end.reason.by === 'local') this.#overLimits += 1;
    const { code, message } = end.reason;
    const text = `${connection.description}: ${message}`;
    if (code === 'server-full') this.#report(new ServerFullError(text));
    else if (code === 'unauthenticated') this.#report(new AuthenticationError(text));
    else if (code === 'too-many-sessions') this.#report(new LimitExceededError(text));
    else {
      const fault = faultOf(end, connection, communicator?.connectionID);
      if (fault !== undefined) this.#report(fault);
    }
  }
}
