/**
 * Where the values of streams come from: sources that push and sources that are asked, which count what they produce.
 */
import { Observable, type Subscription } from 'rxjs';
import { pause } from './pause.js';
import type { StreamAccounts } from './stream-accounts.js';
import type { Numbered, SourceRecord, StreamPlan } from './stream-plan.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

/** What serving streams takes. */
export interface StreamSurroundings {
  readonly accounts: StreamAccounts;
  readonly process: VirtualProcess;
  readonly loop: VirtualLoop;
}

/** A source that pushes. */
export function pushed(plan: StreamPlan, { accounts, process }: StreamSurroundings): Observable<Numbered> {
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

/** A source that is iterated. */
export function* generated(
  { key, count, size, ending }: StreamPlan,
  { accounts }: StreamSurroundings,
  record: SourceRecord,
): Generator<Numbered> {
  accounts.begin(record);
  try {
    while (record.produced < count) yield accounts.produce(record, size);
    if (ending === 'unsendable') yield unsendable(record);
    if (ending === 'fail') throw new Error(`stream ${key} fails`);
  } finally {
    accounts.leave(record);
  }
}

/** A source that is iterated, and takes its time. */
export async function* generatedLater(
  plan: StreamPlan,
  surroundings: StreamSurroundings,
  record: SourceRecord,
): AsyncGenerator<Numbered> {
  const { accounts, loop } = surroundings;
  const { key, count, size, burst, gapMs, ending } = plan;
  accounts.begin(record);
  try {
    while (record.produced < count) {
      if (record.produced % burst === 0) await pause(surroundings, gapMs);
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

/** A value that cannot cross, and counts all the same. */
function unsendable(record: SourceRecord): Numbered {
  record.produced += 1;
  return Symbol('no value of the wire') as never;
}
