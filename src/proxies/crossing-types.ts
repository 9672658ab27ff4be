/**
 * The types of values as they cross: what a parameter accepts from the other side, and what a result is when it arrives.
 * What crosses by value keeps its very type; functions, streams and lent objects within it do not.
 */
import type { Observable } from 'rxjs';
import type { Lent, Remote, RemoteProxy, RemoteReference, RemoteStream } from './types.js';

/** What crosses by value whatever it is made of, and has no members to look into. */
type Atom =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | AbortSignal;

type AnyFunction = (...args: never) => unknown;

/** `Mapped`, or `Value` itself where that says the same: so that names stay, and hovering over it stays readable. */
type Unless<Value, Mapped> = [Value] extends [Mapped] ? ([Mapped] extends [Value] ? Value : Mapped) : Mapped;

/** Whether a type is `any` or `unknown`, of which nothing can be said. */
type IsOpen<Value> = 0 extends 1 & Value ? true : unknown extends Value ? true : false;

type LentOf<Value> = Value extends Lent<infer Lending> ? NonNullable<Lending> : never;

/** Whether the type is marked as lent: the mark is optional, so that a type without it must not count. */
type IsLent<Value> = keyof Lent<unknown> extends keyof Value ? true : false;

type RemoteOf<Value> = Value extends Remote<infer Proxied> ? NonNullable<Proxied> : never;

/** Whether the type is that of a proxy. */
type IsRemote<Value> = keyof Remote<unknown> extends keyof Value ? true : false;

/** A value as it arrives at the other side. */
export type Arriving<Value> =
  IsOpen<Value> extends true
    ? Value
    : Value extends Atom
      ? Value
      : Value extends AnyFunction
        ? ArrivingFunction<Value>
        : IsLent<Value> extends true
          ? RemoteReference<LentOf<Value>>
          : IsRemote<Value> extends true
            ? RemoteReference<RemoteOf<Value>>
            : Value extends Observable<infer Item>
              ? RemoteStream<Arriving<Item>>
              : Value extends AsyncIterable<infer Item>
                ? RemoteStream<Arriving<Item>>
                : Value extends ReadonlyMap<infer Key, infer Item>
                  ? Unless<Value, Map<Arriving<Key>, Arriving<Item>>>
                  : Value extends ReadonlySet<infer Item>
                    ? Unless<Value, Set<Arriving<Item>>>
                    : Value extends object
                      ? Unless<Value, { [Key in keyof Value]: Arriving<Value[Key]> }>
                      : Value;

/** A function as it arrives: it can be called from here, and given back. */
type ArrivingFunction<Value> = Value extends (...args: infer Parameters) => infer Result
  ? ((...args: Sendable<Parameters>) => Promise<Arriving<Awaited<Result>>>) & Disposable
  : never;

/** What may be sent where the other side declares `Value`. */
export type Sendable<Value> =
  IsOpen<Value> extends true
    ? Value
    : Value extends Atom
      ? Value
      : Value extends (...args: infer Parameters) => infer Result
        ? (...args: ArrivingParameters<Parameters>) => SendableResult<Result>
        : IsRemote<Value> extends true
          ? RemoteProxy<RemoteOf<Value>>
          : Value extends Observable<infer Item>
            ? Observable<Sendable<Item>> | AsyncIterable<Sendable<Item>>
            : Value extends AsyncIterable<infer Item>
              ? Observable<Sendable<Item>> | AsyncIterable<Sendable<Item>>
              : Value extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
                ? Value
                : Value extends object
                  ? Unless<Value, { [Key in keyof Value]: Sendable<Value[Key]> }>
                  : Value;

/** A callback's parameters as it sees them. */
type ArrivingParameters<Parameters extends readonly unknown[]> = {
  [At in keyof Parameters]: Arriving<Parameters[At]>;
};

/** What a callback may return: its result or a promise of it; anything where nothing is expected. */
type SendableResult<Result> = [Awaited<Result>] extends [void]
  ? unknown
  : Sendable<Awaited<Result>> | PromiseLike<Sendable<Awaited<Result>>>;
