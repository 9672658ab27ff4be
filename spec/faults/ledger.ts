/**
 * What the server wrote around the bodies that it ran, held against what callers were told.
 */
import { readFileSync } from 'node:fs';

/** What a caller was told of a call. */
export interface Told {
  readonly id: string;
  /** `"ok"` for an answer, else the `executed` of the error. */
  readonly outcome: 'ok' | 'no' | 'yes' | 'unknown' | undefined;
}

/** What does not fit together. */
export interface LedgerFaults {
  /** Bodies that were entered more than once. */
  readonly duplicates: number;
  /** Outcomes that the ledger shows to be untrue. */
  readonly lies: number;
}

/** Compares. A line is `> id` where a body is entered, `< id` where it has ended. */
export function auditLedger(file: string, told: readonly Told[]): LedgerFaults {
  const entered = new Map<string, number>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const id = line.slice(2);
    if (line.startsWith('> ')) entered.set(id, (entered.get(id) ?? 0) + 1);
  }
  const isLie = ({ id, outcome }: Told): boolean => {
    if (outcome === 'no') return entered.has(id);
    // Neither an answer nor an error may go without a word on it.
    return outcome === undefined || (outcome !== 'unknown' && !entered.has(id));
  };
  return {
    duplicates: [...entered.values()].filter((times) => times > 1).length,
    lies: told.filter(isLie).length,
  };
}
