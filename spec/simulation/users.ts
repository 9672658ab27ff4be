/**
 * Those who use servers and clients: they call, read streams, lend and borrow, and wait, also inside hooks and bodies.
 */
import { RPCError } from '../../src/errors.js';
import { notify } from '../../src/proxies/remote-proxy.js';
import { abandonment } from './abandonment.js';
import type { Administrators } from './administrators.js';
import type { Calls } from './calls.js';
import type { Ground } from './ground.js';
import { payload } from './ledger.js';
import { serviceNames } from './offers.js';
import { proxyOf, SimulatedClient, SimulatedServer, type SimulatedPeer } from './peers.js';
import type { Population } from './population.js';
import type { Reading } from './reading.js';
import type { ReferenceService } from './reference-service.js';
import type { References } from './references.js';
import type { Service, ServiceProxy } from './service.js';
import type { StreamReaders } from './stream-readers.js';
import type { StreamService } from './stream-service.js';

/** What users use. */
export interface UsersSettings {
  readonly population: Population;
  readonly administrators: Administrators;
  readonly calls: Calls;
  readonly readers: StreamReaders;
  readonly references: References;
}

/** The users of one world. */
export class Users {
  readonly #ground: Ground;
  readonly #it: UsersSettings;
  readonly #staleProxies: ServiceProxy[] = [];

  /**
   * @param ground - the world's
   * @param settings - what they use
   */
  constructor(ground: Ground, settings: UsersSettings) {
    this.#ground = ground;
    this.#it = settings;
  }

  /** Does one thing. */
  useSomething(): void {
    const { random, profile } = this.#ground;
    const { theme } = profile;
    const { server, clients, present } = this.#it.population;
    switch (
      random.weighted({
        call: 10,
        burst: 2,
        wait: 1,
        register: 2,
        identify: 1,
        notify: 2,
        stale: 1,
        stream: theme === 'streams' ? 40 : 6,
        reference: theme === 'references' ? 30 : 5,
        held: theme === 'references' ? 20 : 3,
      })
    ) {
      case 'call':
        this.#callSomething(random.pick(present));
        return;
      case 'burst': {
        const peer = random.pick(present);
        for (let left = random.whole(2, 12); left > 0; left--) this.#callSomething(peer);
        return;
      }
      case 'wait':
        this.#wait(random.pick(clients));
        return;
      case 'register':
        this.#it.administrators.register(random.pick(present));
        return;
      case 'identify':
        random.pick(clients).sendUniqueIdentifier(`me ${random.whole(1, 99)}`);
        return;
      case 'notify':
        this.#notify(random.pick(present));
        return;
      case 'stale':
        if (this.#staleProxies.length > 0)
          void this.#it.calls.call(server, random.pick(this.#staleProxies), this.#it.calls.kind());
        return;
      case 'stream':
        this.#readStream(random.pick(present));
        return;
      case 'reference':
        this.#lend(random.pick(present));
        return;
      case 'held':
        for (let left = random.whole(1, 4); left > 0; left--) this.#it.references.useHeld();
    }
  }

  #wait(client: SimulatedClient): void {
    const { random, loop, ledger } = this.#ground;
    const controller = new AbortController();
    const timeoutInSeconds = random.between(0.01, 1);
    const options = {
      signal: controller.signal,
      ...(random.chance(0.4) ? { timeoutInSeconds } : {}),
    };
    if (random.chance(0.3)) {
      loop.after(random.between(0, 500), () => {
        controller.abort(abandonment);
      });
    }
    if (random.chance(0.5)) ledger.await('whenConnected()', client.whenConnected(options), abandonment);
    else {
      const name = random.pick(serviceNames);
      ledger.await(
        `whenRemoteProxyObject(${name})`,
        client.whenRemoteProxyObject(name, options),
        abandonment,
      );
    }
  }

  /** Calls something on some peer, if there is one. */
  #callSomething(peer: SimulatedPeer): void {
    const id = this.#connectionOf(peer);
    if (id === undefined) return;
    const proxy = proxyOf(peer, id, this.#ground.random.pick(serviceNames));
    if (proxy === undefined) return;
    if (peer instanceof SimulatedServer && this.#staleProxies.length < 4) this.#staleProxies.push(proxy);
    void this.#it.calls.call(peer, proxy, this.#it.calls.kind());
  }

  /** Calls, and says whether the answer was right; for the end, when everything must succeed. */
  async echo(peer: SimulatedPeer, connectionID: string): Promise<boolean> {
    const proxy = proxyOf(peer, connectionID);
    if (proxy === undefined) return false;
    const call = await this.#it.calls.call(peer, proxy, 'echo');
    if (call.outcome === 'failed')
      this.#ground.ledger.fault(`an echo on a quiet network failed: ${String(call.error)}`);
    return call.outcome === 'ok';
  }

  /** Reads a stream to its end; for the end, when everything must succeed. */
  readAll(peer: SimulatedPeer, connectionID: string): Reading | undefined {
    const proxy = proxyOf<StreamService>(peer, connectionID, 'streams');
    return proxy && this.#it.readers.readAll(peer, proxy);
  }

  #readStream(peer: SimulatedPeer, id = this.#connectionOf(peer)): void {
    const proxy = id === undefined ? undefined : proxyOf<StreamService>(peer, id, 'streams');
    // What the library bounds calls with does not bound streams.
    if (proxy !== undefined) this.#it.readers.use(peer, proxy, this.#it.calls.options(peer, null));
  }

  #lend(peer: SimulatedPeer, id = this.#connectionOf(peer)): void {
    const proxy = id === undefined ? undefined : proxyOf<ReferenceService>(peer, id, 'references');
    if (id === undefined || proxy === undefined) return;
    for (let left = this.#ground.random.whole(1, 3); left > 0; left--)
      this.#it.references.call(peer, id, proxy, this.#it.calls.options(peer));
  }

  /** Some connection of a peer, if it has one. */
  #connectionOf(peer: SimulatedPeer): string | undefined {
    if (peer instanceof SimulatedClient) return peer.connectionID() ?? '';
    const ids = peer.connections();
    return ids.length === 0 ? undefined : this.#ground.random.pick(ids);
  }

  #notify(peer: SimulatedPeer): void {
    const id = this.#connectionOf(peer);
    if (id === undefined) return;
    const proxy = proxyOf(peer, id);
    if (proxy === undefined) return;
    const key = this.#ground.ledger.nextKey();
    const size = this.#ground.random.whole(0, this.#ground.profile.maxBytes);
    try {
      if (this.#ground.random.chance(0.9)) notify<Service>(proxy).echo(key, size, payload(key, size));
      else notify<Service>(proxy).fail(key);
    } catch (error) {
      if (!(error instanceof RPCError)) throw error;
    }
  }

  /** What happens inside a hook. */
  inHook(peer: SimulatedPeer, kind: string, connectionID: string): void {
    const { random, profile } = this.#ground;
    if (kind === 'made' || kind === 'registered') {
      // Where few may run, those would be in the way of the calls that must succeed.
      if (random.chance(0.3) && !(this.#ground.isQuiet && this.#ground.isBounded)) {
        const proxy = proxyOf(peer, connectionID);
        if (proxy !== undefined) void this.#it.calls.call(peer, proxy, this.#it.calls.kind());
      }
    }
    if (this.#ground.isQuiet) return;
    if (profile.isWild && random.chance(0.08)) this.#it.administrators.interfere(peer, connectionID);
    // Of what is heard after `dispose()` nobody could be told.
    if (!profile.isCalm && random.chance(0.01) && this.#it.population.present.includes(peer))
      throw new TypeError('a hook throws');
  }

  /** What happens inside a body. */
  inBody(peer: SimulatedPeer, connectionID: string): void {
    const { random, profile } = this.#ground;
    if (this.#ground.isQuiet) return;
    if (random.chance(0.1)) {
      const proxy = proxyOf(peer, connectionID);
      if (proxy !== undefined)
        void this.#it.calls.call(peer, proxy, random.chance(0.7) ? 'echo' : this.#it.calls.kind());
    }
    if (random.chance(0.04)) this.#readStream(peer, connectionID);
    if (random.chance(0.04)) this.#lend(peer, connectionID);
    if (profile.isWild && random.chance(0.05)) this.#it.administrators.interfere(peer, connectionID);
  }
}
