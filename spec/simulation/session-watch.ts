/**
 * What must hold of sessions: looked at after each step, and once everything is over. A session that both sides want to
 * outlive its connections ends by somebody's will, by the end of a process, or by being away for too long; never otherwise.
 */
import type { CloseReason } from '../../src/protocol/close-reason.js';
import { SimulatedClient, SimulatedServer } from './peers.js';
import { windowMsOf, type Profile } from './profile.js';
import type { SimulatedPeer } from './peers.js';

/** A session as one side has it. */
interface Sight {
  readonly peer: SimulatedPeer;
  readonly id: string;
  /** Since when it is away, and how long its process had stood still by then. */
  awayMs: number | undefined;
  blockedMs: number;
  /** When it was seen to be gone, and for how long it had been away then. */
  goneMs: number | undefined;
  wasAwayMs: number | undefined;
  isToldLate: boolean;
}

/** What watching takes of the world. */
export interface SessionWatchSurroundings {
  readonly profile: Profile;
  readonly nowMs: () => number;
  readonly peers: () => readonly SimulatedPeer[];
  readonly fault: (text: string) => void;
}

/** A client asks for a session for longer than a server keeps it: by its timeout, which may be changed meanwhile. */
const longestTimeoutMs = 3_000;

/** The sessions of one seed. */
export class SessionWatch {
  readonly #it: SessionWatchSurroundings;
  readonly #sights = new Map<SimulatedPeer, Map<string, Sight>>();
  readonly #windowMs: number;
  /** Since when more sessions are away than may be. */
  readonly #crowdedSinceMs = new Map<SimulatedPeer, number>();
  #ending: (readonly [id: string, text: string])[] = [];
  /** Whether a client has come as somebody else: then its session is not its own any more. */
  mayBeStrangers = false;

  /** @param surroundings - the world */
  constructor(surroundings: SessionWatchSurroundings) {
    this.#it = surroundings;
    this.#windowMs = windowMsOf(surroundings.profile);
  }

  /** Something failed since a session has ended: it must be gone on one side when all that belongs to its end was done. */
  expectEnd(id: string, text: string): void {
    this.#ending.push([id, text]);
  }

  /** Looks at all sessions. */
  look(): void {
    const nowMs = this.#it.nowMs();
    for (const [id, text] of this.#ending) {
      const living = this.#it.peers().filter((peer) => idsOf(peer).includes(id));
      if (living.length > 1) this.#it.fault(`lost, where session ${id} lives: ${text}`);
    }
    if (this.#ending.length > 0) this.#ending = [];
    for (const peer of this.#it.peers()) {
      this.#countAway(peer);
      let sights = this.#sights.get(peer);
      const ids = idsOf(peer);
      if (sights === undefined) {
        if (ids.length === 0) continue;
        this.#sights.set(peer, (sights = new Map<string, Sight>()));
      }
      for (const id of ids) this.#see(peer, id, sights, nowMs);
      for (const sight of sights.values()) {
        if (sight.goneMs !== undefined || ids.includes(sight.id)) continue;
        sight.goneMs = nowMs;
        sight.wasAwayMs = sight.awayMs === undefined ? undefined : nowMs - sight.awayMs;
      }
    }
  }

  #countAway(peer: SimulatedPeer): void {
    const { maxAwaySessions } = this.#it.profile.limits;
    if (maxAwaySessions === undefined || !(peer instanceof SimulatedServer)) return;
    const away = peer.connections().filter((id) => isAwayAt(peer, id)).length;
    // The oldest ends in an action of its own, as soon as its process runs.
    const nowMs = this.#it.nowMs();
    if (away <= maxAwaySessions || peer.process.isBlocked) this.#crowdedSinceMs.delete(peer);
    else if (!this.#crowdedSinceMs.has(peer)) this.#crowdedSinceMs.set(peer, nowMs);
    else if (nowMs - (this.#crowdedSinceMs.get(peer) ?? nowMs) > 1)
      this.#it.fault(`${peer.name}: ${away} sessions are away, where ${maxAwaySessions} may be`);
  }

  #see(peer: SimulatedPeer, id: string, sights: Map<string, Sight>, nowMs: number): void {
    let sight = sights.get(id);
    if (sight === undefined) {
      sight = {
        peer,
        id,
        awayMs: undefined,
        blockedMs: 0,
        goneMs: undefined,
        wasAwayMs: undefined,
        isToldLate: false,
      };
      sights.set(id, sight);
    }
    if (sight.goneMs !== undefined) this.#it.fault(`${peer.name}: session ${id} is there again`);
    if (!isAwayAt(peer, id)) sight.awayMs = undefined;
    else if (sight.awayMs === undefined) {
      sight.awayMs = nowMs;
      sight.blockedMs = peer.process.blockedMs;
    } else this.#judgeAway(sight, sight.awayMs, nowMs);
  }

  #judgeAway(sight: Sight, awayMs: number, nowMs: number): void {
    const { peer, id } = sight;
    if (peer.process.isBlocked || sight.isToldLate) return;
    const moreMs = peer instanceof SimulatedClient ? longestTimeoutMs : 0;
    const lateMs = nowMs - awayMs - (peer.process.blockedMs - sight.blockedMs) - this.#windowMs - moreMs;
    if (lateMs <= 1) return;
    sight.isToldLate = true;
    this.#it.fault(`${peer.name}: session ${id} is away for ${lateMs} ms longer than its window`);
  }

  /** Looks at the ends of all sessions, once everything is over. */
  audit(isSteadfast: boolean): void {
    for (const [peer, sights] of this.#sights) {
      for (const sight of sights.values()) {
        const reason = peer.hearing.endsByID.get(sight.id);
        if (reason !== undefined) this.#judgeEnd(sight, reason, isSteadfast);
      }
    }
    this.#auditResumed();
  }

  #judgeEnd({ peer, id, wasAwayMs, goneMs }: Sight, reason: CloseReason, isSteadfast: boolean): void {
    const { code, by, message } = reason;
    const fault = (text: string): void => {
      this.#it.fault(`${peer.name}: session ${id} ended: ${code}, ${message}; ${text}`);
    };
    const canResume = this.#windowMs > 0;
    if (!canResume && code === 'session-lost') fault('where none can be resumed');
    if (canResume && (code === 'connection-lost' || code === 'timeout')) fault('where it can be resumed');
    if (code !== 'session-lost') return;
    if (/gap|superseded/.test(message)) fault('which honest sides never say');
    const wasMade = this.#others(id, peer).length > 0;
    // Of those that are away only so many are kept.
    if (
      by === 'local' &&
      this.#it.profile.limits.maxAwaySessions !== undefined &&
      message.includes('were away')
    )
      return;
    if (by === 'local' && (wasAwayMs ?? 0) < this.#windowMs - 1)
      fault(`it was away for ${wasAwayMs ?? 0} ms, where it may be ${this.#windowMs} ms`);
    if (isSteadfast && wasMade) fault('and nobody wanted that');
    if (!(peer instanceof SimulatedClient) || by === 'local' || this.mayBeStrangers) return;
    if (this.#others(id, peer).some((other) => (other.goneMs ?? Infinity) > (goneMs ?? 0)))
      fault('and the server has it still');
  }

  /** A client that goes on with a session does so with a server that does, too. */
  #auditResumed(): void {
    const peers = this.#it.peers();
    const resumed = (peer: SimulatedPeer, id: string): number =>
      peer.hearing.resumed.filter((each) => each === id).length;
    for (const client of peers) {
      if (!(client instanceof SimulatedClient)) continue;
      for (const id of new Set(client.hearing.resumed)) {
        // One that was not made there yet is made now, and was never away.
        const isThere = peers.some(
          (peer) =>
            peer instanceof SimulatedServer &&
            (resumed(peer, id) > 0 || peer.hearing.hooks.some((entry) => entry.startsWith(`made ${id}`))),
        );
        // One that was lost again before the client's first words came was made at no server.
        const wasLost = client.hearing.hooks.some((entry) => entry.startsWith(`lost ${id} `));
        if (!isThere && !wasLost)
          this.#it.fault(`${client.name} went on with session ${id}, and no server did`);
      }
    }
  }

  #others(id: string, peer: SimulatedPeer): Sight[] {
    return [...this.#sights]
      .filter(([other]) => other !== peer)
      .flatMap(([, sights]) => sights.get(id) ?? []);
  }
}

/** Whether a session of a peer has no connection. */
function isAwayAt(peer: SimulatedPeer, id: string): boolean {
  return peer instanceof SimulatedServer
    ? peer.connectionStatus(id) === SimulatedClient.STATUS_AUTO_CONNECTING
    : !peer.isConnected();
}

function idsOf(peer: SimulatedPeer): readonly string[] {
  if (peer instanceof SimulatedServer) return peer.connections();
  const id = peer.connectionID();
  return id === undefined ? [] : [id];
}
