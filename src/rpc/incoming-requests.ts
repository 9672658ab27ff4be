/**
 * What the other side asks for: calls, notifications and subscriptions. Each is counted, looked up and allowed before anything
 * is made of what came with it; then it runs, or it is refused, with an error that says that it has not.
 */
import { ProtocolError, RPCError, type PermissionDeniedError } from '../errors.js';
import {
  MessageType,
  type CallMeta,
  type NotifyMessage,
  type RequestMessage,
  type SubscribeMessage,
  type Target,
} from '../protocol/messages.js';
import type { Report } from '../streams/user-callback.js';
import { Refusal, type Admission, type Authorization, type AuthorizedCall } from './authorization.js';
import { ServedCall } from './current-call.js';
import type { HeldBack } from './held-back.js';
import type { Invocations } from './invocations.js';
import type { Quotas } from './quotas.js';
import type { References } from './references.js';
import type { Sending } from './sending.js';
import type { ServedStreams } from './served-streams.js';
import type { SessionDrain } from './session-drain.js';
import { labelOf, type FoundMethod, type FoundStream, type Targets } from './targets.js';
import { isThenable } from './thenable.js';
import { refusalOf } from './wire-errors.js';

/** What taking requests needs. */
export interface IncomingSettings {
  readonly connectionID: string;
  /** Who the other side is. */
  readonly identity: unknown;
  /** Says what the other side may call; `undefined`: everything. */
  readonly authorization: Authorization | undefined;
  readonly quotas: Quotas;
  readonly targets: Targets;
  readonly references: References;
  readonly sending: Sending;
  readonly invocations: Invocations;
  /** What is not to begin yet. */
  readonly heldBack: HeldBack;
  /** The streams that are served, if there were any. */
  readonly served: () => ServedStreams | undefined;
  /** The same, made when the first is opened. */
  readonly serving: () => ServedStreams;
  /** Present while nothing new is taken. */
  readonly drain: () => SessionDrain | undefined;
  /** Gets what was wrong with a notification: no caller waits for it. */
  readonly report: Report;
  /** Acts; what is thrown ends the connection. */
  readonly guard: (act: () => unknown) => void;
  readonly now: () => number;
}

type AskingMessage = RequestMessage | NotifyMessage | SubscribeMessage;

/** What may run; `found` is nothing to run where `admission` will refuse it. */
interface Admitted<Found> {
  readonly found: Found;
  readonly admission: Admission | undefined;
}

/** The requests that arrive on one session. */
export class IncomingRequests {
  readonly #settings: IncomingSettings;
  #lastID = 0;

  /** @param settings - of the session */
  constructor(settings: IncomingSettings) {
    this.#settings = settings;
  }

  /** The highest id that the other side has used. */
  get lastID(): number {
    return this.#lastID;
  }

  /** A call. */
  receiveCall(message: RequestMessage): void {
    const [, id, target, member, args, meta] = message;
    const { quotas, invocations, targets, sending, drain, heldBack } = this.#settings;
    this.#checkID(id);
    try {
      quotas.admitCall(invocations.size);
      drain()?.admit(target, member, meta?.within);
      const call = this.#callOf(target, member, meta, id);
      const find = (): FoundMethod => targets.method(target, member, args);
      const { found, admission } = this.#admit(
        message,
        'call',
        call,
        target,
        find,
        noMethod,
        heldBack.isHolding,
      );
      invocations.start({ id, call, found, admission, args, hasRun: false, running: 0 });
    } catch (error) {
      const refused = this.#refusal(message, error);
      sending.sendPlain([MessageType.response, id, refusalOf(refused, 'no')]);
    }
  }

  /** A call whose answer nobody waits for. */
  receiveNotification(message: NotifyMessage): void {
    const [, target, member, args, meta] = message;
    const { quotas, invocations, targets, references, report, heldBack } = this.#settings;
    if (!quotas.admitNotify(invocations.size, report)) {
      references.refuse(message);
      return;
    }
    try {
      const call = this.#callOf(target, member, meta);
      const find = (): FoundMethod => targets.method(target, member, args);
      const { found, admission } = this.#admit(
        message,
        'notify',
        call,
        target,
        find,
        noMethod,
        heldBack.size > 0,
      );
      invocations.start({ id: 0, call, found, admission, args, hasRun: false, running: 0 });
    } catch (error) {
      report(this.#refusal(message, error));
    }
  }

  /** A subscription. */
  receiveSubscription(message: SubscribeMessage): void {
    const [, id, target, member, args, credit, meta] = message;
    const { quotas, served, serving, targets, sending, drain, heldBack } = this.#settings;
    this.#checkID(id);
    try {
      quotas.admitStream(served()?.running ?? 0);
      drain()?.admit(target, member, meta?.within);
      const call = this.#callOf(target, member, meta, id);
      const find = (): FoundStream => targets.stream(target, member, args);
      const { found, admission } = this.#admit(
        message,
        'subscribe',
        call,
        target,
        find,
        noStream,
        heldBack.isHolding,
      );
      serving().start({ id, credit, call, found, admission, args, hasRun: false, running: 0 });
    } catch (error) {
      const refused = this.#refusal(message, error);
      sending.sendPlain([MessageType.fail, id, refusalOf(refused, 'no')]);
    }
  }

  /** Ids rise, but a long message is overtaken by shorter ones: only one that is in use is surely wrong. */
  #checkID(id: number): void {
    const { invocations, served } = this.#settings;
    if (invocations.has(id)) throw new ProtocolError(`a call ${id} while a call of that id runs`);
    if (served()?.has(id) === true) throw new ProtocolError(`a call ${id} while a stream of that id is open`);
    this.#lastID = Math.max(this.#lastID, id);
  }

  #callOf(target: Target, member: string, meta: CallMeta | undefined, id = 0): ServedCall {
    const { connectionID, now, identity } = this.#settings;
    return new ServedCall(connectionID, labelOf(target), member, meta, now, identity, id);
  }

  /**
   * What is called, with what came along made of its references, if the other side may call it: looked up at once, since
   * what follows may unregister or release it, and hydrated only then.
   * @param nothing - in place of what was not found, or may not be known, until that is told
   * @param isHeld - whether it is not to begin before less is to be written
   * @throws RPCError for what must be refused
   */
  #admit<Found>(
    message: AskingMessage,
    kind: AuthorizedCall['kind'],
    call: ServedCall,
    target: Target,
    find: () => Found,
    nothing: Found,
    isHeld: boolean,
  ): Admitted<Found> {
    const { authorization, references } = this.#settings;
    let found = nothing;
    let failure: RPCError | undefined;
    try {
      found = find();
    } catch (error) {
      // Told only to those who may know.
      if (authorization === undefined || !isRefusal(error)) throw error;
      failure = error;
    }
    const verdict = authorization?.ask(kind, call, typeof target === 'number');
    if (isThenable(verdict)) return { found, admission: this.#admitLater(message, verdict, failure) };
    if (verdict !== undefined) throw verdict;
    if (failure !== undefined) throw failure;
    if (isHeld) return { found, admission: this.#holdBack(message) };
    references.hydrate(message);
    return { found, admission: undefined };
  }

  #admitLater(
    message: AskingMessage,
    verdict: Promise<PermissionDeniedError | undefined>,
    failure: RPCError | undefined,
  ): Admission {
    const { heldBack, report } = this.#settings;
    return this.#admissionOf(message, (decide) => {
      verdict
        .then((denial) => {
          const refusal: RPCError | undefined = denial ?? failure;
          if (refusal !== undefined) decide(refusal);
          else
            heldBack.whenRoom(() => {
              decide(undefined);
            });
        })
        .catch(report);
    });
  }

  /** What may begin, and is to wait until less is to be written. */
  #holdBack(message: AskingMessage): Admission {
    return this.#admissionOf(message, (decide) => {
      this.#settings.heldBack.whenRoom(() => {
        decide(undefined);
      });
    });
  }

  /** @param wait - calls back when it may begin, or is refused */
  #admissionOf(
    message: AskingMessage,
    wait: (decide: (refusal: RPCError | undefined) => void) => void,
  ): Admission {
    const { references, guard } = this.#settings;
    const release = references.hold(message);
    let refusal: RPCError | undefined;
    return {
      whenDecided: (callback) => {
        wait((decided) => {
          refusal = decided;
          callback();
        });
      },
      enter: () => {
        try {
          release(refusal === undefined);
        } catch (error) {
          references.refuse(message);
          // What the other side did wrong ends the connection, also now.
          if (!isRefusal(error))
            guard(() => {
              throw error;
            });
          refusal = error instanceof RPCError ? error : new RPCError('the arguments cannot be read');
        }
        if (refusal !== undefined) throw new Refusal(refusal);
      },
      leave: () => {
        release(false);
      },
    };
  }

  /** Why something was refused; what came with it is given back. A fault of the peer is no refusal. */
  #refusal(message: AskingMessage, error: unknown): RPCError {
    if (!isRefusal(error)) throw error;
    this.#settings.references.refuse(message);
    return error;
  }
}

function isRefusal(error: unknown): error is RPCError {
  return error instanceof RPCError && !(error instanceof ProtocolError);
}

const noMethod: FoundMethod = { object: undefined, method: () => undefined, schemas: undefined };
const noStream: FoundStream = { source: undefined };
