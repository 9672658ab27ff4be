/**
 * Runs `storm-program` in a process of its own: the short form in the suite, the long form in `npm run soak`.
 */
import { readFileSync } from 'node:fs';
import { runProgram } from '../helpers/child-process.js';

/** What the main thread of a storm has seen. */
export interface StormReport {
  /** Calls of `runOnMainThread` that have run. */
  readonly queued: number;
  /** Calls of `runOnMainThreadWithResult` that have run. */
  readonly blocking: number;
  /** What was lost, out of order, or wrong. */
  readonly faults: readonly string[];
}

const file = new URL('./spec/main-thread/storm-program.ts', `file://${process.cwd()}/`);

/**
 * Has four workers call the main thread.
 *
 * @param queued - calls of each that nobody waits for
 * @param blocking - calls of all together that are waited for, a multiple of four
 */
export async function storm(queued: number, blocking: number): Promise<StormReport> {
  const source = readFileSync(file, 'utf8');
  const { code, output } = await runProgram(source, [String(queued), String(blocking)], 120_000);
  if (code !== 0) throw new Error(`the storm ended with ${code}: ${output}`);
  return JSON.parse(output) as StormReport;
}
