import { describe, expect, it } from '@jest/globals';
import { CallWord, maxCallNumber, type Sleep } from '../../src/main-thread/call-word.js';

/** Both views of one word, and a clock that moves while the caller sleeps. */
function pair() {
  const caller = new CallWord();
  const callee = new CallWord(caller.memory);
  let nowMs = 0;
  const sleeping = (...acts: (() => void)[]): Sleep => {
    return (_words, _index, _value, timeoutMs) => {
      const act = acts.shift();
      if (act === undefined) nowMs += timeoutMs;
      else act();
    };
  };
  return { caller, callee, now: () => nowMs, sleeping };
}

describe('CallWord', () => {
  it.each([1, 2, maxCallNumber])('has call %d taken, and answered once', (call) => {
    const { caller, callee, now, sleeping } = pair();
    caller.begin(call);
    expect(callee.isAwaited(call)).toBe(false);
    expect([callee.take(call), callee.take(call)]).toEqual([true, false]);
    expect(callee.isAwaited(call)).toBe(true);
    callee.answer(call);
    callee.answer(call);
    expect(callee.isAwaited(call)).toBe(false);
    expect(caller.wait(call, 10, now, sleeping())).toBe('answered');
    expect(now()).toBe(0);
  });

  it('gives up a call that is not taken in time, and it cannot be taken any more', () => {
    const { caller, callee, now, sleeping } = pair();
    caller.begin(1);
    expect(caller.wait(1, 10, now, sleeping())).toBe('not-taken');
    expect([now(), callee.take(1)]).toEqual([10, false]);
  });

  it('gives up a call that does not end in time, and nobody waits for its answer', () => {
    const { caller, callee, now, sleeping } = pair();
    caller.begin(1);
    callee.take(1);
    expect(caller.wait(1, 10, now, sleeping())).toBe('not-ended');
    expect(callee.isAwaited(1)).toBe(false);
  });

  it('sleeps on when it is woken for no reason', () => {
    const { caller, callee, now, sleeping } = pair();
    caller.begin(1);
    const sleep = sleeping(
      () => {},
      () => callee.take(1),
      () => callee.answer(1),
    );
    expect(caller.wait(1, Infinity, now, sleep)).toBe('answered');
  });

  it('lets a call that was given up have no effect on the next', () => {
    const { caller, callee, now, sleeping } = pair();
    caller.begin(1);
    callee.take(1);
    caller.wait(1, 10, now, sleeping());
    caller.begin(2);
    callee.answer(1);
    expect([callee.take(1), callee.isAwaited(1), callee.take(2)]).toEqual([false, false, true]);
  });
});
