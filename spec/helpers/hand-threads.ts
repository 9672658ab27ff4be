/**
 * A worker and the main thread on one thread: what the worker sends is cloned and waits, and the main thread takes it when the spec
 * says so, or when the worker sleeps.
 */
import { VirtualTimeScheduler } from 'rxjs';
import type { AnyCallable } from '../../src/main-thread/callables.js';
import type { CalleeEnd, CallerEnd, ThreadCall, ThreadReply } from '../../src/main-thread/call-line.js';
import { CallWord } from '../../src/main-thread/call-word.js';
import { MainThreadCallee } from '../../src/main-thread/main-thread-callee.js';
import { MainThreadCaller } from '../../src/main-thread/main-thread-caller.js';

/** Makes both, with the callables that the main thread knows. */
export function handThreads(callables: Readonly<Record<string, AnyCallable>>, isLossTold = true) {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const scheduler = new VirtualTimeScheduler();
  const callee = new MainThreadCallee({
    scheduler,
    callableNamed: (name) => {
      const callable = callables[name];
      if (callable === undefined) throw new Error(`no ${name}`);
      return callable;
    },
    warn,
  });
  let nowMs = 0;
  const lines: HandLine[] = [];
  const acts: (() => void)[] = [];
  const takeCalls = (): void => {
    for (const line of lines) for (const call of line.sent.splice(0)) callee.receive(call, line.calleeEnd);
    scheduler.flush();
  };
  const caller = new MainThreadCaller({
    open: (onRefused) => {
      const line = openHandLine(onRefused, isLossTold);
      lines.push(line);
      return line.callerEnd;
    },
    now: () => nowMs,
    // Each time that the worker sleeps the spec acts for the main thread; when it has nothing to do, time passes.
    sleep: (_words, _index, _value, timeoutMs) => {
      const act = acts.shift();
      if (act === undefined) nowMs += timeoutMs;
      else act();
    },
    warn,
  });
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { caller, lines, warnings, takeCalls, pass, whenAsleep: (act: () => void) => acts.push(act) };
}

/** A line that is worked by hand. */
interface HandLine {
  readonly callerEnd: CallerEnd;
  readonly calleeEnd: CalleeEnd & { isClosed: boolean };
  /** What the main thread has not taken yet. */
  readonly sent: ThreadCall[];
  readonly replies: ThreadReply[];
  readonly refuse: () => void;
  /** Whether it is known to be lost. */
  isLost: boolean;
  /** Where it never is: whether the main thread is known to listen. */
  isHeard: boolean;
}

function openHandLine(refuse: () => void, isLossTold: boolean): HandLine {
  const word = new CallWord();
  const sent: ThreadCall[] = [];
  const replies: ThreadReply[] = [];
  const line: HandLine = {
    isLost: false,
    isHeard: false,
    sent,
    replies,
    refuse,
    callerEnd: {
      word,
      send: (call) => sent.push(structuredClone(call)),
      takeReply: () => replies.shift(),
      ...(isLossTold ? { isLost: () => line.isLost } : { isHeard: () => line.isHeard }),
    },
    calleeEnd: {
      word: new CallWord(word.memory),
      isClosed: false,
      send: (reply) => replies.push(structuredClone(reply)),
    },
  };
  return line;
}
