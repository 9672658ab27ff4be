/**
 * Pace: how whoever takes values tells a source that can be paused when it may go on, also through a chain of operators.
 *
 * Such a source (an AsyncIterable, a remote stream) is an Observable with a second way to subscribe, found under a
 * symbol. `paced` follows a chain of operators down to its source and rebuilds it on that one, so that
 * `eachValueFrom(stream$.pipe(map(…)))` paces the producer as well.
 */
import { Observable } from 'rxjs';

/** Who takes values. */
export interface Pace {
  /** Whether one more value may come now. */
  readonly isReady: boolean;
  /** Calls back once, as soon as one more may come; a later callback replaces an earlier one. */
  onReady(callback: () => void): void;
}

/** The pace of whoever takes all there is. */
export const unbounded: Pace = {
  isReady: true,
  onReady: (callback) => {
    callback();
  },
};

/** Under this key a source that can be paused gives out itself, paced. Found again by another copy of the package. */
export const pacedKey = Symbol.for('tandem-rpc.paced');

/** Makes a source one that can be paused. */
export function paceable<T>(
  source$: Observable<T>,
  inPace: (pace: Pace) => Observable<T> | undefined,
): Observable<T> {
  return Object.defineProperty(source$, pacedKey, { value: inPace });
}

/** A source that can be paused. */
export interface Paceable<T> {
  /** The same values, none of them before the pace is ready for it; `undefined` if what lies below cannot be paused. */
  [pacedKey](pace: Pace): Observable<T> | undefined;
}

/** What rxjs keeps in an Observable that an operator made; public, though marked as internal. */
interface Lifted {
  source?: Observable<unknown> | undefined;
  operator?: unknown;
}

/**
 * The same values at the taker's pace.
 *
 * @param source$ - a source that can be paused, or a chain of operators on one
 * @param pace - of the taker; of one subscription at a time
 * @returns `undefined` when the source cannot be paused
 */
export function paced<T>(source$: Observable<T>, pace: Pace): Observable<T> | undefined {
  if (isPaceable(source$)) return source$[pacedKey](pace);
  const { source, operator } = source$ as Lifted;
  if (source === undefined || operator === undefined) return undefined;
  const below$ = paced(source, pace);
  if (below$ === undefined) return undefined;
  const rebuilt$ = new Observable<T>();
  (rebuilt$ as Lifted).source = below$;
  (rebuilt$ as Lifted).operator = operator;
  return rebuilt$;
}

function isPaceable<T>(source$: Observable<T>): source$ is Observable<T> & Paceable<T> {
  return pacedKey in source$;
}
