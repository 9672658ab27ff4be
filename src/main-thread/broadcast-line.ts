/**
 * Lines over `BroadcastChannel`, where Node has no `postMessageToThread` (22.3 and 22.4). Slower; a sender learns
 * that the main thread listens when that has read a call, and never that it does not, which looks like one that is busy; and if the main thread is busy until a worker that nothing else waits for has ended, its calls are lost.
 *
 * A channel gets whatever is posted under its name while it is open, and keeps it until it is read. So what only sends is open no
 * longer than it has to be, and each worker has replies under a name of its own. The main thread holds nothing for a line.
 */
import type { BroadcastChannel, MessagePort } from 'node:worker_threads';
import { CallWord } from './call-word.js';
import type { CalleeEnd, CallerEnd, ThreadCall, ThreadReply } from './call-line.js';
import { LineState } from './line-state.js';
import type { MainThreadCallee } from './main-thread-callee.js';
import type { WorkerThreads } from '../threads/worker-threads.js';

/**
 * Opens a line from this worker to the main thread. Calls may be sent at once.
 *
 * @param threads - of this thread
 */
export function openBroadcastLine(threads: WorkerThreads): CallerEnd {
  const word = new CallWord();
  const { memory } = word;
  const state = new LineState();
  const replyTo = `${channelName}.${threads.threadId}`;
  const replies = new threads.BroadcastChannel(replyTo);
  replies.unref();
  let calls: BroadcastChannel | undefined;
  const openCalls = (): BroadcastChannel => {
    // One for all calls of a turn: a channel that was closed counts until the event loop turns, which many calls may put off.
    setImmediate(() => {
      calls?.close();
      calls = undefined;
    });
    return new threads.BroadcastChannel(channelName);
  };
  return {
    word,
    send: (call) => {
      calls ??= openCalls();
      calls.postMessage({ call, memory, state: state.memory, replyTo } satisfies BroadcastCall);
      while (takeFrom(threads, calls) !== undefined); // what other workers send comes here as well
    },
    takeReply: () => takeFrom(threads, replies) as ThreadReply | undefined,
    isHeard: () => state.isHeard,
  };
}

/**
 * Has the main thread take calls over channels from now on, which does not keep the process alive.
 *
 * @param threads - of the main thread
 * @param callee - gets the calls
 */
export function acceptBroadcastLines(threads: WorkerThreads, callee: MainThreadCallee): void {
  const calls = new threads.BroadcastChannel(channelName);
  calls.onmessage = (event: unknown) => {
    const { call, memory, state, replyTo } = (event as { readonly data: BroadcastCall }).data;
    // Whatever the call waits for from now on: whoever made it is to know that it was heard.
    new LineState(state).hear();
    const line: CalleeEnd = {
      word: new CallWord(memory),
      isClosed: false,
      send: (reply) => {
        postOnce(threads, replyTo, reply);
      },
    };
    callee.receive(call, line);
  };
  calls.unref();
}

/** A call with all that is needed to answer it. */
interface BroadcastCall {
  readonly call: ThreadCall;
  readonly memory: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
  readonly replyTo: string;
}

/** The next message of a channel, without a turn of the event loop; `undefined` if none has come. */
function takeFrom(threads: WorkerThreads, channel: BroadcastChannel): unknown {
  // The types know ports only; Node reads channels as well.
  const received = threads.receiveMessageOnPort(channel as unknown as MessagePort);
  return (received as { readonly message: unknown } | undefined)?.message;
}

function postOnce(threads: WorkerThreads, name: string, message: unknown): void {
  const channel = new threads.BroadcastChannel(name);
  try {
    channel.postMessage(message);
  } finally {
    channel.close();
  }
}

const channelName = 'tandem-rpc.main-thread.1';
