/**
 * The type of a remote object, made from the type of the local one.
 */

/** What may be in a call's options; see `withCallOptions`. */
export interface CallOptions {
  /**
   * Seconds until the call is given up: it rejects with `RPCTimeoutError`, and the other side is told. `null`: never.
   * Default: the `callTimeoutInSeconds` of the server or client. More than 0, at most 2,147,483 (24.8 days).
   */
  readonly timeoutInSeconds?: number | null;
  /** Aborting it gives the call up: it rejects with the signal's reason, and the other side is told. */
  readonly signal?: AbortSignal;
  /** Anything that crosses by value; the called method reads it from `currentCall().metadata`. */
  readonly metadata?: unknown;
}

/** Names that a proxy answers by itself, whatever the remote object has. */
type LocalName = keyof typeof Object.prototype | 'then' | 'catch' | 'finally' | 'toJSON' | 'prototype';

/** Whether a member of this name can be called from the other side: no stream, no private name, no symbol. */
type IsCallableName<Name> = Name extends LocalName | `_${string}` | `${string}$`
  ? false
  : Name extends string
    ? true
    : false;

type AnyMethod = (...args: never) => unknown;

/** A method as it is called from the other side: the same parameters, and a promise of the result. */
export type RemoteMethod<Method> = Method extends (...args: infer Parameters) => infer Result
  ? (...args: Parameters) => Promise<Awaited<Result>>
  : never;

/** A method as `notify` calls it: the same parameters, and no answer. */
export type NotifyMethod<Method> = Method extends (...args: infer Parameters) => unknown
  ? (...args: Parameters) => void
  : never;

/** The names of the members of `T` that can be called from the other side. */
export type RemoteMethodName<T> = {
  [Name in keyof T]-?: IsCallableName<Name> extends true
    ? NonNullable<T[Name]> extends AnyMethod
      ? Name
      : never
    : never;
}[keyof T];

/**
 * An object of the other side: each public method of `T`, returning a promise. Everything else does not exist in the
 * type; at run time other names are functions that reject with `UnknownMethodError`, and what JavaScript itself asks of
 * an object (`then`, `toJSON`, symbols) is answered here, so that awaiting or logging a proxy sends nothing. Of an object
 * typed `any` nothing is known, and so the proxy is `any` too.
 */
export type RemoteProxy<T> = 0 extends 1 & T
  ? T
  : { readonly [Name in RemoteMethodName<T>]: RemoteMethod<NonNullable<T[Name]>> };

/** The same object, each method called without waiting for an answer. */
export type NotifyProxy<T> = 0 extends 1 & T
  ? T
  : { readonly [Name in RemoteMethodName<T>]: NotifyMethod<NonNullable<T[Name]>> };
