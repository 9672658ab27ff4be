import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { filter, firstValueFrom } from 'rxjs';
import {
  ConnectionLostError,
  notify,
  RPCClient,
  RPCServer,
  type ClientOptions,
  type ServerOptions,
} from 'tandem-rpc';
import { mostWaitingBytes, windowBytes } from '../../src/io-thread/watched-transport.js';
import { seeThreads, type SeenThread } from '../helpers/seen-threads.js';
import { first } from '../helpers/recording-sinks.js';

class Service {
  sunkBytes = 0;
  #enter = (): void => {};
  readonly entered = new Promise<void>((resolve) => {
    this.#enter = resolve;
  });

  echo(value: number): number {
    return value;
  }

  wait(): Promise<void> {
    this.#enter();
    return new Promise(() => {});
  }

  sink(bytes: Uint8Array): void {
    this.sunkBytes += bytes.length;
  }
}

const open: { dispose(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((side) => side.dispose()));
  jest.restoreAllMocks();
});

async function connected(serving: Partial<ServerOptions>, using: Partial<ClientOptions>) {
  const service = new Service();
  const server = new RPCServer({ port: 0, localProxyObjects: { service }, ...serving });
  open.push(server);
  await server.start();
  const client = new RPCClient({
    port: server.address()?.port ?? 0,
    reconnect: { initialDelayInSeconds: 0.05 },
    ...using,
  });
  open.push(client);
  client.connectToServer();
  const proxy = await client.whenRemoteProxyObject<Service>('service');
  return { service, server, client, proxy };
}

const ends: Readonly<Record<string, (thread: SeenThread) => void>> = {
  'is terminated': (thread) => void thread.terminate(),
  'has a fault': (thread) => {
    thread.fault();
  },
  'runs out of heap': (thread) => {
    thread.exhaust();
  },
};

describe.each([
  ['the server', true, false],
  ['the client', false, true],
  ['both', true, true],
] as const)('an I/O thread of %s', (_whose, serverHasThread, clientHasThread) => {
  it.each(Object.keys(ends))(
    'that %s ends open calls long before silence would, and its sides find each other again',
    async (how) => {
      const threads = seeThreads({ maxOldGenerationSizeMb: 16 });
      const { service, server, client, proxy } = await connected(
        { thread: serverHasThread },
        { thread: clientHasThread },
      );
      const id = client.connectionID();
      const losses: unknown[] = [];
      server.disconnectionMade$.subscribe(({ reason }) => losses.push(reason.by));
      client.disconnectionMade$.subscribe(({ reason }) => losses.push(reason.by));
      const { port } = server.address()!;
      const call = proxy.wait();
      const lost = call.then(
        () => undefined,
        (error: unknown) => ({ error, ms: performance.now() - startMs }),
      );
      await service.entered;
      const startMs = performance.now();
      ends[how]!(first(threads));
      const { error, ms } = (await lost)!;
      expect(error).toBeInstanceOf(ConnectionLostError);
      expect(error).toMatchObject({ executed: 'unknown' });
      // A timeout is 10 s. How long it takes on a quiet machine is a figure of the faults (F26).
      expect(ms).toBeLessThan(8_000);
      await firstValueFrom(
        client
          .remoteProxyObject$('service')
          .pipe(filter((there) => there !== undefined && client.connectionID() !== id)),
      );
      await expect(proxy.echo(1)).resolves.toBe(1);
      expect([threads.length, server.address()!.port, losses]).toEqual([2, port, ['transport', 'transport']]);
    },
  );
});

describe('a server whose I/O thread dies three times within a minute', () => {
  it('stops, names its real port, and can be started again when the minute is over', async () => {
    const threads = seeThreads();
    const { server, client } = await connected({ thread: true }, { thread: false });
    const { port } = server.address()!;
    const reported = firstValueFrom(
      server.errors$.pipe(filter((error) => (error as { code?: unknown }).code === 'io-thread')),
    );
    const stopped = firstValueFrom(
      server.status$.pipe(filter((status) => status === RPCServer.STATE_NOT_RUNNING)),
    );
    for (let deaths = 0; deaths < 3; deaths++) {
      await client.whenConnected();
      const lost = firstValueFrom(client.disconnectionMade$);
      threads.at(-1)!.fault();
      await lost;
    }
    const text = 'the I/O thread died 3 times within a minute: none is started until that is over';
    const message = `cannot listen on 127.0.0.1:${port}: ${text}`;
    expect(await reported).toMatchObject({ code: 'io-thread', message });
    await stopped;
    await expect(server.start()).rejects.toMatchObject({
      code: 'io-thread',
      message: `cannot listen on 127.0.0.1:0: ${text}`,
    });
    expect([threads.length, server.status()]).toEqual([3, RPCServer.STATE_NOT_RUNNING]);
    const laterMs = performance.now() + 60_000;
    jest.spyOn(performance, 'now').mockImplementation(() => laterMs);
    await server.start();
    jest.mocked(performance.now).mockRestore();
    expect([threads.length, server.status()]).toEqual([4, RPCServer.STATE_RUNNING]);
  });
});

describe('what waits for the main thread', () => {
  it.each([
    ['of 200 bytes', 200, 4_400_000],
    ['of 60,000 bytes', 60_000, 30_000_000],
    ['of 6 million bytes, in fragments', 6_000_000, 30_000_000],
  ])(
    'never gets as far as to stop reading, if the peer keeps to the window: messages %s',
    async (_what, size, total) => {
      const threads = seeThreads();
      const { service, client, proxy } = await connected(
        { thread: true },
        // All of it is to wait: notifications would fail beyond the mark.
        { heartbeatIntervalInSeconds: 0.1, limits: { highWaterBytes: 32 * 1024 * 1024 } },
      );
      const thread = first(threads);
      thread.holdGrants();
      const bytes = new Uint8Array(size);
      for (let sent = 0; sent < total; sent += size) notify(proxy).sink(bytes);
      // A heartbeat that was sent when nothing more left has everything before it: the rest waits at the peer.
      let told: number;
      do {
        told = thread.toldBytes;
        for (let beats = 0; beats < 2; beats++) await firstValueFrom(client.heartbeat$);
      } while (thread.toldBytes > told);
      expect(client.counts().queuedBytes).toBeGreaterThan(100_000);
      expect(service.sunkBytes).toBeLessThan(total);
      expect(told).toBeGreaterThan(windowBytes / 2);
      thread.grant();
      await proxy.echo(1);
      expect(service.sunkBytes).toBeGreaterThanOrEqual(total);
      expect(thread.mostWaitingBytes).toBeLessThan(mostWaitingBytes);
    },
  );
});
