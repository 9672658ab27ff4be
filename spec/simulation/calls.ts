/**
 * Calls of the service that all sides register: of each kind, with any options, judged by what came of them.
 */
import { withCallOptions } from '../../src/proxies/remote-proxy.js';
import { abandonment } from './abandonment.js';
import type { Ground } from './ground.js';
import { isPayload, payload, type CallRecord } from './ledger.js';
import type { SimulatedPeer } from './peers.js';
import type { CallSettings } from './references.js';
import type { ServiceProxy } from './service.js';

/** What is called: the methods of the service, and one that it has not. */
export type CallKind = Exclude<keyof ServiceProxy, symbol | number> | 'missing';

/** All calls of one seed. */
export class Calls {
  readonly #ground: Ground;

  /** @param ground - the world's */
  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Draws what to call. */
  kind(): CallKind {
    return this.#ground.random.weighted({
      echo: 10,
      large: 2,
      later: 5,
      fail: 1,
      failLater: 1,
      hang: 1,
      relay: 3,
      unsendable: 0.3,
      missing: 0.3,
    });
  }

  /** Calls, and follows the call to its end. */
  call(
    peer: SimulatedPeer,
    plain: ServiceProxy,
    kind: CallKind,
    depth = this.#ground.random.whole(0, 2),
  ): Promise<CallRecord> {
    const { random, ledger, profile, trace } = this.#ground;
    const key = ledger.nextKey();
    const { options, boundMs, reason } = this.options(peer);
    const proxy = withCallOptions(plain, options);
    const size = random.whole(0, profile.maxBytes);
    const delayMs = random.between(0, random.pick([0, 50, 1_000]));
    const follow = (promise: Promise<unknown>, isRight: (value: unknown) => boolean): Promise<CallRecord> => {
      trace.note(`${peer.name} calls ${kind} ${key}`);
      return ledger.follow({ key, what: `${kind} from ${peer.name}`, boundMs }, promise, isRight, reason);
    };
    const isEcho = (value: unknown): boolean =>
      Array.isArray(value) && value.length === 2 && value[0] === key && value[1] === size;
    const never = (): boolean => false;
    switch (kind) {
      case 'echo':
        return follow(proxy.echo(key, size, payload(key, size)), isEcho);
      case 'later':
        return follow(proxy.later(key, size, payload(key, size), delayMs), isEcho);
      case 'large':
        return follow(proxy.large(key, size), (value) => isPayload(key, size, value));
      case 'fail':
        return follow(proxy.fail(key), never);
      case 'failLater':
        return follow(proxy.failLater(key, delayMs), never);
      case 'hang':
        return follow(proxy.hang(key), never);
      case 'relay':
        return follow(proxy.relay(key, depth), (value) => value === key);
      case 'unsendable':
        return follow(proxy.unsendable(key), never);
      case 'missing': {
        // No such method, which the types would not allow.
        const untyped = proxy as unknown as Readonly<Record<string, (key: number) => Promise<unknown>>>;
        return follow(untyped['missing']!(key), never);
      }
    }
  }

  /** How something is called, and what that means for its end. */
  readonly options = (
    peer: SimulatedPeer,
    defaultInSeconds = this.#ground.profile.callTimeoutInSeconds,
  ): CallSettings => {
    const { random, profile } = this.#ground;
    const isFree = profile.isCalm || this.#ground.isQuiet;
    const signal = !isFree && random.chance(0.12) ? this.#abortLater() : undefined;
    const isTimed = !isFree && random.chance(0.2);
    const timeoutInSeconds = isTimed ? random.between(0.001, 1) : undefined;
    const boundInSeconds = this.#ground.isQuiet ? null : (timeoutInSeconds ?? defaultInSeconds);
    const { nowMs } = this.#ground.loop;
    const { process } = peer;
    const wereBlockedMs = process.blockedMs;
    return {
      options: {
        ...(signal === undefined ? {} : { signal }),
        ...(timeoutInSeconds === undefined ? {} : { timeoutInSeconds }),
        ...(this.#ground.isQuiet ? { timeoutInSeconds: null } : {}),
      },
      // A deadline is rounded up to a whole millisecond. A process that stands still cannot keep it.
      boundMs: () =>
        boundInSeconds === null
          ? Infinity
          : nowMs + boundInSeconds * 1_000 + process.blockedMs - wereBlockedMs + 1.001,
      reason: abandonment,
    };
  };

  #abortLater(): AbortSignal {
    const controller = new AbortController();
    const ms = this.#ground.random.pick([
      0,
      this.#ground.random.between(0, 5),
      this.#ground.random.between(0, 500),
    ]);
    if (ms === 0 && this.#ground.random.chance(0.3)) controller.abort(abandonment);
    else
      this.#ground.loop.after(ms, () => {
        controller.abort(abandonment);
      });
    return controller.signal;
  }
}
