/**
 * Both ends of each kind of line on one thread, where what is sent can be seen; `workers.spec.ts` has them on two.
 */
import * as nodeThreads from 'node:worker_threads';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { mainThreadCallable, runOnMainThread, runOnMainThreadWithResult, RPCTimeoutError } from 'tandem-rpc';
import { acceptBroadcastLines, openBroadcastLine } from '../../src/main-thread/broadcast-line.js';
import type { CalleeEnd, ThreadCall } from '../../src/main-thread/call-line.js';
import type { MainThreadCallee } from '../../src/main-thread/main-thread-callee.js';
import { acceptPortLines, openPortLine, type PortThreads } from '../../src/main-thread/port-line.js';

/** A callee that only keeps what it receives; `next` waits for it. */
function keeper() {
  const received: { call: ThreadCall; line: CalleeEnd }[] = [];
  let wake = (): void => {};
  const callee = {
    receive: (call: ThreadCall, line: CalleeEnd) => {
      received.push({ call, line });
      wake();
    },
  } as unknown as MainThreadCallee;
  const next = async () => {
    if (received.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return received.shift()!;
  };
  return { callee, received, next };
}

const call = (name: string): ThreadCall => ({ name, args: [1], call: 1 });

describe('a line over a port', () => {
  afterEach(() => {
    process.removeAllListeners('workerMessage');
  });

  /** Threads whose messages to the main thread the spec delivers. */
  function threadsWith(postMessageToThread: (message: unknown) => Promise<void>): PortThreads {
    return {
      ...nodeThreads,
      postMessageToThread: (_threadId: number, message: unknown) => postMessageToThread(message),
    };
  }

  it('takes calls that were sent before it was accepted, and those after, in order, and replies at once', async () => {
    const { callee, received, next } = keeper();
    const hellos: unknown[] = [];
    acceptPortLines(
      threadsWith(() => Promise.resolve()),
      callee,
    );
    const line = openPortLine(
      threadsWith((hello) => {
        hellos.push(hello);
        return Promise.resolve();
      }),
      () => {},
    );
    line.send(call('early'));
    for (const message of [undefined, null, 'text', {}, ...hellos]) process.emit('workerMessage', message, 1);
    expect(received.map((each) => each.call)).toEqual([call('early')]);
    line.send(call('late'));
    received.length = 0;
    const late = await next();
    expect([late.call, late.line.isClosed]).toEqual([call('late'), false]);
    expect(late.line.word.memory).toBe(line.word.memory);
    expect(line.takeReply()).toBeUndefined();
    late.line.send({ call: 1, kind: 'result', result: 'done' });
    expect(line.takeReply()).toEqual({ call: 1, kind: 'result', result: 'done' });
    const { port } = hellos[0] as { port: nodeThreads.MessagePort };
    const closed = new Promise((resolve) => port.once('close', resolve));
    port.close();
    await closed;
    expect(late.line.isClosed).toBe(true);
  });

  it('tells when nobody listens', async () => {
    await new Promise<void>((resolve) =>
      openPortLine(
        threadsWith(() => Promise.reject(new Error('no listener'))),
        resolve,
      ),
    );
    expect(process.listenerCount('workerMessage')).toBe(0);
  });
});

describe('a line by broadcast', () => {
  it('takes calls and replies to the worker they came from', async () => {
    const { callee, next } = keeper();
    acceptBroadcastLines(nodeThreads, callee);
    const [one, other] = [7, 8].map((threadId) => openBroadcastLine({ ...nodeThreads, threadId }));
    expect(one!.isHeard?.()).toBe(false);
    one!.send(call('one'));
    other!.send(call('other'));
    const [fromOne, fromOther] = [await next(), await next()];
    expect([fromOne.call.name, fromOther.call.name, fromOne.line.isClosed]).toEqual(['one', 'other', false]);
    expect([one!.isHeard?.(), other!.isHeard?.()]).toEqual([true, true]);
    fromOther.line.send({ call: 1, kind: 'result', result: 'done' });
    expect([one!.takeReply(), other!.takeReply()]).toEqual([
      undefined,
      { call: 1, kind: 'result', result: 'done' },
    ]);
    fromOther.line.word.take(1);
    expect(other!.word.isAwaited(1)).toBe(false);
  });
});

describe('in a worker', () => {
  it.each([true, false])(
    'calls are sent, and waited for no longer than asked; by ports: %s',
    async (hasPorts) => {
      const add = mainThreadCallable<(one: number) => number>('lines.add');
      const refused = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      Reflect.deleteProperty(globalThis, Symbol.for('tandem-rpc.main-thread-caller'));
      const threads = {
        ...nodeThreads,
        isMainThread: false,
        postMessageToThread: hasPorts ? () => Promise.reject(new Error('no listener')) : undefined,
      };
      const worker = jest.spyOn(process, 'getBuiltinModule').mockReturnValue(threads);
      expect(runOnMainThread(add, 1)).toBeUndefined();
      const hasty = runOnMainThreadWithResult.withOptions({ timeoutInSeconds: 0.001 });
      expect(() => hasty(add, 1)).toThrow(RPCTimeoutError);
      expect(() => runOnMainThread(() => 1)).toThrow("const addMenuItem = mainThreadCallable('addMenuItem'");
      worker.mockRestore();
      await new Promise((resolve) => setImmediate(resolve));
      expect(refused).toHaveBeenCalledTimes(hasPorts ? 1 : 0);
      refused.mockRestore();
    },
  );
});
