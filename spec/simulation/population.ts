/**
 * The servers and clients of a world: how they are made, who is there, and who comes in the place of whom.
 */
import type { SchedulerLike } from 'rxjs';
import type { DispatcherOptions } from '../../src/rpc/options.js';
import { MainThreadScheduler } from '../../src/streams/main-thread-scheduler.js';
import { DialWatch } from './dial-watch.js';
import type { Ground } from './ground.js';
import { lastingNames, type Offers } from './offers.js';
import { Hearing, SimulatedClient, SimulatedServer, type SimulatedPeer } from './peers.js';
import { VirtualProcess } from './virtual-loop.js';

/** Where servers listen. */
export const port = 4_000;

/** What belongs to peers besides their options. */
export interface PopulationSettings {
  readonly offers: Offers;
  /** What users do inside hooks. */
  readonly onHook: (peer: SimulatedPeer, kind: string, connectionID: string) => void;
}

/** Everybody in one world. */
export class Population {
  clients: SimulatedClient[] = [];
  readonly rivals: SimulatedServer[] = [];
  readonly #ground: Ground;
  readonly #it: PopulationSettings;
  readonly #dials = new Map<SimulatedClient, DialWatch>();
  #server: SimulatedServer;

  /**
   * @param ground - the world's
   * @param settings - what belongs to peers
   */
  constructor(ground: Ground, settings: PopulationSettings) {
    this.#ground = ground;
    this.#it = settings;
    this.#server = this.addServer('server');
    for (let number = 1; number <= ground.profile.clients; number++) this.addClient(`client ${number}`);
  }

  /** The server that there is; where one has died, the next. */
  get server(): SimulatedServer {
    return this.#server;
  }

  /** Who is there, and has not died. */
  get present(): SimulatedPeer[] {
    return [this.server, ...this.rivals, ...this.clients];
  }

  /** The server's process dies, and another takes its place, which knows nothing of what was. */
  replaceServer(): void {
    const { server } = this;
    const { random, ledger, loop } = this.#ground;
    this.#die(server);
    const next = this.addServer(`server ${this.#ground.peers.length}`);
    this.#server = next;
    loop.after(random.pick([0, random.between(0, 2_000)]), () => {
      if (!this.#ground.isQuiet) ledger.await('start() of the next server', next.start());
    });
  }

  /** The same of a client. */
  replaceClient(client: SimulatedClient): void {
    const { random, loop } = this.#ground;
    this.#die(client);
    this.clients = this.clients.filter((other) => other !== client);
    const next = this.addClient(`client ${this.#ground.peers.length}`);
    loop.after(random.pick([0, random.between(0, 2_000)]), () => {
      if (next.canStart()) next.connectToServer();
    });
  }

  /** All that others see of it is that its links break; what happens in it after that reaches nobody. */
  #die(peer: SimulatedPeer): void {
    for (const link of this.#ground.wires.linksOf(peer.process)) link.cut();
    this.#ground.ledger.await(`dispose() of ${peer.name}`, peer.dispose());
  }

  /** How often clients dialled. */
  audit(): void {
    for (const [client, watch] of this.#dials) {
      watch.audit((text) => {
        this.#ground.ledger.fault(`${client.name} ${text}`);
      });
    }
  }

  #options(name: string): DispatcherOptions & {
    readonly port: number;
    readonly process: VirtualProcess;
    readonly hearing: Hearing;
  } {
    const { profile, random, loop, wires } = this.#ground;
    const process = new VirtualProcess(loop, random.whole(0, 1_000_000));
    const callbackScheduler: SchedulerLike = profile.isCallbackImmediate
      ? new MainThreadScheduler({
          now: () => process.now(),
          defer: (work) => {
            process.schedule(() => {
              work();
            }, 0);
          },
          delayed: process,
          onError: (error) => {
            this.#ground.ledger.fault(`a callback threw: ${String(error)}`);
          },
        })
      : process.delayed(profile.callbackDelayMs);
    const hearing = new Hearing((text) => {
      this.#ground.trace.note(`${name}: ${text}`);
    });
    return {
      port,
      process,
      hearing,
      scheduler: process,
      callbackScheduler,
      random: random.next,
      limits: profile.limits,
      callTimeoutInSeconds: profile.callTimeoutInSeconds,
      transport: wires.transportsOf(process, (dialled) => {
        // A port of its own is dialled at once.
        if (dialled === port) this.#dialWatch(process)?.dials(this.#ground.loop.nowMs);
      }),
    };
  }

  /** Makes a server. */
  addServer(name: string): SimulatedServer {
    const { process, hearing, ...options } = this.#options(name);
    const { serverTimeoutInSeconds, maxConnectionsAllowed, dedicatedPorts, serverResume, isAuthenticated } =
      this.#ground.profile;
    const server = new SimulatedServer(name, process, hearing, {
      ...options,
      timeoutInSeconds: serverTimeoutInSeconds,
      maxConnectionsAllowed,
      dedicatedPorts,
      ...(serverResume === undefined ? {} : { resume: serverResume }),
      ...(isAuthenticated ? { authenticate: (credentials) => this.#authenticate(process, credentials) } : {}),
    });
    this.#ground.peers.push(server);
    for (const each of lastingNames) this.#it.offers.offer(server, each);
    hearing.onHook = (kind, id) => {
      this.#it.onHook(server, kind, id);
    };
    return server;
  }

  /** Makes a client. */
  addClient(name: string): SimulatedClient {
    const { process, hearing, ...options } = this.#options(name);
    const { clientTimeoutInSeconds, clientResume, isAuthenticated } = this.#ground.profile;
    const client = new SimulatedClient(name, process, hearing, {
      ...options,
      timeoutInSeconds: clientTimeoutInSeconds,
      ...(clientResume === undefined ? {} : { resume: clientResume }),
      identifier: this.#ground.random.chance(0.5) ? name : '',
      reconnect: { initialDelayInSeconds: 0.05, maxDelayInSeconds: 0.5 },
      ...(isAuthenticated ? { credentials: { name } } : {}),
    });
    this.#ground.peers.push(client);
    const dials = new DialWatch();
    this.#dials.set(client, dials);
    client.onStart = () => {
      dials.starts(this.#ground.loop.nowMs);
    };
    hearing.onHeartbeat = (atMs) => {
      dials.isGood(process.worldMs(atMs));
    };
    for (const each of lastingNames) this.#it.offers.offer(client, each);
    hearing.onHook = (kind, id) => {
      if (kind === 'lost' && clientResume !== undefined) dials.leaves();
      this.#it.onHook(client, kind, id);
    };
    this.clients.push(client);
    return client;
  }

  #dialWatch(process: VirtualProcess): DialWatch | undefined {
    for (const [client, watch] of this.#dials) if (client.process === process) return watch;
    return undefined;
  }

  /** Some of the verdicts take their time; each makes an object of its own. */
  #authenticate(process: VirtualProcess, credentials: unknown): unknown {
    const { name } = credentials as { readonly name: string };
    const identity = name === 'nobody' ? undefined : { name };
    const delayMs = this.#ground.random.pick([0, 0, this.#ground.random.between(0, 60)]);
    if (delayMs === 0) return identity;
    return new Promise((resolve) => {
      process.schedule(() => {
        this.#ground.loop.continued();
        resolve(identity);
      }, delayMs);
    });
  }
}
