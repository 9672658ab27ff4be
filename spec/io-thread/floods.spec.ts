import { describe, expect, it } from '@jest/globals';
import { mostWaitingBytes, windowBytes } from '../../src/io-thread/watched-transport.js';
import { runProgram } from '../helpers/child-process.js';

interface FloodReport {
  /** Before the sender was told to stop, or ended. */
  readonly sentBytes: number;
  /** By how much the process grew meanwhile, which has both ends. */
  readonly grownBytes: number;
  /** How it ended. */
  readonly outcome: unknown;
}

/** Much more than may wait anywhere. */
const floodBytes = 400_000_000;

const maxQueuedBytes = 4 * 1024 * 1024;

/** What the system itself may hold of a loopback connection. */
const systemBytes = 16 * 1024 * 1024;

/** What a process may grow by: twice what may wait, copied once on its way, and what is not collected yet. */
const mostGrownBytes = 48 * 1024 * 1024;

const tools = `
  import { once } from 'node:events';
  import { createServer, connect } from 'node:net';
  import { Worker, isMainThread, workerData } from 'node:worker_threads';
  import { asyncScheduler } from 'rxjs';
  import { notify, RPCClient, RPCServer } from 'tandem-rpc';
  import { tcpTransports } from './src/transports/tcp.js';
  import { RawPeer } from './spec/helpers/raw-peer.js';
  import { frameOf } from './spec/helpers/wire.js';

  const limits = { maxQueuedBytes: ${maxQueuedBytes} };
  const service = { sink: (bytes) => bytes.length };
  const turn = () => new Promise(setImmediate);
  let fromBytes, mostBytes;
  const begin = () => { fromBytes = mostBytes = process.memoryUsage.rss(); };
  const measure = () => { mostBytes = Math.max(mostBytes, process.memoryUsage.rss()); };
  const report = (sentBytes, outcome) => JSON.stringify({ sentBytes, grownBytes: mostBytes - fromBytes, outcome });
`;

/** A server on the main thread, which stands until the worker has said what came of it. */
const standingServer = (worker: string): string => `
  const word = workerData?.word ?? new Int32Array(new SharedArrayBuffer(4));
  if (isMainThread) {
    const server = new RPCServer({ port: 0, thread: true, heartbeatIntervalInSeconds: 0.1, localProxyObjects: { service } });
    await server.start();
    const { port } = server.address();
    const worker = new Worker(new URL(import.meta.url), { workerData: { port, word } });
    worker.on('message', async (message) => {
      if (message === 'begin') {
        begin();
        while (Atomics.wait(word, 0, 0, 20) === 'timed-out') measure();
      } else {
        console.log(report(message.sentBytes, message.outcome));
        process.exit();
      }
    });
  } else {
    const { parentPort } = await import('node:worker_threads');
    const goOn = () => { Atomics.store(word, 0, 1); Atomics.notify(word, 0); };
    const { port } = workerData;
    ${worker}
  }
`;

async function reportOf(source: string): Promise<FloodReport> {
  const { code, output } = await runProgram(tools + source, [], 30_000);
  expect([code, output]).toEqual([0, expect.stringMatching(/^\{.*\}\n$/)]);
  return JSON.parse(output) as FloodReport;
}

describe('what a client with an I/O thread sends, without looking, to a peer that does not read', () => {
  it('is bounded where only the system holds the peer back: it is refused, and then the connection ends', async () => {
    const { sentBytes, grownBytes, outcome } = await reportOf(`
      const server = new RPCServer({ port: 0, localProxyObjects: { service }, heartbeatIntervalInSeconds: 0.1 });
      await server.start();
      let near;
      const proxy = createServer((socket) => {
        const far = connect(server.address().port, '127.0.0.1');
        near = socket;
        socket.pipe(far).pipe(socket);
        for (const each of [socket, far]) each.on('error', () => {});
      });
      await once(proxy.listen(0, '127.0.0.1'), 'listening');
      const slow = { ...limits, maxStallMs: 500 };
      const client = new RPCClient({ port: proxy.address().port, thread: true, limits: slow, timeoutInSeconds: 0.5 });
      client.errors$.subscribe(() => {});
      client.connectToServer();
      const theirs = await client.whenRemoteProxyObject('service');
      await theirs.sink(new Uint8Array(1_000));
      let loss;
      client.disconnectionMade$.subscribe(({ reason }) => { loss = [reason.code, reason.by]; });
      near.unpipe();
      near.pause();
      begin();
      let sentBytes = 0, mostQueuedBytes = 0;
      const refusals = new Set();
      for (const bytes = new Uint8Array(10_000); loss === undefined && sentBytes < ${floodBytes}; await turn())
        for (let count = 0; count < 10 && client.isConnected(); count++) {
          try {
            notify(theirs).sink(bytes);
            sentBytes += bytes.length;
          } catch ({ code, executed }) {
            refusals.add(code + ' ' + executed);
          }
          mostQueuedBytes = Math.max(mostQueuedBytes, client.counts().queuedBytes);
          measure();
        }
      console.log(report(sentBytes, [...loss, ...refusals, mostQueuedBytes <= ${maxQueuedBytes / 4}]));
      process.exit();
    `);
    expect(outcome).toEqual(['limit-exceeded', 'local', 'limit-exceeded no', true]);
    expect(sentBytes).toBeLessThan(maxQueuedBytes + systemBytes);
    expect(grownBytes).toBeLessThan(mostGrownBytes);
  }, 40_000);

  it('is bounded where the window does: what is too much is refused, and the connection stays', async () => {
    const { sentBytes, grownBytes, outcome } = await reportOf(
      standingServer(`
        const client = new RPCClient({ port, thread: true, limits });
        client.connectToServer();
        const theirs = await client.whenRemoteProxyObject('service');
        await theirs.sink(new Uint8Array(1_000));
        let losses = 0;
        client.disconnectionMade$.subscribe(() => { losses += 1; });
        parentPort.postMessage('begin');
        const bytes = new Uint8Array(10_000);
        const answers = [];
        const refusals = new Set();
        let sentBytes = 0, refused = 0, mostQueuedBytes = 0;
        while ((sentBytes += bytes.length) < ${floodBytes} && refused < 1_000) {
          answers.push(theirs.sink(bytes).catch(({ code, executed }) => {
            refused += 1;
            refusals.add(code + ' ' + executed);
            return 0;
          }));
          mostQueuedBytes = Math.max(mostQueuedBytes, client.counts().queuedBytes);
          if (answers.length % 10 === 0) await turn();
        }
        goOn();
        const taken = (await Promise.all(answers)).filter((length) => length === bytes.length).length;
        parentPort.postMessage({
          sentBytes,
          outcome: [[...refusals], losses, taken + refused === answers.length, mostQueuedBytes < ${maxQueuedBytes + 300_000}],
        });
      `),
    );
    expect(outcome).toEqual([['limit-exceeded no'], 0, true, true]);
    expect(sentBytes).toBeLessThan(maxQueuedBytes + windowBytes + systemBytes);
    expect(grownBytes).toBeLessThan(mostGrownBytes);
  }, 40_000);
});

describe('what a peer sends that does not keep to the window', () => {
  it('is bounded in front of a main thread that stands: nothing more is read', async () => {
    const { sentBytes, grownBytes, outcome } = await reportOf(
      standingServer(`
        let peer, transport, chunks = 0;
        tcpTransports().dial({ host: '127.0.0.1', port }, {
          onTransport: (dialled) => {
            transport = dialled;
            const open = transport.open.bind(transport);
            transport.open = (sink) => open({
              onChunk: (chunk) => { chunks += 1; sink.onChunk(chunk); },
              onWritable: () => sink.onWritable(),
              onClosed: (error) => sink.onClosed(error),
            });
            peer = new RawPeer(transport, { side: 'dialer', ticket: undefined }, asyncScheduler);
          },
        });
        while (peer?.connectionID === undefined) await turn();
        parentPort.postMessage('begin');
        const frame = frameOf([13, 1, 0, new Uint8Array(66_560)]);
        let sentBytes = 0;
        // Nothing comes but pings: three of them while nothing is taken say that nothing will be.
        for (let heard = 0, queuedBytes = 0; chunks < heard + 3 && peer.end === undefined && sentBytes < ${floodBytes}; await turn()) {
          if (transport.queuedBytes < 1_000_000) {
            transport.write(frame);
            sentBytes += frame.length;
            heard = chunks;
          }
          // It grows by answers to pings.
          if (transport.queuedBytes < queuedBytes) heard = chunks;
          queuedBytes = transport.queuedBytes;
        }
        parentPort.postMessage({ sentBytes, outcome: peer.end === undefined });
        goOn();
      `),
    );
    expect(outcome).toBe(true);
    expect(sentBytes).toBeGreaterThan(windowBytes);
    expect(sentBytes).toBeLessThan(mostWaitingBytes + systemBytes);
    expect(grownBytes).toBeLessThan(mostGrownBytes);
  }, 40_000);
});
