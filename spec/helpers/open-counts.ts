import type { Counts } from 'tandem-rpc';

const openKinds = [
  'calls',
  'waitingCalls',
  'waitingBytes',
  'heldBack',
  'unanswered',
  'incomingCalls',
  'streams',
  'references',
  'queuedBytes',
  'handshakes',
  'awaySessions',
  'awayBytes',
] as const;

/** Of what a side counts, what is open and not done: the rest tells of the past. */
export function openCounts(counts: Counts): (readonly [kind: keyof Counts, count: number])[] {
  return openKinds.map((kind) => [kind, counts[kind]] as const).filter(([, count]) => count !== 0);
}
