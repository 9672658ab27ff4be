/**
 * The objects of the server as its client sees them over any number of connections: a proxy for each name, a stream of it,
 * and whoever waits for it.
 */
import type { SchedulerLike } from 'rxjs';
import { SparseMap } from '../protocol/sparse.js';
import type { Caller } from '../proxies/caller.js';
import { createRemoteProxy } from '../proxies/remote-proxy.js';
import { isSameList, type Lifecycle } from '../streams/lifecycle.js';
import type { StateStream } from '../streams/state-stream.js';
import { Waiting, type WaitOptions } from './waiting.js';

/** The remote objects of one client, which tells it of registrations, losses and its own end. */
export class ClientObjects {
  /** The names registered now, as delivered. */
  readonly names$: StateStream<readonly string[]>;
  readonly #caller: Caller;
  readonly #lifecycle: Lifecycle;
  readonly #scheduler: SchedulerLike;
  readonly #proxies = new SparseMap<string, object>();
  readonly #streams = new SparseMap<string, StateStream<object | undefined>>();
  readonly #waiting = new SparseMap<string, Waiting<object>>();
  #isComplete = false;

  /**
   * @param caller - sends the calls of the proxies
   * @param lifecycle - delivers the streams
   * @param scheduler - for the timeouts of those who wait
   */
  constructor(caller: Caller, lifecycle: Lifecycle, scheduler: SchedulerLike) {
    this.#caller = caller;
    this.#lifecycle = lifecycle;
    this.#scheduler = scheduler;
    this.names$ = lifecycle.state<readonly string[]>([], isSameList);
  }

  /** The proxy of a name that is registered now, the same one at each call; else `undefined`. */
  find(name: string): object | undefined {
    return this.#caller.members(name) === undefined ? undefined : this.#proxy(name);
  }

  /** The proxy of a name now and after each change. */
  stream(name: string): StateStream<object | undefined> {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = this.#lifecycle.state(this.find(name));
      if (this.#isComplete) stream.complete();
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /** Waits until an object of this name is registered. */
  wait(name: string, options: WaitOptions, what: () => string): Promise<object> {
    let waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      waiting = new Waiting(this.#scheduler);
      this.#waiting.set(name, waiting);
    }
    return waiting.wait(options, what);
  }

  /** A connection was made, on which the server has registered these. */
  made(connectionID: string, names: readonly string[]): void {
    // A proxy of a name that came back stays the same; names that did not are forgotten, since a server chooses them.
    for (const name of [...this.#proxies.keys()]) if (!names.includes(name)) this.#proxies.delete(name);
    this.names$.set(names);
    for (const name of names) this.#announce(connectionID, name);
  }

  /** The server registered one more; these are all. */
  registered(connectionID: string, name: string, names: readonly string[]): void {
    this.names$.set(names);
    this.#announce(connectionID, name);
  }

  /** The server unregistered one; these are left. */
  unregistered(connectionID: string, name: string, names: readonly string[]): void {
    this.#proxies.delete(name);
    this.names$.set(names);
    this.#streams.get(name)?.set(undefined);
    this.#lifecycle.unregistered.emit({ connectionID, name });
  }

  /** The connection is gone, and with it all objects. */
  lost(): void {
    this.names$.set([]);
    for (const stream of this.#streams.values()) stream.set(undefined);
  }

  /** The client was stopped: nobody waits any longer. */
  rejectWaiting(makeError: () => Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(makeError);
    this.#waiting.clear();
  }

  /** The client is disposed of. */
  complete(): void {
    this.#isComplete = true;
    this.names$.complete();
    for (const stream of this.#streams.values()) stream.complete();
  }

  #announce(connectionID: string, name: string): void {
    const proxy = this.#proxy(name);
    this.#streams.get(name)?.set(proxy);
    this.#lifecycle.registered.emit({ connectionID, name });
    this.#waiting.get(name)?.resolve(proxy);
    this.#waiting.delete(name);
  }

  #proxy(name: string): object {
    let proxy = this.#proxies.get(name);
    if (proxy === undefined) {
      proxy = createRemoteProxy(this.#caller, name);
      this.#proxies.set(name, proxy);
    }
    return proxy;
  }
}
