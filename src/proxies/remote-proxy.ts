/**
 * The object that a user holds in place of a remote one: any name is a method that sends a call, except those that
 * JavaScript itself asks of every object, which are answered here and send nothing (await, console.log,
 * JSON.stringify, string templates, iteration, instanceof).
 */
import type { Caller } from './caller.js';
import type { CallOptions, NotifyProxy, RemoteProxy } from './types.js';

/** What a proxy stands for. */
interface ProxyContent {
  readonly caller: Caller;
  readonly object: string;
  readonly options: CallOptions;
  /** What a method of it does: call, or notify. */
  readonly makeMethod: MakeMethod;
}

/**
 * The key under which a proxy gives out what it stands for, to this file only. Registered under a name, so that a proxy
 * made by the ESM copy of the package is known to the CommonJS one.
 */
const contentKey = Symbol.for('tandem-rpc.proxy');

/** Names besides those of Object.prototype that are asked of any object by the language and are never remote. */
const inertNames: ReadonlySet<PropertyKey> = new Set(['then', 'catch', 'finally', 'toJSON', 'prototype']);

const inspectKey = Symbol.for('nodejs.util.inspect.custom');

/** Makes the proxy of a remote object. */
export function createRemoteProxy<T>(caller: Caller, object: string): RemoteProxy<T> {
  // What the handler answers is what the type says, as far as the remote object has it.
  return makeProxy({ caller, object, options: {}, makeMethod: callMethod }) as RemoteProxy<T>;
}

/**
 * The same remote object, called with these options; they add to those the proxy has.
 * @throws TypeError when it is no proxy
 */
export function withCallOptions<Proxied extends object>(proxy: Proxied, options: CallOptions): Proxied {
  const content = contentOf(proxy);
  const checked = checkCallOptions(options);
  return makeProxy({ ...content, options: { ...content.options, ...checked } }) as Proxied;
}

/**
 * The same remote object, called without waiting for an answer: each method returns nothing, and throws only when
 * nothing could be sent. What goes wrong at the other side is reported there, on `errors$`.
 * @throws TypeError when it is no proxy
 */
export function notify<T>(proxy: RemoteProxy<T>): NotifyProxy<T>;
export function notify(proxy: object): object {
  return makeProxy({ ...contentOf(proxy), makeMethod: notifyMethod });
}

/**
 * Checks call options.
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
function checkCallOptions(options: CallOptions): CallOptions {
  if (typeof options !== 'object' || (options as unknown) === null)
    throw new TypeError('call options must be an object');
  for (const name of Object.keys(options)) {
    if (!callOptionNames.has(name)) {
      throw new TypeError(`there is no call option "${name}", only ${[...callOptionNames].join(', ')}`);
    }
  }
  const { timeoutInSeconds, signal } = options;
  if (timeoutInSeconds !== undefined && timeoutInSeconds !== null && !isTimeout(timeoutInSeconds)) {
    throw new RangeError(
      `timeoutInSeconds is ${String(timeoutInSeconds)}; allowed is more than 0 up to ${maxTimeoutInSeconds}, or null`,
    );
  }
  if (
    signal !== undefined &&
    typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function'
  ) {
    throw new TypeError('signal is no AbortSignal');
  }
  return options;
}

const callOptionNames: ReadonlySet<string> = new Set(['timeoutInSeconds', 'signal', 'metadata']);

/** A timer of the platform cannot be armed for more than 2^31 - 1 milliseconds. */
const maxTimeoutInSeconds = 2_147_483;

type Method = (...args: readonly unknown[]) => unknown;
type MakeMethod = (content: ProxyContent, member: string) => Method;

const callMethod: MakeMethod =
  ({ caller, object, options }, member) =>
  (...args) =>
    caller.call(object, member, args, options);

const notifyMethod: MakeMethod =
  ({ caller, object, options }, member) =>
  (...args) => {
    caller.notify(object, member, args, options);
  };

function makeProxy(content: ProxyContent): object {
  const text = `[RemoteProxy ${content.object}]`;
  const answerText = (): string => text;
  // Methods are kept: the same one each time, and no closure made at each call.
  const methods = new Map<string, Method>();
  const target = {
    toString: answerText,
    toLocaleString: answerText,
    [inspectKey]: answerText,
    // Tells it from an empty object: as a value it cannot cross, and must not arrive as one.
    [Symbol.toStringTag]: 'RemoteProxy',
  };
  return new Proxy(target, {
    get(_, key) {
      if (key === contentKey) return content;
      if (typeof key === 'symbol' || key in target) return Reflect.get(target, key) as unknown;
      if (inertNames.has(key)) return undefined;
      let method = methods.get(key);
      if (method === undefined) {
        method = content.makeMethod(content, key);
        methods.set(key, method);
      }
      return method;
    },
    has: (_, key) =>
      typeof key === 'string' && content.caller.members(content.object)?.includes(key) === true,
    ownKeys: () => [],
    getOwnPropertyDescriptor: () => undefined,
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  });
}

/**
 * What a proxy stands for.
 * @throws TypeError when it is no proxy
 */
function contentOf(proxy: object | undefined): ProxyContent {
  // `remoteProxyObject` may have answered undefined: that deserves the same words.
  const content = (proxy as Readonly<Record<symbol, unknown>> | undefined | null)?.[contentKey];
  if (content === undefined) throw new TypeError('a proxy of a remote object is needed');
  // Only makeProxy answers this key.
  return content as ProxyContent;
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value <= maxTimeoutInSeconds;
}
