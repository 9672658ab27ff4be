/**
 * The types of remote objects, made from those of the local ones: what a member becomes on its way across.
 *
 * What is lost, since TypeScript cannot infer it: of overloads only the last is seen, and the type parameters of a generic
 * method become their constraints. What crosses by value keeps its very type.
 */
import type { Observable } from 'rxjs';
import type { Arriving, Sendable } from './crossing-types.js';

/** What may be in a call's options; see `withCallOptions`. */
export interface CallOptions {
  /**
   * Seconds until the call is given up: it rejects with `RPCTimeoutError`, and the other side is told; a stream ends so,
   * however much has come. `null`: never. Default: the time that is left of the call that is being served meanwhile, or
   * else, for a call, the `callTimeoutInSeconds` of the server or client. More than 0, at most 2,147,483 (24.8 days).
   */
  readonly timeoutInSeconds?: number | null;
  /** Aborting it gives the call up: it rejects with the signal's reason, and the other side is told. */
  readonly signal?: AbortSignal;
  /** Anything that crosses; the called method reads it from `currentCall().metadata`. */
  readonly metadata?: unknown;
  /**
   * What happens while a client is not connected: `"fail"` (default) rejects at once with `NotConnectedError`, `"wait"` waits
   * for a connection, until the timeout. A server's proxies belong to one connection and do not wait.
   */
  readonly whenDisconnected?: 'fail' | 'wait';
}

/** A stream of the other side: cold; as an AsyncIterable its pace reaches the producer. */
export interface RemoteStream<T> extends Observable<T>, AsyncIterable<T> {}

/** Tells of which type a proxy is; there is no such member at run time. */
declare const remoteType: unique symbol;

/** What the type of a proxy is known by. */
export interface Remote<T> {
  /** Never there. */
  readonly [remoteType]?: T;
}

/** Marks the type of an object that crosses by reference; there is no such member at run time. */
declare const lentType: unique symbol;

/** An object that crosses by reference. */
export interface Lent<T> {
  /** Never there. */
  readonly [lentType]?: T;
}

/** What `byReference` gives: the object, which fits as well where its proxy is expected. */
export type ByReference<T> = T & RemoteProxy<T> & Lent<T>;

/** The proxy of an object that was lent; disposing of it gives it back. */
export type RemoteReference<T> = RemoteProxy<T> & Disposable;

/** Names that a proxy answers by itself, whatever the remote object has. */
type LocalName = keyof typeof Object.prototype | 'then' | 'catch' | 'finally' | 'toJSON' | 'prototype';

/** Whether a member of this name is there for the other side at all: no private name, no symbol. */
type IsPublicName<Name> = Name extends LocalName | `_${string}` ? false : Name extends string ? true : false;

type IsStreamName<Name> = Name extends `${string}$` ? IsPublicName<Name> : false;

/** Whether a member of this name can be called from the other side: no stream. */
type IsCallableName<Name> = Name extends `${string}$` ? false : IsPublicName<Name>;

type AnyMethod = (...args: never) => unknown;

/** A method as it is called from the other side: parameters as they may be sent, and a promise of the result as it arrives. */
export type RemoteMethod<Method> = Method extends (...args: infer Parameters) => infer Result
  ? (...args: Sendable<Parameters>) => Promise<Arriving<Awaited<Result>>>
  : never;

/** A method as `notify` calls it: the same parameters, and no answer. */
export type NotifyMethod<Method> = Method extends (...args: infer Parameters) => unknown
  ? (...args: Sendable<Parameters>) => void
  : never;

/** A method as `rx` calls it: the same parameters, and an Observable that calls when it is subscribed to. */
export type RxMethod<Method> = Method extends (...args: infer Parameters) => infer Result
  ? (...args: Sendable<Parameters>) => Observable<Arriving<Awaited<Result>>>
  : never;

/** The values of what a `$` member holds or returns. */
type ValueOf<Source> =
  Awaited<Source> extends infer Stream
    ? Stream extends {
        subscribe(...args: never): unknown;
        forEach(next: (value: infer Value) => void): unknown;
      }
      ? Value
      : Stream extends AsyncIterable<infer Value> | Iterable<infer Value>
        ? Value
        : never
    : never;

/** A `$` member as the other side has it; a method that needs no arguments is a stream by itself. */
export type RemoteStreamMember<Member> = Member extends (...args: infer Parameters) => infer Source
  ? ((...args: Sendable<Parameters>) => RemoteStream<Arriving<ValueOf<Source>>>) &
      ([] extends Parameters ? RemoteStream<Arriving<ValueOf<Source>>> : unknown)
  : RemoteStream<Arriving<ValueOf<Member>>>;

/** The names of the members of `T` that can be called from the other side. */
export type RemoteMethodName<T> = {
  [Name in keyof T]-?: IsCallableName<Name> extends true
    ? NonNullable<T[Name]> extends AnyMethod
      ? Name
      : never
    : never;
}[keyof T];

/** The names of the members of `T` that are streams. */
export type RemoteStreamName<T> = {
  [Name in keyof T]-?: IsStreamName<Name> extends true
    ? [
        ValueOf<
          NonNullable<T[Name]> extends (...args: never) => infer Source ? Source : NonNullable<T[Name]>
        >,
      ] extends [never]
      ? never
      : Name
    : never;
}[keyof T];

/** The streams of a remote object. */
type RemoteStreams<T> = { readonly [Name in RemoteStreamName<T>]: RemoteStreamMember<NonNullable<T[Name]>> };

/**
 * An object of the other side: each public method of `T`, returning a promise, and each `$` member as a stream. Everything
 * else does not exist in the type; at run time other names are functions that reject with `UnknownMethodError`, and what
 * JavaScript itself asks of an object (`then`, `toJSON`, symbols) is answered here, so that awaiting or logging a proxy
 * sends nothing. Of an object typed `any` nothing is known, and so the proxy is `any` too.
 */
export type RemoteProxy<T> = 0 extends 1 & T
  ? T
  : { readonly [Name in RemoteMethodName<T>]: RemoteMethod<NonNullable<T[Name]>> } & RemoteStreams<T> &
      Remote<T>;

/** The same object, each method called without waiting for an answer. */
export type NotifyProxy<T> = 0 extends 1 & T
  ? T
  : { readonly [Name in RemoteMethodName<T>]: NotifyMethod<NonNullable<T[Name]>> };

/** The cold view of the same object: each method returns an Observable that calls when it is subscribed to. */
export type RxProxy<T> = 0 extends 1 & T
  ? T
  : { readonly [Name in RemoteMethodName<T>]: RxMethod<NonNullable<T[Name]>> } & RemoteStreams<T>;
