// Rounds of measuring. A machine is never twice the same: what counts is the ratio of two peers within the same round.
//
// Each round has fresh processes for every peer. The peers take turns within each workload, in short stretches, and the
// order of turns is reversed every other round, so that whatever else the machine does meets all of them alike. A peer
// that fails at a workload has none of its figures in that round, and goes on with fresh processes.
import { figuresOf } from './figures.mjs';
import { Pair } from './pairs.mjs';

/**
 * @typedef {object} Plan
 * @property {ReadonlyMap<string, string>} peers names and what end.mjs takes
 * @property {readonly import('./workloads.mjs').Workload[]} workloads
 * @property {number} rounds
 * @property {number} settleMs of each workload before it is measured
 * @property {number} stretches of each workload for each peer and round
 * @property {number} stretchMs
 * @property {number} warmUpCalls
 * @property {number} warmUpMaxMs for those that take too long for that
 * @property {readonly string[]} nodeFlags
 */

/** @typedef {Record<string, number>} Figures of one peer in one round, by figure */

/** @typedef {{ peer: string, workload: string, error: string }} Failure */

/**
 * Runs the plan.
 *
 * @param {Plan} plan
 * @param {(text: string) => void} tell hears of the progress
 * @returns {Promise<{ rounds: Record<string, Figures>[], failures: Failure[] }>} for each round the figures of each peer
 */
export async function measure(plan, tell) {
  const rounds = [];
  const failures = [];
  for (let round = 1; round <= plan.rounds; round++) {
    tell(`round ${round} of ${plan.rounds}`);
    const peers = [...plan.peers].map(([name, entry]) => new Contender(name, entry, plan, failures));
    rounds.push(await measureRound(plan, round % 2 === 0 ? peers.reverse() : peers, tell));
  }
  return { rounds, failures };
}

async function measureRound({ workloads, settleMs, stretches, stretchMs }, peers, tell) {
  try {
    for (const peer of peers) await peer.enter();
    for (const workload of workloads) {
      tell(`  ${workload.name}`);
      const { weight = 1 } = workload;
      // Processes settle on their cores, and the compiler on the workload: one call at a time needs the better part of
      // a second for that.
      for (const peer of peers) await peer.begin(workload, settleMs * weight);
      for (let turn = 0; turn < stretches; turn++) {
        for (const peer of peers) await peer.turn(workload, stretchMs * weight);
      }
      for (const peer of peers) await peer.finish(workload);
    }
    return Object.fromEntries(peers.map(({ name, figures }) => [name, figures]));
  } finally {
    for (const peer of peers) await peer.leave();
  }
}

/** A peer in one round. */
class Contender {
  name;
  /** @type {Figures} */
  figures = {};
  #entry;
  #plan;
  #failures;
  #pair;
  /** Of the workload that is being measured; undefined where the peer cannot do it, or has failed. */
  #runs;

  constructor(name, entry, plan, failures) {
    this.name = name;
    this.#entry = entry;
    this.#plan = plan;
    this.#failures = failures;
  }

  async enter() {
    const { warmUpCalls, warmUpMaxMs, nodeFlags } = this.#plan;
    await this.#attempt('start', async () => {
      this.#pair = await Pair.open(this.#entry, nodeFlags);
      await this.#pair.warmUp(warmUpCalls, warmUpMaxMs);
    });
  }

  async begin(workload, ms) {
    this.#runs = this.#pair?.isCapableOf(workload) ? [] : undefined;
    if (this.#runs !== undefined) await this.#attempt(workload.name, () => this.#pair.run(workload, ms));
  }

  async turn(workload, ms) {
    if (this.#runs === undefined) return;
    await this.#attempt(workload.name, async () => this.#runs.push(await this.#pair.run(workload, ms)));
  }

  /** Keeps the figures of a workload, or has fresh processes for the next one if it failed. */
  async finish(workload) {
    if (this.#runs !== undefined) Object.assign(this.figures, figuresOf(workload, this.#runs));
    else if (this.#pair === undefined && !this.#hasFailedAt('start')) await this.enter();
  }

  async leave() {
    // Whatever a peer does at its end, what was measured before counts.
    await this.#attempt('close', async () => this.#pair?.close());
  }

  async #attempt(workload, act) {
    try {
      await act();
    } catch (error) {
      this.#failures.push({ peer: this.name, workload, error: error.message });
      this.#pair?.kill();
      this.#pair = this.#runs = undefined;
    }
  }

  #hasFailedAt(workload) {
    return this.#failures.some((failure) => failure.peer === this.name && failure.workload === workload);
  }
}
