/**
 * Heartbeats: when to send a PING, when a silent peer is dead, and how long a round trip took.
 *
 * Each side pings on its own, at least three times within what the *peer* says it bears, so that two settings can never
 * kill a good connection. Any byte counts as life. A deadline that passes only raises suspicion: the verdict comes after
 * the driver has read all that had already arrived, because a process whose own loop was blocked finds its timers due
 * before it has read what its peers sent meanwhile (a naive timer was measured to kill live peers in two of four
 * placements of a 3 s block). When a tick of ours came late by more than an interval, the peer gets that lateness once
 * on top. PROTOCOL.md, "Heartbeats".
 */
import { SparseMap } from './sparse.js';

/** How many pings fit into a timeout: two may be lost in a stall and the third still saves the connection. */
const pingsPerTimeout = 3;

/** Milliseconds between pings at least, whatever a peer asks for: a timer of the platform could not do much better. */
const minIntervalMs = 3;

/** Pings whose answers are awaited at most; older ones no longer tell a round trip. */
const maxOutstandingPings = 8;

/** What is due. */
export interface HeartbeatDue {
  /** The id of a PING to send now, if one is due. */
  readonly ping: number | undefined;
  /** Whether the peer has been silent for so long that the driver should read once more and then ask `isDead`. */
  readonly isSuspect: boolean;
}

/** The heartbeat of one connection, seen from one side. */
export class Heartbeat {
  #timeoutMs: number;
  #peerTimeoutMs: number;
  readonly #wantedIntervalMs: number | undefined;
  #heardAtMs: number;
  #spareUntilMs: number;
  #nextPingMs: number;
  #lastPing = 0;
  #isSuspect = false;
  readonly #sentAtMs = new SparseMap<number, number>();

  /**
   * @param timeoutMs - how long this side bears silence
   * @param peerTimeoutMs - how long the other side does
   * @param wantedIntervalMs - the interval asked for by the options, used where it is short enough for the peer
   * @param nowMs - the present time
   */
  constructor(timeoutMs: number, peerTimeoutMs: number, wantedIntervalMs: number | undefined, nowMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#peerTimeoutMs = peerTimeoutMs;
    this.#wantedIntervalMs = wantedIntervalMs;
    this.#heardAtMs = nowMs;
    this.#spareUntilMs = nowMs;
    this.#nextPingMs = nowMs + this.intervalMs;
  }

  /** Milliseconds between two pings of ours. */
  get intervalMs(): number {
    const wanted = this.#wantedIntervalMs ?? this.#timeoutMs / pingsPerTimeout;
    return Math.max(minIntervalMs, Math.min(wanted, this.#peerTimeoutMs / pingsPerTimeout));
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#isSuspect ? this.#nextPingMs : Math.min(this.#nextPingMs, this.#silenceEndsMs);
  }

  /** Any byte is a sign of life. */
  receiveBytes(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#isSuspect = false;
  }

  /** Says what is due at this time. */
  handleDeadline(nowMs: number): HeartbeatDue {
    let ping: number | undefined;
    if (nowMs >= this.#nextPingMs) {
      const latenessMs = nowMs - this.#nextPingMs;
      if (latenessMs > this.intervalMs) this.#spareUntilMs = nowMs + Math.min(latenessMs, this.#timeoutMs);
      ping = this.#takePing(nowMs);
    }
    if (nowMs >= this.#silenceEndsMs) this.#isSuspect = true;
    return { ping, isSuspect: this.#isSuspect };
  }

  /**
   * A PING is answered, and what is due within half an interval goes along: from then on both sides ping at the same time, and
   * three writes do what four did.
   * @returns the id of a PING to send now, if one is
   */
  takePingAlong(nowMs: number): number | undefined {
    const { intervalMs } = this;
    const aheadMs = this.#nextPingMs - nowMs;
    // What comes late by an interval says that this side was blocked: `handleDeadline` takes that into account.
    return aheadMs > intervalMs / 2 || aheadMs < -intervalMs ? undefined : this.#takePing(nowMs);
  }

  /** Asked after reading once more: whether the suspicion holds. */
  isDead(): boolean {
    return this.#isSuspect;
  }

  /**
   * Takes a PONG.
   * @returns the round trip in milliseconds, `undefined` when that ping was too long ago to say
   */
  receivePong(id: number, nowMs: number): number | undefined {
    const sentAtMs = this.#sentAtMs.get(id);
    if (sentAtMs === undefined) return undefined;
    this.#sentAtMs.delete(id);
    return nowMs - sentAtMs;
  }

  /** Whether a ping of this id was ever sent. */
  hasSent(id: number): boolean {
    return id <= this.#lastPing;
  }

  /** Changes what this side bears; the peer, which does not know yet, gets a whole timeout from now. */
  setTimeout(timeoutMs: number, nowMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#spareUntilMs = Math.max(this.#spareUntilMs, nowMs + timeoutMs);
    this.#isSuspect = false;
    this.#nextPingMs = Math.min(this.#nextPingMs, nowMs + this.intervalMs);
  }

  /** Takes what the other side bears from now on. */
  setPeerTimeout(peerTimeoutMs: number, nowMs: number): void {
    this.#peerTimeoutMs = peerTimeoutMs;
    // The peer may already have waited for most of its new, shorter timeout: it hears from us at once.
    this.#nextPingMs = nowMs;
  }

  get #silenceEndsMs(): number {
    return Math.max(this.#heardAtMs + this.#timeoutMs, this.#spareUntilMs);
  }

  #takePing(nowMs: number): number {
    this.#nextPingMs = nowMs + this.intervalMs;
    this.#lastPing += 1;
    this.#sentAtMs.set(this.#lastPing, nowMs);
    if (this.#sentAtMs.size > maxOutstandingPings)
      this.#sentAtMs.delete(this.#lastPing - maxOutstandingPings);
    return this.#lastPing;
  }
}
