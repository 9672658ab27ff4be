/**
 * Runs seeds in a row and sums up; shared by the specs, which run some each, and by the long run, which goes on.
 */
import { simulate, type Outcome } from './simulate.js';

/** What came of many seeds. */
export interface SeedsReport {
  seeds: number;
  calls: number;
  succeeded: number;
  connections: number;
  steps: number;
  /** The longest virtual time from the end of the trouble until every client was connected, in milliseconds. */
  slowestRecoveryMs: number;
  /** The first seed that broke a rule. */
  failure: Outcome | undefined;
}

/** Seeds of an ordinary run; `.ci/run` asks for 20,000. */
const seedsInAll = 5_000;

/** The seeds a spec runs: one alone if `TANDEM_SEED` names it, else its share of `TANDEM_SEEDS`. */
export function* seedsOfShare(share: number, shares: number): Generator<number> {
  const { TANDEM_SEED: one, TANDEM_SEEDS: count } = process.env;
  if (one !== undefined) {
    if (share === 0) yield Number(one);
    return;
  }
  const seeds = count === undefined ? seedsInAll : Number(count);
  for (let seed = share; seed < seeds; seed += shares) yield seed;
}

/** Runs seeds until one breaks a rule, or there are no more. */
export async function runSeeds(seeds: Iterable<number>): Promise<SeedsReport> {
  const { stackTraceLimit } = Error;
  const report: SeedsReport = {
    seeds: 0,
    calls: 0,
    succeeded: 0,
    connections: 0,
    steps: 0,
    slowestRecoveryMs: 0,
    failure: undefined,
  };
  // Every fourth call fails on purpose, and nobody looks at where; a failing seed can be run again with all its stacks.
  Error.stackTraceLimit = 0;
  for (const seed of seeds) {
    const outcome = await simulate(seed);
    report.seeds += 1;
    report.calls += outcome.calls;
    report.succeeded += outcome.succeeded;
    report.connections += outcome.connections;
    report.steps += outcome.steps;
    report.slowestRecoveryMs = Math.max(report.slowestRecoveryMs, outcome.recoveryMs);
    if (outcome.faults.length === 0) continue;
    report.failure = outcome;
    break;
  }
  Error.stackTraceLimit = stackTraceLimit;
  return report;
}

/** What to say of a seed that broke a rule: how to see it again, and what it broke. */
export function describeFailure({ seed, faults, traceHash }: Outcome): string {
  return [`seed ${seed} (TANDEM_SEED=${seed} replays it; trace ${traceHash.toString(16)})`, ...faults].join(
    '\n  ',
  );
}

/** Runs a share of the seeds; says what went wrong, unhandled rejections included, or nothing. */
export async function troubleIn(seeds: Iterable<number>): Promise<string[]> {
  const trouble: string[] = [];
  const note = (reason: unknown): void => {
    trouble.push(`an unhandled rejection: ${String(reason)}`);
  };
  process.on('unhandledRejection', note);
  const { failure } = await runSeeds(seeds);
  // A rejection counts as unhandled once the turn in which it came has ended.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  return failure === undefined ? trouble : [describeFailure(failure), ...trouble];
}
