/**
 * What a client shows, asked for anew at each attempt: a value, what a function gives, or a shared token.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import { AuthenticationError } from '../errors.js';
import type { ClientAuthentication } from '../protocol/authentication.js';
import { Codec } from '../protocol/codec.js';
import { maxHandshakeFrameBytes, type Limits } from '../protocol/limits.js';
import type { Report } from '../streams/user-callback.js';
import { proverOf } from './shared-token.js';

/** What client credentials need. */
export interface ClientCredentialsSettings {
  readonly limits: Limits;
  readonly scheduler: SchedulerLike;
  readonly createNonce: () => Uint8Array;
  /** Gets why there are none. */
  readonly report: Report;
}

/** How long a function may take, in milliseconds: as long as the server has for its verdict. */
const askTimeoutMs = 10_000;

/** Bytes that credentials may take: HELLO is one frame, and has other fields. */
const mostBytes = maxHandshakeFrameBytes - 4_096;

/** The credentials of one client. */
export class ClientCredentials {
  readonly #settings: ClientCredentialsSettings;
  readonly #codec: Codec;
  #given: unknown;
  #current: ClientAuthentication | undefined;
  #areRenewed = false;

  /**
   * @param given - a value, or a function that gives it or a promise of it; `undefined`: none
   * @param settings - of the client
   * @throws as `set`
   */
  constructor(given: unknown, settings: ClientCredentialsSettings) {
    this.#settings = settings;
    this.#codec = new Codec(settings.limits);
    this.set(given);
  }

  /** The same, for attempts beside these: each has its own at a time. */
  beside(): ClientCredentials {
    return new ClientCredentials(this.#given, this.#settings);
  }

  /** Those of the present attempt. */
  get current(): ClientAuthentication | undefined {
    return this.#current;
  }

  /** Whether there are others than those of the present attempt. */
  get areRenewed(): boolean {
    return this.#areRenewed;
  }

  /**
   * From the next attempt on there are others.
   * @throws UnserializableValueError, LimitExceededError, AuthenticationError for a value that cannot be sent
   */
  set(given: unknown): void {
    if (typeof given !== 'function') this.#prepare(given);
    this.#given = given;
    this.#areRenewed = true;
  }

  /** Gets those of the next attempt, in the form that {@link Reconnect} wants. */
  readonly prepare = (onReady: () => void, onFailed: (error: Error) => void): (() => void) => {
    const given = this.#given;
    this.#current = undefined;
    this.#areRenewed = false;
    if (typeof given !== 'function') {
      this.#current = this.#prepare(given);
      onReady();
      return () => undefined;
    }
    return this.#ask(given as () => unknown, onReady, onFailed);
  };

  #ask(ask: () => unknown, onReady: () => void, onFailed: (error: Error) => void): () => void {
    const { scheduler, report } = this.#settings;
    let isOver = false;
    const once = (act: () => void): void => {
      if (isOver) return;
      isOver = true;
      timer.unsubscribe();
      act();
    };
    const fail = (text: string, cause?: unknown): void => {
      once(() => {
        // What the function says is for its owner: it may hold what is secret.
        const error = new AuthenticationError(`there are no credentials: ${text}`, { cause });
        report(error);
        onFailed(error);
      });
    };
    const timer: Subscription = scheduler.schedule(() => {
      fail(`the function gave none within ${askTimeoutMs} ms`);
    }, askTimeoutMs);
    // Also what is thrown at once comes later: nobody is called back before this has returned.
    new Promise((resolve) => {
      resolve(ask());
    }).then(
      (value) => {
        let prepared: ClientAuthentication | undefined;
        try {
          prepared = this.#prepare(value);
        } catch (error) {
          fail('what the function gave cannot be sent', error);
          return;
        }
        once(() => {
          this.#current = prepared;
          onReady();
        });
      },
      (error: unknown) => {
        fail('the function failed', error);
      },
    );
    return () => {
      once(() => undefined);
    };
  }

  #prepare(value: unknown): ClientAuthentication | undefined {
    if (value === undefined) return undefined;
    const prover = proverOf(value);
    if (prover !== undefined) return { token: { prover, nonce: this.#settings.createNonce() } };
    const credentials = this.#codec.marshalByValue(value, 'credentials');
    const { length } = this.#codec.encode([credentials]);
    if (length <= mostBytes) return { credentials };
    throw new AuthenticationError(`credentials of ${length} bytes, where at most ${mostBytes} are allowed`);
  }
}
