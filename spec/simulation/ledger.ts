/**
 * What was promised, what came of it, and which bodies ran: every call of a simulation has a key that travels with it.
 */
import { ConnectionLostError, RPCError } from '../../src/errors.js';
import type { VirtualLoop } from './virtual-loop.js';

/** Sizes of arguments and results go up to this. */
const maxPayloadBytes = 300 * 1024;

const sampleBytes = Uint8Array.from(
  { length: maxPayloadBytes + 65_536 },
  (_, at) => Math.imul(at ^ (at >>> 7), 0x9e37_79b1) >>> 24,
);

/** The bytes that belong to a call: other calls have others. */
export function payload(key: number, size: number): Uint8Array {
  const from = (key * 2_477) % 65_521;
  return sampleBytes.subarray(from, from + size);
}

/** Whether bytes are those of that call, every one of them. */
export function isPayload(key: number, size: number, bytes: unknown): boolean {
  return bytes instanceof Uint8Array && Buffer.compare(bytes, payload(key, size)) === 0;
}

/** A call as its caller sees it. */
export interface CallRecord {
  readonly key: number;
  /** For people. */
  readonly what: string;
  readonly startedMs: number;
  /** When it must be settled at the latest; `Infinity` where nothing bounds it but its connection. */
  readonly boundMs: () => number;
  settlements: number;
  settledMs: number;
  outcome: 'open' | 'ok' | 'failed';
  executed: string | undefined;
  error: unknown;
}

/** The accounts of one seed. */
export class Ledger {
  readonly calls: CallRecord[] = [];
  /** How often the body of each call was entered. */
  readonly bodies = new Map<number, number>();
  /** What went against a rule, in words. */
  readonly faults: string[] = [];
  readonly #loop: VirtualLoop;
  readonly #trace: (text: string) => void;
  readonly #expectEnd: (connectionID: string, text: string) => void;
  readonly #forbidden = new Set<number>();
  #lastKey = 0;
  #openWaits = new Map<number, string>();
  #lastWait = 0;

  /**
   * @param loop - the world's
   * @param trace - hears of each event
   * @param expectEnd - hears of what failed since a connection has ended, and with which words
   */
  constructor(
    loop: VirtualLoop,
    trace: (text: string) => void,
    expectEnd: (connectionID: string, text: string) => void,
  ) {
    this.#loop = loop;
    this.#trace = trace;
    this.#expectEnd = expectEnd;
  }

  /** Promises besides calls that are not settled, in words. */
  get openWaits(): string[] {
    return [...this.#openWaits.values()];
  }

  /** The calls that are not settled. */
  get openCalls(): CallRecord[] {
    return this.calls.filter(({ outcome }) => outcome === 'open');
  }

  /** The key of the next call. */
  nextKey(): number {
    this.#lastKey += 1;
    return this.#lastKey;
  }

  /** A rule was broken. */
  fault(text: string): void {
    this.faults.push(`${this.#loop.nowMs.toFixed(1)} ms: ${text}`);
  }

  /** Nobody may run a body for this key. */
  forbid(key: number): void {
    this.#forbidden.add(key);
  }

  /** The first thing that a body does. */
  enter(key: number): void {
    if (this.#forbidden.has(key)) this.fault(`the body of call ${key} ran for a stranger`);
    const times = (this.bodies.get(key) ?? 0) + 1;
    this.bodies.set(key, times);
    this.#trace(`body ${key}`);
    if (times > 1) this.fault(`the body of call ${key} ran ${times} times`);
  }

  /** Follows a call to its end; `isRight` judges its result. */
  follow(
    record: Pick<CallRecord, 'key' | 'what' | 'boundMs'>,
    promise: Promise<unknown>,
    isRight: (value: unknown) => boolean,
    givenReason: unknown,
  ): Promise<CallRecord> {
    const call: CallRecord = {
      ...record,
      startedMs: this.#loop.nowMs,
      settledMs: Infinity,
      settlements: 0,
      outcome: 'open',
      executed: undefined,
      error: undefined,
    };
    this.calls.push(call);
    return promise.then(
      (value) => {
        this.#settled(call, 'ok');
        if (!isRight(value)) this.fault(`call ${call.key} (${call.what}) got a result that is not its own`);
        return call;
      },
      (error: unknown) => {
        call.error = error;
        if (error instanceof RPCError) {
          call.executed = error.executed;
          if (error.executed === undefined || error.object === undefined || error.member === undefined)
            this.fault(
              `call ${call.key} (${call.what}) failed without saying of which call: ${String(error)}`,
            );
          if (error instanceof ConnectionLostError)
            this.#expectEnd(error.connectionID ?? '', `call ${call.key} (${call.what}): ${error.message}`);
        } else if (error !== givenReason) {
          this.fault(`call ${call.key} (${call.what}) failed with something else: ${String(error)}`);
        }
        this.#settled(call, 'failed');
        return call;
      },
    );
  }

  /** Follows another promise of the library, which may fail with its own errors or with the reason given. */
  await(what: string, promise: Promise<unknown>, givenReason?: unknown): void {
    this.#lastWait += 1;
    const id = this.#lastWait;
    this.#openWaits.set(id, what);
    promise.then(
      () => {
        this.#loop.continued();
        this.#openWaits.delete(id);
        this.#trace(`done ${what}`);
      },
      (error: unknown) => {
        this.#loop.continued();
        this.#openWaits.delete(id);
        this.#trace(`failed ${what}`);
        if (!(error instanceof RPCError) && error !== givenReason)
          this.fault(`${what} failed with something else: ${String(error)}`);
      },
    );
  }

  /** Looks at all accounts once everything is over. */
  audit(): void {
    for (const what of this.openWaits) this.fault(`${what} was never settled`);
    for (const call of this.calls) {
      const { key, what, outcome, executed, settlements, boundMs, settledMs } = call;
      const runs = this.bodies.get(key) ?? 0;
      const name = `call ${key} (${what})`;
      if (outcome === 'open') this.fault(`${name} was never settled`);
      else if (settlements !== 1) this.fault(`${name} was settled ${settlements} times`);
      if (outcome === 'ok' && runs !== 1) this.fault(`${name} succeeded, its body ran ${runs} times`);
      if (executed === 'no' && runs !== 0) this.fault(`${name} says it did not run, and it ran`);
      if (executed === 'yes' && runs !== 1) this.fault(`${name} says it ran, and it did not`);
      if (settledMs > boundMs()) this.fault(`${name} was settled ${settledMs - boundMs()} ms too late`);
    }
  }

  #settled(call: CallRecord, outcome: 'ok' | 'failed'): void {
    this.#loop.continued();
    call.settlements += 1;
    call.settledMs = this.#loop.nowMs;
    call.outcome = outcome;
    this.#trace(`${outcome} ${call.key} ${call.executed ?? ''}`);
    const runs = this.bodies.get(call.key) ?? 0;
    if (call.executed === 'yes' && runs !== 1) this.fault(`call ${call.key} says it ran, and it has not`);
    if (outcome === 'ok' && runs !== 1) this.fault(`call ${call.key} succeeded and has not run`);
  }
}
