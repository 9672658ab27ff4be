import { describe, expect, it } from '@jest/globals';
import { runProgram } from '../helpers/child-process.js';

/**
 * A server on the main thread and a client in a worker, each with its sockets on an I/O thread, whose loops stand as long as the
 * other one likes: no time is guessed.
 *
 * @param options - of the client
 * @param server - what the main thread does, connected, with `theirs`, a proxy of the worker's object
 * @param client - what the worker does, connected, with `theirs`, a proxy of the main thread's object
 */
const program = (options: string, server: string, client: string): string => `
  import { writeSync } from 'node:fs';
  import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
  import { RPCClient, RPCServer } from 'tandem-rpc';

  // A worker prints by way of the main thread, which has other things to do.
  const tell = (...words) => writeSync(1, words.join(' ') + '\\n');
  const words = workerData?.words ?? new Int32Array(new SharedArrayBuffer(12));
  const [MAIN_STANDS, WORKER_STANDS, OVER] = [0, 1, 2];
  const set = (word) => { Atomics.store(words, word, 1); Atomics.notify(words, word); };
  const when = (word, ms) => Atomics.wait(words, word, 0, ms);
  let isOver = false;
  const service = { echo: (value) => value };
  // Beginning takes as long as the machine needs.
  const common = { timeoutInSeconds: 10, thread: true, localProxyObjects: { service } };

  /** Lags as the peer's heartbeats tell them, and whatever else becomes of its connection. */
  const watch = (name, side) => {
    const lags = [];
    side.heartbeat$.subscribe(({ loopLagMs }) => { lags.push(loopLagMs); });
    side.unresponsive$.subscribe((ids) => { if (ids.length > 0) tell(name, 'sees it unresponsive'); });
    side.disconnectionMade$.subscribe(({ reason }) => { if (!isOver) tell(name, 'lost it:', reason.code); });
    return lags;
  };
  const answerOf = (name, call) => call.then((value) => tell(name, 'was answered:', value), ({ code }) => tell(name, 'failed:', code));
  const whenLag = (side, ms) => new Promise((resolve) => side.heartbeat$.subscribe(({ loopLagMs }) => { if (loopLagMs > ms) resolve(); }));

  if (isMainThread) {
    const server = new RPCServer({ port: 0, unresponsiveAfterInSeconds: 0.6, ...common });
    const lags = watch('the server', server);
    await server.start();
    const registered = new Promise((resolve) => server.remoteProxyObjectRegistered$.subscribe(resolve));
    const worker = new Worker(new URL(import.meta.url), { workerData: { port: server.address().port, words } });
    const ended = new Promise((resolve) => worker.on('exit', resolve));
    const { connectionID } = await registered;
    const theirs = server.remoteProxyObject(connectionID, 'service');
    await new Promise((resolve) => worker.once('message', resolve));
    server.setTimeout(0.5);
    ${server}
    isOver = true;
    worker.postMessage('end');
    await ended;
    await server.dispose();
  } else {
    const client = new RPCClient({ port: workerData.port, ...common, ...${options} });
    const lags = watch('the client', client);
    client.connectToServer();
    const theirs = await client.whenRemoteProxyObject('service');
    await theirs.echo(0);
    client.setTimeout(0.5);
    const end = new Promise((resolve) => parentPort.once('message', resolve));
    parentPort.postMessage('ready');
    ${client}
    await end;
    isOver = true;
    await client.dispose();
  }
`;

async function linesOf(source: string): Promise<string[]> {
  const { code, output } = await runProgram(source, [], 15_000);
  expect([code, output]).toEqual([0, output]);
  return output.trimEnd().split('\n');
}

/** Ends only with the process, which the worker has end when it has seen enough. */
const neverReturns = `
  set(MAIN_STANDS);
  when(OVER);
  process.exit(0);
`;

describe('a main loop that never returns', () => {
  it('is reported with an ever-growing lag, and not declared dead', async () => {
    const lines = await linesOf(
      program(
        `{ unresponsiveAfterInSeconds: 0.6 }`,
        neverReturns,
        `
          when(MAIN_STANDS);
          void answerOf('the call', theirs.echo(1));
          await whenLag(client, 2_000);
          const grown = lags.filter((ms, at) => ms > (lags[at - 1] ?? 0));
          const growing = lags.slice(lags.findLastIndex((ms) => ms === 0) + 1);
          tell(grown.length > 5 && growing.every((ms, at) => ms > (growing[at - 1] ?? 0)) ? 'growing' : lags);
          set(OVER);`,
      ),
    );
    expect(lines).toEqual(['the client sees it unresponsive', 'growing']);
  }, 30_000);

  it('is disconnected where that is asked for', async () => {
    const lines = await linesOf(
      program(
        `{ unresponsiveAfterInSeconds: 0.6, disconnectUnresponsive: true }`,
        neverReturns,
        `
          when(MAIN_STANDS);
          await answerOf('the call', theirs.echo(1));
          set(OVER);`,
      ),
    );
    expect(lines).toEqual([
      'the client sees it unresponsive',
      'the client lost it: unresponsive',
      'the call failed: connection-lost',
    ]);
  }, 30_000);
});

describe('a client whose loop stands', () => {
  it('is not lost by its server, which sees it unresponsive, and whose call waits', async () => {
    const lines = await linesOf(
      program(
        '{}',
        `
          when(WORKER_STANDS);
          const answered = answerOf('the call', theirs.echo(1));
          await whenLag(server, 1_500);
          tell('it has not turned for three timeouts');
          set(OVER);
          await answered;`,
        `
          set(WORKER_STANDS);
          when(OVER);`,
      ),
    );
    expect(lines).toEqual([
      'the server sees it unresponsive',
      'it has not turned for three timeouts',
      'the call was answered: 1',
    ]);
  }, 30_000);
});

describe('a server and a client whose loops stand at once', () => {
  it('lose nothing: the calls that both have made are answered when both go on', async () => {
    const lines = await linesOf(
      program(
        '{}',
        `
          const answered = answerOf('the server', theirs.echo(1));
          // What is sent leaves at the end of a turn.
          await new Promise(setImmediate);
          set(MAIN_STANDS);
          when(WORKER_STANDS);
          when(OVER, 3 * 500);
          set(OVER);
          await answered;
          await whenLag(server, -1);
          tell('the client told of its loop:', lags.some((ms) => ms > 1_000));`,
        `
          const answered = answerOf('the client', theirs.echo(2));
          await new Promise(setImmediate);
          set(WORKER_STANDS);
          when(MAIN_STANDS);
          when(OVER);
          await answered;`,
      ),
    );
    // Whether the server sees it unresponsive depends on whose loop turns first.
    expect(lines.filter((line) => !line.includes('unresponsive')).sort()).toEqual([
      'the client told of its loop: true',
      'the client was answered: 2',
      'the server was answered: 1',
    ]);
  }, 30_000);
});
