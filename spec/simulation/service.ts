/**
 * The object that both sides of a simulation register: each body enters the ledger before it does anything else.
 */
import { currentCall } from '../../src/rpc/current-call.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import { isPayload, payload, type Ledger } from './ledger.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

/** What a body may do besides answering. */
export interface Surroundings {
  readonly ledger: Ledger;
  readonly process: VirtualProcess;
  readonly loop: VirtualLoop;
  /** Calls the other side, from inside a body. */
  callBack(connectionID: string, depth: number): Promise<unknown>;
  /** Whatever else occurs inside a body: calls, registrations, the end of the connection. */
  onBody(connectionID: string): void;
}

/** The other side's service. */
export type ServiceProxy = RemoteProxy<Service>;

/** An object to call. */
export class Service {
  readonly #it: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#it = surroundings;
  }

  echo(key: number, size: number, bytes: Uint8Array): number[] {
    this.#enter(key, size, bytes);
    return [key, size];
  }

  large(key: number, size: number): Uint8Array {
    this.#enter(key);
    return payload(key, size);
  }

  async later(key: number, size: number, bytes: Uint8Array, delayMs: number): Promise<number[]> {
    this.#enter(key, size, bytes);
    await this.#pause(delayMs);
    this.#it.loop.continued();
    return [key, size];
  }

  fail(key: number): never {
    this.#enter(key);
    throw new RangeError(`call ${key} fails`);
  }

  async failLater(key: number, delayMs: number): Promise<never> {
    this.#enter(key);
    await this.#pause(delayMs);
    this.#it.loop.continued();
    throw Object.assign(new Error(`call ${key} fails`), { code: 'LATE' });
  }

  async hang(key: number): Promise<never> {
    this.#enter(key);
    const { signal } = currentCall();
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(new Error('given up'));
      });
    });
  }

  unsendable(key: number): unknown {
    this.#enter(key);
    return Symbol('no value of the wire');
  }

  async relay(key: number, depth: number): Promise<number> {
    this.#enter(key);
    const { connectionID } = currentCall();
    await this.#it.callBack(connectionID, depth);
    this.#it.loop.continued();
    return key;
  }

  #enter(key: number, size?: number, bytes?: Uint8Array): void {
    const { ledger } = this.#it;
    ledger.enter(key);
    if (size !== undefined && !isPayload(key, size, bytes)) ledger.fault(`call ${key} got bytes of another`);
    this.#it.onBody(currentCall().connectionID);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#it.process.schedule(() => {
        resolve();
      }, ms);
    });
  }
}
