/**
 * When the server of a long run is started again: at moments of chance, yet so often, and in both ways, whatever the chance.
 */

/** One restart. */
export interface Restart {
  /** Milliseconds since the run began. */
  readonly atMs: number;
  /** How long the server may drain; 0: not at all. */
  readonly drainInSeconds: number;
}

/** Each stretch of this time has one, so that no three minutes are without. */
const stretchInSeconds = 90;

/** A run that is shorter has none: a few calls that fail would be a large share of all. */
const leastRunInSeconds = 60;

const drainInSeconds = 2;

/** Draws the restarts of a run, in their order: with a drain and without in turn, either first. */
export function drawRestarts(seconds: number, random: () => number): Restart[] {
  const count = seconds < leastRunInSeconds ? 0 : Math.ceil(seconds / stretchInSeconds);
  const first = random() < 0.5 ? 0 : 1;
  const stretchMs = (seconds * 1_000) / count;
  return Array.from({ length: count }, (_, at) => ({
    // Not at the very end: what comes of it is to be seen.
    atMs: (at + 0.9 * random()) * stretchMs,
    drainInSeconds: (at + first) % 2 === 0 ? drainInSeconds : 0,
  }));
}
