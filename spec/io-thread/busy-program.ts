/**
 * A server whose main thread is busy for some seconds while a client in another process sends as fast as it may: what comes of
 * the connection, of calls, of what is told about the main loop, and of memory. Run by `busy.ts`; the arguments are the
 * seconds, the bytes to send, and whether the server has its sockets on the I/O thread.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { notify, RPCClient, RPCServer } from 'tandem-rpc';

const timeoutInSeconds = 2;

/** Sent at once, and what may wait in the client's own queue before it waits as well. */
const pieceBytes = 60_000;
const mostQueuedBytes = 4 * 1024 * 1024;

class Service {
  sunkBytes = 0;

  echo(value: number): number {
    return value;
  }

  sink(bytes: Uint8Array): void {
    this.sunkBytes += bytes.length;
  }
}

const [seconds = '1', bytes = '0', thread = 'true', port] = process.argv.slice(2);

if (port === undefined) await serve();
else await flood();

async function serve(): Promise<void> {
  const service = new Service();
  const server = new RPCServer({
    port: 0,
    timeoutInSeconds,
    thread: thread === 'true',
    localProxyObjects: { service },
  });
  await server.start();
  let losses = 0;
  const client = fork(fileURLToPath(import.meta.url), [
    seconds,
    bytes,
    thread,
    String(server.address()?.port),
  ]);
  const told = (): Promise<unknown> =>
    new Promise((resolve) => {
      client.once('message', resolve);
    });
  await told();
  const ends = server.disconnectionMade$.subscribe(() => {
    losses += 1;
  });
  const startBytes = process.memoryUsage.rss();
  let mostBytes = startBytes;
  const watch = (): void => {
    mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
  };
  const endMs = performance.now() + Number(seconds) * 1_000;
  // A signal leaves at once: by the time that the client hears of it this thread is busy.
  client.kill('SIGUSR2');
  for (let nextMs = 0; performance.now() < endMs;) {
    if (performance.now() < nextMs) continue;
    watch();
    nextMs = performance.now() + 50;
  }
  const grownBytes = mostBytes - startBytes;
  const report = await told();
  ends.unsubscribe();
  console.log(
    JSON.stringify({
      ...(report as object),
      losses,
      sunkBytes: service.sunkBytes,
      grownBytes,
    }),
  );
  client.disconnect();
  await server.dispose();
}

async function flood(): Promise<void> {
  const client = new RPCClient({ port: Number(port), timeoutInSeconds });
  // Notifications that are lost with the connection are told here, and expected where there is no I/O thread.
  client.errors$.subscribe();
  client.connectToServer();
  const service = await client.whenRemoteProxyObject<Service>('service');
  let clientLosses = 0;
  let longestLagMs = 0;
  client.disconnectionMade$.subscribe(() => {
    clientLosses += 1;
  });
  client.heartbeat$.subscribe(({ loopLagMs }) => {
    longestLagMs = Math.max(longestLagMs, loopLagMs);
  });
  process.once('SIGUSR2', () => void send());
  process.once('disconnect', () => process.exit());
  await service.echo(0);
  process.send?.('connected');

  async function send(): Promise<void> {
    // In front of all that is sent.
    const startMs = performance.now();
    const answer = service.echo(1).then(
      () => ({ answeredMs: performance.now() - startMs }),
      (error: unknown) => ({ answeredMs: -1, failure: String(error) }),
    );
    const piece = new Uint8Array(pieceBytes);
    for (let sent = 0; sent < Number(bytes); sent += pieceBytes) {
      while (client.counts().queuedBytes > mostQueuedBytes)
        await new Promise((resolve) => setTimeout(resolve, 5));
      notify(service).sink(piece);
    }
    // Behind everything that was sent.
    await service.echo(2).catch(() => undefined);
    process.send?.({ ...(await answer), clientLosses, longestLagMs });
  }
}
