// Pairs of processes, a server and a client each: starting them, pinning them to cores, giving them orders.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { possibleForm } from './workloads.mjs';

const endFile = fileURLToPath(new URL('end.mjs', import.meta.url));

/** The cores that processes can be pinned to: none where there is no `taskset`, or where they are to be left unpinned. */
export let cores = findCores();

/** From now on the system's scheduler places all threads. */
export function leaveUnpinned() {
  cores = [];
}

/** A server and its client. */
export class Pair {
  #server;
  #client;
  #abilities;

  /** Starts both processes and connects them. Whoever opens a pair closes or kills it. */
  static async open(peer, nodeFlags) {
    const pair = new Pair();
    pair.#server = End.start(peer, 'server', nodeFlags);
    pair.#client = End.start(peer, 'client', nodeFlags);
    try {
      await Promise.all([pair.#server.whenReady, pair.#client.whenReady]);
      const server = await pair.#server.order('open');
      const client = await pair.#client.order('open', server.port);
      pair.#abilities = { server: server.abilities, client: client.abilities };
    } catch (error) {
      pair.kill();
      throw error;
    }
    return pair;
  }

  /** Has both ends make calls, so that both have seen both directions. */
  async warmUp(calls, maxMs) {
    this.#pin(false);
    await this.#client.order('warmUp', calls, maxMs);
    if (this.#abilities.server.includes('echo')) await this.#server.order('warmUp', calls, maxMs);
  }

  /** Whether the peer can do this. */
  isCapableOf(workload) {
    return possibleForm(workload, this.#abilities) !== undefined;
  }

  /**
   * Runs a workload for a while.
   *
   * @param {import('./workloads.mjs').Workload} workload
   * @param {number} ms
   * @returns {Promise<import('./workloads.mjs').Stretch & { cpuSeconds: number }>} with the time both processes computed
   */
  async run(workload, ms) {
    const form = possibleForm(workload, this.#abilities);
    const end = form.caller === 'client' ? this.#client : this.#server;
    return this.#timed(form.onOneCore, () => end.order('drive', form, ms));
  }

  /** Has the client make so many more connections and keep them. */
  hold(count) {
    this.#pin(false);
    return this.#client.order('hold', count);
  }

  /** Gives up what is held. */
  release() {
    return this.#client.order('release');
  }

  /** Runs calls over the connections that the client holds. */
  runHeld(inFlight, ms) {
    return this.#timed(false, () => this.#client.order('driveHeld', inFlight, ms));
  }

  /** Makes there be so much of something, see ours.mjs. */
  grow(what, count) {
    return this.#client.order('grow', what, count);
  }

  /** What both processes have in memory; needs `--expose-gc`. */
  async residentBytes() {
    const [server, client] = await Promise.all([
      this.#server.order('residentBytes'),
      this.#client.order('residentBytes'),
    ]);
    return { server, client };
  }

  async close() {
    await this.#client.close();
    await this.#server.close();
  }

  /** Ends both processes, whatever they are at. */
  kill() {
    this.#client.kill();
    this.#server.kill();
  }

  async #timed(onOneCore, act) {
    this.#pin(onOneCore);
    const before = await this.#cpuSeconds();
    const stretch = await act();
    return { ...stretch, cpuSeconds: (await this.#cpuSeconds()) - before };
  }

  #pin(onOneCore = false) {
    this.#server.pin(cores[0]);
    this.#client.pin(onOneCore ? cores[0] : cores[1]);
  }

  async #cpuSeconds() {
    const usages = await Promise.all([this.#server.order('cpu'), this.#client.order('cpu')]);
    return usages.reduce((sum, { user, system }) => sum + user + system, 0) / 1e6;
  }
}

/** An order that takes longer has failed. */
const orderTimeoutMs = 120_000;

/** One process. */
class End {
  #process;
  #core;

  /** Resolves when the process takes orders. */
  whenReady;

  static start(peer, role, nodeFlags) {
    const end = new End();
    end.#process = spawn(process.execPath, [...nodeFlags, endFile, peer, role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // No add-ons that ws would use if another package brought them along.
      env: { ...process.env, WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' },
    });
    end.whenReady = end.#answer('start');
    return end;
  }

  /** Has the process do something, one thing at a time, and waits for its answer. */
  order(order, ...args) {
    if (!this.#process.connected) return Promise.reject(new Error('an end of the benchmark is gone'));
    this.#process.send({ order, args });
    return this.#answer(order);
  }

  /** Moves all threads of the process to one core. */
  pin(core) {
    if (core === undefined || core === this.#core) return;
    this.#core = core;
    spawnSync('taskset', ['--all-tasks', '--pid', '--cpu-list', `${core}`, `${this.#process.pid}`]);
  }

  async close() {
    const isGone = once(this.#process, 'exit');
    await this.order('close');
    // What a peer leaves open must not hold up the others.
    const impatience = setTimeout(() => this.kill(), 5_000);
    await isGone;
    clearTimeout(impatience);
  }

  kill() {
    this.#process.kill('SIGKILL');
  }

  #answer(order) {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#process.off('message', onMessage);
        this.#process.off('exit', onExit);
      };
      const onMessage = ({ result, error }) => {
        settle();
        if (error === undefined) resolve(result);
        else reject(new Error(`an end of the benchmark failed: ${error}`));
      };
      const onExit = (code, signal) => {
        settle();
        reject(new Error(`an end of the benchmark exited with ${code ?? signal}`));
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`"${order}" took more than ${orderTimeoutMs / 1_000} s`));
      }, orderTimeoutMs);
      this.#process.on('message', onMessage);
      this.#process.on('exit', onExit);
    });
  }
}

/** Two of the cores that this process may use, as numbers. */
function findCores() {
  const { status, stdout } = spawnSync('taskset', ['--pid', '--cpu-list', `${process.pid}`], {
    encoding: 'utf8',
  });
  if (status !== 0) return [];
  // "pid 123's current affinity list: 0,2-5"
  const list = stdout.slice(stdout.lastIndexOf(':') + 1).trim();
  const allowed = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return allowed.length < 2 ? [] : allowed.slice(0, 2);
}
