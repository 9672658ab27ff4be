/**
 * The calls that this side serves: runs the method, answers, and aborts what the caller no longer waits for.
 *
 * A slot is free only when the method has really ended, whatever the caller gave up meanwhile (HTTP/2 Rapid Reset).
 */
import { ConnectionLostError, LimitExceededError, RPCError, UnserializableValueError } from '../errors.js';
import type { Codec } from '../protocol/codec.js';
import { Deadlines } from '../protocol/deadlines.js';
import { MessageType, type ResponseMessage, type WireError } from '../protocol/messages.js';
import { isSchemasWord, SchemaFailure, validateArguments } from '../proxies/schemas.js';
import { isAuthorizationsWord, Refusal, type Admission } from './authorization.js';
import { runInCall, type ServedCall } from './current-call.js';
import type { Interception } from './interception.js';
import { OpenCalls } from './open-calls.js';
import type { Sending } from './sending.js';
import { describeCall, type FoundMethod } from './targets.js';
import { isThenable } from './thenable.js';
import { refusalOf, sendError, thrownToWire, type ErrorExposure } from './wire-errors.js';
import { SparseMap, SparseSet } from '../protocol/sparse.js';

/** What serving calls needs. */
export interface InvocationsSettings {
  /** Marshals results. */
  readonly codec: Codec;
  /** How much of a thrown error crosses. */
  readonly exposeErrors: ErrorExposure;
  /** The interceptors, if there are any. */
  readonly interception: Interception | undefined;
  /** Sends answers. */
  readonly sending: Sending;
  /** The deadline of a call may be the next. */
  readonly deadlineChanged: () => void;
  /** Gets what a notified method threw: no caller waits for it. */
  readonly report: (error: unknown) => void;
}

/** One call to run. */
export interface Invocation {
  /** The call's id, 0 for a notification: nobody waits for its end. */
  readonly id: number;
  /** What `currentCall()` gives. */
  readonly call: ServedCall;
  /** What is waited for before anything else happens; `undefined`: nothing. */
  readonly admission: Admission | undefined;
  /** The method, its object and its schemas. */
  readonly found: FoundMethod;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** Whether the method was entered. */
  hasRun: boolean;
  /** How many runs of the method have not ended: interceptors may enter it often, and answer before it ends. */
  running: number;
}

/** The running calls of one connection. */
export class Invocations {
  readonly #settings: InvocationsSettings;
  // A running call is in one of these, depending on whether its caller still waits.
  readonly #awaited = new OpenCalls<Invocation>();
  readonly #unawaited = new SparseSet<Invocation>();
  readonly #deadlines = new Deadlines<Invocation>();
  /** Methods that have ended, whose answers are not made yet, since too much waits to be written. */
  readonly #unanswered = new SparseMap<Invocation, () => void>();
  #onIdle: (() => void) | undefined;
  #isClosed = false;

  /** @param settings - how to marshal, send and report */
  constructor(settings: InvocationsSettings) {
    this.#settings = settings;
  }

  /** How many methods run, those included that nobody waits for any more. */
  get size(): number {
    return this.#awaited.size + this.#unawaited.size;
  }

  /** When `handleDeadline` is due next. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** Whether a call of this id runs and its caller still waits. */
  has(id: number): boolean {
    return this.#awaited.find(id) !== undefined;
  }

  /** Runs a method; its answer follows, unless the caller gives it up. */
  start(invocation: Invocation): void {
    if (invocation.id === 0) this.#unawaited.add(invocation);
    else this.#awaited.add(invocation);
    if (invocation.call.deadlineMs !== undefined) this.#watch(invocation, invocation.call.deadlineMs);
    if (invocation.admission === undefined) this.#begin(invocation);
    else
      invocation.admission.whenDecided(() => {
        this.#begin(invocation);
      });
  }

  #begin(invocation: Invocation): void {
    let result: unknown;
    try {
      result = this.#run(invocation);
      if (isThenable(result)) {
        // Whatever a foreign thenable does, only its first word counts; a rejection here is handled here.
        Promise.resolve(result).then(
          (value) => {
            this.#succeed(invocation, value);
          },
          (error: unknown) => {
            this.#fail(invocation, error);
          },
        );
        return;
      }
    } catch (error) {
      this.#fail(invocation, error);
      return;
    }
    this.#succeed(invocation, result);
  }

  /** The caller no longer waits. @returns whether a call of this id ran */
  cancel(id: number): boolean {
    const invocation = this.#awaited.take(id);
    if (invocation === undefined) return false;
    this.#unawaited.add(invocation);
    if (this.#unanswered.delete(invocation)) this.#finish(invocation);
    else invocation.call.abort(new DOMException('the caller gave the call up', 'AbortError'));
    return true;
  }

  /** How many answers wait. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Less waits to be written: answers that wait are made, as far as there is room. */
  proceed(): void {
    for (const [invocation, answer] of this.#unanswered) {
      if (this.#settings.sending.isCongested) {
        this.#settings.sending.requestRoom();
        return;
      }
      this.#unanswered.delete(invocation);
      answer();
      this.#finish(invocation);
    }
  }

  /** The time of calls is over: their callers give them up, or are about to. */
  handleDeadline(nowMs: number): void {
    for (const { call } of this.#deadlines.takeDue(nowMs)) call.expire();
  }

  /** The connection has ended: nobody waits for anything. */
  close(makeReason: () => Error): void {
    this.#isClosed = true;
    this.#onIdle = undefined;
    for (const [invocation] of this.#unanswered) {
      this.#unanswered.delete(invocation);
      this.#finish(invocation);
    }
    for (const invocation of this.#awaited.entries()) this.#unawaited.add(invocation);
    this.#awaited.clear();
    if (this.#unawaited.size === 0) return;
    const reason = makeReason();
    for (const invocation of [...this.#unawaited]) invocation.call.abort(reason);
  }

  /** Calls back from now on whenever no method runs any more. */
  whenIdle(onIdle: () => void): void {
    this.#onIdle = onIdle;
  }

  #run(invocation: Invocation): unknown {
    const { admission } = invocation;
    if (admission === undefined) return this.#intercept(invocation);
    if (this.#isWanted(invocation)) {
      admission.enter();
      return this.#intercept(invocation);
    }
    admission.leave();
    const { connectionID, object, member } = invocation.call;
    const text = `${describeCall(object, member)} had not begun when the connection ended, or its caller gave it up`;
    throw new Refusal(new ConnectionLostError(text, { executed: 'no', connectionID, object, member }));
  }

  /** Whether a call that has not begun may still do so; of a notification nobody says that it is not wanted any more. */
  #isWanted(invocation: Invocation): boolean {
    return invocation.id === 0 ? !this.#isClosed : this.#isAwaited(invocation);
  }

  /** Interceptors around the schemas around the method. */
  #intercept(invocation: Invocation): unknown {
    const { interception } = this.#settings;
    const { call, id, args } = invocation;
    if (interception === undefined) return this.#check(invocation, args);
    return interception.invoke(call, id === 0 ? 'notify' : 'call', args, (changed) =>
      this.#check(invocation, changed),
    );
  }

  #check(invocation: Invocation, args: readonly unknown[]): unknown {
    const { schemas } = invocation.found;
    if (schemas === undefined) return this.#enter(invocation, args);
    const checked = validateArguments(schemas, args);
    if (!(checked instanceof Promise)) return this.#enter(invocation, checked);
    return checked.then((valid) => this.#enter(invocation, valid));
  }

  #enter(invocation: Invocation, args: readonly unknown[]): unknown {
    const { object, method } = invocation.found;
    invocation.hasRun = true;
    const result: unknown = runInCall(invocation.call, () => Reflect.apply(method, object, args));
    if (this.#settings.interception === undefined || !isThenable(result)) return result;
    return this.#watchRun(invocation, Promise.resolve(result));
  }

  /** Interceptors may leave a run: its slot is free only when it has ended. */
  async #watchRun(invocation: Invocation, result: Promise<unknown>): Promise<unknown> {
    invocation.running += 1;
    try {
      return await result;
    } finally {
      invocation.running -= 1;
      if (invocation.call.isEnded && invocation.running === 0) this.#free(invocation);
    }
  }

  #watch(invocation: Invocation, deadlineMs: number): void {
    this.#deadlines.add(invocation, deadlineMs);
    this.#settings.deadlineChanged();
  }

  #succeed(invocation: Invocation, result: unknown): void {
    const { id } = invocation;
    if (this.#mustWait(invocation))
      this.#answerLater(invocation, () => {
        this.#answer(id, result);
      });
    else {
      if (this.#isAwaited(invocation)) this.#answer(id, result);
      this.#finish(invocation);
    }
  }

  /** An answer is made when it may leave: until then a result is as large as it is, and the call has its place. */
  #mustWait(invocation: Invocation): boolean {
    return this.#settings.sending.isCongested && this.#isAwaited(invocation);
  }

  #answerLater(invocation: Invocation, answer: () => void): void {
    this.#end(invocation);
    this.#unanswered.set(invocation, answer);
    this.#settings.sending.requestRoom();
  }

  #fail(invocation: Invocation, error: unknown): void {
    const { id } = invocation;
    const { codec, report } = this.#settings;
    if (id === 0 && isAuthorizationsWord(error)) report(error.error);
    else if (id === 0) {
      report(notifiedError(invocation, error, thrownToWire(error, 'message', codec).message));
    } else if (this.#mustWait(invocation)) {
      this.#answerLater(invocation, () => {
        this.#answerError(invocation, error);
      });
      return;
    } else if (this.#isAwaited(invocation)) this.#answerError(invocation, error);
    this.#finish(invocation);
  }

  #answerError(invocation: Invocation, error: unknown): void {
    sendError(this.#wireError(invocation, error), (fitting) => {
      this.#settings.sending.send(() => [MessageType.response, invocation.id, fitting]);
    });
  }

  #isAwaited(invocation: Invocation): boolean {
    return !this.#isClosed && this.#awaited.find(invocation.id) === invocation;
  }

  #resultMessage(id: number, result: unknown): ResponseMessage {
    if (result === undefined) return [MessageType.response, id];
    return [MessageType.response, id, null, this.#settings.codec.marshal(result, 'result')];
  }

  /** A result that cannot cross is an error of this one call; the connection goes on. */
  #answer(id: number, result: unknown): void {
    try {
      this.#settings.sending.send(() => this.#resultMessage(id, result));
    } catch (error) {
      this.#settings.sending.send(() => [MessageType.response, id, unsendable(error)]);
    }
  }

  /** What was refused before the method ran says so; the schemas' word is the library's own. */
  #wireError({ hasRun }: Invocation, error: unknown): WireError {
    const { exposeErrors, codec, report } = this.#settings;
    if (isAuthorizationsWord(error)) return refusalOf(error.error, 'no');
    if (!hasRun && isSchemasWord(error)) {
      // The caller is only told that it failed.
      if (error instanceof SchemaFailure) report(error);
      return refusalOf(error, 'no');
    }
    const wire = thrownToWire(error, exposeErrors, codec);
    return hasRun ? wire : { ...wire, executed: 'no' };
  }

  /** The method has ended. */
  #end(invocation: Invocation): void {
    const { call } = invocation;
    if (call.isEnded) return;
    call.isEnded = true;
    if (call.deadlineMs !== undefined) this.#deadlines.remove(invocation, Math.ceil(call.deadlineMs));
  }

  #finish(invocation: Invocation): void {
    this.#end(invocation);
    // After a cancel another call may run under the same id.
    if (this.#awaited.find(invocation.id) === invocation) this.#awaited.take(invocation.id);
    else this.#unawaited.delete(invocation);
    if (invocation.running > 0) this.#unawaited.add(invocation);
    else this.#announceIdle();
  }

  #free(invocation: Invocation): void {
    this.#unawaited.delete(invocation);
    this.#announceIdle();
  }

  #announceIdle(): void {
    if (this.size === 0) this.#onIdle?.();
  }
}

/** What a notified method threw, or refused it, with what the reader of `errors$` must know to find it. */
function notifiedError({ call, hasRun }: Invocation, cause: unknown, message: string): RPCError {
  const { connectionID, object, member } = call;
  const text = `${describeCall(object, member)}, which was notified, failed: ${message}`;
  return new RPCError(
    text,
    { executed: hasRun ? 'yes' : 'no', connectionID, object, member, cause },
    'notified',
  );
}

function unsendable(error: unknown): WireError {
  if (error instanceof LimitExceededError || error instanceof UnserializableValueError)
    return refusalOf(error, 'yes');
  return refusalOf(new RPCError('the result could not be sent'), 'yes');
}
