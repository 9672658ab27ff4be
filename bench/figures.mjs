// What the stretches of a workload come to: sums, shares, percentiles and medians.

/** For each kind of workload what it counts. */
const units = { calls: 'calls', stream: 'values', talk: 'values', upload: 'values', connect: 'connections' };

/**
 * Sums up what one peer did of one workload in one round.
 *
 * @param {import('./workloads.mjs').Workload} workload
 * @param {readonly (import('./workloads.mjs').Stretch & { cpuSeconds: number })[]} runs
 * @returns {Record<string, number>}
 */
export function figuresOf({ name, kind }, runs) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const perSecond = (key) => (sum(key) / sum('ms')) * 1_000;
  const cpuSeconds = sum('cpuSeconds');
  const latencies = runs.flatMap(({ latenciesUs }) => latenciesUs);
  const figures = {};

  if (kind === 'bytes') {
    figures['MB/s one way'] = perSecond('bytes') / 1e6;
    figures['CPU s for 1 GB'] = (cpuSeconds / sum('bytes')) * 1e9;
  } else if (kind !== 'mixed') {
    figures[`${units[kind]}/s`] = perSecond('calls');
    figures[`CPU s for 100,000 ${units[kind]}`] = (cpuSeconds / sum('calls')) * 100_000;
  }
  if (latencies.length > 0) {
    figures['p50, µs'] = percentile(latencies, 0.5);
    figures['p99, µs'] = percentile(latencies, 0.99);
  }
  if (kind === 'mixed') {
    figures['MB/s one way beside'] = perSecond('bytes') / 1e6;
    figures['values/s beside'] = perSecond('values');
  }
  return Object.fromEntries(Object.entries(figures).map(([figure, value]) => [`${name}: ${figure}`, value]));
}

/** The value below which so much of them is. */
function percentile(values, share) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length * share)];
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
}

/** The medians of every figure that any round has, by peer and figure. */
export function medians(rounds) {
  const names = [...new Set(rounds.flatMap((round) => Object.keys(round)))];
  return Object.fromEntries(
    names.map((name) => {
      const figures = new Set(rounds.flatMap((round) => Object.keys(round[name] ?? {})));
      const medianOf = (figure) =>
        median(rounds.map((round) => round[name]?.[figure]).filter((value) => value !== undefined));
      return [name, Object.fromEntries([...figures].map((figure) => [figure, medianOf(figure)]))];
    }),
  );
}

/** The ratios of a figure of two peers, of all rounds that have both. */
export function ratiosOf(rounds, figure, name, base) {
  return rounds
    .map((round) => (round[name]?.[figure] ?? Number.NaN) / (round[base]?.[figure] ?? Number.NaN))
    .filter((ratio) => !Number.isNaN(ratio));
}
