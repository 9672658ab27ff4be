/**
 * One subscription as its reader sees it: compares what comes with what its source has produced, value by value.
 */
import type { Observable } from 'rxjs';
import {
  ConnectionLostError,
  RemoteError,
  RPCError,
  StreamOverflowError,
  UnserializableValueError,
} from '../../src/errors.js';
import { dispose } from '../../src/proxies/remote-proxy.js';
import { droppedCount } from '../../src/streams/remote-stream.js';
import { abandonment } from './abandonment.js';
import { isPayload } from './ledger.js';
import type { Numbered, SourceRecord, StreamPlan } from './stream-plan.js';

/** What a reading needs besides its stream. */
interface ReadingSettings {
  readonly source: SourceRecord;
  readonly fault: (text: string) => void;
  readonly trace: (text: string) => void;
  readonly expectEnd: (connectionID: string, text: string) => void;
}

/** One subscription as its reader sees it. */
export class Reading {
  readonly plan: StreamPlan;
  delivered = 0;
  /** When it failed, where that must not be late; set before the end. */
  failedMs = 0;
  /** Stops reading, whoever reads. */
  leave: () => void = () => undefined;
  readonly #name: string;
  readonly #what: string;
  readonly #stream$: Observable<unknown>;
  readonly #boundMs: () => number;
  readonly #it: ReadingSettings;
  #last = 0;
  #digest = 0;
  #missed = 0;
  #outcome: 'open' | 'complete' | 'failed' | 'left' = 'open';
  #error: unknown;

  constructor(
    what: string,
    plan: StreamPlan,
    stream$: Observable<unknown>,
    boundMs: () => number,
    settings: ReadingSettings,
  ) {
    this.plan = plan;
    this.#what = what;
    this.#name = `stream ${plan.key} (${what})`;
    this.#stream$ = stream$;
    this.#boundMs = boundMs;
    this.#it = settings;
  }

  get isOpen(): boolean {
    return this.#outcome === 'open';
  }

  /** How many values were dropped on their way here. */
  get dropped(): number {
    return droppedCount(this.#stream$);
  }

  /** Whether the end was the source's own, or that of its policy: then all that it produced is accounted for. */
  get hasOwnEnd(): boolean {
    const error = this.#error;
    if (this.#outcome === 'complete') return true;
    if (this.#outcome !== 'failed') return false;
    if (error instanceof RemoteError) return true;
    return (
      (error instanceof StreamOverflowError || error instanceof UnserializableValueError) &&
      error.executed === 'yes'
    );
  }

  next(value: unknown): void {
    const { key, size } = this.plan;
    const { source, fault } = this.#it;
    if (!this.isOpen) fault(`${this.#name} gave a value after it was ${this.#outcome}`);
    this.delivered += 1;
    const [number, bytes] = value as Numbered;
    // A line for each value would cost more than the value.
    this.#digest = (Math.imul(this.#digest, 31) + number) | 0;
    if (!(number > this.#last && number <= source.produced)) {
      fault(`${this.#name} gave ${number} after ${this.#last}, where ${source.produced} were produced`);
      return;
    }
    this.#missed += number - this.#last - 1;
    this.#last = number;
    if (this.#missed > this.dropped)
      fault(`${this.#name} lacks ${this.#missed} values, and ${this.dropped} were told`);
    if (!isPayload(key + number, size, bytes)) fault(`${this.#name} gave bytes of another value`);
  }

  /** The end, unless the reader has left by itself. */
  end(outcome: 'complete' | 'failed' | 'left', error?: unknown): void {
    const { fault, trace } = this.#it;
    if (!this.isOpen) {
      if (outcome !== 'left') fault(`${this.#name} ended (${outcome}) after it was ${this.#outcome}`);
      return;
    }
    this.#outcome = outcome;
    this.#error = error;
    const kind = error instanceof Error ? error.name : '';
    trace(`${outcome} stream ${this.plan.key} ${this.delivered}+${this.dropped} ${this.#digest} ${kind}`);
    if (outcome === 'failed') this.#judge(error);
    if (this.hasOwnEnd) this.#compare();
  }

  /** A stream that came as a result is given back, where the plan says so. */
  giveBack(): void {
    if (this.plan.isGivenBack && Symbol.dispose in this.#stream$) dispose(this.#stream$);
  }

  audit(isCalm: boolean): void {
    const { source, fault } = this.#it;
    const error = this.#error;
    if (this.isOpen) fault(`${this.#name} neither ended nor was left`);
    // Only now is it known how long its process stood still.
    const lateMs = this.failedMs - this.#boundMs();
    if (lateMs > 0) fault(`${this.#name} ended ${lateMs} ms too late`);
    if (error instanceof RPCError) {
      const { executed } = error;
      if (executed === undefined || error.object === undefined || error.member === undefined)
        fault(`${this.#name} failed without saying of which stream: ${String(error)}`);
      if (executed === 'no' && source.entered + source.begun > 0)
        fault(`${this.#name} says it did not run, and it ran`);
      if (executed === 'yes' && source.entered + source.begun === 0)
        fault(`${this.#name} says it ran, and it did not`);
    }
    if (isCalm && this.#outcome === 'failed' && !this.hasOwnEnd)
      fault(`${this.#name} failed, undisturbed: ${String(error)}`);
  }

  #judge(error: unknown): void {
    const { key, ending } = this.plan;
    const isRight =
      error instanceof RemoteError
        ? error.message === `stream ${key} fails`
        : error instanceof StreamOverflowError
          ? /strict|given/.test(this.#what)
          : error instanceof UnserializableValueError
            ? error.executed === 'no' || ending === 'unsendable'
            : error instanceof RPCError || error === abandonment;
    if (!isRight) this.#it.fault(`${this.#name} failed with something else: ${String(error)}`);
    if (error instanceof ConnectionLostError)
      this.#it.expectEnd(error.connectionID ?? '', `${this.#name}: ${error.message}`);
  }

  #compare(): void {
    const { produced } = this.#it.source;
    if (this.delivered + this.dropped !== produced) {
      this.#it.fault(
        `${this.#name}: ${this.delivered} came and ${this.dropped} were dropped of ${produced} (${this.#outcome})`,
      );
    }
  }
}
