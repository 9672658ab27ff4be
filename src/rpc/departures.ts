/**
 * The connections that a client has left, for another or for good, while what is open on them ends: calls of both directions,
 * and streams. Nothing new is begun on them but what a call that is served there asks for.
 */
import { Drain } from './drain.js';
import type { RPCCommunicator } from './communicator.js';
import { currentCallIfAny } from './current-call.js';
import { sumOf, type Counts } from './counts.js';
import type { Peer } from './peer.js';
import { Returning, type ReturningSettings } from './returning.js';
import type { Address } from '../transports/transport.js';

const closing = ['disconnected', 'the client disconnected'] as const;

/** How many there are at most: more of them is what a server does that sends away whoever comes. */
const maxDepartures = 16;

/** One of them. */
interface Departure {
  readonly communicator: RPCCommunicator;
  /** Where it can be brought back to. */
  readonly address: Address;
  /** Present while its connection is lost. */
  returning: Returning | undefined;
}

/** The connections that one client has left; the client owns this, and ends it by `close`. */
export class Departures {
  readonly #settings: ReturningSettings;
  readonly #peers = new Map<Peer, Departure>();
  /** Those of them that this side drains; on the others the server does. */
  readonly #draining = new Map<Peer, RPCCommunicator>();
  readonly #onGone: () => void;
  #drain: Drain | undefined;

  /**
   * @param settings - of the client: those whose connection is lost are brought back
   * @param onGone - called when a drain is over: nothing that it was for is left
   */
  constructor(settings: ReturningSettings, onGone: () => void) {
    this.#settings = settings;
    this.#onGone = onGone;
  }

  /** Whether a drain goes on. */
  get isDraining(): boolean {
    return this.#drain !== undefined;
  }

  /** What is open on them. */
  get counts(): Counts {
    return sumOf([...this.#peers.values()].map(({ communicator }) => communicator.counts));
  }

  /** Adds one, which may be away. @param address - of its server */
  add(peer: Peer, communicator: RPCCommunicator, address: Address): void {
    const [oldest] = this.#peers.keys();
    if (oldest !== undefined && this.#peers.size >= maxDepartures) oldest.close(...closing);
    this.#peers.set(peer, { communicator, address, returning: undefined });
    if (peer.isAway) this.lost(peer);
  }

  /** Whether it was left. */
  has(peer: Peer): boolean {
    return this.#peers.has(peer);
  }

  /** The one by which the call came that the running code serves: what that asks for belongs to it. */
  get serving(): RPCCommunicator | undefined {
    if (this.#peers.size === 0) return undefined;
    const call = currentCallIfAny();
    if (call === undefined || call.isEnded) return undefined;
    const { connectionID } = call;
    return [...this.#peers.values()].find(({ communicator }) => communicator.connectionID === connectionID)
      ?.communicator;
  }

  /** The connection of one of them is lost, its session is not: it is brought back, since what is open there is to end. */
  lost(peer: Peer): void {
    const departure = this.#peers.get(peer);
    if (departure === undefined) return;
    departure.returning = new Returning(peer, departure.address, this.#settings);
    this.#drain?.consider();
  }

  /** It has another connection. */
  returned(peer: Peer): void {
    const departure = this.#peers.get(peer);
    departure?.returning?.close();
    if (departure !== undefined) departure.returning = undefined;
  }

  /**
   * Tells the servers of all of them that nothing new is taken, and ends them once nothing is open, or the time is over. One that goes
   * on already takes in those that came since, within its time.
   */
  drain(drainMs: number): void {
    const drain = (this.#drain ??= new Drain({
      scheduler: this.#settings.options.scheduler,
      drainMs,
      sessions: () => this.#draining.values(),
      onDone: (isInTime) => {
        if (!isInTime) for (const communicator of this.#draining.values()) communicator.endStreams();
        this.#end(this.#draining);
      },
    }));
    for (const [peer, { communicator }] of this.#peers) this.#draining.set(peer, communicator);
    for (const peer of [...this.#draining.keys()]) {
      peer.drain('disconnected', undefined, () => {
        drain.consider();
      });
    }
    drain.consider();
  }

  /** One of them has ended. */
  ended(peer: Peer): void {
    this.returned(peer);
    this.#peers.delete(peer);
    this.#draining.delete(peer);
    this.#drain?.consider();
  }

  /** Ends all of them at once. */
  close(): void {
    this.#end(this.#peers);
  }

  #end(ending: ReadonlyMap<Peer, unknown>): void {
    const wasDraining = this.isDraining;
    this.#drain?.cancel();
    this.#drain = undefined;
    const peers = [...ending.keys()];
    this.#draining.clear();
    for (const peer of peers) {
      this.returned(peer);
      this.#peers.delete(peer);
    }
    for (const peer of peers) peer.close(...closing);
    if (wasDraining) this.#onGone();
  }
}
