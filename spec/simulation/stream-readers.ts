/**
 * The users of streams: they subscribe in some manner, read, compare, and perhaps leave.
 */
import { map, take, type Observable } from 'rxjs';
import { dispose, withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { CallOptions } from '../../src/proxies/types.js';
import { eachValueFrom } from '../../src/streams/each-value-from.js';
import { abandonment } from './abandonment.js';
import type { Ledger } from './ledger.js';
import { pause } from './pause.js';
import type { Profile } from './profile.js';
import type { Reading } from './reading.js';
import type { SeededRandom } from './seeded-random.js';
import type { StreamAccounts } from './stream-accounts.js';
import { policies, type PropertyName, type StreamPlan } from './stream-plan.js';
import type { StreamProxy } from './stream-service.js';
import { pushed } from './stream-sources.js';
import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

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
