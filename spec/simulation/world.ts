/**
 * One world: a server, its clients, the network between them, and everything that their users and fate may do to them.
 */
import type { SchedulerLike } from 'rxjs';
import { NotConnectedError, RPCError, UnknownConnectionError } from '../../src/errors.js';
import { notify, withCallOptions } from '../../src/proxies/remote-proxy.js';
import type { RemoteProxy } from '../../src/proxies/types.js';
import type { DispatcherOptions } from '../../src/rpc/options.js';
import { MainThreadScheduler } from '../../src/streams/main-thread-scheduler.js';
import { MemoryNetwork } from '../../src/transports/memory.js';
import type { MemoryLink } from '../../src/transports/memory-link.js';
import { VirtualCollector } from './collector.js';
import { DialWatch } from './dial-watch.js';
import { isPayload, Ledger, payload, type CallRecord } from './ledger.js';
import { Hearing, SimulatedClient, SimulatedServer } from './peers.js';
import { drawProfile, type Profile } from './profile.js';
import { ReferenceService, References, type CallSettings } from './references.js';
import { SeededRandom } from './seeded-random.js';
import { Service, Slots, type ServiceProxy } from './service.js';
import { SessionWatch } from './session-watch.js';
import {
  abandonment,
  StreamAccounts,
  streamOptions,
  StreamReaders,
  StreamService,
  type Reading,
} from './streams.js';
import { VirtualLoop, VirtualProcess } from './virtual-loop.js';
import { WallClock } from './wall-clock.js';
import { Wires } from './wires.js';

/** A server or a client. */
export type SimulatedPeer = SimulatedServer | SimulatedClient;

const port = 4_000;
const serviceNames = ['service', 'second', 'third'] as const;
/** In the end, and where nothing may fail, these are there. */
const lastingNames = ['service', 'streams', 'references'] as const;
const bothDirections = ['toServer', 'toClient'] as const;

type ObjectName = (typeof serviceNames | typeof lastingNames)[number];

/** What is called: the methods of the service, and one that it has not. */
type CallKind = Exclude<keyof ServiceProxy, symbol | number> | 'missing';

/** One world, made from a seed. */
export class World {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly loop: VirtualLoop;
  readonly ledger: Ledger;
  readonly network: MemoryNetwork;
  readonly collector = new VirtualCollector();
  readonly streams: StreamAccounts;
  readonly readers: StreamReaders;
  readonly references: References;
  readonly sessions: SessionWatch;
  readonly wires: Wires;
  readonly wallClock: WallClock;
  /** Those that there are; and all that there have been, in the order of their coming. */
  clients: SimulatedClient[] = [];
  readonly rivals: SimulatedServer[] = [];
  readonly peers: SimulatedPeer[] = [];
  /** Whether fate and the users have finished; then calls and connections must succeed. */
  isQuiet = false;
  /** Whether something vanished without a word, which only silence can tell. */
  hasDeafLinks = false;
  /** Everything that happened, as one number. */
  traceHash = 0x811c_9dc5;
  readonly traceLines: string[] = [];
  readonly #keepsTrace: boolean;
  readonly #staleProxies: ServiceProxy[] = [];
  readonly #dials = new Map<SimulatedClient, DialWatch>();
  readonly #slots = new Map<SimulatedPeer, Slots>();
  #server: SimulatedServer;
  #isFlapping = false;
  readonly #known = new Map<string, number>();

  constructor(seed: number, keepsTrace: boolean) {
    this.#keepsTrace = keepsTrace;
    this.random = new SeededRandom(seed);
    this.profile = drawProfile(this.random);
    this.loop = new VirtualLoop((error) => {
      this.ledger.fault(`an action threw: ${error instanceof Error ? (error.stack ?? '') : String(error)}`);
    });
    const trace = this.#trace;
    const expectEnd = (id: string, text: string): void => {
      this.sessions.expectEnd(id, text);
    };
    this.ledger = new Ledger(this.loop, trace, expectEnd);
    const { random, profile, loop, ledger, collector } = this;
    this.wallClock = new WallClock(loop);
    this.sessions = new SessionWatch({
      profile,
      nowMs: () => loop.nowMs,
      peers: () => this.peers,
      fault: (text) => {
        ledger.fault(this.#anonymous(text));
      },
    });
    this.streams = new StreamAccounts(ledger, trace, expectEnd);
    this.readers = new StreamReaders({
      random,
      profile,
      loop,
      ledger,
      accounts: this.streams,
      isQuiet: () => this.isQuiet,
    });
    const { callOptions } = this;
    this.references = new References({ random, profile, loop, ledger, collector, trace, callOptions });
    const { latencyMs, highWaterBytes, sliceBytes, clients } = this.profile;
    this.network = new MemoryNetwork({ scheduler: this.loop.scheduler, latencyMs, highWaterBytes });
    this.network.sliceBytes = sliceBytes;
    this.network.onLink = (link) => {
      if (this.random.chance(0.5)) link.latencyMs = this.random.between(0, 2 * latencyMs);
      if (this.#isFlapping && !this.isQuiet) this.#cutSoon(link);
    };
    this.wires = new Wires(this.network, loop, profile.turnMs);
    this.#server = this.#addServer('server');
    for (let number = 1; number <= clients; number++) this.#addClient(`client ${number}`);
  }

  /** The server that there is; where one has died, the next. */
  get server(): SimulatedServer {
    return this.#server;
  }

  /** Who is there, and has not died. */
  get present(): SimulatedPeer[] {
    return [this.server, ...this.rivals, ...this.clients];
  }

  /** Whether the limits are so small that connections may end by them. */
  get isTiny(): boolean {
    return this.profile.limits.maxNodes !== undefined;
  }

  /** Whether one side allows the other so little that what hangs is in the way. */
  get isBounded(): boolean {
    const { maxIncomingCalls, maxOutgoingCalls, maxStreams } = this.profile.limits;
    return (maxIncomingCalls ?? maxOutgoingCalls ?? maxStreams) !== undefined;
  }

  /** Registers again what must be there in the end. */
  restore(peer: SimulatedPeer): void {
    for (const name of lastingNames) {
      if (peer.localProxyObject(name) === undefined) this.#offer(peer, name);
    }
  }

  /** Whether one peer has all objects of another that are there in the end. */
  static isWhole(names: readonly string[]): boolean {
    return lastingNames.every((name) => names.includes(name));
  }

  // ── Making ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #options(name: string): DispatcherOptions & {
    readonly port: number;
    readonly process: VirtualProcess;
    readonly hearing: Hearing;
  } {
    const { profile, random } = this;
    const process = new VirtualProcess(this.loop, random.whole(0, 1_000_000));
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
            this.ledger.fault(`a callback threw: ${String(error)}`);
          },
        })
      : process.delayed(profile.callbackDelayMs);
    const hearing = new Hearing((text) => {
      this.#trace(`${name}: ${text}`);
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
      transport: this.wires.transportsOf(process, (dialled) => {
        // A port of its own is dialled at once.
        if (dialled === port) this.#dialWatch(process)?.dials(this.loop.nowMs);
      }),
    };
  }

  #addServer(name: string): SimulatedServer {
    const { process, hearing, ...options } = this.#options(name);
    const { serverTimeoutInSeconds, maxConnectionsAllowed, dedicatedPorts, serverResume, isAuthenticated } =
      this.profile;
    const server = new SimulatedServer(name, process, hearing, {
      ...options,
      timeoutInSeconds: serverTimeoutInSeconds,
      maxConnectionsAllowed,
      dedicatedPorts,
      ...(serverResume === undefined ? {} : { resume: serverResume }),
      ...(isAuthenticated ? { authenticate: (credentials) => this.#authenticate(process, credentials) } : {}),
    });
    this.peers.push(server);
    for (const each of lastingNames) this.#offer(server, each);
    hearing.onHook = (kind, id) => {
      this.#inHook(server, kind, id);
    };
    return server;
  }

  #addClient(name: string): SimulatedClient {
    const { process, hearing, ...options } = this.#options(name);
    const { clientTimeoutInSeconds, clientResume, isAuthenticated } = this.profile;
    const client = new SimulatedClient(name, process, hearing, {
      ...options,
      timeoutInSeconds: clientTimeoutInSeconds,
      ...(clientResume === undefined ? {} : { resume: clientResume }),
      identifier: this.random.chance(0.5) ? name : '',
      reconnect: { initialDelayInSeconds: 0.05, maxDelayInSeconds: 0.5 },
      ...(isAuthenticated ? { credentials: { name } } : {}),
    });
    this.peers.push(client);
    const dials = new DialWatch();
    this.#dials.set(client, dials);
    client.onStart = () => {
      dials.starts(this.loop.nowMs);
    };
    hearing.onHeartbeat = (atMs) => {
      dials.isGood(process.worldMs(atMs));
    };
    for (const each of lastingNames) this.#offer(client, each);
    hearing.onHook = (kind, id) => {
      this.#inHook(client, kind, id);
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
    const delayMs = this.random.pick([0, 0, this.random.between(0, 60)]);
    if (delayMs === 0) return identity;
    return new Promise((resolve) => {
      process.schedule(() => {
        this.loop.continued();
        resolve(identity);
      }, delayMs);
    });
  }

  #slotsOf(peer: SimulatedPeer): Slots {
    let slots = this.#slots.get(peer);
    if (slots === undefined) {
      const { maxIncomingCalls = Infinity } = this.profile.limits;
      slots = new Slots(maxIncomingCalls, (text) => {
        this.ledger.fault(`${peer.name}: ${text}`);
      });
      this.#slots.set(peer, slots);
    }
    return slots;
  }

  /** Bodies that would hang for ever end. */
  letGo(): void {
    for (const slots of this.#slots.values()) slots.letGo();
  }

  /** How often clients dialled, and how long sessions lasted. */
  audit(): void {
    for (const [client, watch] of this.#dials) {
      watch.audit((text) => {
        this.ledger.fault(`${client.name} ${text}`);
      });
    }
    this.sessions.audit(this.profile.isSteadfast);
  }

  #offer(peer: SimulatedPeer, name: ObjectName): void {
    const { loop, ledger, streams, references, callOptions } = this;
    const { process } = peer;
    if (name === 'streams') {
      const service = new StreamService({ accounts: streams, process, loop });
      peer.registerProxyObject(name, service, streamOptions(this.profile.streamWindow));
    } else if (name === 'references') {
      const service = new ReferenceService({ references, peer, process, loop, ledger, callOptions });
      peer.registerProxyObject(name, service);
    } else peer.registerProxyObject(name, this.#service(peer, process));
  }

  #service(peer: SimulatedPeer, process: VirtualProcess): Service {
    return new Service({
      ledger: this.ledger,
      process,
      loop: this.loop,
      slots: this.#slotsOf(peer),
      callBack: async (connectionID, depth) => {
        const proxy = this.#proxyFor(peer, connectionID);
        if (proxy === undefined) throw new NotConnectedError('nobody to call back');
        const call = await this.#call(peer, proxy, depth > 0 ? 'relay' : 'echo', depth - 1);
        if (call.outcome === 'failed') throw call.error;
      },
      onBody: (connectionID) => {
        this.#inBody(peer, connectionID);
      },
    });
  }

  // ── Operations ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Plans what will happen. */
  plan(): void {
    const { random, profile, server } = this;
    if (profile.isCalm || random.chance(0.9)) this.ledger.await('start()', server.start());
    for (const client of this.clients) {
      this.loop.after(random.between(0, random.pick([0, 100, 500])), () => {
        if (client.canStart()) client.connectToServer();
      });
    }
    for (let count = 0; count < profile.operations; count++) {
      this.loop.after(random.between(0, profile.durationMs), () => {
        if (this.isQuiet) return;
        this.operate();
      });
    }
  }

  /** Does one thing. */
  operate(): void {
    if (this.profile.isCalm || this.random.chance(0.55)) this.#useSomething();
    else if (this.profile.isSteadfast || this.random.chance(0.6)) this.#disturb();
    else this.#administer();
  }

  #useSomething(): void {
    const { random } = this;
    const { theme } = this.profile;
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
        this.#callSomething(random.pick(this.present));
        return;
      case 'burst': {
        const peer = random.pick(this.present);
        for (let left = random.whole(2, 12); left > 0; left--) this.#callSomething(peer);
        return;
      }
      case 'wait':
        this.#wait(random.pick(this.clients));
        return;
      case 'register':
        this.#register(random.pick(this.present));
        return;
      case 'identify':
        random.pick(this.clients).sendUniqueIdentifier(`me ${random.whole(1, 99)}`);
        return;
      case 'notify':
        this.#notify(random.pick(this.present));
        return;
      case 'stale':
        if (this.#staleProxies.length > 0)
          void this.#call(this.server, random.pick(this.#staleProxies), this.#kind());
        return;
      case 'stream':
        this.#readStream(random.pick(this.present));
        return;
      case 'reference':
        this.#lend(random.pick(this.present));
        return;
      case 'held':
        for (let left = random.whole(1, 4); left > 0; left--) this.references.useHeld();
    }
  }

  #disturb(): void {
    const { random, network } = this;
    const link = network.links.length === 0 ? undefined : random.pick(network.links);
    const ms = random.between(1, random.pick([20, 300, 4_000]));
    const kind = random.weighted({
      cut: 3,
      cutAfter: 4,
      freeze: 2,
      freezeAll: 1,
      half: 2,
      refuse: 1,
      latency: 2,
      slice: 1,
      block: 2,
      jump: 1,
      sever: 1.5,
      hold: 1.5,
      flap: 0.7,
      setClock: 0.7,
    });
    this.#trace(`fate ${kind} ${link?.number ?? 0}`);
    switch (kind) {
      case 'cut':
        link?.cut();
        return;
      case 'cutAfter':
        link?.cutAfterBytes(random.pick(bothDirections), random.whole(0, random.pick([10, 200, 70_000])));
        return;
      case 'freeze':
        link?.freeze();
        this.loop.after(ms, () => link?.thaw());
        return;
      case 'freezeAll':
        network.freeze();
        this.loop.after(ms, () => network.thaw());
        return;
      case 'half':
        link?.halfOpen(random.pick(bothDirections));
        this.hasDeafLinks = true;
        if (random.chance(0.5)) this.loop.after(ms, () => link?.heal());
        return;
      case 'refuse':
        network.refuseConnections = true;
        this.loop.after(ms, () => {
          network.refuseConnections = false;
        });
        return;
      case 'latency':
        if (link !== undefined) link.latencyMs = random.between(0, 200);
        return;
      case 'slice':
        network.sliceBytes = random.chance(0.5)
          ? undefined
          : random.whole(this.profile.maxBytes > 9_000 ? 999 : 1, 9_000);
        return;
      case 'block':
        this.#block(random.pick(this.present).process, ms);
        return;
      case 'jump':
        this.loop.jump(ms);
        for (const { process } of this.peers) process.blockedMs += ms;
        return;
      case 'sever':
        if (link !== undefined) this.#sever(link, ms);
        return;
      case 'hold':
        if (link !== undefined) this.#hold(link, ms);
        return;
      case 'flap':
        this.#isFlapping = true;
        this.loop.after(ms, () => {
          this.#isFlapping = false;
        });
        return;
      case 'setClock':
        this.wallClock.set(random.pick([-1, 1]) * random.pick([1_000, 60_000, 86_400_000]));
    }
  }

  #administer(): void {
    const { random, server } = this;
    const client = random.pick(this.clients);
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
      credentials: this.profile.isAuthenticated ? 2 : 0,
    });
    this.#trace(`user ${kind}`);
    switch (kind) {
      case 'disconnect':
        this.ledger.await('disconnectFromServer()', client.disconnectFromServer());
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
        this.ledger.await('start()', server.start());
        return;
      case 'timeout':
        random.pick(this.present).setTimeout(random.between(0.3, 3));
        return;
      case 'maximum':
        server.setMaxConnectionsAllowed(random.pick([null, 0, 1, 2]));
        return;
      case 'rival': {
        if (this.rivals.length > 0) return;
        const rival = this.#addServer('rival');
        this.rivals.push(rival);
        this.ledger.await('start() of a rival', rival.start());
        return;
      }
      case 'serverDies':
        this.#replaceServer();
        return;
      case 'clientDies':
        this.#replaceClient(client);
        return;
      case 'credentials':
        this.sessions.mayBeStrangers = true;
        client.setCredentials({ name: random.pick([client.name, 'somebody', 'nobody']) });
    }
  }

  /** A link breaks for one of its ends, and what was sent by it goes on arriving for a while. */
  #sever(link: MemoryLink, ms: number): void {
    const { random, wires } = this;
    this.hasDeafLinks = true;
    if (random.chance(0.5)) wires.hold(link);
    wires.sever(link, random);
    this.loop.after(ms, () => {
      wires.release(link, random.between(0, 300));
    });
  }

  /** A link stands still, and what is under way on it arrives in the end, also if it was given up long before. */
  #hold(link: MemoryLink, ms: number): void {
    const { random, wires } = this;
    this.hasDeafLinks = true;
    wires.hold(link);
    this.loop.after(ms, () => {
      wires.release(link, random.between(0, 300));
    });
  }

  /** New links do not last: long enough to be made, mostly, and not to show themselves good. */
  #cutSoon(link: MemoryLink): void {
    const { random } = this;
    if (random.chance(0.3)) link.cutAfterBytes(random.pick(bothDirections), random.whole(1, 3_000));
    else
      this.loop.after(random.between(0, 60) + 5 * link.latencyMs, () => {
        if (!this.isQuiet) link.cut();
      });
  }

  /** The server's process dies, and another takes its place, which knows nothing of what was. */
  #replaceServer(): void {
    const { server, random } = this;
    this.#die(server);
    const next = this.#addServer(`server ${this.peers.length}`);
    this.#server = next;
    this.loop.after(random.pick([0, random.between(0, 2_000)]), () => {
      if (!this.isQuiet) this.ledger.await('start() of the next server', next.start());
    });
  }

  #replaceClient(client: SimulatedClient): void {
    const { random } = this;
    this.#die(client);
    this.clients = this.clients.filter((other) => other !== client);
    const next = this.#addClient(`client ${this.peers.length}`);
    this.loop.after(random.pick([0, random.between(0, 2_000)]), () => {
      if (next.canStart()) next.connectToServer();
    });
  }

  /** All that others see of it is that its links break; what happens in it after that reaches nobody. */
  #die(peer: SimulatedPeer): void {
    for (const link of this.wires.linksOf(peer.process)) link.cut();
    this.ledger.await(`dispose() of ${peer.name}`, peer.dispose());
  }

  #stop(server: SimulatedServer): void {
    const drainInSeconds = this.random.chance(0.5) ? 0 : this.random.between(0.01, 1);
    this.ledger.await('stop()', server.stop({ drainInSeconds }));
  }

  #block(process: VirtualProcess, ms: number): void {
    if (process.isBlocked) return;
    const links = this.wires.linksOf(process);
    const isNetworkFirst = this.random.chance(0.5);
    process.block();
    for (const link of links) link.freeze();
    this.loop.after(ms, () => {
      if (isNetworkFirst) for (const link of links) link.thaw();
      process.unblock(ms);
      if (!isNetworkFirst) for (const link of links) link.thaw();
    });
  }

  #register(peer: SimulatedPeer): void {
    const name = this.random.pick([...serviceNames, ...lastingNames] as const);
    if ((lastingNames as readonly string[]).includes(name) && this.profile.isCalm) return;
    if (peer.localProxyObject(name) !== undefined) peer.unregisterProxyObject(name);
    else this.#offer(peer, name);
  }

  #wait(client: SimulatedClient): void {
    const { random } = this;
    const controller = new AbortController();
    const timeoutInSeconds = random.between(0.01, 1);
    const options = {
      signal: controller.signal,
      ...(random.chance(0.4) ? { timeoutInSeconds } : {}),
    };
    if (random.chance(0.3)) {
      this.loop.after(random.between(0, 500), () => {
        controller.abort(abandonment);
      });
    }
    if (random.chance(0.5)) this.ledger.await('whenConnected()', client.whenConnected(options), abandonment);
    else {
      const name = random.pick(serviceNames);
      this.ledger.await(
        `whenRemoteProxyObject(${name})`,
        client.whenRemoteProxyObject(name, options),
        abandonment,
      );
    }
  }

  // ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Calls something on some peer, if there is one. */
  #callSomething(peer: SimulatedPeer): void {
    const id = this.#connectionOf(peer);
    if (id === undefined) return;
    const proxy = this.#proxyFor(peer, id, this.random.pick(serviceNames));
    if (proxy === undefined) return;
    if (peer instanceof SimulatedServer && this.#staleProxies.length < 4) this.#staleProxies.push(proxy);
    void this.#call(peer, proxy, this.#kind());
  }

  /** Calls, and says whether the answer was right; for the end, when everything must succeed. */
  async echo(peer: SimulatedPeer, connectionID: string): Promise<boolean> {
    const proxy = this.#proxyFor(peer, connectionID);
    if (proxy === undefined) return false;
    const call = await this.#call(peer, proxy, 'echo');
    if (call.outcome === 'failed')
      this.ledger.fault(`an echo on a quiet network failed: ${String(call.error)}`);
    return call.outcome === 'ok';
  }

  /** Reads a stream to its end; for the end, when everything must succeed. */
  readAll(peer: SimulatedPeer, connectionID: string): Reading | undefined {
    const proxy = this.#proxyFor<StreamService>(peer, connectionID, 'streams');
    return proxy && this.readers.readAll(peer, proxy);
  }

  #readStream(peer: SimulatedPeer, id = this.#connectionOf(peer)): void {
    const proxy = id === undefined ? undefined : this.#proxyFor<StreamService>(peer, id, 'streams');
    // What the library bounds calls with does not bound streams.
    if (proxy !== undefined) this.readers.use(peer, proxy, this.callOptions(peer, null));
  }

  #lend(peer: SimulatedPeer, id = this.#connectionOf(peer)): void {
    const proxy = id === undefined ? undefined : this.#proxyFor<ReferenceService>(peer, id, 'references');
    if (id === undefined || proxy === undefined) return;
    for (let left = this.random.whole(1, 3); left > 0; left--)
      this.references.call(peer, id, proxy, this.callOptions(peer));
  }

  /** Some connection of a peer, if it has one. */
  #connectionOf(peer: SimulatedPeer): string | undefined {
    if (peer instanceof SimulatedClient) return peer.connectionID() ?? '';
    const ids = peer.connections();
    return ids.length === 0 ? undefined : this.random.pick(ids);
  }

  #proxyFor<Served extends object = Service>(
    peer: SimulatedPeer,
    connectionID: string,
    name = 'service',
  ): RemoteProxy<Served> | undefined {
    if (peer instanceof SimulatedClient) return peer.remoteProxyObject<Served>(name);
    try {
      return peer.remoteProxyObject<Served>(connectionID, name);
    } catch (error) {
      if (!(error instanceof UnknownConnectionError)) throw error;
      return undefined;
    }
  }

  #kind(): CallKind {
    return this.random.weighted({
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

  #call(
    peer: SimulatedPeer,
    plain: ServiceProxy,
    kind: CallKind,
    depth = this.random.whole(0, 2),
  ): Promise<CallRecord> {
    const { random, ledger, profile } = this;
    const key = ledger.nextKey();
    const { options, boundMs, reason } = this.callOptions(peer);
    const proxy = withCallOptions(plain, options);
    const size = random.whole(0, profile.maxBytes);
    const delayMs = random.between(0, random.pick([0, 50, 1_000]));
    const follow = (promise: Promise<unknown>, isRight: (value: unknown) => boolean): Promise<CallRecord> => {
      this.#trace(`${peer.name} calls ${kind} ${key}`);
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
  readonly callOptions = (
    peer: SimulatedPeer,
    defaultInSeconds = this.profile.callTimeoutInSeconds,
  ): CallSettings => {
    const { random, profile } = this;
    const isFree = profile.isCalm || this.isQuiet;
    const signal = !isFree && random.chance(0.12) ? this.#abortLater() : undefined;
    const isTimed = !isFree && random.chance(0.2);
    const timeoutInSeconds = isTimed ? random.between(0.001, 1) : undefined;
    const boundInSeconds = this.isQuiet ? null : (timeoutInSeconds ?? defaultInSeconds);
    const { nowMs } = this.loop;
    const { process } = peer;
    const wereBlockedMs = process.blockedMs;
    return {
      options: {
        ...(signal === undefined ? {} : { signal }),
        ...(timeoutInSeconds === undefined ? {} : { timeoutInSeconds }),
        ...(this.isQuiet ? { timeoutInSeconds: null } : {}),
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
    const ms = this.random.pick([0, this.random.between(0, 5), this.random.between(0, 500)]);
    if (ms === 0 && this.random.chance(0.3)) controller.abort(abandonment);
    else
      this.loop.after(ms, () => {
        controller.abort(abandonment);
      });
    return controller.signal;
  }

  #notify(peer: SimulatedPeer): void {
    const id = this.#connectionOf(peer);
    if (id === undefined) return;
    const proxy = this.#proxyFor(peer, id);
    if (proxy === undefined) return;
    const key = this.ledger.nextKey();
    const size = this.random.whole(0, this.profile.maxBytes);
    try {
      if (this.random.chance(0.9)) notify<Service>(proxy).echo(key, size, payload(key, size));
      else notify<Service>(proxy).fail(key);
    } catch (error) {
      if (!(error instanceof RPCError)) throw error;
    }
  }

  // ── Inside hooks and bodies ─────────────────────────────────────────────────────────────────────────────────────

  #inHook(peer: SimulatedPeer, kind: string, connectionID: string): void {
    const { random, profile } = this;
    if (kind === 'made' || kind === 'registered') {
      // Where few may run, those would be in the way of the calls that must succeed.
      if (random.chance(0.3) && !(this.isQuiet && this.isBounded)) {
        const proxy = this.#proxyFor(peer, connectionID);
        if (proxy !== undefined) void this.#call(peer, proxy, this.#kind());
      }
    }
    if (this.isQuiet) return;
    if (profile.isWild && random.chance(0.08)) this.#interfere(peer, connectionID);
    // Of what is heard after `dispose()` nobody could be told.
    if (!profile.isCalm && random.chance(0.01) && this.present.includes(peer))
      throw new TypeError('a hook throws');
  }

  #inBody(peer: SimulatedPeer, connectionID: string): void {
    const { random, profile } = this;
    if (this.isQuiet) return;
    if (random.chance(0.1)) {
      const proxy = this.#proxyFor(peer, connectionID);
      if (proxy !== undefined) void this.#call(peer, proxy, random.chance(0.7) ? 'echo' : this.#kind());
    }
    if (random.chance(0.04)) this.#readStream(peer, connectionID);
    if (random.chance(0.04)) this.#lend(peer, connectionID);
    if (profile.isWild && random.chance(0.05)) this.#interfere(peer, connectionID);
  }

  /** What a user may do anywhere, also where the library is in the middle of something. */
  #interfere(peer: SimulatedPeer, connectionID: string): void {
    const { random } = this;
    this.#trace(`${peer.name} interferes`);
    if (random.chance(0.4)) this.#register(peer);
    else if (random.chance(0.3)) random.pick([...this.network.links, undefined])?.cut();
    else if (peer instanceof SimulatedClient) {
      this.ledger.await('disconnectFromServer()', peer.disconnectFromServer());
      if (random.chance(0.5) && peer.canStart()) peer.connectToServer();
    } else if (random.chance(0.3)) {
      this.#stop(peer);
      if (random.chance(0.5)) this.ledger.await('start()', peer.start());
    } else if (peer.connections().includes(connectionID)) peer.disconnect(connectionID, 'in passing');
  }

  /** Connection ids are random; their order is not. */
  #anonymous(text: string): string {
    return text.replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, (id) => this.#number(id));
  }

  readonly #trace = (text: string): void => {
    const line = `${this.loop.nowMs.toFixed(3)} ${this.#anonymous(text)}`;
    let hash = this.traceHash;
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x0100_0193);
    this.traceHash = hash;
    if (this.#keepsTrace) this.traceLines.push(line);
  };

  #number(id: string): string {
    const number = this.#known.get(id) ?? this.#known.size + 1;
    this.#known.set(id, number);
    return `#${number}`;
  }
}
