/**
 * Those who run servers and clients: they start and stop them, let clients in and throw them out, register objects, and
 * start new processes in place of those that died.
 */
import type { Ground } from './ground.js';
import { lastingNames, serviceNames, type Offers } from './offers.js';
import { SimulatedClient, type SimulatedPeer, type SimulatedServer } from './peers.js';
import type { Population } from './population.js';

/** The administrators of one world. */
export class Administrators {
  readonly #ground: Ground;
  readonly #population: Population;
  readonly #offers: Offers;

  /**
   * @param ground - the world's
   * @param population - that they run
   * @param offers - what can be registered
   */
  constructor(ground: Ground, population: Population, offers: Offers) {
    this.#ground = ground;
    this.#population = population;
    this.#offers = offers;
  }

  /** Does one thing. */
  administer(): void {
    const { random, trace, ledger, profile, sessions } = this.#ground;
    const { server, clients, present, rivals } = this.#population;
    const client = random.pick(clients);
    const kind = random.weighted({
      disconnect: 3,
      connect: 4,
      kick: 2,
      stop: 2,
      start: 3,
      timeout: 1,
      maximum: 1,
      rival: 1,
      serverDies: 1,
      clientDies: 1,
      credentials: profile.isAuthenticated ? 2 : 0,
    });
    trace.note(`user ${kind}`);
    switch (kind) {
      case 'disconnect':
        ledger.await('disconnectFromServer()', client.disconnectFromServer());
        return;
      case 'connect':
        if (client.canStart()) client.connectToServer();
        return;
      case 'kick': {
        const ids = server.connections();
        if (ids.length > 0) server.disconnect(random.pick(ids));
        return;
      }
      case 'stop':
        this.#stop(server);
        return;
      case 'start':
        ledger.await('start()', server.start());
        return;
      case 'timeout':
        random.pick(present).setTimeout(random.between(0.3, 3));
        return;
      case 'maximum':
        server.setMaxConnectionsAllowed(random.pick([null, 0, 1, 2]));
        return;
      case 'rival': {
        if (rivals.length > 0) return;
        const rival = this.#population.addServer('rival');
        rivals.push(rival);
        ledger.await('start() of a rival', rival.start());
        return;
      }
      case 'serverDies':
        this.#population.replaceServer();
        return;
      case 'clientDies':
        this.#population.replaceClient(client);
        return;
      case 'credentials':
        sessions.mayBeStrangers = true;
        client.setCredentials({ name: random.pick([client.name, 'somebody', 'nobody']) });
    }
  }

  /** What a user may do anywhere, also where the library is in the middle of something. */
  interfere(peer: SimulatedPeer, connectionID: string): void {
    const { random, trace, ledger, network } = this.#ground;
    trace.note(`${peer.name} interferes`);
    if (random.chance(0.4)) this.register(peer);
    else if (random.chance(0.3)) random.pick([...network.links, undefined])?.cut();
    else if (peer instanceof SimulatedClient) {
      ledger.await('disconnectFromServer()', peer.disconnectFromServer());
      if (random.chance(0.5) && peer.canStart()) peer.connectToServer();
    } else if (random.chance(0.3)) {
      this.#stop(peer);
      if (random.chance(0.5)) ledger.await('start()', peer.start());
    } else if (peer.connections().includes(connectionID)) peer.disconnect(connectionID, 'in passing');
  }

  /** Registers something, or takes it back. */
  register(peer: SimulatedPeer): void {
    const { random, profile } = this.#ground;
    const name = random.pick([...serviceNames, ...lastingNames] as const);
    if ((lastingNames as readonly string[]).includes(name) && profile.isCalm) return;
    if (peer.localProxyObject(name) !== undefined) peer.unregisterProxyObject(name);
    else this.#offers.offer(peer, name);
  }

  #stop(server: SimulatedServer): void {
    const { random, ledger } = this.#ground;
    const drainInSeconds = random.chance(0.5) ? 0 : random.between(0.01, 1);
    ledger.await('stop()', server.stop({ drainInSeconds }));
  }
}
