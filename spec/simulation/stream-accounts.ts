/**
 * The accounts of all streams of one seed: of their sources and of their readers.
 */
import type { Observable } from 'rxjs';
import { payload, type Ledger } from './ledger.js';
import { Reading } from './reading.js';
import type { Numbered, SourceRecord, StreamPlan } from './stream-plan.js';

/** The accounts of all streams of one seed. */
export class StreamAccounts {
  readonly readings: Reading[] = [];
  readonly #sources = new Map<number, SourceRecord>();
  readonly #ledger: Ledger;
  readonly #trace: (text: string) => void;
  readonly #expectEnd: (connectionID: string, text: string) => void;

  /**
   * @param ledger - gets the faults
   * @param trace - hears of each event
   * @param expectEnd - hears of what failed since a connection has ended, and with which words
   */
  constructor(
    ledger: Ledger,
    trace: (text: string) => void,
    expectEnd: (connectionID: string, text: string) => void,
  ) {
    this.#ledger = ledger;
    this.#trace = trace;
    this.#expectEnd = expectEnd;
  }

  /** How many streams have come to their own end. */
  get ended(): number {
    return this.readings.filter(({ hasOwnEnd }) => hasOwnEnd).length;
  }

  /** How many values readers got. */
  get delivered(): number {
    return this.readings.reduce((sum, { delivered }) => sum + delivered, 0);
  }

  /** How many values were dropped on the way to readers. */
  get dropped(): number {
    return this.readings.reduce((sum, reading) => sum + reading.dropped, 0);
  }

  /** The account of a source. */
  source(key: number): SourceRecord {
    let record = this.#sources.get(key);
    if (record === undefined) {
      record = { key, entered: 0, begun: 0, left: 0, produced: 0 };
      this.#sources.set(key, record);
    }
    return record;
  }

  /** The member that gives a stream was reached. */
  enter(key: number): SourceRecord {
    const record = this.source(key);
    record.entered += 1;
    this.#trace(`source ${key}`);
    if (record.entered > 1) this.#ledger.fault(`stream ${key} was asked for ${record.entered} times`);
    return record;
  }

  /** A source begins. */
  begin(record: SourceRecord): void {
    record.begun += 1;
    if (record.begun > 1)
      this.#ledger.fault(`the source of stream ${record.key} began ${record.begun} times`);
  }

  /** A source was left, or has ended. */
  leave(record: SourceRecord): void {
    record.left += 1;
    this.#trace(`source ${record.key} left at ${record.produced}`);
  }

  /** The next value. */
  produce(record: SourceRecord, size: number): Numbered {
    record.produced += 1;
    return [record.produced, payload(record.key + record.produced, size)];
  }

  /** Follows one reader. */
  read(
    what: string,
    plan: StreamPlan,
    stream$: Observable<unknown>,
    boundMs = (): number => Infinity,
  ): Reading {
    const reading = new Reading(what, plan, stream$, boundMs, {
      source: this.source(plan.key),
      fault: (text) => {
        this.#ledger.fault(text);
      },
      trace: this.#trace,
      expectEnd: this.#expectEnd,
    });
    this.readings.push(reading);
    return reading;
  }

  /** Looks at all accounts once everything is over. */
  audit(isCalm: boolean): void {
    for (const { key, begun, left } of this.#sources.values()) {
      if (begun !== left)
        this.#ledger.fault(`the source of stream ${key} began ${begun} times and was left ${left} times`);
    }
    for (const reading of this.readings) reading.audit(isCalm);
  }
}
