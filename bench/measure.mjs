// Rounds of measuring. A machine is never twice the same: what counts is the ratio of two peers within the same round.
//
// Each round has fresh processes for every peer. The peers take turns within each workload, in short stretches, and the
// order of turns is reversed every other round, so that whatever else the machine does meets all of them alike.
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
 * @property {readonly string[]} nodeFlags
 */

/** @typedef {Record<string, number>} Figures of one peer in one round, by figure */

/**
 * Runs the plan.
 *
 * @param {Plan} plan
 * @param {(text: string) => void} tell hears of the progress
 * @returns {Promise<Record<string, Figures>[]>} for each round the figures of each peer
 */
export async function measure(plan, tell) {
  const rounds = [];
  for (let round = 1; round <= plan.rounds; round++) {
    tell(`round ${round} of ${plan.rounds}`);
    const peers = [...plan.peers];
    rounds.push(await measureRound(plan, round % 2 === 0 ? peers.reverse() : peers));
  }
  return rounds;
}

async function measureRound({ workloads, settleMs, stretches, stretchMs, warmUpCalls, nodeFlags }, peers) {
  const pairs = [];
  try {
    for (const [name, entry] of peers) {
      const pair = await Pair.open(entry, nodeFlags);
      pairs.push({ name, pair, figures: {} });
      await pair.warmUp(warmUpCalls);
    }
    for (const workload of workloads) {
      const runs = new Map(pairs.map(({ name }) => [name, []]));
      // Processes settle on their cores, and the compiler on the workload: one call at a time needs the better part of
      // a second for that.
      for (const { pair } of pairs) await pair.run(workload, settleMs);
      for (let turn = 0; turn < stretches; turn++) {
        for (const { name, pair } of pairs) runs.get(name).push(await pair.run(workload, stretchMs));
      }
      for (const { name, figures } of pairs) Object.assign(figures, figuresOf(workload, runs.get(name)));
    }
    return Object.fromEntries(pairs.map(({ name, figures }) => [name, figures]));
  } finally {
    for (const { pair } of pairs) await pair.close();
  }
}

function figuresOf({ name, inFlight, values }, runs) {
  const unit = values === undefined ? 'calls' : 'values';
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const calls = sum('calls');
  const figures = {
    [`${name}: ${unit}/s`]: (calls / sum('ms')) * 1_000,
    [`${name}: CPU s for 100,000 ${unit}`]: (sum('cpuSeconds') / calls) * 100_000,
  };
  if (inFlight !== 1) return figures;
  const latencies = runs.flatMap(({ latenciesUs }) => latenciesUs).sort((one, other) => one - other);
  figures[`${name}: p50, µs`] = latencies[Math.floor(latencies.length * 0.5)];
  figures[`${name}: p99, µs`] = latencies[Math.floor(latencies.length * 0.99)];
  return figures;
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
}
