/**
 * The object with references that both sides of a simulation register: it borrows, lends, and gives back.
 */
import type { RemoteProxy } from '../../src/proxies/types.js';
import { currentCall } from '../../src/rpc/current-call.js';
import { isPayload, type Ledger } from './ledger.js';
import type { SimulatedPeer } from './peers.js';
import type { Account, Called, CallSettings, HeldAccount, HeldFunction, References } from './references.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

/** The other side's object. */
export type ReferenceProxy = RemoteProxy<ReferenceService>;

/** What serving references takes. */
export interface ReferenceServiceSurroundings {
  readonly references: References;
  readonly peer: SimulatedPeer;
  readonly process: VirtualProcess;
  readonly loop: VirtualLoop;
  readonly ledger: Ledger;
  readonly callOptions: (peer: SimulatedPeer) => CallSettings;
}

/** What each side serves. */
export class ReferenceService {
  readonly #it: ReferenceServiceSurroundings;

  constructor(surroundings: ReferenceServiceSurroundings) {
    this.#it = surroundings;
  }

  /** Calls back, at once or later, and keeps the function or not. */
  async callBack(
    key: number,
    callback: Called,
    times: number,
    delayMs: number,
    isKept: boolean,
  ): Promise<number> {
    const { ledger, references, peer, process, loop, callOptions } = this.#it;
    ledger.enter(key);
    references.busy += 1;
    const { connectionID } = currentCall();
    // What arrives is the function of the other side.
    const held = references.hold(peer, connectionID, 'function', callback as unknown as HeldFunction);
    held.inUse += 1;
    for (let left = times; left > 0; left -= 1) {
      await references.use(held, callOptions(peer));
      loop.continued();
      await new Promise<void>((resolve) => {
        process.schedule(() => {
          resolve();
        }, delayMs);
      });
      loop.continued();
    }
    held.inUse -= 1;
    if (!isKept) references.dispose(held);
    references.busy -= 1;
    return key;
  }

  makeFunction(key: number): Called {
    this.#it.ledger.enter(key);
    return this.#it.references.makeFunction();
  }

  open(key: number, number: number): Account {
    const { ledger, references, peer } = this.#it;
    ledger.enter(key);
    return references.accountsOf(peer)[number]!;
  }

  /** Whether what came is an object of this side, as it is. */
  isOwn(key: number, account: Account, size: number, bytes: Uint8Array): boolean {
    this.#enter(key, size, bytes);
    return this.#it.references.isOwn(this.#it.peer, account);
  }

  /** Keeps an object of the other side, and gives it back as a result or not. */
  take(
    key: number,
    account: Account,
    size: number,
    bytes: Uint8Array,
    isReturned: boolean,
  ): Account | undefined {
    this.#enter(key, size, bytes);
    const { references, peer } = this.#it;
    references.hold(peer, currentCall().connectionID, 'account', account as unknown as HeldAccount);
    return isReturned ? account : undefined;
  }

  watch(key: number, signal: AbortSignal): number {
    const { ledger, references, peer } = this.#it;
    ledger.enter(key);
    references.watch(peer, currentCall().connectionID, key, signal);
    return key;
  }

  #enter(key: number, size: number, bytes: Uint8Array): void {
    const { ledger } = this.#it;
    ledger.enter(key);
    if (!isPayload(key, size, bytes)) ledger.fault(`call ${key} got bytes of another`);
  }
}
