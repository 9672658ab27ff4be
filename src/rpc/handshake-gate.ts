/**
 * How many strangers a server talks to at one time: a connection that is not made yet has cost its dialler nothing.
 *
 * Those who come while as many are being made as may be wait unread, in the order in which they came, so that a crowd that comes
 * back all at once is let in one after the other; when the line is long as well they are turned away. While somebody waits, who is
 * being made and does not go on gives way before long: one who dials and is silent, or says a byte now and then, or a HELLO and nothing
 * more, must not keep the others out. From one address only so many may be in the gate, so that one stranger does not fill it. This
 * machine's own programs are not told apart by address. PROTOCOL.md, "Limits".
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import { LimitExceededError } from '../errors.js';
import type { Limits } from '../protocol/limits.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';
import type { Report } from '../streams/user-callback.js';
import type { Transport } from '../transports/transport.js';
import { originOf } from './origin.js';

/** For each one that is being made, so many may wait: those who stand behind more would give up before their turn. */
const waitingForEach = 15;

/**
 * Who is silent for so long gives way to those who wait, in milliseconds: what he must say comes along with his connect, or, if that
 * packet is lost, after the 200 ms at least for which Linux waits before it sends it again.
 */
const silentMs = 250;

/** So long who has said who he is, and was answered: that takes a round trip. */
const greetedMs = 1_000;

/** What whoever begins with a transport is given for it. */
export interface Pass {
  /** How long it has waited, in milliseconds. */
  readonly waitedMs: number;
  /** To be called when the other side has said who it is: it waits for this side from then on. */
  readonly heard: () => void;
  /** To be called when it was answered: this side waits for the other again. */
  readonly greeted: () => void;
  /** To be called, once or more, when it is made or has ended. */
  readonly leave: () => void;
}

/** Begins with a transport, which is owned by whoever begins. @returns how to end it, since others wait and nothing was heard of it */
export type Begin = (pass: Pass) => () => void;

interface Waiting {
  readonly transport: Transport;
  readonly host: string | undefined;
  readonly begin: Begin;
  readonly sinceMs: number;
}

/** Somebody who is waited for. */
interface Awaited {
  /** When he gives way to others who wait. */
  dueMs: number;
  /** `undefined` while he is being let in. */
  giveWay: (() => void) | undefined;
}

/** The gate of one server. */
export class HandshakeGate {
  readonly #limits: Limits;
  readonly #report: Report;
  readonly #scheduler: SchedulerLike;
  readonly #waiting = new SparseSet<Waiting>();
  /** How many of each address are in the gate. */
  readonly #hosts = new SparseMap<string, number>();
  #open = 0;
  /** Those who are being made and have said nothing yet, the longest first. */
  readonly #silent = new SparseSet<Awaited>();
  /** Those who were greeted, likewise. */
  readonly #greeted = new SparseSet<Awaited>();
  #timer: Subscription | undefined;
  #refused = 0;
  #isReported = false;

  /**
   * @param limits - of the server
   * @param scheduler - tells the time
   * @param report - gets why somebody is turned away: the first, until nobody is in the gate any more
   */
  constructor(limits: Limits, scheduler: SchedulerLike, report: Report) {
    this.#limits = limits;
    this.#scheduler = scheduler;
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
    const host = originOf(transport.remoteHost);
    const ofHost = host === undefined ? 0 : (this.#hosts.get(host) ?? 0);
    const waiting: Waiting = { transport, host, begin, sinceMs: this.#scheduler.now() };
    if (ofHost >= maxHandshakesPerAddress) {
      this.turnAway(
        transport,
        `${ofHost} connections of one address are not made yet`,
        'maxHandshakesPerAddress',
      );
    } else if (this.#open < maxHandshakes) {
      if (host !== undefined) this.#hosts.set(host, ofHost + 1);
      this.#begin(waiting);
    } else if (this.#waiting.size < maxHandshakes * waitingForEach) {
      if (host !== undefined) this.#hosts.set(host, ofHost + 1);
      this.#waiting.add(waiting);
      this.#watch();
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
    this.#stopTimer();
  }

  #begin(waiting: Waiting): void {
    this.#open += 1;
    let hasLeft = false;
    const nowMs = this.#scheduler.now();
    const awaited: Awaited = { dueMs: nowMs + silentMs, giveWay: undefined };
    this.#silent.add(awaited);
    const heard = (): void => void this.#silent.delete(awaited);
    const greeted = (): void => {
      if (hasLeft) return;
      awaited.dueMs = this.#scheduler.now() + greetedMs;
      this.#greeted.add(awaited);
    };
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      heard();
      this.#greeted.delete(awaited);
      this.#open -= 1;
      this.#forget(waiting);
      this.#beginNext();
    };
    awaited.giveWay = waiting.begin({ waitedMs: nowMs - waiting.sinceMs, heard, greeted, leave });
  }

  #beginNext(): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      this.#begin(waiting);
      return;
    }
    this.#stopTimer();
    if (this.#open === 0) this.#isReported = false;
  }

  /** While somebody waits, those who are waited for give way as soon as they have had their time. */
  #watch(): void {
    if (this.#timer !== undefined) return;
    const nowMs = this.#scheduler.now();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.dueMs > nowMs) {
        this.#lookIn(next.dueMs - nowMs);
        return;
      }
      this.#silent.delete(next);
      this.#greeted.delete(next);
      next.giveWay?.();
      if (this.#waiting.size === 0) return;
    }
    // All wait for this side: those who come after them may not.
    this.#lookIn(silentMs);
  }

  /** Who gives way first. */
  #next(): Awaited | undefined {
    const [silent] = this.#silent;
    const [greeted] = this.#greeted;
    if (silent === undefined || greeted === undefined) return silent ?? greeted;
    return silent.dueMs <= greeted.dueMs ? silent : greeted;
  }

  #lookIn(ms: number): void {
    this.#timer = this.#scheduler.schedule(() => {
      this.#timer = undefined;
      if (this.#waiting.size > 0) this.#watch();
    }, ms);
  }

  #stopTimer(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  #forget({ host }: Waiting): void {
    if (host === undefined) return;
    const left = (this.#hosts.get(host) ?? 0) - 1;
    if (left > 0) this.#hosts.set(host, left);
    else this.#hosts.delete(host);
  }
}
