/**
 * What one stream of a simulation is to do, and the account that its source keeps. Each subscription has a key, by which its
 * source and its reader find each other's account.
 */
import type { Overflow } from '../../src/streams/overflow.js';

/** How a source ends once it has produced all; those that are iterated complete instead of going on for ever. */
type Ending = 'complete' | 'fail' | 'unsendable' | 'never';

/** What a source does; the reader draws it and sends it along. */
export interface StreamPlan {
  readonly key: number;
  readonly count: number;
  /** Values produced in one go. */
  readonly burst: number;
  readonly gapMs: number;
  /** Bytes of each value. */
  readonly size: number;
  readonly ending: Ending;
  /** A stream that came as an argument or result is given back at its end. */
  readonly isGivenBack: boolean;
}

/** A value: its number, from 1 on, and bytes of its own. */
export type Numbered = readonly [number: number, bytes: Uint8Array];

/** Of what serves one subscription. */
export interface SourceRecord {
  readonly key: number;
  /** How often its member was reached. */
  entered: number;
  begun: number;
  /** How often its teardown ran. */
  left: number;
  produced: number;
}

/** How a property's values are dropped. */
export const policies = {
  oldest$: 'drop-oldest',
  newest$: 'drop-newest',
  latest$: 'latest',
  strict$: 'error',
} as const satisfies Record<string, Overflow>;

export type PropertyName = keyof typeof policies;
