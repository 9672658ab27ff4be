/**
 * Calls at a rate, and what became of each; calls one after the other, and how long each took.
 */
import { RPCError } from '../../src/errors.js';
import { withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { CallOptions } from '../../src/proxies/types.js';
import type { RPCClient } from '../../src/rpc/client.js';
import type { FaultService } from './actor.js';
import type { Told } from './ledger.js';
import { nowMs, pass } from './stage.js';

/** Calls of one client to `service.work`. */
export class Load {
  readonly told: Told[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #calls = 0;

  /** Begins. @param options - of each call; with some, calls are made whether there is a connection or not */
  constructor(client: RPCClient, callsPerSecond: number, options?: CallOptions) {
    const fromMs = performance.now();
    const first = client.remoteProxyObject<FaultService>('service');
    const kept = options && first && withCallOptions(first, options);
    this.#timer = setInterval(() => {
      const due = ((performance.now() - fromMs) * callsPerSecond) / 1_000;
      const service = kept ?? client.remoteProxyObject<FaultService>('service');
      for (; this.#calls < due; this.#calls += 1) {
        if (service !== undefined) this.#call(service, `call ${this.#calls}`);
      }
    }, 5);
  }

  /** Makes no more calls, and waits for those that are open. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
  }

  #call(service: { work(id: string): Promise<string> }, id: string): void {
    const settled = service.work(id).then(
      () => {
        this.told.push({ id, outcome: 'ok' });
      },
      (error: unknown) => {
        this.told.push({ id, outcome: outcomeOf(error) });
      },
    );
    this.#open.add(settled);
    void settled.then(() => this.#open.delete(settled));
  }
}

/** Calls one after the other for some seconds; gives how long each took, in milliseconds. */
export async function echoTimes(
  service: { echo(value: number): Promise<unknown> },
  seconds: number,
): Promise<number[]> {
  const times: number[] = [];
  for (const endMs = nowMs() + seconds * 1_000; nowMs() < endMs;) {
    const fromMs = performance.now();
    await service.echo(1);
    times.push(performance.now() - fromMs);
    await pass(1);
  }
  return times;
}

/** What an error says of its call. */
export function outcomeOf(error: unknown): Told['outcome'] {
  return error instanceof RPCError ? error.executed : undefined;
}
