/**
 * Every row there is, in the order of the matrix.
 */
import type { FaultRow } from './row.js';
import { f10, f11, f9 } from './rows/bytes.js';
import { f17, f18, f19, f20, f28 } from './rows/crowds.js';
import { f1, f2 } from './rows/dead-processes.js';
import { f27 } from './rows/drained-servers.js';
import { f23, f24 } from './rows/floods.js';
import { f29, f33 } from './rows/leaks.js';
import { f4, f5, f6 } from './rows/sessions.js';
import { f8 } from './rows/silence.js';
import { f12 } from './rows/slow-writers.js';
import { f25, f26, f3 } from './rows/still-processes.js';
import { f14 } from './rows/stolen-sessions.js';

/** The rows; one more is added here. */
export const rows: readonly FaultRow[] = [
  ...[f1, f2, f3, f4, f5, f6, f8, f9, f10, f11, f12, f14],
  ...[f17, f18, f19, f20, f23, f24, f25, f26, f27, f28, f29, f33],
];
