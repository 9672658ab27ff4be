/**
 * Every row there is, in the order of the matrix.
 */
import type { FaultRow } from './row.js';
import { f1, f2, f25, f26, f3 } from './rows/dead-processes.js';

/** The rows; one more is added here. */
export const rows: readonly FaultRow[] = [f1, f2, f3, f25, f26];
