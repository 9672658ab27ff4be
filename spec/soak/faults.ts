/**
 * A server and clients in processes of their own, behind a network that is disturbed by chance for minutes: what is promised
 * of calls and streams is kept, and nothing grows.
 */
import { auditLedger, type Told } from '../faults/ledger.js';
import { nowMs, pass, Stage, until, type Actor } from '../faults/stage.js';
import { FaultProxy } from '../../src/testing/fault-proxy.js';
import { seededRandom } from '../../src/testing/seeded-random.js';
import { maxLastingMs, NetworkFaults, type Fault } from './network-faults.js';
import { drawRestarts, type Restart } from './restarts.js';

/** What it came to. */
export interface FaultsReport {
  readonly calls: number;
  readonly succeeded: number;
  /** Values of streams that came to clients. */
  readonly values: number;
  /** How often each fault was thrown. */
  readonly thrown: Readonly<Record<string, number>>;
  /** How many calls failed, by what they were told. */
  readonly failed: Readonly<Record<string, number>>;
  readonly resumes: number;
  /** By how much more is alive than after the first fifth, at the server and at the client that grew most. */
  readonly serverGrownBytes: number;
  readonly clientGrownBytes: number;
  readonly faults: readonly string[];
}

const options = { timeoutInSeconds: 2, resume: { windowInSeconds: 60 } };
const leastShare = 0.999;
const maxGrownBytes = 4 * 1024 * 1024;

interface Client {
  actor: Actor;
  readonly isThreaded: boolean;
}

/** Disturbs for so long. */
export async function soakFaults(seconds: number, seed: number): Promise<FaultsReport> {
  const stage = new Stage(false, 1, seededRandom(seed));
  try {
    return await new FaultsSoak(stage, seconds).run();
  } finally {
    await stage.clear();
  }
}

class FaultsSoak {
  readonly #stage: Stage;
  readonly #seconds: number;
  readonly #ledger: string;
  readonly #server: Actor;
  readonly #proxy = new FaultProxy({ target: { port: 0 } });
  readonly #network: NetworkFaults;
  readonly #clients: Client[] = [];
  readonly #told: Told[] = [];
  readonly #thrown: Record<string, number> = {};
  readonly #failed: Record<string, number> = {};
  readonly #faults: string[] = [];
  #others = 0;
  #otherFailures = 0;
  #values = 0;
  #started = 0;
  /** Those that are to come. */
  readonly #restarts: Restart[];
  #fromMs = 0;

  constructor(stage: Stage, seconds: number) {
    this.#stage = stage;
    this.#seconds = seconds;
    this.#ledger = stage.file('ledger');
    this.#server = stage.actor();
    this.#network = new NetworkFaults(this.#proxy, stage.random);
    this.#restarts = drawRestarts(seconds, stage.random);
  }

  async run(): Promise<FaultsReport> {
    const { port } = await this.#server.ask('serve', { port: 0, ...options }, this.#ledger);
    this.#proxy.target = { port };
    await this.#proxy.listen();
    const count = this.#seconds < 30 ? 2 : 8;
    for (let number = 0; number < count; number += 1)
      this.#clients.push({ actor: await this.#start(number % 2 === 1), isThreaded: number % 2 === 1 });

    const fromMs = nowMs();
    this.#fromMs = fromMs;
    await this.#disturbUntil(fromMs + this.#seconds * 200);
    const before = await this.#alive();
    await this.#disturbUntil(fromMs + this.#seconds * 1_000);
    await this.#recover();
    if (this.#restarts.length > 0) this.#faults.push(`${this.#restarts.length} restarts did not come`);
    const after = await this.#alive();
    await Promise.all(this.#clients.map(({ actor }) => actor.ask('endTraffic')));
    await this.#gather();
    const { resumes, disorder } = await this.#server.ask('state');
    if (disorder > 0) this.#faults.push(`${disorder} values came to the server out of order`);
    await this.#leave();
    // Of those that were killed and started meanwhile nothing was measured before.
    const grown = this.#clients.map(({ actor }) => (after.get(actor) ?? 0) - (before.get(actor) ?? Infinity));
    return this.#report(resumes, (after.get(this.#server) ?? 0) - (before.get(this.#server) ?? 0), grown);
  }

  async #start(thread: boolean): Promise<Actor> {
    const actor = this.#stage.actor();
    const { port } = this.#proxy.address();
    await actor.ask('crowd', 1, { port, thread, ...options }, 0, true);
    this.#started += 1;
    await actor.ask('traffic', `client ${this.#started}`, 50);
    return actor;
  }

  async #disturbUntil(endMs: number): Promise<void> {
    let gatheredMs = nowMs();
    while (nowMs() < endMs) {
      await pass(200 + this.#stage.random() * 1_300);
      await (this.#isRestartDue ? this.#restart() : this.#disturb());
      if (nowMs() - gatheredMs < 5_000) continue;
      await this.#gather();
      gatheredMs = nowMs();
    }
    this.#network.calm();
  }

  /** Throws one fault. */
  async #disturb(): Promise<void> {
    const { random } = this.#stage;
    const kinds = this.#kinds;
    const total = kinds.reduce((sum, [, weight]) => sum + weight, 0);
    let left = random() * total;
    const kind = kinds.find(([, weight]) => (left -= weight) < 0);
    if (kind === undefined) return;
    const [name, , act] = kind;
    this.#count(name);
    await act();
  }

  #fail(what: string): void {
    // What is different in each of them says nothing.
    const kind = what.replaceAll(/\d+/g, 'N').slice(0, 160);
    this.#failed[kind] = (this.#failed[kind] ?? 0) + 1;
  }

  #count(name: string): void {
    this.#thrown[name] = (this.#thrown[name] ?? 0) + 1;
  }

  get #kinds(): readonly Fault[] {
    return [
      ...this.#network.kinds,
      ['stops of a client', 2, () => this.#stop(this.#client.actor)],
      ['stops of the server', 1, () => this.#stop(this.#server)],
      ['kills of a client', 1, () => this.#kill()],
    ];
  }

  get #client(): Client {
    return this.#clients[Math.floor(this.#stage.random() * this.#clients.length)]!;
  }

  async #stop(actor: Actor): Promise<void> {
    actor.signal('SIGSTOP');
    await pass(this.#stage.random() * maxLastingMs);
    actor.signal('SIGCONT');
  }

  /** Calls that are open then are nobody's any more. */
  async #kill(): Promise<void> {
    const client = this.#client;
    await this.#gatherFrom(client.actor);
    await client.actor.kill();
    client.actor = await this.#start(client.isThreaded);
  }

  get #isRestartDue(): boolean {
    return nowMs() - this.#fromMs >= (this.#restarts[0]?.atMs ?? Infinity);
  }

  async #restart(): Promise<void> {
    const { drainInSeconds: drain } = this.#restarts.shift()!;
    this.#count(drain > 0 ? 'restarts of the server after a drain' : 'restarts of the server');
    this.#proxy.target = { port: await this.#server.ask('restart', drain) };
  }

  /** Once nothing is disturbed any more, everybody is there again within six seconds. */
  async #recover(): Promise<void> {
    const fromMs = nowMs();
    // What one way vanished in is noticed after the timeout.
    const boundMs = 6_000 + options.timeoutInSeconds * 2_000;
    for (const { actor } of this.#clients)
      await until(async () => (await actor.ask('state')).connected === 1, 60_000, 20);
    const ms = Math.round(nowMs() - fromMs);
    if (ms > boundMs) this.#faults.push(`clients were connected again after ${ms} ms only`);
  }

  async #gather(): Promise<void> {
    for (const { actor } of this.#clients) await this.#gatherFrom(actor);
  }

  async #gatherFrom(actor: Actor): Promise<void> {
    const { told, others, otherFailures, faults, values } = await actor.ask('traffics');
    this.#told.push(...told);
    this.#others += others;
    this.#otherFailures += otherFailures.length;
    this.#values += values;
    this.#faults.push(...faults);
    for (const failure of otherFailures) this.#fail(failure);
    for (const { outcome } of told)
      if (outcome !== 'ok') this.#fail(`a body, executed "${outcome ?? 'unsaid'}"`);
  }

  async #alive(): Promise<Map<Actor, number>> {
    await this.#gather();
    const actors = [this.#server, ...this.#clients.map(({ actor }) => actor)];
    return new Map(await Promise.all(actors.map(async (actor) => [actor, await actor.ask('rest')] as const)));
  }

  async #leave(): Promise<void> {
    for (const { actor } of this.#clients) await actor.ask('leave');
    await until(async () => (await this.#server.ask('connections')) <= this.#killed, 60_000, 20);
    const actors = [this.#server, ...this.#clients.map(({ actor }) => actor)];
    const dead = actors.filter(({ isAlive }) => !isAlive).length;
    if (dead > 0) this.#faults.push(`${dead} processes have ended by themselves`);
    await this.#proxy.dispose();
  }

  /** Sessions of clients that were killed are kept for their window. */
  get #killed(): number {
    return this.#thrown['kills of a client'] ?? 0;
  }

  #report(resumes: number, serverGrownBytes: number, grown: readonly number[]): FaultsReport {
    const { duplicates, lies } = auditLedger(this.#ledger, this.#told);
    const calls = this.#told.length + this.#others;
    const succeeded =
      this.#told.filter(({ outcome }) => outcome === 'ok').length + this.#others - this.#otherFailures;
    const clientGrownBytes = Math.max(0, ...grown);
    if (duplicates > 0) this.#faults.push(`${duplicates} bodies ran twice`);
    if (lies > 0) this.#faults.push(`${lies} errors say what is not true of their call`);
    if (succeeded < calls * leastShare) this.#faults.push(`${calls - succeeded} of ${calls} calls failed`);
    for (const [name, bytes] of [
      ['server', serverGrownBytes],
      ['client', clientGrownBytes],
    ] as const) {
      if (bytes > maxGrownBytes) this.#faults.push(`the heap of a ${name} grew by ${bytes} bytes`);
    }
    const { length } = this.#faults;
    const values = this.#values;
    return {
      ...{ calls, succeeded, values, resumes, thrown: this.#thrown, failed: this.#failed },
      ...{ serverGrownBytes, clientGrownBytes },
      faults: length > 20 ? [...this.#faults.slice(0, 20), `and ${length - 20} more`] : this.#faults,
    };
  }
}
