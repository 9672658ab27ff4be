/**
 * Which members of an object there are for the other side, by their names and types.
 */

/** Names that a proxy answers by itself, whatever the remote object has. */
type LocalName = keyof typeof Object.prototype | 'then' | 'catch' | 'finally' | 'toJSON' | 'prototype';

/** Whether a member of this name is there for the other side at all: no private name, no symbol. */
type IsPublicName<Name> = Name extends LocalName | `_${string}` ? false : Name extends string ? true : false;

type IsStreamName<Name> = Name extends `${string}$` ? IsPublicName<Name> : false;

/** Whether a member of this name can be called from the other side: no stream. */
type IsCallableName<Name> = Name extends `${string}$` ? false : IsPublicName<Name>;

/** Any function; `never` as its parameters, since each function takes it. */
export type AnyFunction = (...args: never) => unknown;

/**
 * What a `$` member holds or returns as a stream, around the type of its values, which may be `never`; `never` if it is no
 * stream: an Observable (by its shape, since two copies of rxjs may meet), an iterable of either kind, or a promise of one. A
 * string is none, though it can be iterated.
 */
type StreamOf<Source> = 0 extends 1 & Source
  ? { readonly of: Source }
  : Awaited<Source> extends infer Stream
    ? Stream extends {
        subscribe(...args: never): unknown;
        forEach(next: (value: infer Value) => void): unknown;
      }
      ? { readonly of: Value }
      : Stream extends object & (AsyncIterable<infer Value> | Iterable<infer Value>)
        ? { readonly of: Value }
        : never
    : never;

/** The values of what a `$` member holds or returns. */
export type ValueOf<Source> = StreamOf<Source> extends { readonly of: infer Value } ? Value : never;

/** What a `$` member streams from: what it returns, or what it is. */
type SourceOf<Member> = Member extends (...args: never) => infer Source ? Source : Member;

/** The names of the members of `T` that can be called from the other side. */
export type RemoteMethodName<T> = {
  [Name in keyof T]-?: IsCallableName<Name> extends true
    ? NonNullable<T[Name]> extends AnyFunction
      ? Name
      : never
    : never;
}[keyof T];

/** The names of the members of `T` that are streams. */
export type RemoteStreamName<T> = {
  [Name in keyof T]-?: IsStreamName<Name> extends true
    ? [StreamOf<SourceOf<NonNullable<T[Name]>>>] extends [never]
      ? never
      : Name
    : never;
}[keyof T];
