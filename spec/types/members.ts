/** What the compiler says of each kind of member of a remote object. Checked by `npm run types`; nothing here runs. */
import { expectTypeOf } from 'expect-type';
import type { BehaviorSubject, Observable, Subject } from 'rxjs';
import {
  type CallOptions,
  type NotifyProxy,
  notify,
  type RemoteProxy,
  type RemoteReference,
  type RemoteStream,
  rx,
  type RxProxy,
  withCallOptions,
} from 'tandem-rpc';

declare function ignore(value: unknown): void;

/** The only `any` that a service can have: what comes from outside unchecked. */
type Unchecked = ReturnType<typeof JSON.parse>;

// Methods.
interface Methods {
  optional(amount: number, note?: string): number;
  rest(first: string, ...others: readonly number[]): void;
  mayBeMissing?(flag: boolean): string;
  readonly field: (on: Date) => bigint;
  later(): Promise<Promise<Date>>;
  thenable(): PromiseLike<Date>;
  never(): never;
  union: ((text: string) => number) | ((text: string) => Date);
  bound(this: Date, at: number): number;
  overloaded(text: string): string;
  overloaded(amount: number, isRounded?: boolean): number;
  generic<Item extends Date>(items: readonly Item[], pick: (item: Item) => boolean): Item | undefined;
  keyed<Key extends keyof Date>(key: Key): Date[Key] | undefined;
  unchecked(value: Unchecked): Unchecked;
  anything: Unchecked;
  readonly data: { readonly size: number };
}
declare const methods: RemoteProxy<Methods>;

expectTypeOf(methods.optional).toEqualTypeOf<(amount: number, note?: string) => Promise<number>>();
expectTypeOf(methods.rest).toEqualTypeOf<(first: string, ...others: readonly number[]) => Promise<void>>();
expectTypeOf(methods.mayBeMissing).toEqualTypeOf<(flag: boolean) => Promise<string>>();
expectTypeOf(methods.field).toEqualTypeOf<(on: Date) => Promise<bigint>>();
expectTypeOf(methods.later).toEqualTypeOf<() => Promise<Date>>();
expectTypeOf(methods.thenable).toEqualTypeOf<() => Promise<Date>>();
expectTypeOf(methods.never).toEqualTypeOf<() => Promise<never>>();
expectTypeOf(methods.union('a')).toEqualTypeOf<Promise<number> | Promise<Date>>();
expectTypeOf(methods.bound).toEqualTypeOf<(at: number) => Promise<number>>();
expectTypeOf(methods.unchecked).toEqualTypeOf<(value: Unchecked) => Promise<Unchecked>>();
expectTypeOf(methods.anything).toBeAny();
// @ts-expect-error -- one argument is needed
void methods.optional();
// @ts-expect-error -- and two are enough
void methods.optional(1, 'a', 2);
// @ts-expect-error -- each of the others is a number
void methods.rest('a', 1, 'b');
// @ts-expect-error -- no method
ignore(methods.data);

// What is lost: of overloads all but the last …
expectTypeOf(methods.overloaded).toEqualTypeOf<(amount: number, isRounded?: boolean) => Promise<number>>();
// @ts-expect-error -- the first overload is not there any more
void methods.overloaded('a');
// … and of a generic method its type parameters, which become their constraints.
expectTypeOf(methods.generic([], async (item) => item.getTime() > 0)).toEqualTypeOf<
  Promise<Date | undefined>
>();
expectTypeOf(methods.keyed).parameters.toEqualTypeOf<[key: keyof Date]>();

// A generic class or interface loses nothing once its parameters are given; in generic code a proxy can be passed on.
interface Store<Item extends object> {
  put(item: Item): string;
  all$: Observable<Item>;
}
declare const store: RemoteProxy<Store<{ readonly id: string }>>;
expectTypeOf(store.put).toEqualTypeOf<(item: { readonly id: string }) => Promise<string>>();
expectTypeOf(store.all$).toEqualTypeOf<RemoteStream<{ readonly id: string }>>();
export function patiently<T extends object>(proxy: RemoteProxy<T>, options: CallOptions): RxProxy<T> {
  ignore(notify(proxy));
  return rx(withCallOptions(proxy, options));
}
declare const dictionary: RemoteProxy<Record<string, (amount: number) => string>>;
expectTypeOf(dictionary['any name']).toEqualTypeOf<((amount: number) => Promise<string>) | undefined>();

// Streams.
interface Streams {
  observable$: Observable<number>;
  readonly state$: BehaviorSubject<Date>;
  subject$: Subject<string>;
  iterable$: AsyncIterable<number>;
  mayBeMissing$?: Observable<number>;
  later$: Observable<number> | undefined;
  either$: Observable<number> | Observable<string>;
  ofFunctions$: Observable<() => number>;
  anything$: Unchecked;
  since$(from: Date, limit?: number): Observable<string>;
  limited$(limit?: number): Observable<string>;
  rest$(...names: string[]): AsyncIterable<string>;
  mayBeMissingMethod$?(): Observable<number>;
  generated$(): AsyncGenerator<number, string, undefined>;
  listed$(): Generator<number> | number[];
  promised$(): Promise<Observable<number>>;
  withCallback$(report: (done: number) => void): Observable<number>;
  ofAnything$(): Unchecked;
  number$: number;
  text$: string;
  numbered$(): number;
  text$$(): string;
  _hidden$: Observable<number>;
}
declare const streams: RemoteProxy<Streams>;
expectTypeOf(streams.observable$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.state$).toEqualTypeOf<RemoteStream<Date>>();
expectTypeOf(streams.subject$).toEqualTypeOf<RemoteStream<string>>();
expectTypeOf(streams.iterable$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.mayBeMissing$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.later$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.either$).toEqualTypeOf<RemoteStream<number | string>>();
expectTypeOf(streams.anything$).toBeAny();
expectTypeOf(streams.since$).toEqualTypeOf<(from: Date, limit?: number) => RemoteStream<string>>();
expectTypeOf(streams.mayBeMissingMethod$()).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.generated$()).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.listed$()).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.promised$()).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(streams.withCallback$).toBeCallableWith(async (done) => {
  ignore(done.toFixed());
});
expectTypeOf(streams.ofAnything$()).toEqualTypeOf<RemoteStream<Unchecked>>();
streams.ofFunctions$.subscribe((call) => {
  expectTypeOf(call()).toEqualTypeOf<Promise<number>>();
});
expectTypeOf(streams.observable$).toExtend<Observable<number> & AsyncIterable<number>>();
// A method that needs no arguments is a stream by itself; one that needs some is none.
expectTypeOf(streams.limited$).toExtend<RemoteStream<string>>();
expectTypeOf(streams.limited$(1)).toEqualTypeOf<RemoteStream<string>>();
expectTypeOf(streams.rest$).toExtend<RemoteStream<string>>();
expectTypeOf(streams.rest$('a', 'b')).toEqualTypeOf<RemoteStream<string>>();
// @ts-expect-error -- it needs a date
ignore(streams.since$.subscribe);
// @ts-expect-error -- it needs a date
ignore(streams.since$());
// @ts-expect-error -- a property is not called
ignore(streams.observable$());
// @ts-expect-error -- a remote subject cannot be pushed into
ignore(streams.subject$.next);
// @ts-expect-error -- nor is the state of one at hand
ignore(streams.state$.value);
// @ts-expect-error -- no stream, whatever its name says
ignore(streams.number$);
// @ts-expect-error -- nor is text, though it can be iterated
ignore(streams.text$);
// @ts-expect-error -- returns no stream
ignore(streams.numbered$);
// @ts-expect-error -- returns no stream
ignore(streams.text$$);
// @ts-expect-error -- private by its name
ignore(streams._hidden$);

// The views.
interface Both extends Pick<Streams, 'observable$' | 'since$'> {
  deposit(amount: number, report?: (done: number) => void): number;
  watch(): Promise<Observable<Date>>;
}
declare const both: RemoteProxy<Both>;
declare const reference: RemoteReference<Both>;
expectTypeOf(both.watch).toEqualTypeOf<() => Promise<RemoteStream<Date>>>();
expectTypeOf(notify(both)).toEqualTypeOf<NotifyProxy<Both>>();
expectTypeOf(notify(reference)).toEqualTypeOf<NotifyProxy<Both>>();
expectTypeOf(notify(both).deposit).returns.toBeVoid();
// @ts-expect-error -- a stream cannot go without an answer
ignore(notify(both).observable$);
expectTypeOf(rx(both)).toEqualTypeOf<RxProxy<Both>>();
expectTypeOf(rx(reference)).toEqualTypeOf<RxProxy<Both>>();
expectTypeOf(rx(both).deposit(1)).toEqualTypeOf<Observable<number>>();
expectTypeOf(rx(both).watch()).toEqualTypeOf<Observable<RemoteStream<Date>>>();
expectTypeOf(rx(both).observable$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(rx(both).since$(new Date())).toEqualTypeOf<RemoteStream<string>>();
expectTypeOf(rx(withCallOptions(both, { metadata: 1 }))).toEqualTypeOf<RxProxy<Both>>();
expectTypeOf(withCallOptions(rx(both), { metadata: 1 })).toEqualTypeOf<RxProxy<Both>>();
expectTypeOf(notify(withCallOptions(both, { metadata: 1 }))).toEqualTypeOf<NotifyProxy<Both>>();
expectTypeOf(withCallOptions(reference, { metadata: 1 })).toEqualTypeOf<RemoteReference<Both>>();
expectTypeOf<RxProxy<Unchecked>>().toBeAny();
// @ts-expect-error -- a cold call wants the same arguments
ignore(rx(both).deposit('much'));
// @ts-expect-error -- and so does one without an answer
notify(both).deposit('much');
// @ts-expect-error -- no proxy
rx({ deposit: (amount: number) => amount });

// What is not remote can be written by hand, as a test may.
export const mock: RemoteProxy<Both> = {
  deposit: (amount) => Promise.resolve(amount),
  watch: () => Promise.reject(new Error('not in this test')),
  observable$: streams.observable$,
  since$: () => streams.subject$,
};

// A stream that never has a value is a stream all the same.
declare const silent: RemoteProxy<{ never$: Observable<never>; fails$(): Observable<never> }>;
expectTypeOf(silent.never$).toEqualTypeOf<RemoteStream<never>>();
expectTypeOf(silent.fails$()).toEqualTypeOf<RemoteStream<never>>();
