/**
 * An AbortSignal of the other side as it is held here: an AbortSignal like any other, aborted when that one is.
 *
 * Whoever listens to a signal does not hold it, and yet wants to hear of the abort. So it tells whether anybody listens,
 * and who knows it by its number keeps it alive as long. What the platform does with a signal without listening through
 * its members (`AbortSignal.any`) does not count: the composite signal does not keep it.
 */

/** A mirrored signal and the way to abort it. */
export interface MirroredSignal {
  /** What users hold. */
  readonly signal: AbortSignal;
  /** Aborts it, once; nobody needs to keep it alive from then on. */
  readonly abort: (reason: unknown) => void;
}

/** Bits for how a callback listens: the platform tells the two apart. */
const inBubbling = 1;
const inCapture = 2;

type ListenerArguments = Parameters<AbortSignal['addEventListener']>;
type AddEventListenerOptions = Exclude<ListenerArguments[2], boolean | undefined>;

/**
 * Makes a signal.
 * @param onListened - told `true` when the first listener has come, `false` when the last one has gone
 */
export function createMirroredSignal(onListened: (isListened: boolean) => void): MirroredSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  const listeners = new Map<unknown, number>();
  let handler: unknown = null;
  let isListened = false;
  let isSettingHandler = false;
  const tell = (): void => {
    const isNow = !signal.aborted && (listeners.size > 0 || handler !== null);
    if (isNow === isListened) return;
    isListened = isNow;
    onListened(isNow);
  };
  define(signal, 'addEventListener', {
    value: (...args: ListenerArguments) => {
      add(...args);
      const [type, callback, options] = args;
      if (type !== 'abort' || !isCallback(callback) || isOver(options) || isSettingHandler) return;
      listeners.set(callback, (listeners.get(callback) ?? 0) | phaseOf(options));
      tell();
    },
  });
  define(signal, 'removeEventListener', {
    value: (...args: ListenerArguments) => {
      remove(...args);
      const [type, callback, options] = args;
      if (type !== 'abort') return;
      const left = (listeners.get(callback) ?? 0) & ~phaseOf(options);
      if (left === 0) listeners.delete(callback);
      else listeners.set(callback, left);
      tell();
    },
  });
  // The platform's own accessor still does the work: by a listener of its own, which stays when the handler goes.
  const native = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'onabort');
  define(signal, 'onabort', {
    get: () => handler,
    set: (value: unknown) => {
      isSettingHandler = true;
      native?.set?.call(signal, value);
      isSettingHandler = false;
      handler = typeof value === 'function' ? value : null;
      tell();
    },
  });
  return {
    signal,
    abort: (reason) => {
      controller.abort(reason);
      listeners.clear();
      tell();
    },
  };
}

function define(signal: AbortSignal, name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(signal, name, { configurable: true, ...descriptor });
}

function isCallback(callback: unknown): boolean {
  return typeof callback === 'function' || (typeof callback === 'object' && callback !== null);
}

function phaseOf(options: ListenerArguments[2]): number {
  const isInCapture = typeof options === 'boolean' ? options : settingsOf(options).capture;
  return isInCapture === true ? inCapture : inBubbling;
}

/** Such a listener is not taken by the platform either. */
function isOver(options: ListenerArguments[2]): boolean {
  return typeof options !== 'boolean' && settingsOf(options).signal?.aborted === true;
}

/** The platform takes `null` as well. */
function settingsOf(options: AddEventListenerOptions | undefined): AddEventListenerOptions {
  return (options as AddEventListenerOptions | null | undefined) ?? {};
}
