// The worker's side of bench/main-thread.mjs.
import { MessageChannel, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { mainThreadCallable, runOnMainThread, runOnMainThreadWithResult } from '../dist/index.mjs';
import { checkReply, makePayload } from './payload.mjs';

const calls = 2_000;

const tasks = {
  'round trips': ({ rounds }) => {
    const bareEcho = openBareLine();
    const ourEcho = mainThreadCallable('bench.echo');
    const ours = (payload) => runOnMainThreadWithResult(ourEcho, payload);
    const figures = { bare: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      const contenders = [
        ['bare', bareEcho],
        ['ours', ours],
      ];
      for (const [name, call] of round % 2 === 0 ? contenders : contenders.reverse()) {
        figures[name].push(measure(call));
      }
    }
    return figures;
  },
  events: ({ name, events }) => {
    const event = mainThreadCallable(name);
    for (let index = 0; index < events; index++) runOnMainThread(event);
    return events;
  },
};

parentPort.postMessage({ result: tasks[workerData.task](workerData) });

function measure(call) {
  const startMs = performance.now();
  for (let index = 0; index < calls; index++) {
    const payload = makePayload(index);
    checkReply(call(payload), payload);
  }
  return ((performance.now() - startMs) / calls) * 1_000;
}

/** What anybody would write by hand. */
function openBareLine() {
  const { port1, port2 } = new MessageChannel();
  const word = new Int32Array(new SharedArrayBuffer(4));
  parentPort.postMessage({ port: port1, word }, [port1]);
  return (value) => {
    Atomics.store(word, 0, 0);
    port2.postMessage(value);
    Atomics.wait(word, 0, 0);
    return receiveMessageOnPort(port2).message;
  };
}
