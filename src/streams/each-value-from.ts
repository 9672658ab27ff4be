/**
 * `eachValueFrom`: an Observable as an AsyncIterable. Of a remote stream the pace of the loop reaches the producer, also
 * through operators that pass their values on at once.
 */
import type { Observable, Subscription } from 'rxjs';
import { Fifo } from './fifo.js';
import { inPace, type Pace } from './pace.js';

/**
 * The values one by one: `for await (const value of eachValueFrom(stream$)) …`. Subscribes at the first request; leaving the
 * loop unsubscribes. A remote stream's producer is not asked for more than the loop has taken and a few in advance;
 * the values of another Observable, which cannot be paused, wait here without bound.
 *
 * @param stream$ - a remote stream, operators on one, or any Observable
 * @returns an iterator for one loop; it throws what the stream fails with
 */
export function eachValueFrom<T>(stream$: Observable<T>): AsyncIterableIterator<T> {
  return new ValueIterator(stream$);
}

interface Taker<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

class ValueIterator<T> implements AsyncIterableIterator<T, undefined>, Pace {
  readonly #source$: Observable<T>;
  readonly #values = new Fifo<T>();
  readonly #takers = new Fifo<Taker<T>>();
  #subscription: Subscription | undefined;
  #hasBegun = false;
  #ending: { readonly error?: unknown } | undefined;
  #onReady: (() => void)[] = [];

  constructor(source$: Observable<T>) {
    this.#source$ = source$;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (!this.#hasBegun) this.#begin();
    if (this.#values.length > 0) {
      // There is one, even if it is undefined.
      const value = this.#values.take() as T;
      this.#goOn();
      return Promise.resolve({ done: false, value });
    }
    const ending = this.#ending;
    if (ending !== undefined) {
      this.#ending = {};
      // The error is the producer's, whatever it is.
      return 'error' in ending ? Promise.reject(ending.error) : Promise.resolve(finished);
    }
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      this.#goOn();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#leave();
    return Promise.resolve(finished);
  }

  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    this.#leave();
    return Promise.reject(error);
  }

  /** {@inheritDoc Pace.isReady} */
  get isReady(): boolean {
    return this.#takers.length > 0 || this.#values.length === 0;
  }

  /** {@inheritDoc Pace.onReady} */
  onReady(callback: () => void): void {
    this.#onReady.push(callback);
  }

  #begin(): void {
    this.#hasBegun = true;
    const subscription = inPace(this.#source$, this).subscribe({
      next: (value) => {
        const taker = this.#takers.take();
        if (taker === undefined) this.#values.push(value);
        else taker.resolve({ done: false, value });
      },
      error: (error: unknown) => {
        this.#end({ error });
      },
      complete: () => {
        this.#end({});
      },
    });
    this.#subscription = subscription;
  }

  /** One error is told to one taker; the others find the end. */
  #end(ending: { readonly error?: unknown }): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    const first = this.#takers.take();
    if (first === undefined) return;
    this.#ending = {};
    if ('error' in ending) first.reject(ending.error);
    else first.resolve(finished);
    this.#finishTakers();
  }

  #leave(): void {
    this.#hasBegun = true;
    this.#ending = {};
    this.#onReady = [];
    this.#values.clear();
    this.#subscription?.unsubscribe();
    this.#finishTakers();
  }

  #finishTakers(): void {
    for (let taker = this.#takers.take(); taker !== undefined; taker = this.#takers.take())
      taker.resolve(finished);
  }

  #goOn(): void {
    if (this.#onReady.length === 0 || !this.isReady) return;
    const callbacks = this.#onReady;
    this.#onReady = [];
    for (const callback of callbacks) callback();
  }
}

const finished: IteratorReturnResult<undefined> = { done: true, value: undefined };
