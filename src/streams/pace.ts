/**
 * Pace: how whoever takes values tells a source that can be paused when it may go on, also through a chain of operators.
 *
 * Such a source (an AsyncIterable, a remote stream) is an Observable with a token. `inPace` follows a chain of operators
 * down to its source, and leaves token and pace on the last subscriber; the source looks for its token on the way from its
 * own subscriber to that one, from destination to destination. Operators are subscribed to as ever. Where one shares its
 * source among several (`share`), the way ends, and nobody's pace is anybody else's; nor are a chain's other sources
 * (`takeUntil(stop$)`) paced.
 */
import { Observable, type Subscriber, type TeardownLogic } from 'rxjs';

/** Who takes values. */
export interface Pace {
  /** Whether one more value may come now. */
  readonly isReady: boolean;
  /** Calls back once, as soon as one more may come; each callback that waits. */
  onReady(callback: () => void): void;
}

/** The pace of whoever takes all there is. */
export const unbounded: Pace = {
  isReady: true,
  onReady: (callback) => {
    callback();
  },
};

/** Under this key a source that can be paused has its token. Found again by another copy of the package. */
export const paceTokenKey = Symbol.for('tandem-rpc.pace-token');

/** Under this key the last subscriber of a chain has those who take its values, each with the token of the source. */
const takerKey = Symbol.for('tandem-rpc.takers');

/** Whose pace it is that a source must keep. */
interface Taker {
  readonly token: object;
  readonly pace: Pace;
}

/** What rxjs keeps, in an Observable that an operator made and in a Subscriber; internal, the same in all of version 7. */
interface Lifted {
  readonly source?: object | undefined;
  readonly operator?: unknown;
}
interface Linked {
  readonly destination?: object | undefined;
}

/**
 * Makes a source that can be paused.
 * @param subscribe - as for rxjs's Observable; given the pace of this subscriber, `undefined` if it takes all there is
 */
export function paceable<T>(
  subscribe: (subscriber: Subscriber<T>, pace: Pace | undefined) => TeardownLogic,
): Observable<T> {
  const token = {};
  const source$ = new Observable<T>((subscriber) => subscribe(subscriber, paceOf(token, subscriber)));
  return Object.defineProperty(source$, paceTokenKey, { value: token });
}

/** The same values, which can be paused if those of the source can. */
export function pacedAs<T>(
  source$: Observable<T>,
  subscribe: (source$: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic,
): Observable<T> {
  if (tokenOf(source$) === undefined) return new Observable((subscriber) => subscribe(source$, subscriber));
  return paceable((subscriber, pace) =>
    subscribe(pace === undefined ? source$ : inPace(source$, pace), subscriber),
  );
}

/**
 * The same values at the taker's pace, if their source can be paused.
 *
 * @param source$ - a source that can be paused, operators on one, or any Observable
 * @param pace - of the taker
 */
export function inPace<T>(source$: Observable<T>, pace: Pace): Observable<T> {
  const token = tokenOf(source$);
  if (token === undefined) return source$;
  const taker: Taker = { token, pace };
  return new Observable((subscriber) => {
    // A source around another one passes its subscriber on to it: then that is the last one for both.
    const marked = subscriber as { [takerKey]?: readonly Taker[] };
    marked[takerKey] = [...(marked[takerKey] ?? []), taker];
    return source$.subscribe(subscriber);
  });
}

/** The pace that a source must keep, by its token, towards a subscriber. */
export function paceOf(token: object, subscriber: object): Pace | undefined {
  for (let at: object | undefined = subscriber; at !== undefined; at = (at as Linked).destination) {
    // Only inPace writes this key.
    const takers = (at as { readonly [takerKey]?: readonly Taker[] })[takerKey];
    const taker = takers?.find((each) => each.token === token);
    if (taker !== undefined) return taker.pace;
  }
  return undefined;
}

/** The token of the source below a chain of operators. */
function tokenOf(source$: object): object | undefined {
  for (let at: object | undefined = source$; at !== undefined;) {
    // Only sources that can be paused have this key.
    const token = (at as { readonly [paceTokenKey]?: object })[paceTokenKey];
    if (token !== undefined) return token;
    const { source, operator } = at as Lifted;
    if (operator === undefined) return undefined;
    at = source;
  }
  return undefined;
}
