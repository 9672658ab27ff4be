/**
 * What a peer may do: asked for each call, subscription and notification, before anything is made of what came with it, and
 * whether or not there is such an object, so that a refusal tells nothing (reliability rules R4 and R5).
 */
import { PermissionDeniedError, type RPCError } from '../errors.js';
import { printable } from '../protocol/close-reason.js';
import type { Report } from '../streams/user-callback.js';
import type { ServedCall } from './current-call.js';
import { isThenable } from './thenable.js';
import { describeCall } from './targets.js';

/** What a peer wants; its arguments are looked at only if it may. */
export interface AuthorizedCall {
  /** A call, one without an answer, or a subscription to a stream. */
  readonly kind: 'call' | 'notify' | 'subscribe';
  /** The connection that it came by. */
  readonly connectionID: string;
  /** Who the peer is, as `authenticate` has said; `undefined` on a client. */
  readonly identity: unknown;
  /** The object's name, whether or not there is one; `"reference"` for what this side has lent: objects, callbacks, streams. */
  readonly object: string;
  /** The member's name; `""` for a callback, or a stream that was lent by itself. */
  readonly member: string;
  /** Whether it is something that this side has lent to this very peer. */
  readonly isReference: boolean;
}

/**
 * Says whether a call is allowed: by `true`, or a promise of it. Anything else, and an error, is a refusal. Calls whose word comes
 * later may be overtaken by those that follow.
 */
export type Authorize = (call: AuthorizedCall) => boolean | PromiseLike<boolean>;

/** Characters of a peer's names that are shown (reliability rule R4): as many as a member's has. */
const maxNameLength = 64;

/** Why a call does not begin: told to the peer as it is, unlike what is thrown by a method. */
export class Refusal extends Error {
  /** What the peer is told. */
  readonly error: RPCError;

  /** @param error - for the peer */
  constructor(error: RPCError) {
    super(error.message);
    this.error = error;
  }
}

/** A call that waits for the word of `authorize`, or until less waits to be written. */
export interface Admission {
  /** Calls back, once, when it has its turn; called once. */
  whenDecided(callback: () => void): void;
  /** Begins it. @throws Refusal when it is not to begin */
  enter(): void;
  /** Nobody waits for it any more. */
  leave(): void;
}

/** The authorisation of one server or client. */
export class Authorization {
  readonly #authorize: Authorize;
  readonly #report: Report;

  /** That by a function; `undefined` where there is none, so that nothing is paid for it. */
  static of(authorize: Authorize | undefined, report: Report): Authorization | undefined {
    return authorize && new Authorization(authorize, report);
  }

  /**
   * Use `of`: without a function there is none.
   * @param authorize - the user's
   * @param report - gets what it throws
   */
  constructor(authorize: Authorize, report: Report) {
    this.#authorize = authorize;
    this.#report = report;
  }

  /** @returns why a call is refused, `undefined` if it is allowed, or a promise of that which never rejects */
  ask(
    kind: AuthorizedCall['kind'],
    call: ServedCall,
    isReference: boolean,
  ): PermissionDeniedError | undefined | Promise<PermissionDeniedError | undefined> {
    const { connectionID, identity, object, member } = call;
    const refused = (): PermissionDeniedError =>
      new PermissionDeniedError(`${describeCall(shown(object), shown(member))} is not allowed`, {
        connectionID,
        object,
        member,
      });
    const failed = (error: unknown): PermissionDeniedError => {
      if (!isDenial(error)) this.#report(error);
      return refused();
    };
    try {
      const verdict: unknown = this.#authorize({ kind, connectionID, identity, object, member, isReference });
      if (!isThenable(verdict)) return verdict === true ? undefined : refused();
      return Promise.resolve(verdict).then((later) => (later === true ? undefined : refused()), failed);
    } catch (error) {
      return failed(error);
    }
  }
}

/** Whether something thrown is the word of `authorize`; an interceptor may throw what cannot be looked at. */
export function isAuthorizationsWord(error: unknown): error is Refusal {
  try {
    return error instanceof Refusal;
  } catch {
    return false;
  }
}

/** A peer's name in our text. */
function shown(name: string): string {
  return printable(name, maxNameLength);
}

/** Whether somebody says no by an error, which is no news. */
function isDenial(error: unknown): boolean {
  try {
    return error instanceof PermissionDeniedError;
  } catch {
    return false;
  }
}
