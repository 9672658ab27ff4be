/**
 * The caller's side: a worker thread sends calls to the main thread, and sleeps until one is answered if it has to.
 *
 * Calls leave in the order in which they are made, on one line. Knows what a call means to its caller (errors, time), not what
 * carries it.
 */
import {
  NotConnectedError,
  RPCTimeoutError,
  UnknownMethodError,
  UnserializableValueError,
} from '../errors.js';
import { maxCallNumber, type Sleep } from './call-word.js';
import type { CallerEnd, ThreadReply } from './call-line.js';
import { unpackThrown } from './packed-thrown.js';

/** What a {@link MainThreadCaller} needs from outside. */
export interface MainThreadCallerOptions {
  /**
   * Opens a line to the main thread at the first call.
   * @param onRefused - called when it turns out that nobody listens there: what was sent is lost
   */
  readonly open: (onRefused: () => void) => CallerEnd;
  /** The time in milliseconds; must not go backwards. */
  readonly now: () => number;
  /** How to wait: `Atomics.wait`. */
  readonly sleep: Sleep;
  /** Gets what has nobody to be thrown at. */
  readonly warn: (message: string, code: string) => void;
}

/** Makes the calls of one thread. Its line lives as long as the thread; a refused one is replaced at the next call. */
export class MainThreadCaller {
  readonly #options: MainThreadCallerOptions;
  #line: CallerEnd | undefined = undefined;
  #lastCall = 0;
  /** Calls that nobody waits for, since the line was opened. */
  #queuedCalls = 0;

  /** @param options - the line, the clock, and how to wait */
  constructor(options: MainThreadCallerOptions) {
    this.#options = options;
  }

  /**
   * Has the main thread run a callable some time, after what was sent before.
   *
   * @param name - that of the callable
   * @param args - cloned before this returns
   * @throws {@link UnserializableValueError} if an argument cannot be cloned
   */
  run(name: string, args: readonly unknown[]): void {
    send(this.#openLine(), name, args, 0);
    this.#queuedCalls += 1;
  }

  /**
   * Has the main thread run a callable, after what was sent before, and sleeps until it has its result.
   *
   * @param name - that of the callable
   * @param args - cloned
   * @param timeoutMs - how long to wait, `Infinity` for as long as it takes
   * @returns a clone of the result, awaited
   * @throws what the callable throws; {@link UnserializableValueError}; {@link RPCTimeoutError}, which says truly whether
   *   the callable was begun; {@link NotConnectedError} if nobody listens there
   */
  runWithResult(name: string, args: readonly unknown[], timeoutMs: number): unknown {
    const line = this.#openLine();
    const call = (this.#lastCall % maxCallNumber) + 1;
    this.#lastCall = call;
    line.word.begin(call);
    send(line, name, args, call);
    const found = { isLost: false, isUnheard: false };
    // What is lost, or waits for nobody, is given up as at the end of the time, by which the word says what is true.
    const now = (): number => (found.isLost || found.isUnheard ? Infinity : this.#options.now());
    const unheardAtMs = timeoutMs === Infinity ? now() + UNHEARD_MS : Infinity;
    const isSure = line.isLost === undefined && line.isHeard === undefined;
    const sleep: Sleep = (words, index, value, leftMs) => {
      this.#options.sleep(words, index, value, isSure ? leftMs : Math.min(leftMs, LOOK_MS));
      found.isLost = leftMs > LOOK_MS && line.isLost?.() === true;
      found.isUnheard = line.isHeard?.() === false && now() >= unheardAtMs;
    };
    const outcome = line.word.wait(call, timeoutMs, now, sleep);
    if (outcome === 'answered') return resultOf(replyTo(call, line), name);
    if (found.isLost) throw lostError(name, this.#dropLine());
    const within = found.isUnheard
      ? `within ${UNHEARD_MS / 1_000} s (timeoutInSeconds is null, and this version of Node cannot tell whether it listens)`
      : `within ${timeoutMs / 1_000} s (timeoutInSeconds)`;
    throw timeoutError(name, within, outcome === 'not-ended');
  }

  #openLine(): CallerEnd {
    if (this.#line !== undefined) return this.#line;
    const line = this.#options.open(() => {
      // A worker that waited has found out before.
      if (this.#line !== line) return;
      this.#options.warn(`nobody listens on the main thread${this.#dropLine()}; ${LISTENING}`, 'main-thread');
    });
    this.#line = line;
    return line;
  }

  /** The line is lost. @returns what is lost with it, for a message */
  #dropLine(): string {
    const lost = this.#queuedCalls;
    this.#line = undefined;
    this.#queuedCalls = 0;
    return lost === 0 ? '' : `: ${lost} calls of runOnMainThread are lost`;
  }
}

function send(line: CallerEnd, name: string, args: readonly unknown[], call: number): void {
  try {
    line.send({ name, args, call });
  } catch (error) {
    const index = args.findIndex((arg) => !canBeCloned(arg));
    throw new UnserializableValueError(
      `arguments[${index}] of the main-thread callable ${JSON.stringify(name)} cannot cross threads: ${String(error)}`,
      { executed: 'no', member: name, cause: error },
    );
  }
}

function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** The reply is there when the word says so; before it there may be some to calls that were given up. */
function replyTo(call: number, line: CallerEnd): ThreadReply {
  for (;;) {
    const reply = line.takeReply();
    if (reply === undefined) throw new Error('the main thread has answered, and its answer is not there');
    if (reply.call === call) return reply;
  }
}

function resultOf(reply: ThreadReply, name: string): unknown {
  switch (reply.kind) {
    case 'result':
      return reply.result;
    case 'thrown':
      throw unpackThrown(reply.thrown, `\n    on the main thread; a worker waited here:\n${framesHere()}`);
    case 'unknown-callable':
      throw new UnknownMethodError(`on the main thread: ${reply.message}`, { executed: 'no', member: name });
    case 'uncloneable-result':
      throw new UnserializableValueError(
        `the result of the main-thread callable ${JSON.stringify(name)} cannot cross threads: ${reply.message}`,
        { executed: 'yes', member: name },
      );
  }
}

function framesHere(): string {
  return new Error().stack?.split('\n').slice(1).join('\n') ?? '';
}

function timeoutError(name: string, within: string, isRunning: boolean): RPCTimeoutError {
  const what = `the main-thread callable ${JSON.stringify(name)}`;
  return isRunning
    ? new RPCTimeoutError(
        `${what} was begun on the main thread and has not ended ${within}; if it waits for this worker, it waits for ever`,
        { executed: 'yes', member: name },
      )
    : new RPCTimeoutError(
        `the main thread has not begun ${what} ${within}, and will not any more: it is blocked, perhaps waiting for this worker, ` +
          `or it does not listen; ${LISTENING}`,
        { executed: 'no', member: name },
      );
}

function lostError(name: string, lost: string): NotConnectedError {
  return new NotConnectedError(
    `the main-thread callable ${JSON.stringify(name)} was not begun, and will not be: nobody listened on the main thread when this worker ` +
      `made its first call${lost}; ${LISTENING}`,
    { executed: 'no', member: name },
  );
}

/** How often a worker that waits looks whether its line is lost: an answer wakes it at once. */
const LOOK_MS = 1_000;

/**
 * How long a worker that was to wait as long as it takes does so at most until the main thread is known to listen, on a line that cannot
 * find out that it does not: longer than a main thread that works is busy, and no worker sleeps for ever.
 */
const UNHEARD_MS = 60_000;

const LISTENING =
  'the main thread listens once it has imported tandem-rpc and a module that calls mainThreadCallable, and takes calls ' +
  'when its event loop turns';
