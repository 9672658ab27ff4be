/**
 * Byte strings of every sort against a server that serves a good client at the same time, over real sockets.
 */
import { connect } from 'node:net';
import { RPCClient } from '../../src/rpc/client.js';
import { RPCServer } from '../../src/rpc/server.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import { drawConversation } from './frames.js';

/** What came of it. */
export interface LiveServerReport {
  conversations: number;
  echoes: number;
  slowestEchoMs: number;
  grownBytes: number;
  readonly faults: string[];
}

/** How many strangers talk at the same time. */
const strangers = 16;

class Echo {
  echo(value: unknown): unknown {
    return value;
  }
}

/** Lets so many strangers talk to a server; each must be gone in the end, and the good client must notice nothing. */
export async function fuzzServer(
  conversations: number,
  seed: number,
  thread = false,
): Promise<LiveServerReport> {
  const report: LiveServerReport = {
    conversations: 0,
    echoes: 0,
    slowestEchoMs: 0,
    grownBytes: 0,
    faults: [],
  };
  const random = new SeededRandom(seed);
  const note = (error: unknown): void => {
    report.faults.push(`unhandled: ${String(error)}`);
  };
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  const server = new RPCServer({
    port: 0,
    timeoutInSeconds: 2,
    thread,
    localProxyObjects: { service: new Echo() },
  });
  // Strangers' faults are told here, which is as it must be.
  const errors = server.errors$.subscribe(() => {});
  await server.start();
  const port = server.address()!.port;
  const client = new RPCClient({ port, timeoutInSeconds: 10, thread });
  const losses = client.disconnectionMade$.subscribe(({ reason }) => {
    report.faults.push(`the good client was disconnected: ${reason.message}`);
  });
  client.connectToServer();
  const service = await client.whenRemoteProxyObject<Echo>('service');

  let startBytes = 0;
  const talk = async (): Promise<void> => {
    while (report.conversations < conversations) {
      report.conversations += 1;
      if (report.conversations === Math.ceil(conversations / 5)) startBytes = process.memoryUsage.rss();
      await converse(port, drawConversation(random), random.chance(0.5));
    }
  };
  let isOver = false;
  const echo = async (): Promise<void> => {
    while (!isOver) {
      const startMs = performance.now();
      if ((await service.echo(report.echoes)) !== report.echoes) report.faults.push('a wrong echo');
      report.echoes += 1;
      report.slowestEchoMs = Math.max(report.slowestEchoMs, performance.now() - startMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const echoing = echo().catch((error: unknown) => {
    report.faults.push(`an echo failed: ${String(error)}`);
  });
  await Promise.all(Array.from({ length: strangers }, talk));
  isOver = true;
  await echoing;
  report.grownBytes = process.memoryUsage.rss() - startBytes;
  if (report.grownBytes > 128 * 1024 * 1024) report.faults.push(`${report.grownBytes} bytes were kept`);
  losses.unsubscribe();
  await client.dispose();
  await server.dispose();
  errors.unsubscribe();
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
  return report;
}

/** Says something and waits until the server has ended the connection; half of the strangers end their own side first. */
function converse(port: number, bytes: Uint8Array, endsFirst: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => {});
    socket.on('close', () => {
      resolve();
    });
    socket.resume();
    socket.write(bytes);
    if (endsFirst) socket.end();
  });
}
