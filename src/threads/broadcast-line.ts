/**
 * Lines over `BroadcastChannel`, where Node has no `postMessageToThread` (before 20.19, and 22.0 to 22.4). Slower, and a sender
 * cannot learn that nobody listens.
 *
 * A channel gets whatever is posted under its name while it is open, and keeps it until it is read. So what only sends opens a
 * channel for each message, and each worker has replies under a name of its own. The main thread holds nothing for a line.
 */
import type { MessagePort } from 'node:worker_threads';
import { CallWord } from './call-word.js';
import type { CalleeEnd, CallerEnd, ThreadCall, ThreadReply } from './call-line.js';
import type { MainThreadCallee } from './main-thread-callee.js';
import type { WorkerThreads } from './worker-threads.js';

/**
 * Opens a line from this worker to the main thread. Calls may be sent at once.
 *
 * @param threads - of this thread
 */
export function openBroadcastLine(threads: WorkerThreads): CallerEnd {
  const word = new CallWord();
  const { memory } = word;
  const replyTo = `${channelName}.${threads.threadId}`;
  const replies = new threads.BroadcastChannel(replyTo);
  replies.unref();
  return {
    word,
    send: (call) => {
      post(threads, channelName, { call, memory, replyTo } satisfies BroadcastCall);
    },
    takeReply: () => {
      // The types know ports only; Node reads channels as well.
      const received = threads.receiveMessageOnPort(replies as unknown as MessagePort);
      return (received as { message: ThreadReply } | undefined)?.message;
    },
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
    const { call, memory, replyTo } = (event as { readonly data: BroadcastCall }).data;
    const line: CalleeEnd = {
      word: new CallWord(memory),
      isClosed: false,
      send: (reply) => {
        post(threads, replyTo, reply);
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
  readonly replyTo: string;
}

function post(threads: WorkerThreads, name: string, message: unknown): void {
  const channel = new threads.BroadcastChannel(name);
  try {
    channel.postMessage(message);
  } finally {
    channel.close();
  }
}

const channelName = 'tandem-rpc.main-thread.1';
