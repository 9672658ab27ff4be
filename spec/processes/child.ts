/**
 * A server or a client in a process of its own, told what to do and telling what happens by messages to its parent. It is
 * bundled from the sources when it is needed, so that the suite needs no build and tests what is there now.
 */
import { RPCClient } from '../../src/rpc/client.js';
import { RPCServer } from '../../src/rpc/server.js';
import { RPCError } from '../../src/errors.js';
import type { CloseReason } from '../../src/protocol/close-reason.js';

class Echo {
  echo(value: number): number {
    return value;
  }
}

const [role = '', port = '0', timeout = '1', max = '', thread = ''] = process.argv.slice(2);
const settings = { port: Number(port), timeoutInSeconds: Number(timeout), thread: thread === 'true' };

function tell(event: string, details: object = {}): void {
  process.send?.({ event, ...details });
}

function tellHeartbeat(): void {
  tell('heartbeat');
}

function tellLoss({ code, by, message }: CloseReason): void {
  tell('lost', { code, by, message });
}

/** The parent orders a busy loop by sending how many milliseconds it lasts. */
process.on('message', (ms: number) => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
  tell('unblocked');
});
// Whatever happens to the parent, nothing is left behind.
process.on('disconnect', () => process.exit());

async function serve(): Promise<void> {
  const server = new RPCServer({
    ...settings,
    maxConnectionsAllowed: max === '' ? null : Number(max),
    localProxyObjects: { service: new Echo() },
  });
  server.connectionMade$.subscribe(() => {
    tell('made');
  });
  server.disconnectionMade$.subscribe(({ reason }) => {
    tellLoss(reason);
  });
  server.heartbeat$.subscribe(tellHeartbeat);
  server.errors$.subscribe(({ name }) => {
    tell('error', { code: name });
  });
  await server.start();
  tell('listening', { port: server.address()?.port });
}

function use(): void {
  const client = new RPCClient({
    ...settings,
    reconnect: { initialDelayInSeconds: 0.05, maxDelayInSeconds: 0.2 },
  });
  // The first answer on each connection is told. A connection may end without failing a call: all may be answered.
  let isFirst = true;
  client.connectionMade$.subscribe(() => {
    isFirst = true;
    tell('made');
  });
  client.disconnectionMade$.subscribe(({ reason }) => {
    tellLoss(reason);
  });
  client.heartbeat$.subscribe(tellHeartbeat);
  client.errors$.subscribe(({ name }) => {
    tell('error', { code: name });
  });
  const load = async (): Promise<void> => {
    for (let key = 0; ; key++) {
      const service = await client.whenRemoteProxyObject<Echo>('service');
      try {
        if ((await service.echo(key)) !== key) tell('fault', { message: 'a wrong answer' });
        if (isFirst) tell('served');
        isFirst = false;
      } catch (error) {
        if (!(error instanceof RPCError) || error.executed === undefined)
          tell('fault', { message: String(error) });
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  client.connectToServer();
  for (let lane = 0; lane < 10; lane++) void load();
}

if (role === 'server') void serve();
else use();
