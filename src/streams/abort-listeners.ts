/**
 * Listening to AbortSignals: one listener for each signal, however many calls and streams share it. The platform warns of
 * more than ten (`MaxListenersExceededWarning`), and one signal for a whole page is ordinary use.
 */

interface Listening {
  readonly callbacks: Set<() => void>;
  readonly onAbort: () => void;
}

const listened = new WeakMap<AbortSignal, Listening>();

/**
 * Calls back when a signal is aborted; not for one that is aborted already.
 *
 * @param signal - stays the user's; nothing of ours is left on it once nobody listens
 * @param callback - must not throw; called once
 * @returns ends that, and may be called again
 */
export function onceAborted(signal: AbortSignal, callback: () => void): () => void {
  const listening = listened.get(signal) ?? listen(signal);
  // A callback that is given twice is called twice.
  const own = (): void => {
    callback();
  };
  listening.callbacks.add(own);
  return () => {
    if (!listening.callbacks.delete(own) || listening.callbacks.size > 0) return;
    unlisten(signal, listening);
  };
}

function listen(signal: AbortSignal): Listening {
  const callbacks = new Set<() => void>();
  const listening: Listening = {
    callbacks,
    onAbort: () => {
      unlisten(signal, listening);
      // What is ended by an earlier one is not called any more.
      for (const callback of callbacks) {
        callbacks.delete(callback);
        callback();
      }
    },
  };
  listened.set(signal, listening);
  signal.addEventListener('abort', listening.onAbort, { once: true });
  return listening;
}

function unlisten(signal: AbortSignal, listening: Listening): void {
  if (listened.get(signal) === listening) listened.delete(signal);
  signal.removeEventListener('abort', listening.onAbort);
}
