import { describe, expect, it } from '@jest/globals';
import { NotConnectedError, RPCTimeoutError, UnknownMethodError, UnserializableValueError } from 'tandem-rpc';
import { handThreads } from '../helpers/hand-threads.js';

/** What is thrown, for looking at more than one thing of it. */
function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

const add = (one: number, other: number) => one + other;

describe('calls that nobody waits for', () => {
  it('run in the order in which they are made, with arguments as they were', () => {
    const seen: unknown[] = [];
    const { caller, takeCalls, lines } = handThreads({ see: (value: unknown) => seen.push(value) });
    const mutable = { step: 1 };
    caller.run('see', [mutable]);
    mutable.step = 2;
    caller.run('see', [mutable]);
    expect(seen).toEqual([]);
    takeCalls();
    expect([seen, lines.length]).toEqual([[{ step: 1 }, { step: 2 }], 1]);
  });

  it('are warned of if they throw, reject, or have no such callable', async () => {
    const { caller, takeCalls, warnings } = handThreads({
      fail: () => {
        throw new RangeError('far');
      },
      reject: () => Promise.reject(new TypeError('odd')),
    });
    for (const name of ['fail', 'reject', 'unknown']) caller.run(name, []);
    takeCalls();
    await Promise.resolve();
    await Promise.resolve();
    expect(warnings.map((text) => text.replace(/.*callable/, '')).sort()).toEqual([
      ' "fail", called by runOnMainThread in a worker, failed: RangeError: far',
      ' "reject", called by runOnMainThread in a worker, failed: TypeError: odd',
      ' "unknown", called by runOnMainThread in a worker, failed: Error: no unknown',
    ]);
  });

  it('still run when their worker has ended', () => {
    let runs = 0;
    const { caller, takeCalls, lines } = handThreads({ count: () => (runs += 1) });
    caller.run('count', []);
    lines[0]!.calleeEnd.isClosed = true;
    takeCalls();
    expect(runs).toBe(1);
  });

  it('refuse arguments that cannot be cloned, telling which', () => {
    const { caller, lines } = handThreads({});
    const error = thrownBy(() => caller.run('see', [1, { act: () => {} }]));
    expect(error).toBeInstanceOf(UnserializableValueError);
    expect(error).toMatchObject({ executed: 'no', member: 'see' });
    expect((error as Error).message).toMatch(
      /^arguments\[1\] of the main-thread callable "see" cannot cross/,
    );
    expect(lines[0]!.sent).toEqual([]);
  });

  it('are told lost if nobody listens; the next one tries again', () => {
    let runs = 0;
    const { caller, takeCalls, lines, warnings } = handThreads({ count: () => (runs += 1) });
    caller.run('count', []);
    caller.run('count', []);
    lines[0]!.sent.length = 0;
    lines[0]!.refuse();
    expect(warnings).toEqual([expect.stringContaining('2 calls of runOnMainThread are lost')]);
    caller.run('count', []);
    takeCalls();
    expect([runs, lines.length]).toEqual([1, 2]);
  });
});

describe('calls whose worker waits', () => {
  it('return the result, behind what was queued', () => {
    const order: string[] = [];
    const { caller, takeCalls, whenAsleep } = handThreads({
      note: (text: string) => {
        order.push(text);
        return order.length;
      },
    });
    caller.run('note', ['queued']);
    whenAsleep(takeCalls);
    expect(caller.runWithResult('note', ['waited for'], 10)).toBe(2);
    expect(order).toEqual(['queued', 'waited for']);
  });

  it('throw what the callable throws', () => {
    const { caller, takeCalls, whenAsleep } = handThreads({
      fail: () => {
        throw Object.assign(new RangeError('far'), { code: 'FAR' });
      },
    });
    whenAsleep(takeCalls);
    const error = thrownBy(() => caller.runWithResult('fail', [], 10)) as Error;
    expect(error).toMatchObject({ name: 'RangeError', message: 'far', code: 'FAR' });
    expect(error.stack).toMatch(
      /^RangeError: far\n[^]*on the main thread; a worker waited here:\n[^]*spec\.ts/,
    );
  });

  it('refuse a name that the main thread does not know', () => {
    const { caller, takeCalls, whenAsleep } = handThreads({});
    whenAsleep(takeCalls);
    const error = thrownBy(() => caller.runWithResult('menu', [], 10));
    expect(error).toBeInstanceOf(UnknownMethodError);
    expect(error).toMatchObject({ message: 'on the main thread: no menu', executed: 'no', member: 'menu' });
  });

  it('refuse a result that cannot be cloned', () => {
    const { caller, takeCalls, whenAsleep } = handThreads({ make: () => () => {} });
    whenAsleep(takeCalls);
    const error = thrownBy(() => caller.runWithResult('make', [], 10));
    expect(error).toBeInstanceOf(UnserializableValueError);
    expect(error).toMatchObject({ executed: 'yes', member: 'make' });
  });

  it('never run once they were given up, and say so', () => {
    let runs = 0;
    const { caller, takeCalls } = handThreads({ count: () => (runs += 1) });
    const error = thrownBy(() => caller.runWithResult('count', [], 10));
    expect(error).toBeInstanceOf(RPCTimeoutError);
    expect(error).toMatchObject({ executed: 'no', member: 'count' });
    expect((error as Error).message).toMatch(
      /has not begun .*"count" within 0\.01 s .*waiting for this worker.*imported tandem-rpc/,
    );
    takeCalls();
    expect(runs).toBe(0);
  });

  it('say that they have begun when they do not end, and what they answer later is nobody else’s', async () => {
    const results: ((result: string) => void)[] = [];
    const { caller, takeCalls, whenAsleep, lines } = handThreads({
      ask: () => new Promise((resolve) => results.push(resolve)),
      add,
    });
    whenAsleep(takeCalls);
    const error = thrownBy(() => caller.runWithResult('ask', [], 10));
    expect(error).toBeInstanceOf(RPCTimeoutError);
    expect(error).toMatchObject({ executed: 'yes', member: 'ask' });
    results[0]!('late');
    await Promise.resolve();
    await Promise.resolve();
    expect(lines[0]!.replies).toEqual([]);
    // An answer that was on its way when its call was given up.
    lines[0]!.replies.push({ call: 1, kind: 'result', result: 'late' });
    whenAsleep(takeCalls);
    expect(caller.runWithResult('add', [1, 2], 10)).toBe(3);
  });

  it('are skipped when their worker has ended, and not answered', async () => {
    const results: (() => void)[] = [];
    let runs = 0;
    const { caller, takeCalls, whenAsleep, lines } = handThreads({
      ask: () => new Promise<void>((resolve) => results.push(resolve)),
      count: () => (runs += 1),
    });
    whenAsleep(takeCalls);
    whenAsleep(() => {
      lines[0]!.calleeEnd.isClosed = true;
      results[0]!();
    });
    thrownBy(() => caller.runWithResult('ask', [], 10));
    whenAsleep(takeCalls);
    thrownBy(() => caller.runWithResult('count', [], 10));
    await Promise.resolve();
    expect([runs, lines[0]!.replies]).toEqual([0, []]);
  });

  it('tell a fault of the line, whose word said that there was an answer', () => {
    const { caller, takeCalls, whenAsleep, lines } = handThreads({ add });
    whenAsleep(() => {
      takeCalls();
      lines[0]!.replies.length = 0;
    });
    expect(() => caller.runWithResult('add', [1, 2], 10)).toThrow('its answer is not there');
  });

  it('need nothing of a line that is refused meanwhile', () => {
    const { caller, lines, warnings } = handThreads({ add });
    thrownBy(() => caller.runWithResult('add', [1, 2], 10));
    lines[0]!.refuse();
    expect(warnings).toEqual([
      expect.stringMatching(/^nobody listens on the main thread; .*mainThreadCallable/),
    ]);
  });

  it('say soon that nobody has the line, with all that is lost with it; the next call has another', () => {
    const { caller, lines, warnings, takeCalls, whenAsleep } = handThreads({ add });
    caller.run('add', [1, 2]);
    whenAsleep(() => undefined);
    whenAsleep(() => {
      lines[0]!.isLost = true;
    });
    const error = thrownBy(() => caller.runWithResult('add', [1, 2], Infinity));
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error).toMatchObject({
      executed: 'no',
      member: 'add',
      message: expect.stringContaining('1 calls of runOnMainThread are lost; the main thread listens once'),
    });
    // Its refusal comes when the loop of the worker turns.
    lines[0]!.refuse();
    whenAsleep(takeCalls);
    expect(caller.runWithResult('add', [1, 2], Infinity)).toBe(3);
    expect([lines.length, warnings]).toEqual([2, []]);
  });

  describe('on a line that cannot find out that nobody listens', () => {
    it('wait for a minute at most until somebody has heard them, and say so', () => {
      const { caller, takeCalls, whenAsleep } = handThreads({ add }, false);
      const error = thrownBy(() => caller.runWithResult('add', [1, 2], Infinity));
      expect(error).toBeInstanceOf(RPCTimeoutError);
      expect(error).toMatchObject({
        executed: 'no',
        message: expect.stringContaining('within 60 s (timeoutInSeconds is null'),
      });
      whenAsleep(takeCalls);
      expect(caller.runWithResult('add', [1, 2], Infinity)).toBe(3);
    });

    it('wait as long as it takes once somebody has, and as long as they are told in any case', () => {
      const { caller, lines, takeCalls, whenAsleep, pass } = handThreads({ add }, false);
      expect(thrownBy(() => caller.runWithResult('add', [1, 2], 90_000))).toMatchObject({
        message: expect.stringContaining('within 90 s (timeoutInSeconds)'),
      });
      whenAsleep(() => {
        lines[0]!.isHeard = true;
        pass(3_600_000);
      });
      whenAsleep(takeCalls);
      expect(caller.runWithResult('add', [1, 2], Infinity)).toBe(3);
    });
  });

  it('return an answer that is there, whatever is said of the line', () => {
    const { caller, lines, takeCalls, whenAsleep } = handThreads({ add });
    whenAsleep(() => {
      takeCalls();
      lines[0]!.isLost = true;
    });
    expect(caller.runWithResult('add', [1, 2], Infinity)).toBe(3);
  });
});
