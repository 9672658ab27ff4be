/**
 * Streams: sources that count what they produce, readers that compare it with what came, and the object that both sides
 * register. Each subscription has a key, by which its source and its reader find each other's account.
 */
import { defer, map, Observable, take, type Subscription } from 'rxjs';
import {
  ConnectionLostError,
  RemoteError,
  RPCError,
  StreamOverflowError,
  UnserializableValueError,
} from '../../src/errors.js';
import type { RegistrationOptions } from '../../src/proxies/exposure.js';
import { dispose, withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { CallOptions, RemoteProxy } from '../../src/proxies/types.js';
import { currentCall } from '../../src/rpc/current-call.js';
import { eachValueFrom } from '../../src/streams/each-value-from.js';
import { withOverflow, type Overflow, type OverflowOptions } from '../../src/streams/overflow.js';
import { droppedCount } from '../../src/streams/remote-stream.js';
import { isPayload, payload, type Ledger } from './ledger.js';
import type { Profile } from './profile.js';
import type { SeededRandom } from './seeded-random.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

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
type Numbered = readonly [number: number, bytes: Uint8Array];

/** Of what serves one subscription. */
interface SourceRecord {
  readonly key: number;
  /** How often its member was reached. */
  entered: number;
  begun: number;
  /** How often its teardown ran. */
  left: number;
  produced: number;
}

/** How a property's values are dropped. */
const policies = {
  oldest$: 'drop-oldest',
  newest$: 'drop-newest',
  latest$: 'latest',
  strict$: 'error',
} as const satisfies Record<string, Overflow>;

type PropertyName = keyof typeof policies;

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

/** Why users give up. */
export const abandonment = new Error('the user gave up');

/** What serving streams takes. */
export interface StreamSurroundings {
  readonly accounts: StreamAccounts;
  readonly process: VirtualProcess;
  readonly loop: VirtualLoop;
}

/** The other side's streams. */
export type StreamProxy = RemoteProxy<StreamService>;

/** The streams that each side serves. */
export class StreamService {
  readonly #it: StreamSurroundings;

  readonly oldest$: Observable<Numbered>;
  readonly newest$: Observable<Numbered>;
  readonly latest$: Observable<Numbered>;
  readonly strict$: Observable<Numbered>;

  constructor(surroundings: StreamSurroundings) {
    this.#it = surroundings;
    // A property has no arguments.
    const property$ = defer(() => this.pushed$(currentCall().metadata as StreamPlan));
    this.oldest$ = this.newest$ = this.latest$ = this.strict$ = property$;
  }

  pushed$(plan: StreamPlan): Observable<Numbered> {
    this.#it.accounts.enter(plan.key);
    return pushed(plan, this.#it);
  }

  async pushedLater$(plan: StreamPlan): Promise<Observable<Numbered>> {
    this.#it.accounts.enter(plan.key);
    await pause(this.#it, plan.gapMs);
    return pushed(plan, this.#it);
  }

  generated$(plan: StreamPlan): Iterable<Numbered> {
    return this.#generate(plan, this.#it.accounts.enter(plan.key));
  }

  generatedLater$(plan: StreamPlan): AsyncIterable<Numbered> {
    return this.#generateLater(plan, this.#it.accounts.enter(plan.key));
  }

  thrown$(plan: StreamPlan): Observable<Numbered> {
    this.#it.accounts.enter(plan.key);
    throw new Error(`stream ${plan.key} fails`);
  }

  /** Values of the other side, on their way back to it. */
  through$(plan: StreamPlan, inner: StreamPlan, values$: Observable<Numbered>): Observable<Numbered> {
    const { accounts } = this.#it;
    const record = accounts.enter(plan.key);
    return new Observable((subscriber) => {
      accounts.begin(record);
      const reading = accounts.read('within', inner, values$);
      subscriber.add(() => {
        reading.end('left');
        if (plan.isGivenBack) dispose(values$);
        accounts.leave(record);
      });
      return values$.subscribe({
        next: (value) => {
          reading.next(value);
          subscriber.next(accounts.produce(record, plan.size));
        },
        error: (error: unknown) => {
          reading.end('failed', error);
          subscriber.error(new Error(`stream ${plan.key} fails`));
        },
        complete: () => {
          reading.end('complete');
          subscriber.complete();
        },
      });
    });
  }

  /** A stream as a result. */
  give(plan: StreamPlan, policy: OverflowOptions): Observable<Numbered> {
    return withOverflow(pushed(plan, this.#it), policy);
  }

  *#generate({ key, count, size, ending }: StreamPlan, record: SourceRecord): Generator<Numbered> {
    const { accounts } = this.#it;
    accounts.begin(record);
    try {
      while (record.produced < count) yield accounts.produce(record, size);
      if (ending === 'unsendable') yield unsendable(record);
      if (ending === 'fail') throw new Error(`stream ${key} fails`);
    } finally {
      accounts.leave(record);
    }
  }

  async *#generateLater(plan: StreamPlan, record: SourceRecord): AsyncGenerator<Numbered> {
    const { accounts, loop } = this.#it;
    const { key, count, size, burst, gapMs, ending } = plan;
    accounts.begin(record);
    try {
      while (record.produced < count) {
        if (record.produced % burst === 0) await pause(this.#it, gapMs);
        yield accounts.produce(record, size);
        loop.continued();
      }
      if (ending === 'unsendable') yield unsendable(record);
      if (ending === 'fail') throw new Error(`stream ${key} fails`);
    } finally {
      loop.continued();
      accounts.leave(record);
    }
  }
}

/** How the streams are registered. */
export function streamOptions(window: number): RegistrationOptions {
  const names = Object.keys(policies) as PropertyName[];
  return { streams: Object.fromEntries(names.map((name) => [name, { window, overflow: policies[name] }])) };
}

function pushed(plan: StreamPlan, { accounts, process }: StreamSurroundings): Observable<Numbered> {
  const { key, count, burst, gapMs, size, ending } = plan;
  const record = accounts.source(key);
  return new Observable((subscriber) => {
    accounts.begin(record);
    let timer: Subscription | undefined;
    subscriber.add(() => {
      timer?.unsubscribe();
      accounts.leave(record);
    });
    const step = (): void => {
      for (let left = burst; left > 0 && record.produced < count && !subscriber.closed; left -= 1)
        subscriber.next(accounts.produce(record, size));
      if (subscriber.closed) return;
      if (record.produced < count) {
        timer = process.schedule(step, gapMs);
        return;
      }
      if (ending === 'unsendable') subscriber.next(unsendable(record));
      if (ending === 'fail') subscriber.error(new Error(`stream ${key} fails`));
      else if (ending !== 'never') subscriber.complete();
    };
    step();
  });
}

/** A value that cannot cross, and counts all the same. */
function unsendable(record: SourceRecord): Numbered {
  record.produced += 1;
  return Symbol('no value of the wire') as never;
}

async function pause(
  { process, loop }: Pick<StreamSurroundings, 'process' | 'loop'>,
  ms: number,
): Promise<void> {
  await new Promise<void>((resolve) => {
    process.schedule(() => {
      resolve();
    }, ms);
  });
  loop.continued();
}

/** Who reads streams, and with what. */
export interface StreamReader {
  readonly name: string;
  readonly process: VirtualProcess;
}

/** What reading streams takes of the world. */
export interface ReadersSurroundings {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly loop: VirtualLoop;
  readonly ledger: Ledger;
  readonly accounts: StreamAccounts;
  readonly isQuiet: () => boolean;
}

/** The options of a subscription, and what they mean for its end. */
export interface ReadOptions {
  readonly options: CallOptions;
  readonly boundMs: () => number;
}

type Manner = 'subscribe' | 'take' | 'loop' | 'loopThroughOperator';

/** The users of streams. */
export class StreamReaders {
  readonly #it: ReadersSurroundings;

  constructor(surroundings: ReadersSurroundings) {
    this.#it = surroundings;
  }

  /** Subscribes to some stream, reads it in some manner, and perhaps leaves it. */
  use(reader: StreamReader, plain: StreamProxy, { options, boundMs }: ReadOptions): void {
    const { random, accounts, ledger } = this.#it;
    const plan = this.#plan();
    // A stream object of its own for each, since drops are counted by the object.
    const proxy = withCallOptions(plain, { ...options, metadata: plan });
    const kind = random.weighted({
      property: 6,
      pushed$: 2,
      pushedLater$: 1,
      generated$: 2,
      generatedLater$: 2,
      thrown$: 0.3,
      through$: 3,
      given: 2,
    });
    const read = (stream$: Observable<unknown>, what: string = kind): void => {
      // The options are those of the call that gave it, not its own.
      const isBounded = kind !== 'given';
      const reading = accounts.read(
        `${what} to ${reader.name}`,
        plan,
        stream$,
        isBounded ? boundMs : () => Infinity,
      );
      this.#read(reader, reading, stream$);
    };
    switch (kind) {
      case 'property': {
        const name = random.pick(Object.keys(policies) as PropertyName[]);
        read(proxy[name], name);
        return;
      }
      case 'through$': {
        const inner = this.#plan();
        const mine$ = pushed(inner, { accounts, process: reader.process, loop: this.#it.loop });
        read(proxy.through$(plan, inner, mine$));
        return;
      }
      case 'given': {
        const window = random.whole(1, 20);
        const overflow = random.pick(Object.values(policies));
        const given = proxy.give(plan, { window, overflow });
        ledger.await(
          'a stream as a result',
          given.then((stream$) => {
            this.#it.loop.continued();
            if (this.#it.isQuiet()) dispose(stream$);
            else read(stream$);
          }),
          abandonment,
        );
        return;
      }
      default:
        read(proxy[kind](plan));
    }
  }

  /** Reads a short stream to its end; for the end, when everything must succeed. */
  readAll(reader: StreamReader, plain: StreamProxy): Reading {
    const { accounts, ledger, random } = this.#it;
    const plan: StreamPlan = {
      key: ledger.nextKey(),
      count: random.whole(1, 80),
      burst: 8,
      gapMs: 1,
      size: 8,
      ending: 'complete',
      isGivenBack: true,
    };
    const stream$ = random.chance(0.5) ? plain.pushed$(plan) : plain.generatedLater$(plan);
    const reading = accounts.read(`all to ${reader.name}`, plan, stream$);
    this.#follow(reading, stream$);
    return reading;
  }

  /** All readers leave. */
  leaveAll(): void {
    for (const reading of this.#it.accounts.readings) if (reading.isOpen) reading.leave();
  }

  #plan(): StreamPlan {
    const { random, profile, ledger } = this.#it;
    const size = random.chance(0.7) ? 0 : random.whole(0, profile.maxBytes);
    const most = size > 10_000 ? 30 : random.pick([0, 5, 20, 120]);
    return {
      key: ledger.nextKey(),
      count: random.whole(0, most),
      burst: random.pick([1, random.whole(1, 10), random.whole(40, 120)]),
      gapMs: random.pick([0, 1, random.between(0, 60)]),
      size,
      ending: random.weighted({ complete: 6, fail: 1.5, unsendable: 0.5, never: 3 }),
      isGivenBack: random.chance(0.7),
    };
  }

  #read(reader: StreamReader, reading: Reading, stream$: Observable<unknown>): void {
    const { random, loop, ledger } = this.#it;
    const manner: Manner = random.weighted({ subscribe: 5, take: 2, loop: 3, loopThroughOperator: 1 });
    const most = random.whole(1, 50);
    const delayMs = random.pick([0, 0, random.between(0, 30)]);
    const isLeft = random.chance(0.35);
    const leaveMs = random.pick([0, random.between(0, 10), random.between(0, 800)]);
    switch (manner) {
      case 'subscribe':
        this.#follow(reading, stream$);
        break;
      case 'take':
        this.#follow(reading, stream$.pipe(take(most)), most);
        break;
      case 'loop':
        ledger.await('a loop over a stream', this.#loop(reader, reading, stream$, most, delayMs));
        break;
      case 'loopThroughOperator':
        ledger.await(
          'a loop over a stream',
          this.#loop(reader, reading, stream$.pipe(map((value) => value)), most, delayMs),
        );
    }
    if (!isLeft) return;
    if (leaveMs === 0) reading.leave();
    else
      loop.after(leaveMs, () => {
        if (reading.isOpen) reading.leave();
      });
  }

  #follow(reading: Reading, stream$: Observable<unknown>, most = Infinity): void {
    const { loop, profile } = this.#it;
    const subscription = stream$.subscribe({
      next: (value) => {
        reading.next(value);
      },
      error: (error: unknown) => {
        reading.failedMs = loop.nowMs - profile.callbackDelayMs;
        reading.end('failed', error);
        reading.giveBack();
      },
      complete: () => {
        // With `take` it cannot be told whose end it is.
        reading.end(reading.delivered >= most ? 'left' : 'complete');
        reading.giveBack();
      },
    });
    reading.leave = () => {
      subscription.unsubscribe();
      reading.end('left');
      reading.giveBack();
    };
  }

  async #loop(
    { process }: StreamReader,
    reading: Reading,
    stream$: Observable<unknown>,
    most: number,
    delayMs: number,
  ): Promise<void> {
    const { loop } = this.#it;
    const iterator = eachValueFrom(stream$);
    reading.leave = () => {
      reading.end('left');
      void iterator.return?.();
    };
    try {
      for await (const value of iterator) {
        loop.continued();
        // What was under way when the user left is nothing to it.
        if (!reading.isOpen) break;
        reading.next(value);
        if (reading.delivered >= most) {
          reading.end('left');
          break;
        }
        if (delayMs > 0) await pause({ process, loop }, delayMs);
      }
      loop.continued();
      if (reading.isOpen) reading.end('complete');
    } catch (error) {
      loop.continued();
      if (reading.isOpen) reading.end('failed', error);
    }
    reading.giveBack();
  }
}
