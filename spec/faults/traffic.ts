/**
 * What a client does all day: calls with a deadline, callbacks, streams in both directions, a long message now and then. Looks
 * at the order of what comes, and at what came twice. As its users would, it has calls wait for a session where there is none, and
 * long messages, which may be asked for twice, are `idempotent`; bodies with a ledger and callbacks must not run twice.
 */
import { withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import type { RPCClient } from '../../src/rpc/client.js';
import type { FaultService } from './actor.js';
import type { Told } from './ledger.js';
import { outcomeOf } from './load.js';

/** What came of it since it was asked last. */
export interface TrafficReport {
  /** Of calls that have a ledger. */
  readonly told: readonly Told[];
  /** Other calls, and which of them failed. */
  readonly others: number;
  readonly otherFailures: readonly string[];
  /** What must never be: values out of order, callbacks that ran twice, answers that are not those of their calls. */
  readonly faults: readonly string[];
  /** Values that came. */
  readonly values: number;
}

/** Of each call. */
const options = { timeoutInSeconds: 30, whenDisconnected: 'wait' } as const;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The traffic of one client. */
export class Traffic {
  readonly #client: RPCClient;
  readonly #name: string;
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  /** Callbacks that are to come, and those that came. */
  readonly #expected = new Map<number, number>();
  #isOver = false;
  #calls = 0;
  #told: Told[] = [];
  #others = 0;
  #otherFailures: string[] = [];
  #faults: string[] = [];
  #values = 0;
  #unsubscribe: () => void = () => undefined;

  /** Begins. @param name - of the client, for the ledger */
  constructor(client: RPCClient, name: string, callsPerSecond: number) {
    this.#client = client;
    this.#name = name;
    const fromMs = performance.now();
    let service: RemoteProxy<FaultService> | undefined;
    void client.whenRemoteProxyObject<FaultService>('service').then((proxy) => {
      service = withCallOptions(proxy, options);
    });
    this.#timer = setInterval(() => {
      const due = ((performance.now() - fromMs) * callsPerSecond) / 1_000;
      for (; this.#calls < due; this.#calls += 1) if (service !== undefined) this.#call(service, this.#calls);
    }, 5);
    void this.#streamDown();
    void this.#streamUp();
  }

  /** Gives what came of it, and forgets it. */
  report(): TrafficReport {
    const report = {
      told: this.#told,
      others: this.#others,
      otherFailures: this.#otherFailures,
      faults: this.#faults,
      values: this.#values,
    };
    [this.#told, this.#otherFailures, this.#faults] = [[], [], []];
    this.#others = this.#values = 0;
    return report;
  }

  /** Makes no more calls, and waits for those that are open. */
  async end(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    await Promise.all(this.#open);
    this.#unsubscribe();
  }

  #call(service: RemoteProxy<FaultService>, number: number): void {
    const settled =
      number % 50 === 7
        ? this.#other(this.#callLong(service, number))
        : number % 10 === 3
          ? this.#other(this.#callBack(service, number))
          : this.#callOnce(service, `${this.#name} ${number}`);
    this.#open.add(settled);
    void settled.then(() => this.#open.delete(settled));
  }

  async #callOnce(service: RemoteProxy<FaultService>, id: string): Promise<void> {
    try {
      if ((await service.work(id)) !== id) this.#faults.push(`${id} was answered with something else`);
      this.#told.push({ id, outcome: 'ok' });
    } catch (error) {
      this.#told.push({ id, outcome: outcomeOf(error) });
    }
  }

  async #callLong(service: RemoteProxy<FaultService>, number: number): Promise<void> {
    const bytes = new Uint8Array(80_000 + (number % 1_000)).fill(number % 251);
    // What is called is `echo`, which gives back what it got.
    const echoed = (await withCallOptions(service, { ...options, idempotent: true }).echo(
      bytes,
    )) as Uint8Array;
    if (Buffer.compare(echoed, bytes) !== 0) this.#faults.push(`long message ${number} came back changed`);
  }

  async #callBack(service: RemoteProxy<FaultService>, number: number): Promise<void> {
    this.#expected.set(number, 0);
    const answer = service.ask((value) => {
      const times = (this.#expected.get(value) ?? 0) + 1;
      this.#expected.set(value, times);
      if (times > 1) this.#faults.push(`callback ${value} ran ${times} times`);
      return value * 2;
    }, number);
    try {
      if ((await answer) !== number * 2) this.#faults.push(`callback ${number} was answered wrongly`);
    } finally {
      this.#expected.delete(number);
    }
  }

  async #other(call: Promise<void>): Promise<void> {
    this.#others += 1;
    try {
      await call;
    } catch (error) {
      this.#otherFailures.push(String(error));
    }
  }

  /** Follows the server's numbers; begins anew where the session ended. */
  async #streamDown(): Promise<void> {
    while (!this.#isOver) {
      const service = await this.#client.whenRemoteProxyObject<FaultService>('service');
      let last = 0;
      await new Promise<void>((resolve) => {
        const subscription = service.count$(500).subscribe({
          next: (number) => {
            if (number !== last + 1) this.#faults.push(`value ${number} came after value ${last}`);
            last = number;
            this.#values += 1;
          },
          error: () => {
            resolve();
          },
        });
        this.#unsubscribe = () => {
          subscription.unsubscribe();
          resolve();
        };
      });
    }
  }

  /** Has the server follow numbers of this side; it tells of disorder by itself. */
  async #streamUp(): Promise<void> {
    while (!this.#isOver) {
      const service = await this.#client.whenRemoteProxyObject<FaultService>('service');
      await service.follow(this.#numbers()).catch(() => undefined);
    }
  }

  async *#numbers(): AsyncGenerator<number> {
    for (let number = 1; !this.#isOver; number += 1) {
      if (number % 5 === 0) await pause(10);
      yield number;
    }
  }
}
