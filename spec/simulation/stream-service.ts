/**
 * The object with streams that both sides of a simulation register.
 */
import { defer, Observable } from 'rxjs';
import type { RegistrationOptions } from '../../src/proxies/exposure.js';
import { dispose } from '../../src/proxies/remote-proxy.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import { currentCall } from '../../src/rpc/current-call.js';
import { withOverflow, type OverflowOptions } from '../../src/streams/overflow.js';
import { pause } from './pause.js';
import { policies, type Numbered, type PropertyName, type StreamPlan } from './stream-plan.js';
import { generated, generatedLater, pushed, type StreamSurroundings } from './stream-sources.js';

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
    return generated(plan, this.#it, this.#it.accounts.enter(plan.key));
  }

  generatedLater$(plan: StreamPlan): AsyncIterable<Numbered> {
    return generatedLater(plan, this.#it, this.#it.accounts.enter(plan.key));
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
}

/** How the streams are registered. */
export function streamOptions(window: number): RegistrationOptions {
  const names = Object.keys(policies) as PropertyName[];
  return { streams: Object.fromEntries(names.map((name) => [name, { window, overflow: policies[name] }])) };
}
