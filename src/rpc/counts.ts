/**
 * What `counts()` tells: what is open, and how often a limit was met. Read from what is counted anyhow, so that it may be asked
 * for at any time.
 */
import type { RefusedCounts } from './quotas.js';

/** What is open on one connection, or on all, and how often a limit was met there. */
export interface Counts extends RefusedCounts {
  /** Calls made by this side that are not answered. */
  readonly calls: number;
  /** Of those the ones that wait until fewer are under way or less is to be written; and subscriptions that do. */
  readonly waitingCalls: number;
  /** Bytes of their arguments, about. */
  readonly waitingBytes: number;
  /** Calls from the other side whose methods run, have not begun, or are not answered. */
  readonly incomingCalls: number;
  /** Calls, notifications and subscriptions of the other side that have not begun, since too much waits to be written to it. */
  readonly heldBack: number;
  /** Calls from the other side whose methods have ended, and whose answers are not made for the same reason. */
  readonly unanswered: number;
  /** Open value streams, of both directions. */
  readonly streams: number;
  /** References lent and not given back, and references held. */
  readonly references: number;
  /** Bytes that wait to be written. */
  readonly queuedBytes: number;
  /** How often messages waited so that other connections had their turn. */
  readonly yields: number;
  /** Connections that somebody has begun and that are not made yet; 0 for one connection, and on a client. */
  readonly handshakes: number;
  /** Connections that were turned away since too many were being made, so far; 0 for one connection, and on a client. */
  readonly refusedConnections: number;
  /** Clients that were refused since the server had as many as it may have, so far; 0 for one connection, and on a client. */
  readonly refusedClients: number;
  /** Clients that were refused since their principal had as many as one may have, so far; 0 for one connection, and on a client. */
  readonly refusedOfPrincipals: number;
  /** Sessions that have no connection and can be resumed; 0 for one connection, and on a client. */
  readonly awaySessions: number;
  /** Bytes that are kept for them. */
  readonly awayBytes: number;
  /** Sessions that have ended since too many were away, or too much was kept for them, so far; 0 for one connection, and on a client. */
  readonly evictedSessions: number;
  /** Connections that ended since the other side went beyond a limit, so far; 0 for one connection. */
  readonly overLimits: number;
}

/** What only a server as a whole has. */
export const noServerCounts = {
  handshakes: 0,
  refusedConnections: 0,
  refusedClients: 0,
  refusedOfPrincipals: 0,
  awaySessions: 0,
  awayBytes: 0,
  evictedSessions: 0,
  overLimits: 0,
} satisfies Partial<Counts>;

/** Nothing is open. */
export const noCounts: Counts = {
  calls: 0,
  waitingCalls: 0,
  waitingBytes: 0,
  incomingCalls: 0,
  heldBack: 0,
  unanswered: 0,
  streams: 0,
  references: 0,
  queuedBytes: 0,
  refusedCalls: 0,
  refusedStreams: 0,
  refusedReferences: 0,
  cancels: 0,
  yields: 0,
  ...noServerCounts,
};

/** Of several connections together. */
export function sumOf(counts: readonly Counts[]): Counts {
  const sum: Record<keyof Counts, number> = { ...noCounts };
  // The keys of a record that was written above.
  for (const key of Object.keys(noCounts) as (keyof Counts)[]) for (const one of counts) sum[key] += one[key];
  return sum;
}
