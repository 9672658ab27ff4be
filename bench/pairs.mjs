// Pairs of processes, a server and a client each: starting them, pinning them to cores, giving them orders.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const endFile = fileURLToPath(new URL('end.mjs', import.meta.url));

/** The cores that processes can be pinned to: none where there is no `taskset`. */
export const cores = findCores();

/** A server and its client. */
export class Pair {
  #server;
  #client;

  /** Starts both processes and connects them. Whoever opens a pair closes it. */
  static async open(peer, nodeFlags) {
    const pair = new Pair();
    [pair.#server, pair.#client] = await Promise.all([
      End.start(peer, 'server', nodeFlags),
      End.start(peer, 'client', nodeFlags),
    ]);
    const port = await pair.#server.order('open');
    await pair.#client.order('open', port);
    return pair;
  }

  /** Has both ends make calls, so that both have seen both directions. */
  async warmUp(calls) {
    this.#pin(false);
    await this.#client.order('warmUp', calls);
    await this.#server.order('warmUp', calls);
  }

  /**
   * Runs a workload for a while, or one stream of it to its end.
   *
   * @param {import('./workloads.mjs').Workload} workload
   * @param {number} ms
   * @returns {Promise<import('./workloads.mjs').Stretch & { cpuSeconds: number }>} with the time both processes computed
   */
  async run({ caller, inFlight, values, onOneCore }, ms) {
    this.#pin(onOneCore);
    const before = await this.#cpuSeconds();
    const end = caller === 'client' ? this.#client : this.#server;
    const stretch = await (values === undefined
      ? end.order('drive', inFlight, ms)
      : end.order('stream', values));
    return { ...stretch, cpuSeconds: (await this.#cpuSeconds()) - before };
  }

  async close() {
    await this.#client.close();
    await this.#server.close();
  }

  #pin(onOneCore) {
    this.#server.pin(cores[0]);
    this.#client.pin(onOneCore ? cores[0] : cores[1]);
  }

  async #cpuSeconds() {
    const usages = await Promise.all([this.#server.order('cpu'), this.#client.order('cpu')]);
    return usages.reduce((sum, { user, system }) => sum + user + system, 0) / 1e6;
  }
}

/** One process. */
class End {
  #process;
  #core;

  static async start(peer, role, nodeFlags) {
    const end = new End();
    end.#process = spawn(process.execPath, [...nodeFlags, endFile, peer, role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await end.#answer();
    return end;
  }

  /** Has the process do something, one thing at a time, and waits for its answer. */
  order(order, ...args) {
    this.#process.send({ order, args });
    return this.#answer();
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
    await isGone;
  }

  #answer() {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#process.off('message', onMessage);
        this.#process.off('exit', onExit);
      };
      const onMessage = ({ result, error }) => {
        settle();
        if (error === undefined) resolve(result);
        else reject(new Error(`an end of the benchmark failed: ${error}`));
      };
      const onExit = (code) => {
        settle();
        reject(new Error(`an end of the benchmark exited with ${code}`));
      };
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
