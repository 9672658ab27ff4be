/**
 * A server and its clients on a network in memory, in virtual time: time passes when the spec says so.
 */
import { expect } from '@jest/globals';
import type { Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { RPCClient, RPCServer, type ClientOptions, type ServerOptions } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';

/** Options that the network does not give. */
export type ServerExtras = Partial<ServerOptions>;
/** Options that the network does not give. */
export type ClientExtras = Partial<ClientOptions>;

/** One network, one clock, and those who live there. */
export class VirtualWorld {
  readonly scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
  readonly network: TestNetwork;
  /** What any server or client made here reported on `errors$`. */
  readonly errors: Error[] = [];

  constructor(latencyInSeconds = 0.001) {
    this.network = new TestNetwork({ scheduler: this.scheduler, latencyInSeconds });
  }

  /** The time in seconds. */
  get now(): number {
    return this.scheduler.frame / 1_000;
  }

  /** Makes a server, not started. */
  server<Made extends RPCServer>(
    extras: ServerExtras = {},
    Kind: new (options: ServerOptions) => Made = RPCServer as never,
  ): Made {
    return this.#watched(new Kind({ ...this.network.options, ...extras }));
  }

  /** Makes a client, not started. */
  client<Made extends RPCClient>(
    extras: ClientExtras = {},
    Kind: new (options: ClientOptions) => Made = RPCClient as never,
  ): Made {
    return this.#watched(new Kind({ ...this.network.options, ...extras }));
  }

  /** Makes a server and starts it. */
  async startedServer(extras: ServerExtras = {}): Promise<RPCServer> {
    const server = this.server(extras);
    await this.until(server.start());
    return server;
  }

  /** Makes a client and waits until it is connected. */
  async connectedClient(extras: ClientExtras = {}): Promise<RPCClient> {
    const client = this.client(extras);
    client.connectToServer();
    await this.until(client.whenConnected());
    await this.pass(0.01);
    return client;
  }

  /** A server and a client that are connected. */
  async pair(
    serverExtras: ServerExtras = {},
    clientExtras: ClientExtras = {},
  ): Promise<{ server: RPCServer; client: RPCClient; id: string }> {
    const server = await this.startedServer(serverExtras);
    const client = await this.connectedClient(clientExtras);
    return { server, client, id: client.connectionID() ?? '' };
  }

  /** Lets time pass; promises settle at the instants at which they would. */
  async pass(seconds: number): Promise<void> {
    const endMs = this.scheduler.frame + seconds * 1_000;
    await turn();
    for (let nextMs = this.#nextMs(); nextMs <= endMs; nextMs = this.#nextMs()) {
      this.scheduler.maxFrames = nextMs;
      this.scheduler.flush();
      await turn();
    }
    this.scheduler.frame = endMs;
  }

  /** Lets time pass until a promise is settled, an hour at most. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { isSettled: false };
    const note = (): void => {
      state.isSettled = true;
    };
    promise.then(note, note);
    await turn();
    while (!state.isSettled && this.#nextMs() <= this.scheduler.frame + 3_600_000) {
      this.scheduler.maxFrames = this.#nextMs();
      this.scheduler.flush();
      await turn();
    }
    if (!state.isSettled) throw new Error('the promise is not settled, and nothing is due');
    return promise;
  }

  /** What a promise rejects with, whenever it does. */
  async failureOf(promise: Promise<unknown>): Promise<unknown> {
    return this.until(rejectionOf(promise));
  }

  #nextMs(): number {
    return this.scheduler.actions[0]?.delay ?? Infinity;
  }

  #watched<Made extends RPCServer | RPCClient>(made: Made): Made {
    made.errors$.subscribe((error) => this.errors.push(error));
    return made;
  }
}

/** Collects what a stream gives, with `"|"` for its completion. */
export function collected<T>(stream$: Observable<T>): (T | '|')[] {
  const seen: (T | '|')[] = [];
  stream$.subscribe({ next: (value) => seen.push(value), complete: () => seen.push('|') });
  return seen;
}

/** What a promise rejects with; lets no time pass. */
export function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('the promise was expected to reject');
    },
    (error: unknown) => error,
  );
}

/** One turn of the event loop: every promise that can settle has settled. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
