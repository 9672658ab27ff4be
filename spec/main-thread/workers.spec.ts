/**
 * Real worker threads, in programs of their own: jest gives its specs neither the process object nor the loader that workers need.
 */
import { describe, expect, it } from '@jest/globals';
import { runProgram } from '../helpers/child-process.js';

/** A program that is the main thread and, started again, its worker; `tell` prints on either, at once. */
function program(parts: { both?: string; main?: string; worker: string }): string {
  return `
    import { writeSync } from 'node:fs';
    import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
    import { mainThreadCallable, runOnMainThread, runOnMainThreadWithResult } from 'tandem-rpc';
    const tell = (...words) => writeSync(1, words.join(' ') + '\\n');
    const startWorker = (workerData = 0) => new Worker(new URL(import.meta.url), { workerData });
    const attempt = (act) => { try { tell('result', act()); } catch (error) { tell(error.name, error.executed, error.message); } };
    ${parts.both ?? ''}
    if (isMainThread) { ${parts.main ?? 'startWorker();'} } else { ${parts.worker} }
  `;
}

async function linesOf(source: string): Promise<string[]> {
  const { code, output } = await runProgram(source);
  expect([code, output]).toEqual([0, output]);
  return output.trimEnd().split('\n');
}

describe('runOnMainThread', () => {
  it('runs what a worker queues, in order, on the main thread', async () => {
    const lines = await linesOf(
      program({
        both: `const show = mainThreadCallable('show', (text) => tell(text, isMainThread));`,
        worker: `tell(runOnMainThread(show, 'one')); runOnMainThread(show, 'two');`,
      }),
    );
    expect(lines.sort()).toEqual(['', 'one true', 'two true']);
  });

  it('keeps a worker alive until the main thread has its calls, which a busy one has late', async () => {
    const lines = await linesOf(
      program({
        both: `const show = mainThreadCallable('show', tell);`,
        main: `startWorker().on('online', () => { for (const endMs = performance.now() + 200; performance.now() < endMs;); });`,
        worker: `for (let index = 0; index < 3; index++) runOnMainThread(show, index);`,
      }),
    );
    expect(lines).toEqual(['0', '1', '2']);
  });

  it('keeps neither the process nor a worker alive', async () => {
    const lines = await linesOf(
      program({
        both: `const show = mainThreadCallable('show', () => { tell('shown'); });`,
        main: `
          const worker = startWorker().on('exit', () => { tell('worker ends'); startWorker(1); });
          mainThreadCallable('end', () => { setImmediate(() => tell('the process ends')); });`,
        worker: `
          runOnMainThreadWithResult(show);
          if (workerData === 1) runOnMainThread(mainThreadCallable('end'));`,
      }),
    );
    expect(lines).toEqual(['shown', 'worker ends', 'shown', 'the process ends']);
  });

  it('warns in the worker if nobody listens on the main thread', async () => {
    const lines = await linesOf(
      program({
        worker: `runOnMainThread(mainThreadCallable('nobody', () => {})); runOnMainThread(mainThreadCallable('nothing', () => {}));`,
      }),
    );
    expect(lines.join()).toMatch(/TandemWarning: nobody listens on the main thread: 2 calls .* are lost/);
  });

  it('explains why a closure cannot be sent, and shows how else', async () => {
    const lines = await linesOf(
      program({ worker: `const removeItem = () => {}; attempt(() => runOnMainThread(removeItem));` }),
    );
    expect(lines.join()).toMatch(
      /^UnserializableValueError no .*cannot cross threads.*const removeItem = mainThreadCallable\('removeItem'/,
    );
  });

  it('works from a worker inside a worker, while the one between is busy', async () => {
    const lines = await linesOf(
      program({
        both: `const add = mainThreadCallable('add', (one, other) => one + other);`,
        worker: `
          if (workerData === 0) {
            startWorker(1).on('online', () => { for (const endMs = performance.now() + 100; performance.now() < endMs;); });
          } else tell(runOnMainThreadWithResult(add, 1, 2));`,
      }),
    );
    expect(lines).toEqual(['3']);
  });
});

describe('runOnMainThread, where a listener of the program took its hello', () => {
  it('warns in the worker', async () => {
    const lines = await linesOf(
      program({
        main: `process.on('workerMessage', () => {}); startWorker();`,
        worker: `runOnMainThread(mainThreadCallable('nobody', () => {}));`,
      }),
    );
    expect(lines.join()).toMatch(/TandemWarning: nobody listens on the main thread: 1 calls .* are lost/);
  });
});

describe('runOnMainThreadWithResult', () => {
  it('returns results and throws errors, of functions that are asynchronous, too', async () => {
    const lines = await linesOf(
      program({
        both: `
          const add = mainThreadCallable('add', (one, other) => one + other);
          const later = mainThreadCallable('later', async (text) => { await new Promise(setImmediate); return [text]; });
          const fail = mainThreadCallable('fail', async () => { throw new RangeError('far'); });
          const many = mainThreadCallable('many', (count) => new Uint8Array(count).fill(7));`,
        worker: `
          attempt(() => runOnMainThreadWithResult(add, 1, 2));
          attempt(() => runOnMainThreadWithResult(later, 'late'));
          attempt(() => runOnMainThreadWithResult(fail));
          attempt(() => runOnMainThreadWithResult(many, 20_000_000).length);
          attempt(() => runOnMainThreadWithResult(mainThreadCallable('add'), 3, 4));
          attempt(() => runOnMainThreadWithResult(mainThreadCallable('unknown')));`,
      }),
    );
    expect(lines.slice(0, 5)).toEqual([
      'result 3',
      'result late',
      'RangeError  far',
      'result 20000000',
      'result 7',
    ]);
    expect(lines[5]).toMatch(
      /^UnknownMethodError no on the main thread: no main-thread callable "unknown".*"add", "later"/,
    );
  });

  it('says so when the main thread does not answer: it does not listen, it waits for the worker, or is too slow', async () => {
    const run = `attempt(() => runOnMainThreadWithResult.withOptions({ timeoutInSeconds: 0.05 })(mainThreadCallable('wait'), 1));`;
    const silent = await linesOf(program({ worker: run }));
    expect(silent[0]).toMatch(/^RPCTimeoutError no .* does not listen; .*imported tandem-rpc/);

    const waiting = await linesOf(
      program({
        main: `
          mainThreadCallable('wait', () => tell('ran'));
          const word = new Int32Array(new SharedArrayBuffer(4));
          startWorker(word);
          Atomics.wait(word, 0, 0, 5_000);
          tell('the main thread goes on');`,
        worker: `${run} Atomics.store(workerData, 0, 1); Atomics.notify(workerData, 0);`,
      }),
    );
    expect(waiting[0]).toMatch(/^RPCTimeoutError no .*blocked, perhaps waiting for this worker/);
    expect(waiting.slice(1)).toEqual(['the main thread goes on']);

    const slow = await linesOf(
      program({
        main: `mainThreadCallable('wait', () => new Promise(() => {})); startWorker();`,
        worker: run,
      }),
    );
    expect(slow[0]).toMatch(/^RPCTimeoutError yes .*was begun.*if it waits for this worker/);
  });

  it('says soon that nobody listens, however long it would wait, also where a listener of the program takes its hello', async () => {
    const run = `
      const { withOptions } = runOnMainThreadWithResult;
      attempt(() => withOptions({ timeoutInSeconds: null })(mainThreadCallable('add'), 1, 2));`;
    for (const listener of ['', `process.on('workerMessage', () => {});`]) {
      const lines = await linesOf(program({ main: `${listener} startWorker();`, worker: run }));
      expect(lines[0]).toMatch(/^NotConnectedError no .*nobody listened on the main thread/);
    }
  });

  it('can call again where the main thread has begun to listen after a listener of the program took its hello', async () => {
    const lines = await linesOf(
      program({
        main: `
          process.once('workerMessage', () => { setImmediate(() => mainThreadCallable('add', (one, other) => one + other)); });
          startWorker();`,
        worker: `
          const add = runOnMainThreadWithResult.withOptions({ timeoutInSeconds: null });
          attempt(() => add(mainThreadCallable('add'), 1, 2));
          attempt(() => add(mainThreadCallable('add'), 1, 2));`,
      }),
    );
    expect(lines).toEqual([expect.stringMatching(/^NotConnectedError no /), 'result 3']);
  });

  it('is answered beside a listener of the program that throws', async () => {
    const lines = await linesOf(
      program({
        main: `
          process.on('workerMessage', () => { throw new Error('not for me'); });
          mainThreadCallable('add', (one, other) => one + other);
          startWorker();`,
        worker: `
          attempt(() => runOnMainThreadWithResult(mainThreadCallable('add'), 1, 2));
          await new Promise((resolve) => setImmediate(resolve));
          attempt(() => runOnMainThreadWithResult(mainThreadCallable('add'), 3, 4));`,
      }),
    );
    expect(lines).toEqual(['result 3', 'result 7']);
  });

  it('waits for a main thread that is busy for long when the first call comes', async () => {
    const lines = await linesOf(
      program({
        main: `
          mainThreadCallable('add', (one, other) => one + other);
          startWorker().on('online', () => { for (const endMs = performance.now() + 2_500; performance.now() < endMs;); });`,
        worker: `attempt(() => runOnMainThreadWithResult(mainThreadCallable('add'), 1, 2));`,
      }),
    );
    expect(lines).toEqual(['result 3']);
  });

  it('leaves nothing behind when its worker is terminated meanwhile, and serves others', async () => {
    const lines = await linesOf(
      program({
        both: `
          const add = mainThreadCallable('add', (one, other) => one + other);
          const wait = mainThreadCallable('wait', () => {
            tell('waiting');
            return stopped;
          });`,
        main: `
          let worker;
          var stopped = new Promise((resolve) => setImmediate(async () => {
            await new Promise((waiting) => setTimeout(waiting, 50));
            await worker.terminate();
            resolve(startWorker(1) && 'never read');
          }));
          worker = startWorker();`,
        worker: `
          if (workerData === 0) runOnMainThreadWithResult(wait);
          attempt(() => runOnMainThreadWithResult(add, 1, 2));`,
      }),
    );
    expect(lines.filter((line) => line !== 'waiting')).toEqual(['result 3']);
  });

  it('serves by broadcast where Node has no postMessageToThread', async () => {
    const lines = await linesOf(
      program({
        both: `
          delete process.getBuiltinModule('node:worker_threads').postMessageToThread;
          const seen = [];
          const see = mainThreadCallable('see', (value) => seen.push(value));
          const order = mainThreadCallable('order', async () => seen.join());`,
        worker: `
          for (let index = 0; index < 10; index++) runOnMainThread(see, index);
          attempt(() => runOnMainThreadWithResult(see, 'last'));
          attempt(() => runOnMainThreadWithResult(order));
          attempt(() => runOnMainThreadWithResult(order, () => {}));`,
      }),
    );
    expect(lines.slice(0, 2)).toEqual(['result 11', 'result 0,1,2,3,4,5,6,7,8,9,last']);
    expect(lines[2]).toMatch(/^UnserializableValueError no arguments\[0\]/);
  });
});

describe('servers and clients in workers', () => {
  it('call each other, and their hooks run where they live', async () => {
    const lines = await linesOf(
      program({
        both: `
          const { RPCClient, RPCServer } = await import('tandem-rpc');
          const note = mainThreadCallable('note', (...words) => tell(...words, isMainThread));
          const service = { where: () => threadId };`,
        main: `
          const serverWorker = startWorker('server');
          serverWorker.once('message', (port) => {
            const clientWorker = startWorker(port);
            clientWorker.once('exit', () => serverWorker.postMessage('stop'));
          });`,
        worker: `
          const { parentPort } = await import('node:worker_threads');
          const hooks = (Kind) => class extends Kind {
            connectionMade() { runOnMainThread(note, Kind.name, 'made on', threadId); }
            disconnectionMade() { runOnMainThread(note, Kind.name, 'lost on', threadId); }
          };
          if (workerData === 'server') {
            const server = new (hooks(RPCServer))({ port: 0, localProxyObjects: { service } });
            await server.start();
            parentPort.once('message', () => server.dispose());
            parentPort.postMessage(server.address().port);
          } else {
            const client = new (hooks(RPCClient))({ port: workerData });
            client.connectToServer();
            const proxy = await client.whenRemoteProxyObject('service');
            runOnMainThread(note, 'answered on', await proxy.where());
            await client.dispose();
          }`,
      }),
    );
    expect(lines.sort()).toEqual([
      'RPCClient lost on 2 true',
      'RPCClient made on 2 true',
      'RPCServer lost on 1 true',
      'RPCServer made on 1 true',
      'answered on 1 true',
    ]);
  });
});
