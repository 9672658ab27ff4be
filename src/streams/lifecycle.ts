/**
 * The streams that a server and a client have in common, and the hooks that are the first subscriptions to them.
 *
 * One Delivery carries them all, so that events of different streams reach the user in the order in which they happened.
 */
import type { SchedulerLike } from 'rxjs';
import type { CloseReason } from '../protocol/close-reason.js';
import { Delivery } from './delivery.js';
import { ErrorStream } from './error-stream.js';
import { EventStream } from './event-stream.js';
import { ListStream } from './list-stream.js';
import { StateStream } from './state-stream.js';

/** A registration or its end, on one connection. */
export interface RegistrationEvent {
  /** The connection by which the other side told it. */
  readonly connectionID: string;
  /** The name of the object. */
  readonly name: string;
}

/** The end of a connection that had been made. */
export interface DisconnectionEvent {
  /** The id that the connection had. */
  readonly connectionID: string;
  /** Why, and who ended it. */
  readonly reason: CloseReason;
}

/** An answered heartbeat. */
export interface HeartbeatEvent {
  /** The connection. */
  readonly connectionID: string;
  /** Milliseconds from the ping to its answer. */
  readonly roundTripMs: number;
  /**
   * Milliseconds for which the main loop of the other side had not turned when it answered: where its heartbeats are on a
   * thread of their own (`thread: true` over there), a process can be alive and do nothing. Of another peer always 0: its heartbeats
   * come of that loop, and wait with it, as `roundTripMs` shows.
   */
  readonly loopLagMs: number;
  /** When the answer came, in milliseconds on the clock of the `scheduler`. */
  readonly at: number;
}

/** Methods that users override to hear of events. What they return is only looked at for a rejection. */
export interface LifecycleHooks {
  /** A connection was made. */
  connectionMade(connectionID: string): unknown;
  /** A connection that had been made has ended. */
  disconnectionMade(connectionID: string, reason: CloseReason): unknown;
  /** The other side registered an object. */
  remoteProxyObjectRegistered(connectionID: string, name: string): unknown;
  /** The other side unregistered an object. */
  remoteProxyObjectUnregistered(connectionID: string, name: string): unknown;
}

/** What a Lifecycle needs. */
export interface LifecycleOptions {
  /** Where callbacks run. */
  readonly callbackScheduler: SchedulerLike;
  /** Tells a human, once for each `kind`. */
  readonly warn: (message: string, kind: string) => void;
}

/** The streams of one server or client. Its owner emits, and calls `complete` once. */
export class Lifecycle {
  readonly connectionMade: EventStream<string>;
  readonly disconnectionMade: EventStream<DisconnectionEvent>;
  readonly registered: EventStream<RegistrationEvent>;
  readonly unregistered: EventStream<RegistrationEvent>;
  readonly heartbeat: EventStream<HeartbeatEvent>;
  readonly resumed: EventStream<string>;
  readonly unresponsive: StateStream<readonly string[]>;
  readonly errors: ErrorStream;
  readonly #delivery: Delivery;
  #unresponsive: readonly string[] = [];
  /** Reports what went wrong and has nobody else to tell. */
  readonly report = (error: unknown): void => {
    this.errors.report(error);
  };

  /** @param options - where callbacks run, and who warns */
  constructor(options: LifecycleOptions) {
    this.#delivery = new Delivery({ scheduler: options.callbackScheduler, report: this.report });
    const settings = { delivery: this.#delivery, report: this.report };
    this.connectionMade = new EventStream(settings);
    this.disconnectionMade = new EventStream(settings);
    this.registered = new EventStream(settings);
    this.unregistered = new EventStream(settings);
    this.heartbeat = new EventStream(settings);
    this.resumed = new EventStream(settings);
    this.unresponsive = this.state<readonly string[]>(this.#unresponsive, isSameList);
    this.errors = new ErrorStream({ delivery: this.#delivery, warn: options.warn });
  }

  /** Makes a stream of a state that is delivered in one order with the others. */
  state<T>(initial: T, equal?: (left: T, right: T) => boolean): StateStream<T> {
    const settings = { delivery: this.#delivery, report: this.report, initial };
    return new StateStream(equal === undefined ? settings : { ...settings, equal });
  }

  /** Makes a stream of which things there are, delivered in one order with the others. */
  list<T>(): ListStream<T> {
    return new ListStream({ delivery: this.#delivery, report: this.report });
  }

  /** The main loop of a connection's other side does not turn, or turns again. */
  setUnresponsive(connectionID: string, isUnresponsive: boolean): void {
    const others = this.#unresponsive.filter((id) => id !== connectionID);
    this.#unresponsive = isUnresponsive ? [...others, connectionID] : others;
    this.unresponsive.set(this.#unresponsive);
  }

  /** Does an act of the library as a whole: what it emits reaches the user when it is complete. @returns what the act did */
  during<Result>(act: () => Result): Result {
    return this.#delivery.during(act);
  }

  /** Runs a work of the library after everything that was emitted before it has been delivered. */
  afterDelivery(work: () => void): void {
    this.#delivery.deliver(work);
  }

  /** Makes the hooks the first subscriptions; doing so again changes nothing. */
  attach(hooks: LifecycleHooks): void {
    this.connectionMade.setHook((connectionID) => hooks.connectionMade(connectionID));
    this.disconnectionMade.setHook(({ connectionID, reason }) =>
      hooks.disconnectionMade(connectionID, reason),
    );
    this.registered.setHook(({ connectionID, name }) =>
      hooks.remoteProxyObjectRegistered(connectionID, name),
    );
    this.unregistered.setHook(({ connectionID, name }) =>
      hooks.remoteProxyObjectUnregistered(connectionID, name),
    );
  }

  /** Completes all streams, the errors last. */
  complete(): void {
    for (const stream of [
      this.connectionMade,
      this.disconnectionMade,
      this.registered,
      this.unregistered,
      this.heartbeat,
      this.resumed,
      this.unresponsive,
    ]) {
      stream.complete();
    }
    this.errors.complete();
  }
}

/** Whether two lists hold the same, in the same order. */
export function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, at) => item === right[at]);
}
