/**
 * Lines over a `MessagePort` of their own, which a worker hands to the main thread by `postMessageToThread` (Node 20.19, 22.5):
 * from any worker, also one inside another, without anybody wiring them. A reply is read from the port without a turn of the event
 * loop, and is as large as it is: nobody has to guess the size of a memory for it.
 */
import type { MessagePort } from 'node:worker_threads';
import { CallWord } from './call-word.js';
import type { CalleeEnd, CallerEnd, ThreadCall, ThreadReply } from './call-line.js';
import { LineState } from './line-state.js';
import type { MainThreadCallee } from './main-thread-callee.js';
import type { WorkerThreads } from '../threads/worker-threads.js';

/** `node:worker_threads` where it has `postMessageToThread`. */
export type PortThreads = WorkerThreads & Required<Pick<WorkerThreads, 'postMessageToThread'>>;

/** Whether lines over ports can be had here. */
export function hasPortLines(threads: WorkerThreads): threads is PortThreads {
  return threads.postMessageToThread !== undefined;
}

/**
 * Opens a line from this worker to the main thread. Calls may be sent at once. The worker stays alive until the main thread
 * has the port or has refused it: a message from a worker that has ended is thrown away by Node, and calls with it.
 *
 * That Node has delivered the hello says nothing: to Node any listener of a program's own will do, and one that throws keeps it from
 * those behind it. Whether it was taken is in the state of the line. A worker that sleeps hears nothing of Node; it has another thread ask.
 *
 * @param threads - of this thread
 * @param onRefused - called when nobody listens there
 */
export function openPortLine(threads: PortThreads, onRefused: () => void): CallerEnd {
  const { port1: theirs, port2: ours } = new threads.MessageChannel();
  const word = new CallWord();
  const state = new LineState();
  const hello: PortHello = { [helloMark]: true, port: theirs, memory: word.memory, state: state.memory };
  let isAsking = false;
  const stayAlive = setInterval(() => undefined, LONG_MS);
  threads
    .postMessageToThread(MAIN_THREAD_ID, hello, [theirs])
    .catch(() => undefined)
    .finally(() => {
      clearInterval(stayAlive);
      if (state.take('lost')) {
        ours.close();
        onRefused();
      }
    });
  return {
    word,
    send: (call) => {
      ours.postMessage(call);
    },
    takeReply: () => takeFrom(threads, ours) as ThreadReply | undefined,
    isLost: () => {
      if (!isAsking && !state.isTaken) ask(threads, state);
      isAsking = true;
      return state.isLost;
    },
  };
}

/**
 * Has the main thread take calls over ports from now on. Neither that nor any line keeps the process alive. Messages of others
 * to the main thread are left to their own listeners.
 *
 * @param threads - of the main thread
 * @param callee - gets the calls
 */
export function acceptPortLines(threads: PortThreads, callee: MainThreadCallee): void {
  const lines = new Set<PortCalleeEnd>();
  // In front of others, which may throw.
  process.prependListener('workerMessage', (message: unknown) => {
    if (isHello(message)) accept(threads, message, lines, callee);
    else if (isQuestion(message)) answer(message);
  });
  // No port keeps the process alive, and a worker that has ended does not either: before the process ends by itself, what they
  // have sent is taken. Calls that cause something new keep it going, and it asks again.
  process.on('beforeExit', () => {
    for (const line of lines) takeAll(threads, line, callee);
  });
}

function accept(
  threads: PortThreads,
  { port, memory, state }: PortHello,
  lines: Set<PortCalleeEnd>,
  callee: MainThreadCallee,
): void {
  if (!new LineState(state).take('taken')) {
    port.close();
    return;
  }
  const line = new PortCalleeEnd(port, memory);
  lines.add(line);
  takeAll(threads, line, callee);
  port.on('message', (call: ThreadCall) => {
    callee.receive(call, line);
  });
  port.on('close', () => {
    line.isClosed = true;
    lines.delete(line);
  });
  port.unref();
}

function takeAll(threads: PortThreads, line: PortCalleeEnd, callee: MainThreadCallee): void {
  for (let call = takeFrom(threads, line.port); call !== undefined; call = takeFrom(threads, line.port)) {
    callee.receive(call as ThreadCall, line);
  }
}

/** The next message of a port, without a turn of the event loop; `undefined` if none has come. */
function takeFrom(threads: PortThreads, port: MessagePort): unknown {
  return (threads.receiveMessageOnPort(port) as { readonly message: unknown } | undefined)?.message;
}

class PortCalleeEnd implements CalleeEnd {
  readonly word: CallWord;
  isClosed = false;
  readonly port: MessagePort;

  constructor(port: MessagePort, memory: SharedArrayBuffer) {
    this.word = new CallWord(memory);
    this.port = port;
  }

  send(reply: ThreadReply): void {
    this.port.postMessage(reply);
  }
}

/** Has a thread ask whether somebody listens: it hears of the answer while this one sleeps. */
function ask(threads: PortThreads, state: LineState): void {
  try {
    const question: Question = { [questionMark]: true, state: state.memory };
    new threads.Worker(askerText, { eval: true, workerData: question, execArgv: [] }).unref();
  } catch {
    // Where no thread can be started it waits as long as it was asked to.
  }
}

/** What the asker runs: the last word is its own, if nobody has taken the question to answer it. */
const askerText = `
  const { postMessageToThread, workerData } = require('node:worker_threads');
  const words = new Int32Array(workerData.state);
  const stayAlive = setInterval(() => undefined, 2 ** 31 - 1);
  postMessageToThread(0, workerData).catch(() => undefined).finally(() => {
    clearInterval(stayAlive);
    if (Atomics.load(words, 1) === 0) Atomics.compareExchange(words, 0, 0, 2);
  });
`;

/** A hello that came has been taken by the next turn, as it was sent long before the question. */
function answer({ state }: Question): void {
  const line = new LineState(state);
  line.hear();
  setImmediate(() => line.take('lost'));
}

/** The first message of a line. Its mark says which form the rest has. */
interface PortHello {
  readonly [helloMark]: true;
  readonly port: MessagePort;
  readonly memory: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

/** Asks whether the hello of a line was taken. */
interface Question {
  readonly [questionMark]: true;
  readonly state: SharedArrayBuffer;
}

function isQuestion(message: unknown): message is Question {
  return typeof message === 'object' && message !== null && questionMark in message;
}

function isHello(message: unknown): message is PortHello {
  return typeof message === 'object' && message !== null && helloMark in message;
}

const helloMark = 'tandem-rpc.main-thread.1';
const questionMark = 'tandem-rpc.main-thread-question.1';
const MAIN_THREAD_ID = 0;
/** As long as a timer can be. */
const LONG_MS = 2 ** 31 - 1;
