/**
 * What calling a function of the other side gives: a promise whose rejection, if nobody looks at it, is reported and does not
 * end the process.
 *
 * Whoever takes a callback as an argument writes it as one that returns nothing, calls it, and does not wait; neither the
 * compiler nor a linter sees a promise there. Node ends the process for a rejection that nobody handles, and so any peer
 * that goes away in the middle could end it.
 */
import type { Report } from '../streams/user-callback.js';

/** A promise that tells whether anybody looked at it: `await`, `catch` and `finally` of a subclass all call `then`. */
class CallbackResult extends Promise<unknown> {
  /** What is made of it is a promise like any other. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Whether anybody did. */
  isObserved = false;

  /** As ever. */
  override then<Fulfilled = unknown, Rejected = never>(
    onFulfilled?: ((value: unknown) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    this.isObserved = true;
    return super.then(onFulfilled, onRejected);
  }
}

/**
 * Makes the result of a callback.
 *
 * @param called - by the library; nobody else looks at it
 * @param report - gets the error if nobody has looked at the result by then
 */
export function callbackResult(called: Promise<unknown>, report: Report): Promise<unknown> {
  const result = new CallbackResult((resolve, reject) => {
    called.then(resolve, (error: unknown) => {
      reject(error);
      // Not by its own `then`, which would count: handled for Node, which asks as soon as no microtask is left.
      void Promise.prototype.then.call(result, undefined, () => undefined);
      afterMicrotasks(() => {
        if (!result.isObserved) report(error);
      });
    });
  });
  return result;
}

/** `await` and `Promise.resolve` look at a promise that is not one of the platform's own in a microtask of theirs. */
function afterMicrotasks(act: () => void): void {
  void Promise.resolve()
    .then(() => undefined)
    .then(() => undefined)
    .then(act);
}
