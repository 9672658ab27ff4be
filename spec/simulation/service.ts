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
  readonly slots: Slots;
  /** Calls the other side, from inside a body. */
  callBack(connectionID: string, depth: number): Promise<unknown>;
  /** Whatever else occurs inside a body: calls, registrations, the end of the connection. */
  onBody(connectionID: string): void;
}

/** The bodies that run for each connection of one side, of those that take their time. */
export class Slots {
  readonly #running = new Map<string, number>();
  readonly #hanging = new Set<() => void>();
  #isOver = false;
  readonly #most: number;
  readonly #fault: (text: string) => void;

  /** @param most - that may run for one connection */
  constructor(most: number, fault: (text: string) => void) {
    this.#most = most;
    this.#fault = fault;
  }

  /** A body runs. @returns to be called when it has ended */
  take(connectionID: string): () => void {
    const running = (this.#running.get(connectionID) ?? 0) + 1;
    this.#running.set(connectionID, running);
    if (running > this.#most) this.#fault(`${running} bodies run for a connection, where ${this.#most} may`);
    return () => {
      this.#running.set(connectionID, (this.#running.get(connectionID) ?? 0) - 1);
    };
  }

  /** A body hangs until all are let go. */
  hang(letGo: () => void): void {
    if (this.#isOver) letGo();
    else this.#hanging.add(letGo);
  }

  /** Whatever hangs ends, now and from now on. */
  letGo(): void {
    this.#isOver = true;
    for (const letGo of this.#hanging) letGo();
    this.#hanging.clear();
  }
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
    this.#enter(key, size, bytes)();
    return [key, size];
  }

  large(key: number, size: number): Uint8Array {
    this.#enter(key)();
    return payload(key, size);
  }

  async later(key: number, size: number, bytes: Uint8Array, delayMs: number): Promise<number[]> {
    const leave = this.#enter(key, size, bytes);
    await this.#pause(delayMs);
    leave();
    this.#it.loop.continued();
    return [key, size];
  }

  fail(key: number): never {
    this.#enter(key)();
    throw new RangeError(`call ${key} fails`);
  }

  async failLater(key: number, delayMs: number): Promise<never> {
    const leave = this.#enter(key);
    await this.#pause(delayMs);
    leave();
    this.#it.loop.continued();
    throw Object.assign(new Error(`call ${key} fails`), { code: 'LATE' });
  }

  async hang(key: number): Promise<never> {
    const leave = this.#enter(key);
    const { signal } = currentCall();
    return new Promise((_, reject) => {
      const end = (): void => {
        leave();
        this.#it.loop.continued();
        reject(new Error('given up'));
      };
      signal.addEventListener('abort', end, { once: true });
      this.#it.slots.hang(() => {
        if (!signal.aborted) end();
      });
    });
  }

  unsendable(key: number): unknown {
    this.#enter(key)();
    return Symbol('no value of the wire');
  }

  async relay(key: number, depth: number): Promise<number> {
    const leave = this.#enter(key);
    const { connectionID } = currentCall();
    try {
      await this.#it.callBack(connectionID, depth);
    } finally {
      leave();
      this.#it.loop.continued();
    }
    return key;
  }

  /** @returns to be called at its end */
  #enter(key: number, size?: number, bytes?: Uint8Array): () => void {
    const { ledger, slots } = this.#it;
    const { connectionID } = currentCall();
    const leave = slots.take(connectionID);
    ledger.enter(key);
    if (size !== undefined && !isPayload(key, size, bytes)) ledger.fault(`call ${key} got bytes of another`);
    this.#it.onBody(connectionID);
    return leave;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#it.process.schedule(() => {
        resolve();
      }, ms);
    });
  }
}
