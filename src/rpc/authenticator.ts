/**
 * Who a client is, asked by a server before anything else about it. Failures are told late, all in the same words, and not
 * heard too often from one address.
 */
import { Subscription, type SchedulerLike } from 'rxjs';
import { AuthenticationError } from '../errors.js';
import type { Connection } from '../link/connection.js';
import type { Hello } from '../protocol/messages.js';
import type { Report } from '../streams/user-callback.js';
import { FailedAttempts } from './failed-attempts.js';
import { proverOf, sharedTokenIdentity, type SharedToken } from './shared-token.js';
import { isThenable } from './thenable.js';

/** What is known of who shows credentials. */
export interface AuthenticationInfo {
  /** The address that the client comes from; `undefined` where there is none, as in memory. */
  readonly address: string | undefined;
  /** Aborted when nobody waits for the verdict any more: the client has gone, or it took too long. */
  readonly signal: AbortSignal;
}

/**
 * Says who a client is.
 *
 * What it returns, or what its promise gives, is the client's identity: any value, which the server's own code gets to see. If that is
 * `undefined`, `null` or `false`, or if it throws, the client is refused, and stops; all that it is told is that.
 *
 * @param credentials - what the client shows, whatever that may be; `undefined` if nothing
 */
export type Authenticate = (credentials: unknown, info: AuthenticationInfo) => unknown;

/** What an authenticator needs. */
export interface AuthenticatorSettings {
  readonly authenticate: Authenticate | SharedToken;
  readonly scheduler: SchedulerLike;
  /** From 0 up to 1, for pauses. */
  readonly random: () => number;
  readonly createNonce: () => Uint8Array;
  /** Gets why a client was refused. */
  readonly report: Report;
}

type AuthenticatorOptions = Omit<AuthenticatorSettings, 'authenticate' | 'report'> & {
  readonly authenticate: AuthenticatorSettings['authenticate'] | undefined;
};

/** How long a verdict may take, in milliseconds (reliability rule R24). */
export const authenticationTimeoutMs = 10_000;

/** A refusal is told after so many milliseconds, and as much again at random twice over (reliability rule R25). */
const leastPauseMs = 100;

/** The authentication of one server. */
export class Authenticator {
  readonly #settings: AuthenticatorSettings;
  readonly #failed = new FailedAttempts();

  /** That of a server; `undefined` where it does not ask. */
  static of(options: AuthenticatorOptions, report: Report): Authenticator | undefined {
    const { authenticate, scheduler, random, createNonce } = options;
    if (authenticate === undefined) return undefined;
    return new Authenticator({ authenticate, scheduler, random, createNonce, report });
  }

  /** @param settings - of the server */
  constructor(settings: AuthenticatorSettings) {
    this.#settings = settings;
  }

  /**
   * Asks who a client is, and refuses it if it is nobody. How long that takes is bounded by the connection.
   * @param onIdentity - called with the identity, if it has one, possibly at once
   * @returns to be called when the connection has ended: nothing follows
   */
  check(hello: Hello, connection: Connection, onIdentity: (identity: unknown) => void): () => void {
    const { authenticate, createNonce, scheduler } = this.#settings;
    const waitMs = this.#failed.waitMs(connection.remoteHost, scheduler.now());
    if (waitMs > 0) {
      connection.refuse('throttled', 'too many credentials from this address were refused', waitMs);
      return () => undefined;
    }
    const attempt = new Attempt(this.#settings, this.#failed, connection, onIdentity);
    const prover = proverOf(authenticate);
    if (prover === undefined) attempt.ask(authenticate as Authenticate, hello.credentials);
    else {
      const hasOffered = connection.challenge(prover, createNonce(), (isRight) => {
        attempt.decide(isRight ? sharedTokenIdentity : undefined);
      });
      if (!hasOffered) attempt.refuse(undefined);
    }
    return () => {
      attempt.end();
    };
  }
}

/** One client's. */
class Attempt {
  readonly #settings: AuthenticatorSettings;
  readonly #failed: FailedAttempts;
  readonly #connection: Connection;
  readonly #onIdentity: (identity: unknown) => void;
  readonly #controller = new AbortController();
  readonly #pause = new Subscription();
  #isOver = false;

  constructor(
    settings: AuthenticatorSettings,
    failed: FailedAttempts,
    connection: Connection,
    onIdentity: (identity: unknown) => void,
  ) {
    this.#settings = settings;
    this.#failed = failed;
    this.#connection = connection;
    this.#onIdentity = onIdentity;
  }

  ask(authenticate: Authenticate, credentials: unknown): void {
    const info = { address: this.#connection.remoteHost, signal: this.#controller.signal };
    try {
      const identity = authenticate(credentials, info);
      if (!isThenable(identity)) {
        this.decide(identity);
        return;
      }
      Promise.resolve(identity).then(
        (later) => {
          this.decide(later);
        },
        (error: unknown) => {
          this.refuse(error);
        },
      );
    } catch (error) {
      this.refuse(error);
    }
  }

  decide(identity: unknown): void {
    if (this.#isOver) return;
    // A check that failed often leaves one of the latter two.
    if (identity === undefined || identity === null || identity === false) this.refuse(undefined);
    else {
      this.#isOver = true;
      this.#onIdentity(identity);
    }
  }

  /** @param cause - what `authenticate` threw, which the client is not told */
  refuse(cause: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { scheduler, random, report } = this.#settings;
    const { description, remoteHost } = this.#connection;
    this.#failed.add(remoteHost, scheduler.now());
    report(new AuthenticationError(`the credentials shown on ${description} were refused`, { cause }));
    this.#pause.add(
      scheduler.schedule(
        () => {
          this.#connection.refuse('unauthenticated', 'the credentials were refused', undefined);
        },
        leastPauseMs * (1 + 2 * random()),
      ),
    );
  }

  end(): void {
    this.#pause.unsubscribe();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.abort(new DOMException('nobody waits for the verdict any more', 'AbortError'));
  }
}
