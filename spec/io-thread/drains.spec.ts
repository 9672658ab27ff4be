import { once } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Subject } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { FaultProxy } from 'tandem-rpc/testing';
import { seeThreads, type SeenThread } from '../helpers/seen-threads.js';

/** Seconds: far more than anything takes that ends by itself. */
const drainInSeconds = 30;
const resume = { windowInSeconds: 30 };

/** A method that calls back, asks what is asked, and ends when the spec says so. */
class Desk {
  readonly ran: string[] = [];
  readonly ticks = new Subject<number>();
  readonly ticks$ = this.ticks.asObservable();
  finish: () => void = () => undefined;
  readonly #gate = new Promise<void>((resolve) => {
    this.finish = resolve;
  });
  #enter: () => void = () => undefined;
  readonly entered = new Promise<void>((resolve) => {
    this.#enter = resolve;
  });

  async work(confirm: (text: string) => Promise<string>): Promise<string> {
    this.ran.push('work');
    this.#enter();
    await this.#gate;
    return `done, ${await confirm('one')}, ${await confirm('two')}`;
  }

  note(): void {
    this.ran.push('note');
  }
}

const open: { dispose(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((side) => side.dispose()));
  jest.restoreAllMocks();
});

async function working(serverHasThread: boolean, clientHasThread: boolean) {
  const desk = new Desk();
  const server = new RPCServer({ port: 0, localProxyObjects: { desk }, resume, thread: serverHasThread });
  await server.start();
  const proxy = new FaultProxy({ target: { port: server.address()?.port ?? 0 } });
  const client = new RPCClient({
    port: (await proxy.listen()).port,
    resume,
    thread: clientHasThread,
    reconnect: { initialDelayInSeconds: 0.01, maxDelayInSeconds: 0.01 },
  });
  open.push(client, server, proxy);
  client.connectToServer();
  const remote = await client.whenRemoteProxyObject<Desk>('desk');
  const values: number[] = [];
  const streamEnded = new Promise<void>((resolve, reject) => {
    remote.ticks$.subscribe({ next: (value) => values.push(value), complete: resolve, error: reject });
  });
  const running = remote.work(async (text) => {
    await Promise.resolve();
    return `${text} confirmed`;
  });
  await desk.entered;
  return { desk, server, client, proxy, remote, running, values, streamEnded };
}

async function haveEnded(threads: readonly SeenThread[]): Promise<void> {
  for (const thread of threads) if (thread.threadId !== -1) await once(thread, 'exit');
}

describe.each([
  ['the server', true, false],
  ['the client', false, true],
  ['both', true, true],
] as const)('a drain with an I/O thread at %s', (_whose, atServer, atClient) => {
  it.each(['server', 'client'] as const)(
    'of the %s answers what runs, also over another connection, and lets the thread end',
    async (side) => {
      const threads = seeThreads({});
      const { desk, server, client, proxy, remote, running, values, streamEnded } = await working(
        atServer,
        atClient,
      );
      const left = new Promise<void>((resolve) => {
        client.disconnectionMade$.subscribe(() => {
          resolve();
        });
      });
      const drained =
        side === 'server' ? server.stop({ drainInSeconds }) : client.disconnectFromServer({ drainInSeconds });
      await left;
      await expect(Promise.resolve(remote.note())).rejects.toMatchObject({ executed: 'no' });
      // A link that is cut while it drains: the session comes back to what is open.
      const links = proxy.links.length;
      const cameBack = new Promise<void>((resolve) => {
        proxy.onLink(() => {
          resolve();
        });
      });
      desk.ticks.next(1);
      proxy.cut();
      desk.ticks.next(2);
      await cameBack;
      desk.ticks.next(3);
      desk.ticks.complete();
      desk.finish();
      expect(await running).toBe('done, one confirmed, two confirmed');
      await streamEnded;
      await drained;
      expect([links, values, desk.ran]).toEqual([1, [1, 2, 3], ['work']]);
      await Promise.all([client.dispose(), server.dispose()]);
      await haveEnded(threads);
      expect(threads.length).toBeGreaterThan(0);
    },
  );
});
