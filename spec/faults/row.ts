/**
 * One row of the fault matrix: what is done, what is measured, and which figures it is to reach.
 */
import type { Stage } from './stage.js';

/** What a figure is to be. */
export type Target = readonly ['at most' | 'at least' | 'exactly', number];

/** Figures by name, the unit last in it. */
export type Figures = Readonly<Record<string, number>>;

/** A row; it is a figure's own name that says what it is. */
export interface FaultRow {
  /** As in the matrix. */
  readonly id: string;
  /** What is done, in a few words. */
  readonly fault: string;
  /** Which figures are to be what in the full form; figures without a target are told for what they say. */
  readonly targets: Readonly<Record<string, Target>>;
  /** Which of them hold in the short form too: those that neither the machine nor the length decides. */
  readonly always: readonly string[];
  /** Plays it. */
  play(stage: Stage): Promise<Figures>;
}

/** By how much the figures miss their targets, by name; empty when all are met. A figure that is not there misses. */
export function misses(targets: FaultRow['targets'], figures: Figures): Record<string, number> {
  const missed: Record<string, number> = {};
  for (const [name, [relation, value]] of Object.entries(targets)) {
    const figure = figures[name] ?? NaN;
    const isMet =
      relation === 'at most' ? figure <= value : relation === 'at least' ? figure >= value : figure === value;
    if (!isMet) missed[name] = rounded(figure - value);
  }
  return missed;
}

/** To three digits behind the point at most. */
export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** The value below which a share of the values lies; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
