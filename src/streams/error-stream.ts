/**
 * `errors$`: where everything ends up that went wrong and has nobody else to tell, above all what callbacks of the user
 * throw.
 *
 * Nothing here throws, and nothing comes back: an observer of `errors$` that throws is warned of, not reported again.
 */
import type { Observable } from 'rxjs';
import { SparseSet } from '../protocol/sparse.js';
import { Audience } from './audience.js';
import type { Delivery } from './delivery.js';
import { GuardedObservable } from './guarded-observable.js';
import { quoted, toError } from './to-error.js';

/** What an {@link ErrorStream} needs. */
export interface ErrorStreamOptions {
  /** Runs the observers. */
  readonly delivery: Delivery;
  /** Tells a human, once for each `kind`: `process.emitWarning`. */
  readonly warn: (message: string, kind: string) => void;
}

/** The errors of a server or client. Its owner calls {@link ErrorStream.complete} last of all streams. */
export class ErrorStream {
  /** The errors from now on; it never errors itself, and completes after {@link ErrorStream.complete}. */
  readonly errors$: Observable<Error>;
  readonly #delivery: Delivery;
  readonly #warn: (message: string, kind: string) => void;
  readonly #audience: Audience<Error>;
  readonly #warned = new SparseSet<string>();
  #isEnding = false;

  /** @param options - what runs the observers, and what warns */
  constructor(options: ErrorStreamOptions) {
    this.#delivery = options.delivery;
    this.#warn = options.warn;
    const warnOfObserver = (error: unknown): void => {
      this.#warnOnce('a subscriber of errors$ failed', toError(error));
    };
    this.#audience = new Audience(warnOfObserver);
    this.errors$ = new GuardedObservable<Error>(warnOfObserver, (subscriber) =>
      this.#audience.add(subscriber),
    );
  }

  /**
   * Delivers an error to the subscribers there are by then; without any, warns once for each kind of error. Never throws.
   *
   * @param error - an error, or another value that was thrown: that one becomes the `cause` of an error
   */
  report(error: unknown): void {
    const reported = toError(error);
    this.#delivery.deliver(() => {
      if (this.#audience.isEmpty) {
        this.#warnOnce('an error occurred and errors$ has no subscriber', reported);
      } else {
        this.#audience.next(reported);
      }
    });
  }

  /** Completes the subscribers once all errors before this call have been delivered; errors after it are warned of. */
  complete(): void {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#delivery.deliver(() => {
        this.#audience.complete();
      });
    }
  }

  #warnOnce(situation: string, error: Error): void {
    const kind = kindOf(error);
    const topic = `${situation}: ${kind}`;
    if (this.#warned.has(topic) || this.#warned.size >= MAX_WARNINGS) {
      return;
    }
    this.#warned.add(topic);
    try {
      this.#warn(`${situation}: ${describe(error)} (further errors of this kind are not shown)`, kind);
    } catch {
      // Whoever cannot warn cannot be told so either.
    }
  }
}

/** `RPCError.code`, also of another copy of the package, or of an error of Node; else the error's name. */
function kindOf(error: Error): string {
  try {
    const kind = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
    return typeof kind === 'string' ? kind.slice(0, MAX_KIND_CHARS) : FALLBACK_KIND;
  } catch {
    return FALLBACK_KIND; // members of a user's error may be accessors that throw
  }
}

function describe(error: Error): string {
  try {
    return `${quoted(error.name)} ${quoted(error.message)}`;
  } catch {
    return 'an error whose name or message cannot be read';
  }
}

const FALLBACK_KIND = 'Error';
const MAX_KIND_CHARS = 100;
/** Kinds may come from errors of users, or of peers: a new one each time must not fill the memory, nor the log. */
const MAX_WARNINGS = 100;
