/**
 * How many strangers a server talks to at one time: a connection that is not made yet has cost its dialler nothing.
 *
 * Those who come while as many are being made as may be wait unread, in the order in which they came, so that a crowd that comes
 * back all at once is let in one after the other; when the line is long as well they are turned away. From one address only
 * so many may be in the gate, so that one stranger does not fill it. This machine's own programs are not told apart by
 * address. PROTOCOL.md, "Limits".
 */
import { LimitExceededError } from '../errors.js';
import type { Limits } from '../protocol/limits.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';
import type { Report } from '../streams/user-callback.js';
import type { Transport } from '../transports/transport.js';
import { isLoopback } from './checks.js';

/** For each one that is being made, so many may wait: those who stand behind more would give up before their turn. */
const waitingForEach = 15;

/** Begins with a transport, which is owned by whoever begins; `leave` is to be called, once or more, when it is made or has ended. */
export type Begin = (leave: () => void) => void;

interface Waiting {
  readonly transport: Transport;
  readonly host: string | undefined;
  readonly begin: Begin;
}

/** The gate of one server. */
export class HandshakeGate {
  readonly #limits: Limits;
  readonly #report: Report;
  readonly #waiting = new SparseSet<Waiting>();
  /** How many of each address are in the gate. */
  readonly #hosts = new SparseMap<string, number>();
  #open = 0;
  #refused = 0;
  #isReported = false;

  /**
   * @param limits - of the server
   * @param report - gets why somebody is turned away: the first, until nobody is in the gate any more
   */
  constructor(limits: Limits, report: Report) {
    this.#limits = limits;
    this.#report = report;
  }

  /** How many are in the gate: being made, or waiting for that. */
  get size(): number {
    return this.#open + this.#waiting.size;
  }

  /** How many of them wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** How many were turned away. */
  get refused(): number {
    return this.#refused;
  }

  /** Somebody dialled. */
  enter(transport: Transport, begin: Begin): void {
    const { maxHandshakes, maxHandshakesPerAddress } = this.#limits;
    const host = hostOf(transport);
    const ofHost = host === undefined ? 0 : (this.#hosts.get(host) ?? 0);
    if (ofHost >= maxHandshakesPerAddress) {
      this.turnAway(
        transport,
        `${ofHost} connections of one address are not made yet`,
        'maxHandshakesPerAddress',
      );
    } else if (this.#open < maxHandshakes) {
      if (host !== undefined) this.#hosts.set(host, ofHost + 1);
      this.#begin({ transport, host, begin });
    } else if (this.#waiting.size < maxHandshakes * waitingForEach) {
      if (host !== undefined) this.#hosts.set(host, ofHost + 1);
      this.#waiting.add({ transport, host, begin });
    } else {
      this.turnAway(transport, `${this.size} connections are not made yet`, 'maxHandshakes');
    }
  }

  /** Turns somebody away without a word: it has not said yet what it speaks. @param what - of which there are too many */
  turnAway(transport: Transport, what: string, limit: keyof Limits): void {
    this.#refused += 1;
    transport.destroy();
    if (this.#isReported) return;
    this.#isReported = true;
    const text = `a connection was turned away: ${what} (limits.${limit} changes the bound)`;
    this.#report(new LimitExceededError(text));
  }

  /** The server stops: those who wait are turned away. */
  close(): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      this.#forget(waiting);
      waiting.transport.destroy();
    }
  }

  #begin(waiting: Waiting): void {
    this.#open += 1;
    let hasLeft = false;
    waiting.begin(() => {
      if (hasLeft) return;
      hasLeft = true;
      this.#open -= 1;
      this.#forget(waiting);
      this.#beginNext();
    });
  }

  #beginNext(): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      this.#begin(waiting);
      return;
    }
    if (this.#open === 0) this.#isReported = false;
  }

  #forget({ host }: Waiting): void {
    if (host === undefined) return;
    const left = (this.#hosts.get(host) ?? 0) - 1;
    if (left > 0) this.#hosts.set(host, left);
    else this.#hosts.delete(host);
  }
}

/** The address that is counted, `undefined` where none is. */
function hostOf({ remoteHost }: Transport): string | undefined {
  if (remoteHost === undefined) return undefined;
  const host = remoteHost.replace(/^::ffff:(?=\d)/i, '');
  return isLoopback(host) ? undefined : host;
}
