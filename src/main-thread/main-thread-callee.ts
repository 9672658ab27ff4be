/**
 * The called side: the main thread runs what its workers call, on its scheduler, and answers those that wait.
 *
 * Knows nothing of what carries calls and answers. Holds nothing for any worker: what is queued when one ends runs if nobody
 * waits for it, and is skipped if its caller did.
 */
import type { SchedulerLike } from 'rxjs';
import { toError } from '../streams/to-error.js';
import { callUser } from '../streams/user-callback.js';
import type { AnyCallable } from './callables.js';
import type { CalleeEnd, ThreadCall, ThreadReply } from './call-line.js';
import { packThrown } from './packed-thrown.js';

/** What a {@link MainThreadCallee} needs from outside. */
export interface MainThreadCalleeOptions {
  /** Where callables run, in the order in which their calls came. */
  readonly scheduler: SchedulerLike;
  /** Finds a callable; throws if there is none of that name. */
  readonly callableNamed: (name: string) => AnyCallable;
  /** Gets what has nobody to be thrown at. */
  readonly warn: (message: string, code: string) => void;
}

/** Runs the calls that come over any line. */
export class MainThreadCallee {
  readonly #options: MainThreadCalleeOptions;

  /** @param options - the scheduler and the callables */
  constructor(options: MainThreadCalleeOptions) {
    this.#options = options;
  }

  /**
   * Queues a call.
   *
   * @param call - as it came
   * @param line - by which it came, and by which it is answered
   */
  receive(call: ThreadCall, line: CalleeEnd): void {
    const work = call.call === 0 ? () => this.#run(call) : () => this.#runAndAnswer(call, line);
    this.#options.scheduler.schedule(work);
  }

  #run({ name, args }: ThreadCall): void {
    callUser(
      () => begin(this.#options.callableNamed(name), args),
      undefined,
      (error) => {
        this.#options.warn(
          `the main-thread callable ${JSON.stringify(name)}, called by runOnMainThread in a worker, failed: ${String(error)}`,
          'main-thread',
        );
      },
    );
  }

  #runAndAnswer({ name, args, call }: ThreadCall, line: CalleeEnd): void {
    if (line.isClosed || !line.word.take(call)) return;
    const succeed = (result: unknown): void => {
      this.#answer({ call, kind: 'result', result }, line);
    };
    const fail = (error: unknown): void => {
      this.#answer({ call, kind: 'thrown', thrown: packThrown(error) }, line);
    };
    let callable: AnyCallable;
    try {
      callable = this.#options.callableNamed(name);
    } catch (error) {
      this.#answer({ call, kind: 'unknown-callable', message: toError(error).message }, line);
      return;
    }
    try {
      const result = begin(callable, args);
      if (isThenable(result)) Promise.resolve(result).then(succeed, fail);
      else succeed(result);
    } catch (error) {
      fail(error);
    }
  }

  #answer(reply: ThreadReply, line: CalleeEnd): void {
    const { call } = reply;
    if (line.isClosed || !line.word.isAwaited(call)) return;
    try {
      line.send(reply);
    } catch (error) {
      // What was thrown is packed so that it can be cloned: it is a result.
      line.send({ call, kind: 'uncloneable-result', message: String(error) });
    }
    // Only now: whoever is woken finds the answer.
    line.word.answer(call);
  }
}

function begin(callable: AnyCallable, args: readonly unknown[]): unknown {
  // Its types are between those who wrote the callable and the call.
  return (callable as (...all: readonly unknown[]) => unknown)(...args);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
