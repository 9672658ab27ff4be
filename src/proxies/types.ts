/**
 * The types of remote objects, made from those of the local ones: what a member becomes on its way across, and what its
 * arguments and results do. What crosses by value keeps its very type.
 *
 * What is lost, since TypeScript cannot infer it: of overloads only the last is seen, and the type parameters of a generic
 * method become their constraints. A tuple that contains both itself and a function is too deep for it. And a class of which
 * an object crosses by value cannot be told from an interface: what its methods become is in the type, though the object is
 * refused.
 */
import type { Observable } from 'rxjs';
import type { StreamLostError } from '../errors.js';
import type { AnyFunction, RemoteMethodName, RemoteStreamName, ValueOf } from './member-types.js';

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
   * for a connection, until the timeout. A server's proxies belong to one connection and do not wait. A session that is away
   * (`resume`) takes calls on both sides, which leave with its next connection; `"fail"` refuses them meanwhile.
   */
  readonly whenDisconnected?: 'fail' | 'wait';
  /**
   * The call may run more than once: if it is lost with its session, and nobody knows whether it ran, it is made again on the next
   * one, five times at most and within its timeout. Default false. For objects of a server; what else a connection has goes with it.
   * Not made again is a call with an iterator among its arguments, such as that of a generator, which the first one has used up.
   */
  readonly idempotent?: boolean;
  /**
   * A stream that is lost with its session is subscribed to again on the next one. A function is told of each gap, with the index
   * of the last value before it, before the first value after it; with `true` the gap is reported on `errors$`. Default false: the
   * stream ends with `StreamLostError`. For objects of a server.
   */
  readonly resubscribe?: boolean | ((gap: StreamLostError) => void);
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

/**
 * An object that crosses by reference, by its type: what `byReference` gives, and any interface that says so, as one for a
 * class whose prototype is marked does: `interface Account extends Lent<Account> { … }`.
 */
export interface Lent<T> {
  /** Never there. */
  readonly [lentType]?: T;
}

/** What `byReference` gives: the object, which fits as well where its proxy is expected. */
export type ByReference<T> = T & RemoteProxy<T> & Lent<T>;

/** The proxy of an object that was lent; disposing of it gives it back. */
export type RemoteReference<T> = RemoteProxy<T> & Disposable;

/** The parameters of a method, as they may be sent. */
type SendableArguments<Parameters extends readonly unknown[]> = {
  [At in keyof Parameters]: Sendable<Parameters[At]>;
};

/** The parameters of a callback, as it sees them. */
type ArrivingArguments<Parameters extends readonly unknown[]> = {
  [At in keyof Parameters]: Arriving<Parameters[At]>;
};

/** A method as it is called from the other side: parameters as they may be sent, and a promise of the result as it arrives. */
export type RemoteMethod<Method> = 0 extends 1 & Method
  ? Method
  : Method extends (...args: infer Parameters) => infer Result
    ? (...args: SendableArguments<Parameters>) => Promise<Arriving<Awaited<Result>>>
    : never;

/** A method as `notify` calls it: the same parameters, and no answer. */
export type NotifyMethod<Method> = Method extends (...args: infer Parameters) => unknown
  ? (...args: SendableArguments<Parameters>) => void
  : never;

/** A method as `rx` calls it: the same parameters, and an Observable that calls when it is subscribed to. */
export type RxMethod<Method> = Method extends (...args: infer Parameters) => infer Result
  ? (...args: SendableArguments<Parameters>) => Observable<Arriving<Awaited<Result>>>
  : never;

/**
 * A `$` member as the other side has it; a method that needs no arguments is a stream by itself. It is a function all the
 * same: where rxjs takes either, as the last argument of `zip` or `withLatestFrom`, call it.
 */
export type RemoteStreamMember<Member> = 0 extends 1 & Member
  ? Member
  : [Member] extends [(...args: infer Parameters) => infer Source]
    ? ((...args: SendableArguments<Parameters>) => RemoteStream<Arriving<ValueOf<Source>>>) &
        ([] extends Parameters ? RemoteStream<Arriving<ValueOf<Source>>> : unknown)
    : RemoteStream<Arriving<ValueOf<Member>>>;

/** The streams of a remote object. */
type RemoteStreams<T> = { readonly [Name in RemoteStreamName<T>]: RemoteStreamMember<NonNullable<T[Name]>> };

/**
 * An object of the other side: each public method of `T`, returning a promise, and each `$` member as a stream. Everything
 * else does not exist in the type; at run time other names are functions that reject with `UnknownMethodError`, and what
 * JavaScript itself asks of an object (`then`, `toJSON`, symbols) is answered here, so that awaiting or logging a proxy
 * sends nothing. Of an object, or a member, typed `any` nothing is known, and so the proxy, or its member, is `any` too.
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

/** Whether a type is `any` or `unknown`, of which nothing can be said. */
type IsOpen<Value> = 0 extends 1 & Value ? true : unknown extends Value ? true : false;

type LentOf<Value> = Value extends Lent<infer Lending> ? NonNullable<Lending> : never;

/** Whether the type is marked as lent: the mark is optional, so that a type without it must not count. */
type IsLent<Value> = keyof Lent<unknown> extends keyof Value ? true : false;

type RemoteOf<Value> = Value extends Remote<infer Proxied> ? NonNullable<Proxied> : never;

/** Whether the type is that of a proxy. */
type IsRemote<Value> = keyof Remote<unknown> extends keyof Value ? true : false;

/**
 * The type itself, with `never` in place of all that does not cross by value, so that `Value` fits into it only if it has
 * none of that. This is compared once, for the whole of a type: comparing it for each member with what that becomes would
 * never end for types that contain themselves.
 */
type ByValue<Value> =
  IsOpen<Value> extends true
    ? Value
    : Value extends Atom
      ? Value
      : Value extends AnyFunction | Observable<unknown> | AsyncIterable<unknown>
        ? never
        : true extends IsLent<Value> | IsRemote<Value>
          ? never
          : Contents<Value, 'by value'>;

/** A value as it arrives at the other side. */
export type Arriving<Value> = [Value] extends [ByValue<Value>]
  ? Value
  : Value extends ByValue<Value>
    ? Value
    : Value extends AnyFunction
      ? RemoteFunction<Value>
      : IsLent<Value> extends true
        ? RemoteReference<LentOf<Value>>
        : IsRemote<Value> extends true
          ? RemoteReference<RemoteOf<Value>>
          : Value extends Observable<infer Item>
            ? RemoteStream<Arriving<Item>>
            : Value extends AsyncIterable<infer Item>
              ? RemoteStream<Arriving<Item>>
              : Contents<Value, 'arriving'>;

/** A function of the other side: it can be called from here, and disposing of it gives it back. */
export type RemoteFunction<Called> = RemoteMethod<Called> & Disposable;

/** What may be sent where the other side declares `Value`. */
export type Sendable<Value> = [Value] extends [ByValue<Value>]
  ? Value
  : Value extends ByValue<Value>
    ? Value
    : Value extends (...args: infer Parameters) => infer Result
      ? (...args: ArrivingArguments<Parameters>) => SendableResult<Awaited<Result>>
      : IsRemote<Value> extends true
        ? RemoteProxy<RemoteOf<Value>>
        : Value extends Observable<infer Item> | AsyncIterable<infer Item>
          ? Observable<Sendable<Item>> | AsyncIterable<Sendable<Item>>
          : Contents<Value, 'sendable'> | ReturnedReference<Value>;

type VoidResult = ReturnType<() => void>;

/** What a callback may return: its result or a promise of it; anything where nothing is expected. */
type SendableResult<Result> = [Result, VoidResult] extends [VoidResult, Result]
  ? unknown
  : Sendable<Result> | PromiseLike<Sendable<Result>>;

/**
 * A proxy that goes back to where its object is, and is the object itself there: it lacks what no proxy has, as data. Of
 * its members only the presence is asked, or they would compete with those of `Value` in giving types to a literal.
 */
type ReturnedReference<Value> = Value extends
  readonly unknown[] | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
  ? never
  : [RemoteMethodName<Value> | RemoteStreamName<Value>] extends [never]
    ? never
    : Remote<Value> &
        Disposable &
        Readonly<Record<RemoteMethodName<Value> | RemoteStreamName<Value>, object>>;

type Way = 'by value' | 'arriving' | 'sendable';

/** What becomes of a value within another one. */
type Within<Value, To extends Way> = To extends 'by value'
  ? ByValue<Value>
  : To extends 'arriving'
    ? Arriving<Value>
    : Sendable<Value>;

/** A container, each of its contents mapped. */
type Contents<Value, To extends Way> =
  Value extends Map<infer Key, infer Item>
    ? Map<Within<Key, To>, Within<Item, To>>
    : Value extends ReadonlyMap<infer Key, infer Item>
      ? ReadonlyMap<Within<Key, To>, Within<Item, To>>
      : Value extends Set<infer Item>
        ? Set<Within<Item, To>>
        : Value extends ReadonlySet<infer Item>
          ? ReadonlySet<Within<Item, To>>
          : Value extends readonly unknown[]
            ? ListContents<Value, To>
            : { [Key in keyof Value]: Within<Value[Key], To> };

/**
 * An array or tuple. Only what is written out, not as a mapped type, is looked into as late as it is asked for, which types
 * that contain themselves need; it is enough to know of all items at once whether they cross by value.
 */
type ListContents<List extends readonly unknown[], To extends Way> = To extends 'by value'
  ? { readonly [At in keyof List & number]: ByValue<List[At]> }
  : List extends (infer Item)[]
    ? Item[] extends List
      ? Within<Item, To>[]
      : TupleContents<List, To>
    : readonly List[number][] extends List
      ? readonly Within<List[number], To>[]
      : TupleContents<List, To>;

type TupleContents<Tuple extends readonly unknown[], To extends Way> = {
  [At in keyof Tuple]: Within<Tuple[At], To>;
};
