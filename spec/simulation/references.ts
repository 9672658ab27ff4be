/**
 * References: functions, objects and signals that are lent, used from the other side, given back and collected; and the
 * object that both sides register for it.
 */
import { ConnectionLostError, StaleReferenceError } from '../../src/errors.js';
import { byReference } from '../../src/proxies/by-reference.js';
import { heldReferenceOf } from '../../src/proxies/held-reference.js';
import { dispose, withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { CallOptions, Lent, RemoteFunction, RemoteReference } from '../../src/proxies/types.js';
import type { VirtualCollector } from './collector.js';
import { payload, type CallRecord, type Ledger } from './ledger.js';
import type { ReferenceProxy } from './reference-service.js';
import { SimulatedClient, type SimulatedPeer } from './peers.js';
import type { Profile } from './profile.js';
import type { SeededRandom } from './seeded-random.js';
import type { VirtualLoop } from './virtual-loop.js';

export type Called = (key: number) => number;

/** An object that crosses by reference. */
export interface Account extends Lent<Account> {
  add(key: number): number;
}

export type HeldFunction = RemoteFunction<Called>;
export type HeldAccount = RemoteReference<Account>;
type HeldObject = HeldFunction | HeldAccount | AbortSignal;

/** What one side holds of the other. */
interface Held {
  readonly holder: SimulatedPeer;
  readonly connectionID: string;
  readonly kind: 'function' | 'account' | 'signal';
  readonly object: HeldObject;
  /** How often it came to somebody, who has not given it back. */
  receipts: number;
  /** How many uses of it are not over. */
  inUse: number;
}

/** A signal that was lent. */
interface LentSignal {
  readonly reason: string;
  readonly controller: AbortController;
}

/** What references take of the world. */
export interface ReferencesSurroundings {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly loop: VirtualLoop;
  readonly ledger: Ledger;
  readonly collector: VirtualCollector;
  readonly trace: (text: string) => void;
  /** The time that a call of this peer may take, and the options that say so. */
  readonly callOptions: (peer: SimulatedPeer) => CallSettings;
}

/** How a call is made. */
export interface CallSettings {
  readonly options: CallOptions;
  readonly boundMs: () => number;
  readonly reason: unknown;
}

/** All references of one seed, on all sides. */
export class References {
  /** How many bodies and uses are under way. */
  busy = 0;
  /** How often a stale reference said so. */
  stale = 0;
  readonly #it: ReferencesSurroundings;
  readonly #held = new Map<object, Held>();
  readonly #signals = new Map<number, LentSignal>();
  readonly #accounts = new Map<SimulatedPeer, readonly Account[]>();
  readonly #owners = new Map<Account, SimulatedPeer>();

  /** @param surroundings - the world */
  constructor(surroundings: ReferencesSurroundings) {
    this.#it = surroundings;
  }

  /** The objects that a peer lends again and again. */
  accountsOf(peer: SimulatedPeer): readonly Account[] {
    let accounts = this.#accounts.get(peer);
    if (accounts === undefined) {
      accounts = [this.#makeAccount(peer), this.#makeAccount(peer)];
      this.#accounts.set(peer, accounts);
    }
    return accounts;
  }

  /** Whether an object is one that a peer lends, itself and no proxy of it. */
  isOwn(peer: SimulatedPeer, account: Account): boolean {
    return this.#owners.get(account) === peer;
  }

  #makeAccount(peer: SimulatedPeer): Account {
    const account = byReference<Account>({ add: this.makeFunction() });
    this.#owners.set(account, peer);
    return account;
  }

  /** Makes a function to lend. */
  makeFunction(): Called {
    return (key) => {
      this.#it.ledger.enter(key);
      return key;
    };
  }

  // ── Holding ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A reference came. */
  hold(holder: SimulatedPeer, connectionID: string, kind: 'function' | 'account', object: HeldObject): Held {
    const present = this.#held.get(object);
    if (present !== undefined) {
      present.receipts += 1;
      return present;
    }
    const held: Held = { holder, connectionID, kind, object, receipts: 1, inUse: 0 };
    this.#held.set(object, held);
    return held;
  }

  /** A signal came: it must be aborted when the one that was lent is, or when its connection ends. */
  watch(holder: SimulatedPeer, connectionID: string, key: number, signal: AbortSignal): void {
    const { ledger, trace } = this.#it;
    const held: Held = { holder, connectionID, kind: 'signal', object: signal, receipts: 1, inUse: 0 };
    this.#held.set(signal, held);
    const onAbort = (): void => {
      const lent = this.#signals.get(key);
      trace(`signal ${key} aborted`);
      if (held.receipts === 0) ledger.fault(`signal ${key} was aborted after it was disposed of`);
      if (signal.reason === lent?.reason) {
        if (lent?.controller.signal.aborted !== true) ledger.fault(`signal ${key} was aborted by nobody`);
      } else if (!(signal.reason instanceof ConnectionLostError))
        ledger.fault(`signal ${key} was aborted with something else: ${String(signal.reason)}`);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  }

  /** Calls what is held. */
  use(held: Held, settings: CallSettings): Promise<CallRecord> {
    const { ledger, trace, profile } = this.#it;
    const key = ledger.nextKey();
    const { options, boundMs, reason } = settings;
    const isOver = isGone(held);
    const isStale = held.receipts === 0 || isOver;
    trace(`${held.holder.name} uses a ${held.kind} ${key}`);
    const promise =
      held.kind === 'function'
        ? withCallOptions(held.object as HeldFunction, options)(key)
        : withCallOptions(held.object as HeldAccount, options).add(key);
    held.inUse += 1;
    this.busy += 1;
    const what = `${held.kind} of another side from ${held.holder.name}`;
    return ledger
      .follow({ key, what, boundMs }, promise, (value) => value === key, reason)
      .then((call) => {
        held.inUse -= 1;
        this.busy -= 1;
        const isToldStale = call.error instanceof StaleReferenceError && call.executed === 'no';
        if (isToldStale) this.stale += 1;
        // What was given back, and was about to come again, was not stale.
        const isRight = isOver || (profile.isCalm && held.receipts === 0);
        if (isStale && isRight && !isToldStale && !(reason !== undefined && call.error === reason))
          ledger.fault(`call ${key} (${what}) of a stale reference was not told so: ${String(call.error)}`);
        if (!isStale && isToldStale && profile.isCalm)
          ledger.fault(`call ${key} (${what}) was told to be stale, undisturbed`);
        return call;
      });
  }

  /** Somebody who got it gives it back; if nobody else has it, it is stale. */
  dispose(held: Held): void {
    this.#it.trace(`${held.holder.name} disposes of a ${held.kind}`);
    if (held.receipts > 0) held.receipts -= 1;
    dispose(held.object);
  }

  /** Uses something that is held, on any side; or loses it. */
  useHeld(): void {
    const { random } = this.#it;
    const all = [...this.#held.values()];
    if (all.length === 0) return;
    const held = random.pick(all);
    switch (random.weighted({ use: 7, dispose: 2, collect: 2 })) {
      case 'use':
        if (held.kind !== 'signal') void this.use(held, this.#it.callOptions(held.holder));
        return;
      case 'dispose':
        this.dispose(held);
        return;
      case 'collect':
        // Who listens to a signal keeps it.
        if (isIdle(held) && held.kind !== 'signal') this.#collect(held);
    }
  }

  /** Nobody uses a reference any more, and some time later that is found out. */
  #collect(held: Held): void {
    const { random, loop, collector, trace } = this.#it;
    trace(`${held.holder.name} forgets a ${held.kind}`);
    this.#held.delete(held.object);
    const inner = heldReferenceOf(held.object);
    if (inner === undefined) return;
    const finalize = collector.collect(inner);
    loop.after(random.between(0, random.pick([20, 3_000])), finalize);
  }

  /** The numbers of what servers have lent to clients. */
  lentNumbers(): number[] {
    return [...this.#held.values()].flatMap(({ holder, object }) => {
      const held = holder instanceof SimulatedClient ? heldReferenceOf(object) : undefined;
      return held === undefined ? [] : [held.number];
    });
  }

  // ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lends something, or asks for something. */
  call(peer: SimulatedPeer, connectionID: string, plain: ReferenceProxy, settings: CallSettings): void {
    const { random, ledger, loop, profile, trace } = this.#it;
    const key = ledger.nextKey();
    const { options, boundMs, reason } = settings;
    const proxy = withCallOptions(plain, options);
    const size = random.whole(0, profile.maxBytes);
    const delayMs = random.between(0, random.pick([0, 20, 500]));
    const kind = random.weighted({
      callBack: 4,
      makeFunction: 2,
      open: 4,
      isOwn: 3,
      take: 4,
      watch: 2,
      unsendable: 1,
    });
    trace(`${peer.name} calls ${kind} ${key}`);
    const follow = (promise: Promise<unknown>, isRight: (value: unknown) => boolean): Promise<CallRecord> => {
      return ledger.follow({ key, what: `${kind} from ${peer.name}`, boundMs }, promise, isRight, reason);
    };
    const isHeldAs =
      (heldKind: 'function' | 'account') =>
      (value: unknown): boolean => {
        // What came in other hands is theirs.
        if (heldReferenceOf(value as object) === undefined) return false;
        this.hold(peer, connectionID, heldKind, value as HeldObject);
        return true;
      };
    switch (kind) {
      case 'callBack': {
        const times = random.whole(0, 3);
        void follow(
          proxy.callBack(key, this.makeFunction(), times, delayMs, random.chance(0.4)),
          (value) => value === key,
        );
        return;
      }
      case 'makeFunction':
        void follow(proxy.makeFunction(key), isHeldAs('function'));
        return;
      case 'open': {
        // What is asked for anew may come between its collection and its finalizer.
        const idle = this.#accountsHeldBy(peer, connectionID).filter(isIdle);
        if (idle.length > 0 && random.chance(0.6)) this.#collect(random.pick(idle));
        void follow(proxy.open(key, random.whole(0, 1)), isHeldAs('account'));
        return;
      }
      case 'isOwn': {
        const mine = this.#accountsHeldBy(peer, connectionID);
        if (mine.length === 0) return;
        const held = random.pick(mine);
        const object = held.object as HeldAccount;
        const told = follow(proxy.isOwn(key, object, size, payload(key, size)), (value) => value === true);
        void told.then(({ error }) => {
          if (error instanceof StaleReferenceError)
            ledger.fault(`call ${key} (isOwn): what was held when it was given came back as stale`);
        });
        // It leaves behind the call, however long that is.
        if (random.chance(0.4)) this.dispose(held);
        return;
      }
      case 'take': {
        const account = random.chance(0.7) ? random.pick(this.accountsOf(peer)) : this.#makeAccount(peer);
        const isReturned = random.chance(0.5);
        void follow(proxy.take(key, account, size, payload(key, size), isReturned), (value) =>
          isReturned ? value === account : value === undefined,
        );
        return;
      }
      case 'unsendable': {
        // What it lends beside that is not lent.
        const account = random.pick(this.accountsOf(peer));
        void follow(proxy.take(key, account, 0, Symbol('no value of the wire') as never, false), () => false);
        return;
      }
      case 'watch': {
        const controller = new AbortController();
        const lent: LentSignal = { reason: `signal ${key}`, controller };
        this.#signals.set(key, lent);
        const ms = random.pick([0, random.between(0, 20), random.between(0, 2_000), Infinity]);
        const abort = (): void => {
          controller.abort(lent.reason);
        };
        if (ms === 0 && random.chance(0.5)) abort();
        else if (ms !== Infinity) loop.after(ms, abort);
        void follow(proxy.watch(key, controller.signal), (value) => value === key);
      }
    }
  }

  #accountsHeldBy(peer: SimulatedPeer, id: string): Held[] {
    return [...this.#held.values()].filter(
      ({ kind, holder, connectionID, receipts }) =>
        kind === 'account' && holder === peer && connectionID === id && receipts > 0,
    );
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything that is held is given back. */
  disposeAll(): void {
    for (const held of this.#held.values()) while (held.receipts > 0) this.dispose(held);
  }

  /** What nobody holds, such as the results of calls that were given up, is collected. */
  collectRest(): void {
    const { collector } = this.#it;
    for (const value of collector.alive) collector.collect(value)();
  }

  /** Uses all that is left of connections that are over. */
  async useStale(): Promise<void> {
    const settings: CallSettings = { options: {}, boundMs: () => Infinity, reason: undefined };
    const callable = [...this.#held.values()].filter(({ kind }) => kind !== 'signal');
    await Promise.all(callable.map((held) => this.use(held, settings)));
  }

  /** Looks at everything once all connections are over. */
  audit(): void {
    for (const { kind, object, receipts } of this.#held.values()) {
      if (kind === 'signal' && receipts > 0 && !(object as AbortSignal).aborted)
        this.#it.ledger.fault('a signal of a connection that is over was not aborted');
    }
  }
}

/** Whether its connection is over, as its holder has heard; one to a server that stops may go on until what is open has ended. */
function isGone({ holder, connectionID }: Held): boolean {
  const lost = `lost ${connectionID} `;
  return holder.hearing.hooks.some((entry) => entry.startsWith(lost) && entry !== `${lost}server-stopped`);
}

/** Whether nobody uses it; a call that waits keeps what is among its arguments. */
function isIdle({ inUse, holder }: Held): boolean {
  return inUse === 0 && holder.counts().waitingCalls === 0;
}
