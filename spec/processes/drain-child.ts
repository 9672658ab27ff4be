/**
 * A server, or a client of two servers under load, in a process of its own; see `drain.spec.ts`. The server drains on the
 * first SIGTERM, ends at once on the second, and then has nothing left that keeps its process alive.
 */
import { RPCClient } from '../../src/rpc/client.js';
import { RPCServer } from '../../src/rpc/server.js';
import { RPCError } from '../../src/errors.js';
import { withCallOptions } from '../../src/proxies/remote-proxy.js';

/** Milliseconds that a call takes. */
const workMs = 20;

class Desk {
  async work(value: number, told: (value: number) => Promise<number>): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, workMs));
    // What runs while its server drains still calls back.
    return told(value);
  }

  hang(): Promise<never> {
    tell('hanging');
    return new Promise(() => undefined);
  }
}

const [role = '', drainInSeconds = '1', ...ports] = process.argv.slice(2);

function tell(event: string, details: object = {}): void {
  if (process.connected) process.send?.({ event, ...details });
}

async function serve(): Promise<void> {
  const server = new RPCServer({ port: 0, localProxyObjects: { desk: new Desk() } });
  await server.start();
  tell('listening', { port: server.address()?.port });
  let signals = 0;
  const stop = (): void => {
    signals += 1;
    if (signals > 1) {
      void server.stop();
      return;
    }
    void server.stop({ drainInSeconds: Number(drainInSeconds) }).then(() => {
      tell('stopped', { drainedMs: performance.now() - startedMs });
      process.off('SIGTERM', stop);
      // The channel to the parent is this program's own.
      process.disconnect();
    });
    const startedMs = performance.now();
    tell('draining');
  };
  process.on('SIGTERM', stop);
}

async function use(): Promise<void> {
  const urls = ports.map((port) => `tcp://127.0.0.1:${port}`);
  const client = new RPCClient({ urls });
  let [made, answered, failed] = [0, 0, 0];
  let isOver = false;
  client.connectToServer();
  const desk = withCallOptions(await client.whenRemoteProxyObject<Desk>('desk'), {
    whenDisconnected: 'wait',
    timeoutInSeconds: 20,
  });
  const open = new Set<Promise<void>>();
  const call = async (): Promise<void> => {
    const value = (made += 1);
    try {
      if ((await desk.work(value, async (same) => same)) !== value) throw new RPCError('a wrong answer');
      answered += 1;
    } catch (error) {
      failed += 1;
      tell('failed', { message: String(error) });
    }
  };
  const timer = setInterval(() => {
    for (let each = 0; each < 10; each += 1) {
      const called = call().finally(() => open.delete(called));
      open.add(called);
    }
    if (made % 500 === 0) tell('load');
  }, 10);
  client.connectionMade$.subscribe(() => {
    tell('made');
  });
  process.on('message', () => {
    if (isOver) return;
    isOver = true;
    clearInterval(timer);
    void Promise.all(open).then(async () => {
      tell('counted', { made, answered, failed });
      await client.disconnectFromServer({ drainInSeconds: 1 });
      process.disconnect();
    });
  });
}

async function hold(): Promise<void> {
  const client = new RPCClient({ url: `tcp://127.0.0.1:${ports[0]}` });
  client.connectToServer();
  const desk = await client.whenRemoteProxyObject<Desk>('desk');
  const held = desk.hang();
  await held.catch((error: unknown) => {
    tell('lost', { executed: error instanceof RPCError ? error.executed : 'none' });
  });
  await client.dispose();
  process.disconnect();
}

// Whatever happens to the parent, nothing is left behind.
process.on('disconnect', () => {
  setTimeout(() => process.exit(9), 10_000).unref();
});
if (role === 'server') void serve();
else if (role === 'client') void use();
else void hold();
