/**
 * What a server and a client have in common: the objects registered on this side, the hooks, and the streams that carry
 * the same facts as the hooks.
 */
import type { Observable } from 'rxjs';
import type { CloseReason } from '../protocol/close-reason.js';
import { neverExposedKey, type RegistrationOptions } from '../proxies/exposure.js';
import type {
  DisconnectionEvent,
  HeartbeatEvent,
  Lifecycle,
  LifecycleHooks,
  RegistrationEvent,
} from '../streams/lifecycle.js';
import type { LocalRegistry } from './local-registry.js';

/**
 * The base of RPCServer and RPCClient.
 *
 * The hooks (`connectionMade` and the like) do nothing here. A subclass that overrides one hears of the same events, in
 * the same order and on the same scheduler, as a subscriber of the stream of that name. What a hook throws, or rejects
 * with, is reported on `errors$` and changes nothing for others.
 */
export abstract class RPCDispatcher implements LifecycleHooks {
  /** The id of each connection that is made. Does not replay; completes on `dispose()`. */
  readonly connectionMade$: Observable<string>;
  /** Each end of a connection that had been made. Does not replay; completes on `dispose()`. */
  readonly disconnectionMade$: Observable<DisconnectionEvent>;
  /** Each object that the other side registers. Does not replay; completes on `dispose()`. */
  readonly remoteProxyObjectRegistered$: Observable<RegistrationEvent>;
  /** Each object that the other side unregisters, short of those that go with their connection. Does not replay. */
  readonly remoteProxyObjectUnregistered$: Observable<RegistrationEvent>;
  /** Each answered heartbeat. Does not replay; completes on `dispose()`. */
  readonly heartbeat$: Observable<HeartbeatEvent>;
  /**
   * The ids of the connections whose other side lives but has not turned its main loop for `unresponsiveAfterInSeconds`, now
   * and after each change: their calls wait. On a client at most one. Completes on `dispose()`.
   */
  readonly unresponsive$: Observable<readonly string[]>;
  /**
   * The id of each connection whose session goes on by another one, after it was lost; only with `resume`. Nothing of the session
   * is lost or done twice. Does not replay; completes on `dispose()`.
   */
  readonly resumed$: Observable<string>;
  /**
   * What went wrong and has nobody else to tell: throwing hooks and subscribers, faulty peers, notified methods that
   * threw, notifications that were lost with their connection. Without a subscriber, a warning is emitted once for each kind. Does not replay; completes on `dispose()`.
   */
  readonly errors$: Observable<Error>;
  readonly #registry: LocalRegistry;

  /** Called by RPCServer and RPCClient, which own both. */
  protected constructor(lifecycle: Lifecycle, registry: LocalRegistry) {
    this.#registry = registry;
    this.connectionMade$ = lifecycle.connectionMade.observable;
    this.disconnectionMade$ = lifecycle.disconnectionMade.observable;
    this.remoteProxyObjectRegistered$ = lifecycle.registered.observable;
    this.remoteProxyObjectUnregistered$ = lifecycle.unregistered.observable;
    this.heartbeat$ = lifecycle.heartbeat.observable;
    this.resumed$ = lifecycle.resumed.observable;
    this.unresponsive$ = lifecycle.unresponsive.observable;
    this.errors$ = lifecycle.errors.errors$;
  }

  static {
    Object.defineProperty(this.prototype, neverExposedKey, {
      value: [
        'connectionMade$',
        'disconnectionMade$',
        'remoteProxyObjectRegistered$',
        'remoteProxyObjectUnregistered$',
        'heartbeat$',
        'resumed$',
        'unresponsive$',
        'errors$',
      ],
    });
  }

  /**
   * Hook: a connection was made, and what the other side had registered before is known.
   * @param connectionID - the id of the new connection
   */
  connectionMade(connectionID: string): void | Promise<void> {}

  /**
   * Hook: a connection that had been made has ended, whatever the reason.
   * @param connectionID - the id that it had
   * @param reason - why, and who ended it
   */
  disconnectionMade(connectionID: string, reason: CloseReason): void | Promise<void> {}

  /**
   * Hook: the other side registered an object. Calling it from here is normal use.
   * @param connectionID - the connection by which it can be reached
   * @param name - its name
   */
  remoteProxyObjectRegistered(connectionID: string, name: string): void | Promise<void> {}

  /**
   * Hook: the other side unregistered an object. Objects that go with their connection are not told one by one.
   * @param connectionID - the connection by which it could be reached
   * @param name - its name
   */
  remoteProxyObjectUnregistered(connectionID: string, name: string): void | Promise<void> {}

  /**
   * Registers an object at any time: every peer learns of it, and may call its public methods under this name.
   * @param name - 1 to 128 letters, digits or `_`, after the first also `. : / -`
   * @param object - stays yours; its own and inherited methods are looked up now, once
   * @param options - `only` narrows what may be called
   * @throws TypeError for a bad name, a name that is taken, or something that cannot be registered
   */
  registerProxyObject(name: string, object: object, options: RegistrationOptions = {}): void {
    this.#registry.add(name, object, options);
  }

  /**
   * Ends a registration: every peer learns of it; calls that run go on.
   * @returns whether an object of this name was registered
   */
  unregisterProxyObject(name: string): boolean {
    return this.#registry.remove(name);
  }

  /** The object registered on this side under a name, `undefined` if none. */
  localProxyObject(name: string): object | undefined {
    return this.#registry.objects.get(name)?.object;
  }

  /** The names registered on this side, in the order of registration. */
  localProxyObjects(): string[] {
    return [...this.#registry.objects.keys()];
  }
}
