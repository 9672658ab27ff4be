/**
 * The object that a user holds in place of a remote one: any name is a method that sends a call, or, with a `$` at its end,
 * a stream; except those that JavaScript itself asks of every object, which are answered here and send nothing (await,
 * console.log, JSON.stringify, string templates, iteration, instanceof).
 *
 * A `$` member is an Observable; where the remote one is a method, or not known to be none, it is a function as well.
 */
import type { Observable } from 'rxjs';
import type { Target } from '../protocol/messages.js';
import { referenceKey } from '../protocol/references.js';
import { callbackResult } from './callback-result.js';
import { checkCallOptions } from './call-options.js';
import type { Caller } from './caller.js';
import { coldCall } from './cold-call.js';
import { heldMarkOf, mark, type HeldMark } from './held-mark.js';
import type { CallOptions, NotifyProxy, RemoteProxy, RxProxy } from './types.js';

/** How a view makes its members: called, notified, or cold. */
type MakeMethod = (content: ProxyContent, member: string) => unknown;
type Method = (...args: readonly unknown[]) => unknown;

/** What a proxy, or a function, stands for and how it is used. */
interface ProxyContent extends HeldMark {
  /** What its text calls it. */
  readonly label: string;
  readonly makeMethod: MakeMethod;
  /** Gives a reference back. */
  readonly dispose: (() => void) | undefined;
  /** Whether it is one function, not an object. */
  readonly isFunction: boolean;
}

/** What is said of a proxy besides what it stands for. */
export interface ProxySettings {
  /** What its text calls it; default: its name. */
  readonly label?: string;
  /** Gives a reference back. */
  readonly dispose?: () => void;
}

/** Names besides those of Object.prototype that are asked of any object by the language and are never remote. */
const inertNames: ReadonlySet<PropertyKey> = new Set(['then', 'catch', 'finally', 'toJSON', 'prototype']);

/**
 * Names by which rxjs, and test runners, tell what an object is: a function under one of them would make a proxy an
 * Observable, or a matcher that is equal to everything. Remote only where the remote object has them.
 */
const probedNames: ReadonlySet<PropertyKey> = new Set([
  'lift',
  '@@observable',
  'getReader',
  'asymmetricMatch',
]);

const noOptions: CallOptions = {};

const inspectKey = Symbol.for('nodejs.util.inspect.custom');

/** Makes the proxy of a remote object. */
export function createRemoteProxy<T>(
  caller: Caller,
  target: Target,
  settings: ProxySettings = {},
): RemoteProxy<T> {
  const { label = String(target), dispose } = settings;
  const content = { caller, target, label, dispose, options: {}, keep: undefined, isFunction: false };
  // What the handler answers is what the type says, as far as the remote object has it.
  return makeProxy({ ...content, makeMethod: callMethod }) as RemoteProxy<T>;
}

/** Makes what stands for a remote function. */
export function createRemoteFunction(caller: Caller, target: Target, dispose: () => void): Method {
  // In one piece, and with options that all share: there may be thousands.
  return makeFunction({
    caller,
    target,
    label: 'function',
    dispose,
    options: noOptions,
    keep: undefined,
    isFunction: true,
    makeMethod: callbackMethod,
  });
}

/**
 * The same remote object, or function, called with these options; they add to those it has.
 * @throws TypeError when it is none; TypeError, RangeError for an option that cannot be
 */
export function withCallOptions<Proxied extends object>(proxy: Proxied, options: CallOptions): Proxied {
  const content = contentOf(proxy);
  return derive(proxy, { options: { ...content.options, ...checkCallOptions(options) } }) as Proxied;
}

/**
 * The same remote object, or function, called without waiting for an answer: each method returns nothing, and throws only when
 * nothing could be sent. What goes wrong at the other side is reported there, on `errors$`, and what is lost with the connection here. Its
 * streams are left out.
 * @throws TypeError when it is no proxy
 */
export function notify<Args extends readonly unknown[]>(
  remote: (...args: Args) => Promise<unknown>,
): (...args: Args) => void;
export function notify<T>(proxy: RemoteProxy<T>): NotifyProxy<T>;
export function notify(proxy: object): object {
  return derive(proxy, { makeMethod: notifyMethod });
}

/**
 * The cold view of a remote object, or function: each method returns an Observable that calls when it is subscribed to, each time anew,
 * and gives the call up when it is unsubscribed from. Its streams are what they are.
 * @throws TypeError when it is no proxy
 */
export function rx<Args extends readonly unknown[], Result>(
  remote: (...args: Args) => Promise<Result>,
): (...args: Args) => Observable<Result>;
export function rx<T>(proxy: RemoteProxy<T>): RxProxy<T>;
export function rx(proxy: object): object {
  return derive(proxy, { makeMethod: coldMethod });
}

/**
 * Gives a reference back: a proxy by `byReference`, or a function, stream or signal of the other side. Each time that it came
 * counts: two who got the same object both dispose of it, and whoever uses it after the last gets a StaleReferenceError. Has
 * no effect on one that was given back, or whose connection has ended.
 * @throws TypeError for what is no reference
 */
export function dispose(reference: object): void {
  const isHeld = typeof heldMarkOf(reference)?.target === 'number';
  const release: unknown = isHeld ? Reflect.get(reference, Symbol.dispose) : undefined;
  if (typeof release !== 'function') throw new TypeError('a reference from the other side is needed');
  Reflect.apply(release, reference, []);
}

const callMethod: MakeMethod =
  ({ caller, target, options }, member) =>
  (...args: readonly unknown[]) =>
    caller.call(target, member, args, options);

/** As `callMethod`, for whoever does not know that there is a promise. */
const callbackMethod: MakeMethod =
  ({ caller, target, options }, member) =>
  (...args: readonly unknown[]) =>
    callbackResult(caller.call(target, member, args, options), caller.report);

const notifyMethod: MakeMethod = ({ caller, target, options }, member) =>
  member.endsWith('$')
    ? undefined
    : (...args: readonly unknown[]) => {
        caller.notify(target, member, args, options);
      };

const coldMethod: MakeMethod =
  ({ caller, target, options }, member) =>
  (...args: readonly unknown[]) =>
    coldCall(
      (signal) => caller.call(target, member, args, { ...options, signal }),
      options.signal,
      caller.report,
    );

/** A stream; where it is a method, also a function that gives the stream for its arguments. */
function makeStream({ caller, target, options }: ProxyContent, member: string, isProperty: boolean): object {
  const stream = caller.stream(target, member, [], options);
  if (isProperty) return stream;
  const method: Method = (...args) => caller.stream(target, member, args, options);
  Object.defineProperties(method, { apply, bind, call, name: { value: member, configurable: true } });
  // All that an Observable has is found on the stream.
  return Object.setPrototypeOf(method, stream) as object;
}

/** What a function has besides being callable; one whose prototype is a stream would lack it. */
const { apply, bind, call } = Object.getOwnPropertyDescriptors(Function.prototype);

function makeMember(content: ProxyContent, member: string, isProperty: boolean): unknown {
  if (!member.endsWith('$') || content.makeMethod === notifyMethod)
    return content.makeMethod(content, member);
  return makeStream(content, member, isProperty);
}

function makeFunction(content: ProxyContent): Method {
  const remote = content.makeMethod(content, '') as Method;
  mark(remote, content);
  Object.defineProperty(remote, Symbol.dispose, { value: content.dispose, configurable: true });
  return remote;
}

function makeProxy(content: ProxyContent): object {
  const text = `[RemoteProxy ${content.label}]`;
  const answerText = (): string => text;
  // Members are kept: the same one each time, and no closure made at each call; a stream until another kind of stream is
  // registered under its name.
  const members = new Map<string, { readonly member: unknown; readonly isProperty: boolean }>();
  const target = {
    toString: answerText,
    toLocaleString: answerText,
    [inspectKey]: answerText,
    [referenceKey]: content,
    // Tells it from an empty object.
    [Symbol.toStringTag]: 'RemoteProxy',
    ...(content.dispose === undefined ? {} : { [Symbol.dispose]: content.dispose }),
  };
  return new Proxy(target, {
    get(_, key) {
      if (typeof key === 'symbol' || key in target) return Reflect.get(target, key) as unknown;
      if (inertNames.has(key)) return undefined;
      const isProperty = key.endsWith('$') && isKnownProperty(content, key);
      const present = members.get(key);
      if (present?.isProperty === isProperty) return present.member;
      if (probedNames.has(key) && !hasMember(content, key)) return undefined;
      const member = makeMember(content, key, isProperty);
      members.set(key, { member, isProperty });
      return member;
    },
    has: (_, key) => typeof key === 'string' && hasMember(content, key),
    ownKeys: () => [],
    getOwnPropertyDescriptor: () => undefined,
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  });
}

function isKnownProperty({ caller, target }: ProxyContent, name: string): boolean {
  return caller.properties(target)?.includes(name) === true;
}

function hasMember({ caller, target }: ProxyContent, name: string): boolean {
  return caller.members(target)?.includes(name) === true;
}

/** The same remote object, used in another way; what it was made of stays alive with it. */
function derive(proxy: object, changes: Partial<ProxyContent>): object {
  const content = contentOf(proxy);
  const derived = { ...content, ...changes, keep: proxy };
  return content.isFunction ? makeFunction(derived) : makeProxy(derived);
}

/**
 * What a proxy stands for.
 * @throws TypeError when it is no proxy
 */
function contentOf(proxy: object | undefined): ProxyContent {
  // `remoteProxyObject` may have answered undefined: that deserves the same words.
  const content = heldMarkOf(proxy);
  if (content === undefined || !('makeMethod' in content)) {
    throw new TypeError('a proxy of a remote object is needed');
  }
  // Only this file makes marks with that member.
  return content as ProxyContent;
}
