/**
 * Keeps a client connected: dials, waits, dials again, one address or several in turn, until it is told to stop.
 *
 * One attempt at a time: a new one begins only after the one before has ended, and every callback of an attempt that was
 * given up is ignored. Knows no calls and no objects; the owner makes the Connection of each transport.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import type {
  Address,
  Dial,
  Transport,
  TransportFailure,
  TransportProvider,
} from '../transports/transport.js';
import { AddressTurn } from './address-turn.js';
import type { Backoff } from './backoff.js';

/** Receives the outcome of attempts. */
export interface ReconnectSink {
  /** A transport is open; its receiver owns it, and calls `ended` when it is over. */
  onTransport(transport: Transport, ticket: string | undefined): void;
  /** An attempt failed; the next one follows by itself. */
  onFailed(failure: TransportFailure): void;
}

/** What a Reconnect needs. */
export interface ReconnectSettings {
  /** How to dial. */
  readonly transports: TransportProvider;
  /** Whom to dial, the first one first. */
  readonly addresses: readonly [Address, ...(readonly Address[])];
  /** Whether what is looked for is at the present address only. */
  readonly isBound?: () => boolean;
  /** For timers and the present time. */
  readonly scheduler: SchedulerLike;
  /** How long an attempt may take until a transport is open, in milliseconds. */
  readonly dialTimeoutMs: () => number;
  /** The pauses. */
  readonly backoff: Backoff;
  /**
   * Gets what an attempt needs before it dials, such as credentials: calls back once, possibly at once, unless it is cancelled
   * by what it returns. Its owner bounds how long that takes.
   */
  readonly prepare?: ((onReady: () => void, onFailed: (error: Error) => void) => () => void) | undefined;
}

/** The longest pause that a server may ask for: it must not send its clients away for good, nor past what a timer takes. */
const maxRetryAfterMs = 60_000;

/** Dials again and again. */
export class Reconnect {
  readonly #settings: ReconnectSettings;
  readonly #sink: ReconnectSink;
  readonly #turn: AddressTurn;
  #dial: Dial | undefined;
  #timer: Subscription | undefined;
  #isStopped = false;

  /** Nothing happens before `start`. */
  constructor(settings: ReconnectSettings, sink: ReconnectSink) {
    this.#settings = settings;
    this.#sink = sink;
    this.#turn = new AddressTurn(settings.addresses);
  }

  /** The address that is dialled, or was last. */
  get address(): Address {
    return this.#turn.present;
  }

  /** Begins with the first attempt. */
  start(): void {
    this.#attempt(this.address, undefined);
  }

  /**
   * The transport of the last attempt is over.
   * @param retryAfterMs - how long the server asked to wait, if it did
   */
  ended(retryAfterMs: number | undefined): void {
    const { backoff, scheduler, isBound } = this.#settings;
    this.#next(isBound?.() === true || backoff.isGood(scheduler.now()), retryAfterMs);
  }

  /**
   * The server of the last attempt, whose connection goes on for a while, takes no new calls: another one is looked for.
   * @param retryAfterMs - how long it asked to wait before it is dialled again, if it did
   */
  leave(retryAfterMs: number | undefined): void {
    this.#next(false, retryAfterMs);
  }

  /** The server asked to continue on another port, showing a ticket there. */
  handOver(port: number, ticket: string): void {
    if (!this.#isStopped) this.#attempt({ host: this.address.host, port }, ticket);
  }

  /** Gives up for good; no callback follows. */
  stop(): void {
    this.#isStopped = true;
    this.#settle();
  }

  /** @param isBound - whether the present address keeps its turn */
  #next(isBound: boolean, retryAfterMs = 0): void {
    if (this.#isStopped) return;
    this.#settle();
    const { backoff, scheduler } = this.#settings;
    const nowMs = scheduler.now();
    const askedMs = Math.min(retryAfterMs, maxRetryAfterMs);
    if (backoff.isEstablished) this.#turn.made();
    const isRoundOver = isBound || this.#turn.pass(nowMs, askedMs);
    const pauseMs = isRoundOver || backoff.isEstablished ? backoff.ended(nowMs) : backoff.between();
    const waitMs = isBound ? askedMs : this.#turn.choose(nowMs);
    this.#timer = scheduler.schedule(() => {
      this.#attempt(this.address, undefined);
    }, pauseMs + waitMs);
  }

  #attempt(address: Address, ticket: string | undefined): void {
    this.#settle();
    const { prepare } = this.#settings;
    if (prepare === undefined) {
      this.#startDial(address, ticket);
      return;
    }
    const preparing: { cancel: () => void } = { cancel: () => undefined };
    this.#dial = { cancel: () => preparing.cancel() };
    preparing.cancel = prepare(
      () => {
        this.#startDial(address, ticket);
      },
      (error) => {
        this.#settle();
        this.#failed({ kind: 'other', error });
      },
    );
  }

  #startDial(address: Address, ticket: string | undefined): void {
    this.#settle();
    const { transports, scheduler, dialTimeoutMs } = this.#settings;
    const timeoutMs = dialTimeoutMs();
    this.#timer = scheduler.schedule(() => {
      this.#settle();
      this.#failed({ kind: 'other', error: new Error(`no answer to the dial within ${timeoutMs} ms`) });
    }, timeoutMs);
    this.#dial = transports.dial(address, {
      onTransport: (transport) => {
        this.#settle();
        this.#sink.onTransport(transport, ticket);
      },
      onFailed: (failure) => {
        this.#settle();
        this.#failed(failure);
      },
    });
  }

  #failed(failure: TransportFailure): void {
    this.#sink.onFailed(failure);
    this.ended(undefined);
  }

  #settle(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    this.#dial?.cancel();
    this.#dial = undefined;
  }
}
