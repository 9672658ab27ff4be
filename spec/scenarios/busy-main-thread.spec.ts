import { describe, expect, it } from '@jest/globals';
import { runProgram } from '../helpers/child-process.js';

/** A server whose main loop is busy for more than two timeouts, and a client of it in the same program, on a thread of its own. */
const program = (thread: boolean): string => `
  import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
  import { RPCClient, RPCServer } from 'tandem-rpc';

  if (isMainThread) {
    const service = { echo: (value) => value };
    const server = new RPCServer({ port: 0, thread: ${thread}, localProxyObjects: { service } });
    await server.start();
    server.disconnectionMade$.subscribe(({ reason }) => console.log('the server lost it:', reason.code));
    // Set by the main thread when it is busy: the worker waits for that without a turn of its loop.
    const isBusy = new Int32Array(new SharedArrayBuffer(4));
    const client = new Worker(new URL(import.meta.url), { workerData: { port: server.address().port, isBusy } });
    client.on('message', async (word) => {
      if (word === 'ready') {
        const endMs = performance.now() + 2_500;
        Atomics.store(isBusy, 0, 1);
        Atomics.notify(isBusy, 0);
        while (performance.now() < endMs);
      } else {
        await server.dispose();
      }
    });
  } else {
    const { port, isBusy } = workerData;
    const client = new RPCClient({ port, unresponsiveAfterInSeconds: 1 });
    client.connectToServer();
    const service = await client.whenRemoteProxyObject('service');
    await service.echo(1);
    // Only now: beginning takes as long as the machine needs.
    client.setTimeout(1);
    let longestMs = 0;
    client.heartbeat$.subscribe(({ loopLagMs }) => { longestMs = Math.max(longestMs, loopLagMs); });
    client.disconnectionMade$.subscribe(({ reason }) => console.log('the client lost it:', reason.code));
    client.unresponsive$.subscribe((ids) => { if (ids.length > 0) console.log('unresponsive'); });
    parentPort.postMessage('ready');
    Atomics.wait(isBusy, 0, 0);
    await service.echo(2).then(
      () => console.log('answered, lag above 1 s:', longestMs > 1_000),
      ({ code }) => console.log('the call:', code),
    );
    await client.dispose();
    parentPort.postMessage('done');
  }
`;

describe('a server whose main thread is busy for longer than the timeout', () => {
  it('is lost by its client without a thread', async () => {
    const { code, output } = await runProgram(program(false), [], 30_000);
    expect(code).toBe(0);
    expect(output).toContain('the client lost it: timeout');
    expect(output).toContain('the call: connection-lost');
    expect(output).not.toContain('answered');
  }, 40_000);

  it('is known to be alive and unresponsive with thread: true, and the call waits', async () => {
    const { code, output } = await runProgram(program(true), [], 30_000);
    expect(code).toBe(0);
    // What the client's thread prints goes by way of the main thread: in no order with what that prints itself.
    const lines = output.trim().split('\n');
    expect(lines).toContain('unresponsive');
    expect(lines).toContain('answered, lag above 1 s: true');
    expect(output).not.toContain('timeout');
    expect(output).not.toContain('connection-lost');
  }, 40_000);
});
