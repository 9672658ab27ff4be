/**
 * What peers register: the objects that come and go, those that must be there in the end, and the bodies that run in them.
 */
import { NotConnectedError } from '../../src/errors.js';
import type { Calls } from './calls.js';
import type { Ground } from './ground.js';
import { proxyOf, type SimulatedPeer } from './peers.js';
import { ReferenceService } from './reference-service.js';
import type { References } from './references.js';
import { Service, Slots } from './service.js';
import type { StreamAccounts } from './stream-accounts.js';
import { StreamService, streamOptions } from './stream-service.js';
import type { VirtualProcess } from './virtual-loop.js';

export const serviceNames = ['service', 'second', 'third'] as const;
/** In the end, and where nothing may fail, these are there. */
export const lastingNames = ['service', 'streams', 'references'] as const;

type ObjectName = (typeof serviceNames | typeof lastingNames)[number];

/** Whether one peer has all objects of another that are there in the end. */
export function isWhole(names: readonly string[]): boolean {
  return lastingNames.every((name) => names.includes(name));
}

/** What is behind the objects. */
export interface OffersSettings {
  readonly streams: StreamAccounts;
  readonly references: References;
  readonly calls: Calls;
  /** Whatever else occurs inside a body. */
  readonly onBody: (peer: SimulatedPeer, connectionID: string) => void;
}

/** The objects of all peers. */
export class Offers {
  readonly #ground: Ground;
  readonly #it: OffersSettings;
  readonly #slots = new Map<SimulatedPeer, Slots>();

  /**
   * @param ground - the world's
   * @param settings - what is behind the objects
   */
  constructor(ground: Ground, settings: OffersSettings) {
    this.#ground = ground;
    this.#it = settings;
  }

  /** Registers again what must be there in the end. */
  restore(peer: SimulatedPeer): void {
    for (const name of lastingNames) {
      if (peer.localProxyObject(name) === undefined) this.offer(peer, name);
    }
  }

  /** Registers an object with a peer. */
  offer(peer: SimulatedPeer, name: ObjectName): void {
    const { streams, references, calls } = this.#it;
    const { loop, ledger } = this.#ground;
    const { process } = peer;
    if (name === 'streams') {
      const service = new StreamService({ accounts: streams, process, loop });
      peer.registerProxyObject(name, service, streamOptions(this.#ground.profile.streamWindow));
    } else if (name === 'references') {
      const service = new ReferenceService({
        references,
        peer,
        process,
        loop,
        ledger,
        callOptions: calls.options,
      });
      peer.registerProxyObject(name, service);
    } else peer.registerProxyObject(name, this.#service(peer, process));
  }

  #service(peer: SimulatedPeer, process: VirtualProcess): Service {
    return new Service({
      ledger: this.#ground.ledger,
      process,
      loop: this.#ground.loop,
      slots: this.#slotsOf(peer),
      callBack: async (connectionID, depth) => {
        const proxy = proxyOf(peer, connectionID);
        if (proxy === undefined) throw new NotConnectedError('nobody to call back');
        const call = await this.#it.calls.call(peer, proxy, depth > 0 ? 'relay' : 'echo', depth - 1);
        if (call.outcome === 'failed') throw call.error;
      },
      onBody: (connectionID) => {
        this.#it.onBody(peer, connectionID);
      },
    });
  }

  #slotsOf(peer: SimulatedPeer): Slots {
    let slots = this.#slots.get(peer);
    if (slots === undefined) {
      const { maxIncomingCalls = Infinity } = this.#ground.profile.limits;
      slots = new Slots(maxIncomingCalls, (text) => {
        this.#ground.ledger.fault(`${peer.name}: ${text}`);
      });
      this.#slots.set(peer, slots);
    }
    return slots;
  }

  /** Bodies that would hang for ever end. */
  letGo(): void {
    for (const slots of this.#slots.values()) slots.letGo();
  }
}
