/**
 * A producer that is a hundred times as fast as its reader: what waits stays within its bound, and every value is
 * accounted for.
 */
import { Subject } from 'rxjs';
import {
  droppedCount,
  eachValueFrom,
  type OverflowOptions,
  type RPCClient,
  type RPCServer,
  StreamOverflowError,
} from 'tandem-rpc';
import { aliveBytes } from './heap.js';

/** How the producer gives its values: by force, under a policy, or when asked. */
export const floodKinds = ['error', 'drop-oldest', 'drop-newest', 'latest', 'pull'] as const;
export type FloodKind = (typeof floodKinds)[number];

/** Where it happens: a server that serves what it is given, and a client of it, on any clock. */
export interface FloodStage {
  readonly serve: (
    service: object,
    streams: Readonly<Record<string, OverflowOptions>>,
  ) => Promise<readonly [RPCServer, RPCClient]>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly now: () => number;
}

/** What it came to. */
export interface FloodReport {
  readonly produced: number;
  readonly delivered: number;
  readonly dropped: number;
  /** The most that the heap grew by, of one look a second. */
  readonly grownBytes: number;
  /** By how much it had grown at each of these looks. */
  readonly grownBytesBySecond: readonly number[];
  readonly faults: readonly string[];
}

const producedPerTick = 1_000;
const takenPerTick = 10;
const tickMs = 10;
const maxGrownBytes = 32 * 1024 * 1024;
/** What may be under way to a reader that asks: credit, and what waits at the producer for the next. */
const maxAhead = 600;

interface Value {
  readonly index: number;
  readonly text: string;
}

/** Lets 100,000 values a second flow at a reader of 1,000 a second. */
export async function flood(kind: FloodKind, seconds: number, stage: FloodStage): Promise<FloodReport> {
  const subject = new Subject<Value>();
  let produced = 0;
  const make = (): Value => ({ index: (produced += 1), text: `value ${produced}` });
  const service = {
    pushed$: subject.asObservable(),
    *pulled$(): Generator<Value> {
      while (!isOver) yield make();
    },
  };
  let isOver = false;
  const streams = kind === 'pull' ? {} : { pushed$: { overflow: kind } };
  const [server, client] = await stage.serve(service, streams);
  const proxy = await client.whenRemoteProxyObject<typeof service>('service');
  const values$ = kind === 'pull' ? proxy.pulled$() : proxy.pushed$;
  const reader = new Reader();
  const reading = reader.read(eachValueFrom(values$), stage);
  await stage.sleep(100);

  const startBytes = aliveBytes();
  const grownBytesBySecond: number[] = [];
  const ticks = (seconds * 1_000) / tickMs;
  const fromMs = stage.now();
  for (let tick = 1; tick <= ticks; tick += 1) {
    if (kind !== 'pull')
      for (let left = producedPerTick; left > 0 && subject.observed; left -= 1) subject.next(make());
    await stage.sleep(fromMs + tick * tickMs - stage.now());
    if (tick % 100 === 0) grownBytesBySecond.push(aliveBytes() - startBytes);
  }
  const grownBytes = Math.max(0, ...grownBytesBySecond);
  const ahead = produced - reader.delivered;
  isOver = true;
  subject.complete();
  reader.hurry();
  await reading;
  const dropped = droppedCount(values$);
  const { delivered, faults } = reader;
  if (kind === 'pull' && ahead > maxAhead) faults.push(`the producer was ${ahead} values ahead`);
  if (delivered + dropped !== produced) {
    faults.push(`${produced} values were produced, ${delivered} delivered and ${dropped} dropped`);
  }
  const isOverflown = reader.error instanceof StreamOverflowError;
  if (isOverflown !== (kind === 'error')) faults.push(`it ended with ${String(reader.error)}`);
  if (grownBytes > maxGrownBytes) faults.push(`the heap grew by ${grownBytes} bytes`);
  for (const side of [server, client]) {
    const { streams: left, queuedBytes } = side.counts();
    if (left > 0 || queuedBytes > 0) faults.push(`${left} streams and ${queuedBytes} bytes are left`);
  }
  await Promise.all([client.dispose(), server.dispose()]);
  return { produced, delivered, dropped, grownBytes, grownBytesBySecond, faults };
}

/** Takes ten values in each hundredth of a second, and looks at their order. */
class Reader {
  delivered = 0;
  error: unknown;
  readonly faults: string[] = [];
  #lastIndex = 0;
  #isHurried = false;

  hurry(): void {
    this.#isHurried = true;
  }

  async read(values: AsyncIterable<Value>, { sleep }: FloodStage): Promise<void> {
    try {
      for await (const { index } of values) {
        if (index <= this.#lastIndex) this.faults.push(`value ${index} came after value ${this.#lastIndex}`);
        this.#lastIndex = index;
        this.delivered += 1;
        if (!this.#isHurried && this.delivered % takenPerTick === 0) await sleep(tickMs);
      }
    } catch (error) {
      this.error = error;
    }
  }
}
