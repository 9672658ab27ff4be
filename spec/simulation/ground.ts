/**
 * What everything in a world stands on: its chance, its nature, its time, its accounts, its network, and whether trouble is over.
 */
import { MemoryNetwork } from '../../src/transports/memory.js';
import { Ledger } from './ledger.js';
import { drawProfile, type Profile } from './profile.js';
import { SeededRandom } from './seeded-random.js';
import { SessionWatch } from './session-watch.js';
import type { SimulatedPeer } from './peers.js';
import { Trace } from './trace.js';
import { VirtualLoop } from './virtual-loop.js';
import { Wires } from './wires.js';

/** The ground of one seed. */
export class Ground {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly loop: VirtualLoop;
  readonly trace: Trace;
  readonly ledger: Ledger;
  readonly sessions: SessionWatch;
  readonly network: MemoryNetwork;
  readonly wires: Wires;
  /** All that there have been, in the order of their coming. */
  readonly peers: SimulatedPeer[] = [];
  /** The sessions of those who are nobody here. */
  readonly strangers = new Set<string>();
  /** Whether fate and the users have finished; then calls and connections must succeed. */
  isQuiet = false;
  /** Whether something vanished without a word, which only silence can tell. */
  hasDeafLinks = false;

  constructor(seed: number, keepsTrace: boolean) {
    this.random = new SeededRandom(seed);
    this.profile = drawProfile(this.random);
    const loop = new VirtualLoop((error) => {
      this.ledger.fault(`an action threw: ${error instanceof Error ? (error.stack ?? '') : String(error)}`);
    });
    this.loop = loop;
    this.trace = new Trace(() => loop.nowMs, keepsTrace);
    this.ledger = new Ledger(loop, this.trace.note, this.expectEnd);
    this.sessions = new SessionWatch({
      profile: this.profile,
      nowMs: () => loop.nowMs,
      peers: () => this.peers,
      fault: (text) => {
        this.ledger.fault(this.trace.anonymous(text));
      },
    });
    const { latencyMs, highWaterBytes, sliceBytes, turnMs } = this.profile;
    this.network = new MemoryNetwork({ scheduler: loop.scheduler, latencyMs, highWaterBytes });
    this.network.sliceBytes = sliceBytes;
    this.wires = new Wires(this.network, loop, turnMs);
  }

  /** Something failed since a session has ended. */
  readonly expectEnd = (id: string, text: string): void => {
    this.sessions.expectEnd(id, text);
  };

  /** Whether the limits are so small that connections may end by them. */
  get isTiny(): boolean {
    return this.profile.limits.maxNodes !== undefined;
  }

  /** Whether one side allows the other so little that what hangs is in the way. */
  get isBounded(): boolean {
    const { maxIncomingCalls, maxOutgoingCalls, maxStreams, maxWaitingCalls, maxWaitingBytes } =
      this.profile.limits;
    const bounds = [maxIncomingCalls, maxOutgoingCalls, maxStreams, maxWaitingCalls, maxWaitingBytes];
    return bounds.some((bound) => bound !== undefined);
  }
}
