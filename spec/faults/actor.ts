/**
 * A process of a fault row: serves or connects as its parent orders, and tells what happened when asked. Bundled and started by
 * `stage.ts`; what it can do are the functions of `acts`.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { Worker } from 'node:worker_threads';
import { Observable } from 'rxjs';
import { LimitExceededError } from '../../src/errors.js';
import { currentCall } from '../../src/rpc/current-call.js';
import { notify } from '../../src/proxies/remote-proxy.js';
import { RPCClient } from '../../src/rpc/client.js';
import type { ClientOptions, ServerOptions } from '../../src/rpc/options.js';
import { RPCServer } from '../../src/rpc/server.js';
import { aliveBytesAtRest } from '../soak/heap.js';
import { assault, giveWay, pour } from './assault.js';
import { Traffic } from './traffic.js';

/** The time that all processes of a machine share, in milliseconds. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Opened by `serve`. Written, not synced: what a process has written survives its death by `kill -9`, not that of the machine. */
let ledger: number | undefined;
let lastNote = -1;
let disorder = 0;
let teardowns = 0;
let subscriptions = 0;
/** The last number that was followed, and how many bodies of `hold` run, and ran at most. */
let followed = 0;
let running = 0;
let mostRunning = 0;

/** What the server of a row serves. */
export class FaultService {
  readonly ticks$ = new Observable<number>((observer) => {
    subscriptions += 1;
    observer.next(subscriptions);
    return () => {
      teardowns += 1;
    };
  });

  echo<Value>(value: Value): Value {
    return value;
  }

  /** A body with a ledger around it. */
  async work(callID: string): Promise<string> {
    if (ledger !== undefined) writeSync(ledger, `> ${callID}\n`);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    if (ledger !== undefined) writeSync(ledger, `< ${callID}\n`);
    return callID;
  }

  /** Says whether what comes in order is in order. */
  note(number: number): void {
    if (number !== lastNote + 1) disorder += 1;
    lastNote = number;
  }

  /** Numbers from 1 up, made when they are asked for, so many a second at most. */
  async *count$(perSecond: number): AsyncGenerator<number> {
    const fromMs = nowMs();
    for (let number = 1; ; number += 1) {
      while (number > ((nowMs() - fromMs) * perSecond) / 1_000) await pause(5);
      yield number;
    }
  }

  /** Takes numbers of the caller's, from 1 up; gives the last one. */
  async follow(numbers: AsyncIterable<number>): Promise<number> {
    let last = 0;
    for await (const number of numbers) {
      if (number !== last + 1) disorder += 1;
      last = number;
    }
    return last;
  }

  /** Runs until its caller gives it up. */
  async hold(_references?: unknown): Promise<void> {
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    const { signal } = currentCall();
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
    });
    running -= 1;
  }

  take(_anything: unknown): void {}

  /** Calls its caller back. */
  ask(callback: (value: number) => Promise<number>, value: number): Promise<number> {
    return callback(value);
  }

  sink(bytes: Uint8Array): number {
    return bytes.length;
  }

  never(_callback: () => void): Promise<never> {
    return new Promise(() => {});
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

let traffic: Traffic | undefined;
let server: RPCServer | undefined;
let clients: RPCClient[] = [];
const workers: Worker[] = [];
const made: number[] = [];
const lost: number[] = [];
let resumes = 0;
const failures: Record<string, number> = {};
let dials = 0;
let delay: IntervalHistogram | undefined;
let sampler: NodeJS.Timeout | undefined;
let cpu = process.cpuUsage();
let startBytes = 0;
let mostBytes = 0;
let bareBytes = 0;

process.on('worker', (worker) => workers.push(worker));

function watched(side: RPCServer | RPCClient): void {
  side.connectionMade$.subscribe(() => made.push(nowMs()));
  side.disconnectionMade$.subscribe(() => lost.push(nowMs()));
  side.resumed$.subscribe(() => {
    resumes += 1;
  });
  side.errors$.subscribe(({ name }) => {
    failures[name] = (failures[name] ?? 0) + 1;
  });
}

function state() {
  const connected = clients.filter((client) => client.isConnected()).length;
  const open = Object.values<number>({ ...server?.counts() }).reduce((sum, count) => sum + count, 0);
  const connections = server?.connections().length ?? 0;
  const losses = lost.length;
  const away = (server?.connections() ?? []).filter(
    (id) => server?.connectionStatus(id) === RPCClient.STATUS_AUTO_CONNECTING,
  ).length;
  return {
    ...{
      connections,
      connected,
      away,
      open,
      losses,
      resumes,
      failures,
      dials,
      disorder,
      lastNote,
      teardowns,
    },
    ...{ followed, mostRunning },
    ids: server?.connections() ?? clients.map((client) => client.connectionID()),
  };
}

const acts = {
  /**
   * Starts the server; gives its port, and when it listened.
   * @param isAuthenticated - whether each client is whom its credentials name
   */
  serve: async (options: ServerOptions, ledgerFile?: string, isAuthenticated = false) => {
    if (ledgerFile !== undefined) ledger = openSync(ledgerFile, 'a');
    server = new RPCServer({
      ...options,
      ...(isAuthenticated ? { authenticate: (credentials: unknown) => credentials } : {}),
      localProxyObjects: { service: new FaultService() },
    });
    watched(server);
    await server.start();
    return { port: server.address()?.port ?? 0, atMs: nowMs() };
  },

  /** Stops the server, which may drain for so long; gives how long that took, and which sockets are open still. */
  drain: async (drainInSeconds: number) => {
    const fromMs = nowMs();
    await server?.stop({ drainInSeconds });
    const tookMs = nowMs() - fromMs;
    // Sockets that were closed are gone a turn later.
    await pause(50);
    const handles = process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
    return { tookMs, handles };
  },

  /** Makes clients, spread over some milliseconds, and gives how long each took to be connected. */
  crowd: async (count: number, options: ClientOptions, spreadMs: number, isWaiting: boolean) => {
    const startMs = nowMs();
    const connected: Promise<number>[] = [];
    for (let number = 0; number < count; number += 1) {
      while (nowMs() < startMs + (number * spreadMs) / count) await new Promise((next) => setImmediate(next));
      const client = new RPCClient(options);
      watched(client);
      client.status$.subscribe((status) => {
        if (status === RPCClient.STATUS_CONNECTING) dials += 1;
      });
      const fromMs = nowMs();
      client.connectToServer();
      clients.push(client);
      if (isWaiting) connected.push(client.whenConnected().then(() => nowMs() - fromMs));
    }
    return Promise.all(connected);
  },

  /** Has clients that the server is to refuse, some at a time; gives how long each was kept waiting, and who was not refused. */
  refusals: async (count: number, lanes: number, options: ClientOptions) => {
    const waitedMs: number[] = [];
    let others = 0;
    const refuse = async (): Promise<void> => {
      const client = new RPCClient(options);
      const fromMs = nowMs();
      const refused = new Promise<string>((resolve) => {
        client.errors$.subscribe(({ name }) => resolve(name));
        client.connectionMade$.subscribe(() => resolve('connected'));
      });
      client.connectToServer();
      if ((await refused) !== 'ServerFullError') others += 1;
      waitedMs.push(nowMs() - fromMs);
      await client.dispose();
    };
    let left = count;
    const lane = async (): Promise<void> => {
      for (left -= 1; left >= 0; left -= 1) await refuse();
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return { waitedMs, others };
  },

  /** Connects, calls and leaves, so many times, some at a time. */
  cycle: async (count: number, lanes: number, options: ClientOptions) => {
    let left = count;
    const lane = async (): Promise<void> => {
      for (left -= 1; left >= 0; left -= 1) {
        const client = new RPCClient(options);
        client.connectToServer();
        const service = await client.whenRemoteProxyObject<FaultService>('service');
        await service.echo(left);
        await client.dispose();
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  },

  /** A bare listener that reads and counts: what the same bytes cost without this library. */
  bare: async () => {
    const listener = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        bareBytes += bytes.length;
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return (listener.address() as AddressInfo).port;
  },
  bareBytes: () => bareBytes,

  /** Gives up so many of the clients that are connected. */
  shrink: async (count: number) => {
    const leaving = clients.filter((client) => client.isConnected()).slice(0, count);
    clients = clients.filter((client) => !leaving.includes(client));
    await Promise.all(leaving.map((client) => client.dispose()));
  },

  /** Has the first client hold what a client may hold: calls, streams, a callback that it lent. */
  entangle: async (count: number) => {
    const service = await clients[0]!.whenRemoteProxyObject<FaultService>('service');
    for (let number = 0; number < count; number += 1) {
      service.ticks$.subscribe({ error: () => {} });
      service.never(() => {}).catch(() => {});
    }
    await service.echo(0);
  },

  /** Has the first client follow the numbers of the server, from now on. */
  follow: async (perSecond: number) => {
    const service = await clients[0]!.whenRemoteProxyObject<FaultService>('service');
    service.count$(perSecond).subscribe({
      next: (number) => {
        if (number !== followed + 1) disorder += 1;
        followed = number;
      },
      error: () => {},
    });
  },

  /** Notifies the first connection of bytes, some each millisecond, until it has ended or time is over; gives the longest queue. */
  flood: async (identifier: string, bytes: number, ms: number) => {
    const id = server!.connections().find((each) => server!.connectionUniqueIdentifier(each) === identifier)!;
    const proxy = server!.remoteProxyObject<FaultService>(id, 'service')!;
    const piece = new Uint8Array(bytes);
    const isOpen = (): boolean => server!.connections().includes(id);
    const fromMs = nowMs();
    let mostQueuedBytes = 0;
    let refused = 0;
    while (nowMs() < fromMs + ms && isOpen()) {
      try {
        notify(proxy).sink(piece);
      } catch (error) {
        // Beyond the high-water mark one is told, and may go on or not.
        if (!(error instanceof LimitExceededError)) throw error;
        refused += 1;
      }
      mostQueuedBytes = Math.max(mostQueuedBytes, server!.counts(id).queuedBytes);
      await new Promise((next) => setTimeout(next, 1));
    }
    return { mostQueuedBytes, isOpen: isOpen(), refused, ms: nowMs() - fromMs };
  },

  state,
  connections: () => server?.connections().length ?? 0,
  /** When connections were made, and lost, so far. */
  made: () => made,
  lost: () => lost,
  memory: () => process.memoryUsage.rss(),
  rest: () => aliveBytesAtRest(),

  /** Begins to watch the loop, the memory and the processor. */
  watch: () => {
    delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    startBytes = mostBytes = process.memoryUsage.rss();
    sampler = setInterval(() => {
      mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
    }, 5);
    cpu = process.cpuUsage();
  },

  /** What was seen since `watch`. A delay of the loop is what it took beyond the millisecond between two looks. */
  watched: () => {
    const used = process.cpuUsage(cpu);
    delay?.disable();
    clearInterval(sampler);
    return {
      maxDelayMs: (delay?.max ?? 0) / 1e6 - 1,
      p99DelayMs: (delay?.percentile(99) ?? 0) / 1e6 - 1,
      cpuMs: (used.user + used.system) / 1e3,
      grownBytes: Math.max(mostBytes, process.memoryUsage.rss()) - startBytes,
    };
  },

  assault,
  giveWay,
  pour,

  /** Has the first client call, and follow streams both ways, from now on. */
  traffic: (name: string, callsPerSecond: number) => {
    traffic = new Traffic(clients[0]!, name, callsPerSecond);
  },
  /** What became of the calls since this was asked last. */
  traffics: () => traffic!.report(),
  /** Makes no more calls; resolves when all have an answer. */
  endTraffic: () => traffic!.end(),

  /** Stops the server, its sessions included, after a drain of up to so long, and starts it again; gives its port, which may be another one. */
  restart: async (drainInSeconds: number) => {
    await server!.stop({ drainInSeconds });
    await server!.start();
    return server!.address()?.port ?? 0;
  },

  /** Keeps the main loop from turning; gives when that was over. */
  block: (ms: number) => {
    const endMs = nowMs() + ms;
    while (nowMs() < endMs);
    return nowMs();
  },

  /** Kills the I/O thread. */
  killThread: async () => {
    const atMs = nowMs();
    await workers.at(-1)?.terminate();
    return atMs;
  },

  /** Goes in good order. */
  leave: async () => {
    await Promise.all([...clients.map((client) => client.dispose()), server?.dispose()]);
    if (ledger !== undefined) closeSync(ledger);
  },
};

/** What an actor can be asked to do. */
export type Acts = typeof acts;

process.on('message', ({ id, act, args }: { id: number; act: keyof Acts; args: unknown[] }) => {
  // The parent is typed by `Acts`.
  const work = acts[act] as (...all: unknown[]) => unknown;
  void (async () => {
    try {
      process.send?.({ id, result: await work(...args) });
    } catch (error) {
      process.send?.({ id, failure: String(error) });
    }
  })();
});
// Whatever happens to the parent, nothing is left behind.
process.on('disconnect', () => process.exit());
