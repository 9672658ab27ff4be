/**
 * An AbortSignal of the other side, as it is held here: an AbortSignal like any other, aborted when that one is.
 */

/** Reached from the signal only, so that both are collected together. */
const abortKey = Symbol('abort');

/**
 * Makes a signal. It may be collected when nobody holds it, unless somebody listens: whoever listens need not hold it.
 * @param onListened - told when the first listener comes, and when the last one goes
 */
export function createMirroredSignal(onListened: (isListened: boolean) => void): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  let handler: unknown = null;
  const tell = (): void => {
    onListened(!signal.aborted && (listeners.size > 0 || handler !== null));
  };
  const { addEventListener, removeEventListener } = signal;
  const set = (key: PropertyKey, descriptor: PropertyDescriptor): void => {
    Object.defineProperty(signal, key, { configurable: true, ...descriptor });
  };
  set('addEventListener', {
    value: (...args: Parameters<typeof addEventListener>) => {
      addEventListener.apply(signal, args);
      if (args[0] === 'abort') listeners.add(args[1]);
      tell();
    },
  });
  set('removeEventListener', {
    value: (...args: Parameters<typeof removeEventListener>) => {
      removeEventListener.apply(signal, args);
      if (args[0] === 'abort') listeners.delete(args[1]);
      tell();
    },
  });
  const native = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'onabort');
  set('onabort', {
    get: () => handler,
    set: (value: unknown) => {
      handler = typeof value === 'function' ? value : null;
      native?.set?.call(signal, value);
      tell();
    },
  });
  set(abortKey, {
    value: (reason: unknown) => {
      controller.abort(reason);
      tell();
    },
  });
  return signal;
}

/** Aborts a signal made here. */
export function abortMirrored(signal: object, reason: unknown): void {
  (signal as { readonly [abortKey]: (reason: unknown) => void })[abortKey](reason);
}
