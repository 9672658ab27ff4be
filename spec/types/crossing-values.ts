/** What the compiler says of arguments and results on their way across. Checked by `npm run types`; nothing here runs. */
import { expectTypeOf } from 'expect-type';
import { type Observable, Subject } from 'rxjs';
import {
  type Arriving,
  notify,
  type RemoteFunction,
  type RemoteProxy,
  type RemoteStream,
  rx,
  type Sendable,
  withCallOptions,
} from 'tandem-rpc';

declare function ignore(value: unknown): void;

type Unchecked = ReturnType<typeof JSON.parse>;

/** What arrives of a type, and what may be sent for it. */
type Ways<Value> = [Arriving<Value>, Sendable<Value>];

// By value: the very same type, with its name.
type UserID = string & { readonly brand: 'UserID' };
type Cents = number & { readonly brand: 'Cents' };
declare enum Color {
  Red,
  Green,
}
interface Plain {
  readonly id: UserID;
  cents?: Cents;
  kind: 'a' | 'b' | 1 | true | null;
  color: Color;
  at: Date | undefined;
  bytes: Uint8Array | ArrayBuffer | Buffer;
  error: TypeError;
  readonly tags: readonly string[];
  readonly pair: readonly [first: number, second?: string, ...others: Date[]];
  byID: ReadonlyMap<UserID, Map<string, Set<number>>>;
  names: ReadonlySet<string>;
  signal: AbortSignal;
  unchecked: Unchecked;
  unknown: unknown;
  never: never;
  record: Record<string, { x: bigint }>;
}
expectTypeOf<Ways<Plain>>().toEqualTypeOf<[Plain, Plain]>();
expectTypeOf<Ways<boolean | Plain | undefined>>().toEqualTypeOf<
  [boolean | Plain | undefined, boolean | Plain | undefined]
>();
expectTypeOf<Ways<unknown>>().toEqualTypeOf<[unknown, unknown]>();
expectTypeOf<Ways<never>>().toEqualTypeOf<[never, never]>();
expectTypeOf<Ways<object>>().toEqualTypeOf<[object, object]>();
expectTypeOf<Ways<Unchecked>>().toEqualTypeOf<[Unchecked, Unchecked]>();
expectTypeOf<Ways<readonly Unchecked[]>>().toEqualTypeOf<[readonly Unchecked[], readonly Unchecked[]]>();

// Types that contain themselves.
interface Tree {
  readonly value: number;
  children: readonly Tree[];
  parent?: Tree;
  byName: Map<string, Tree>;
}
type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
type Expression = number | ['add' | 'multiply', Expression, Expression] | readonly ['negate', Expression];
class Node {
  next: Node | undefined;
  readonly others = new Set<Node>();
  private readonly id = 1;
  get twice(): number {
    return 2 * this.id;
  }
}
expectTypeOf<Ways<Tree>>().toEqualTypeOf<[Tree, Tree]>();
expectTypeOf<Ways<Json>>().toEqualTypeOf<[Json, Json]>();
expectTypeOf<Ways<Node>>().toEqualTypeOf<[Node, Node]>();
// (expect-type itself cannot compare this one.)
declare const expression: Expression;
export const expressions: Ways<Expression> = [expression, expression];

interface Live {
  readonly values: Observable<Live>;
  parts: readonly Live[];
  whole?: Live;
  onChange: (now: Live) => void;
  byName: Map<string, Live>;
  plain: Tree;
}
declare const live: Arriving<Live>;
expectTypeOf(live.parts[0]?.whole?.onChange).returns.toEqualTypeOf<Promise<void>>();
expectTypeOf(live.byName.get('')?.values).toEqualTypeOf<RemoteStream<Arriving<Live>> | undefined>();
expectTypeOf(live.plain).toEqualTypeOf<Tree>();
// What came may be given back.
export const sentAgain: Sendable<Live> = live;

// What crosses by reference becomes asynchronous on its way, wherever it lies.
interface Mixed {
  readonly run?: (amount: number) => string;
  pair: readonly [name: string, stop?: () => void];
  either: string | Observable<Date> | AsyncIterable<number> | (() => number) | undefined;
  list: AsyncGenerator<number>[];
  calls: ReadonlyMap<string, () => number>;
  kept: Tree;
}
interface MixedThere {
  readonly run?: RemoteFunction<(amount: number) => string>;
  pair: readonly [name: string, stop?: RemoteFunction<() => void>];
  either: string | RemoteStream<Date> | RemoteStream<number> | RemoteFunction<() => number> | undefined;
  list: RemoteStream<number>[];
  calls: ReadonlyMap<string, RemoteFunction<() => number>>;
  kept: Tree;
}
expectTypeOf<Arriving<Mixed>>().toEqualTypeOf<MixedThere>();
declare const called: RemoteFunction<(amount: number, done?: () => void) => Date>;
expectTypeOf(called(1, async () => undefined)).toEqualTypeOf<Promise<Date>>();
called[Symbol.dispose]();
expectTypeOf(withCallOptions(called, { metadata: 1 })).toEqualTypeOf<typeof called>();
expectTypeOf(notify(called)).parameter(0).toBeNumber();
expectTypeOf(notify(called)).returns.toBeVoid();
expectTypeOf(rx(called)(1)).toEqualTypeOf<Observable<Date>>();
// @ts-expect-error -- as are those of a cold call
ignore(rx(called)('much'));
// @ts-expect-error -- its arguments are checked
void called('much');

// Arguments: a callback may be asynchronous, an Observable and an AsyncIterable stand for each other.
interface Service {
  each(report: (done: number) => void): void;
  maybeEach(report?: (done: number) => void): void;
  eachOf(first: string, ...reports: ((done: number) => void)[]): void;
  ask(question: (text: string) => number): void;
  askLater(question: (text: string) => Promise<number>): void;
  nested(use: (source: { at$: Observable<number>; back: (text: string) => Date }) => boolean): void;
  observable(values: Observable<number>): void;
  iterable(values: AsyncIterable<number>): void;
  within(options: {
    name: string;
    lists: readonly Observable<string>[];
    onEnd?: (code: number) => void;
  }): void;
  either(use: string | ((done: number) => void) | undefined): void;
  signal(signal: AbortSignal): AbortSignal;
  echo(live: Live): Live;
  tree(tree: Tree, id: UserID): Tree;
}
declare const service: RemoteProxy<Service>;
declare const numbers$: Subject<number>;
declare function generate(): AsyncGenerator<number>;
declare function generateText(): AsyncGenerator<string>;

void service.each((done) => done.toFixed());
void service.each(async (done) => {
  ignore(done.toFixed());
});
void service.maybeEach();
void service.maybeEach((done) => done.toFixed());
void service.eachOf(
  'a',
  (done) => done.toFixed(),
  async () => undefined,
);
void service.ask((text) => text.length);
void service.ask(async (text) => text.length);
void service.askLater((text) => text.length);
void service.nested(({ at$, back }) => {
  expectTypeOf(at$).toEqualTypeOf<RemoteStream<number>>();
  expectTypeOf(back('')).toEqualTypeOf<Promise<Date>>();
  return true;
});
void service.observable(numbers$);
void service.observable(generate());
void service.iterable(generate());
void service.iterable(numbers$);
void service.within({ name: '', lists: [generateText(), new Subject<string>()], onEnd: (code) => code + 1 });
void service.within({
  name: '',
  lists: [],
  onEnd: async (code) => {
    ignore(code.toFixed());
  },
});
void service.either((done) => done.toFixed());
void service.either('a');
void service.either(undefined);
expectTypeOf(service.signal).toEqualTypeOf<(signal: AbortSignal) => Promise<AbortSignal>>();
expectTypeOf(service.tree).toEqualTypeOf<(tree: Tree, id: UserID) => Promise<Tree>>();
expectTypeOf(service.echo).returns.resolves.toEqualTypeOf<Arriving<Live>>();
// @ts-expect-error -- the callback is given a number
void service.each((done: string) => done.length);
// @ts-expect-error -- and must answer with one
void service.ask(() => '');
// @ts-expect-error -- also later
void service.ask(async () => '');
// @ts-expect-error -- the values are numbers
void service.observable(generateText());
// @ts-expect-error -- an array is no stream
void service.observable([1, 2]);
// @ts-expect-error -- an unknown member
void service.within({ name: '', lists: [], onStart: () => 1 });
// @ts-expect-error -- one is missing
void service.within({ name: '' });
// @ts-expect-error -- of another type
void service.within({ name: '', lists: [], onEnd: (code: string) => code });
// @ts-expect-error -- a plain string is not branded
void service.tree(live.plain, 'someone');
