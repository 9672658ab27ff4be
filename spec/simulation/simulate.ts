/**
 * One seed from its beginning to its accounts: trouble, then quiet in which everything must work again, then the end
 * after which nothing may be left.
 */
import { openCounts } from '../helpers/open-counts.js';
import { UnknownConnectionError } from '../../src/errors.js';
import { RPCCommunicator } from '../../src/rpc/communicator.js';
import type { Counts } from '../../src/rpc/counts.js';
import { SimulatedClient, SimulatedServer, type SimulatedPeer } from './peers.js';
import { isWhole as hasAll } from './offers.js';
import type { Ledger } from './ledger.js';
import { watchLogs } from './log-watch.js';
import { keptBytes, windowMsOf } from './profile.js';
import { repeatSome } from './repeats.js';
import { watchTokens } from './token-watch.js';
import { World } from './world.js';

/** What came of a seed. */
export interface Outcome {
  readonly seed: number;
  /** What went against a rule; empty when all is well. */
  readonly faults: readonly string[];
  /** The same for each run of a seed. */
  readonly traceHash: number;
  readonly calls: number;
  readonly succeeded: number;
  readonly connections: number;
  /** Subscriptions, and how many of them came to their own end. */
  readonly streams: number;
  readonly streamsEnded: number;
  /** Values that readers got, and that were dropped before them. */
  readonly values: number;
  readonly dropped: number;
  /** Calls of references that no longer held. */
  readonly stale: number;
  readonly steps: number;
  /** Virtual milliseconds from the end of the trouble until every client was connected. */
  readonly recoveryMs: number;
  /** What happened, line by line, where asked for. */
  readonly trace: readonly string[];
}

/** Trouble is over for this long at most before everybody is connected again, in milliseconds. */
const recoveryBoundMs = 6_000;

/** A body takes so long at most, all that it calls included, in milliseconds. */
const longestCallMs = 5_000;

/** Runs one seed. */
export async function simulate(seed: number, keepsTrace = false): Promise<Outcome> {
  const { tokens, restore: unwatchTokens } = watchTokens();
  const world = new World(seed, keepsTrace, tokens);
  const restore = [
    unwatchTokens,
    world.collector.install(),
    world.wallClock.install(),
    watchLogs(keptBytes, (text) => {
      world.ground.ledger.fault(text);
    }),
    ...(world.ground.profile.isRepeating ? [repeatSome(world.ground.random)] : []),
  ];
  try {
    return await run(seed, world);
  } catch (error) {
    world.ground.ledger.fault(
      `the simulation ended: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    );
    return outcomeOf(seed, world, 0);
  } finally {
    for (const each of restore) each();
  }
}

async function run(seed: number, world: World): Promise<Outcome> {
  const { references, ground } = world;
  const { loop, profile } = ground;
  loop.onStep = () => {
    world.ground.sessions.look();
  };
  world.plan();
  await loop.runUntil(profile.durationMs);
  const recoveryMs = await becomeQuiet(world);
  await disposeAll(world);
  await references.useStale();
  audit(world);
  return outcomeOf(seed, world, recoveryMs);
}

function outcomeOf(seed: number, world: World, recoveryMs: number): Outcome {
  const { streams, references, ground } = world;
  const { loop, ledger } = ground;
  return {
    seed,
    faults: ledger.faults,
    traceHash: world.ground.trace.hash >>> 0,
    calls: ledger.calls.length,
    succeeded: ledger.calls.filter(({ outcome }) => outcome === 'ok').length,
    connections: world.ground.peers
      .filter((peer) => peer instanceof SimulatedServer)
      .flatMap(({ hearing }) => hearing.hooks)
      .filter((entry) => entry.startsWith('made')).length,
    streams: streams.readings.length,
    streamsEnded: streams.ended,
    values: streams.delivered,
    dropped: streams.dropped,
    stale: references.stale,
    steps: loop.steps,
    recoveryMs,
    trace: world.ground.trace.lines,
  };
}

/** @returns how long it took until everybody was connected, in milliseconds */
async function becomeQuiet(world: World): Promise<number> {
  const { loop, ledger, network } = world.ground;
  const { server, clients, rivals } = world.population;
  world.ground.isQuiet = true;
  network.thaw();
  network.heal();
  network.refuseConnections = false;
  for (const link of network.links) {
    link.thaw();
    link.latencyMs = 1;
    link.cutAfterBytes('toServer', Infinity);
    link.cutAfterBytes('toClient', Infinity);
  }
  world.ground.wires.releaseAll();
  // What was cut at the last moment is told in an action of its own.
  await loop.runUntil(loop.nowMs + 10);
  world.readers.leaveAll();
  world.thief.leave();
  if (world.ground.isBounded) world.offers.letGo();
  // Processes that are blocked go on by themselves, within the longest block there is.
  await loop.runUntil(loop.nowMs + 4_100, () =>
    world.population.present.every(({ process }) => !process.isBlocked),
  );
  for (const rival of rivals) {
    ledger.await('dispose() of a rival', rival.dispose());
    await loop.runUntil(loop.nowMs + 1_500);
  }
  // The longest timeout, twice where a late tick gave the peer another.
  if (world.ground.hasDeafLinks) await loop.runUntil(loop.nowMs + 6_200);
  // The longest that a body takes.
  if (world.ground.profile.isCalm || world.ground.isBounded) await loop.runUntil(loop.nowMs + 1_500);
  server.setMaxConnectionsAllowed(null);
  for (const peer of world.population.present) world.offers.restore(peer);
  ledger.await('start() at the end', server.start());
  for (const client of clients) {
    if (world.ground.profile.isAuthenticated) client.setCredentials({ name: client.name });
    client.connectToServer();
  }
  const quietMs = loop.nowMs;
  if (world.ground.isTiny) return 0;
  const isWhole = (): boolean =>
    server.status() === SimulatedServer.STATE_RUNNING && clients.every((client) => isServed(server, client));
  await loop.runUntil(quietMs + recoveryBoundMs, isWhole);
  const recoveryMs = loop.nowMs - quietMs;
  if (!isWhole())
    ledger.fault(`not everybody was connected ${recoveryBoundMs} ms after the trouble was over`);
  else {
    // What has waited for its session to go on begins only now.
    if (world.ground.isBounded) await loop.runUntil(loop.nowMs + 1_500);
    await echoAll(world);
    await settleCalls(world);
    await readAll(world);
    await settleReferences(world);
  }
  return recoveryMs;
}

function isServed(server: SimulatedServer, client: SimulatedClient): boolean {
  const id = client.connectionID();
  // An id is there too while the session is away.
  if (id === undefined || !client.isConnected() || !server.connections().includes(id)) return false;
  if (server.connectionStatus(id) !== SimulatedClient.STATUS_CONNECTED) return false;
  return hasAll(client.remoteProxyObjects()) && hasAll(server.remoteProxyObjects(id));
}

async function echoAll(world: World): Promise<void> {
  const { loop, ledger } = world.ground;
  const { server, clients } = world.population;
  let left = 0;
  const count = async (echo: Promise<boolean>): Promise<void> => {
    left += 1;
    if (await echo) left -= 1;
  };
  for (const client of clients) {
    const id = client.connectionID() ?? '';
    ledger.await('an echo', count(world.users.echo(client, id)));
    ledger.await('an echo', count(world.users.echo(server, id)));
  }
  await loop.runUntil(loop.nowMs + 3_000, () => left === 0);
  if (left > 0) ledger.fault(`${left} echoes on a quiet network did not come`);
}

/**
 * Nothing stays open that could be answered: bodies end, and everybody is there to hear of it. Only a process that has died is
 * not, and its session may be away for as long as it could have come back; no longer.
 */
async function settleCalls({ ground, offers, population: { server } }: World): Promise<void> {
  const { loop, ledger, profile } = ground;
  offers.letGo();
  const isSettled = (): boolean => ledger.openCalls.length === 0 && openWaits(ledger).length === 0;
  await loop.runUntil(loop.nowMs + longestCallMs, isSettled);
  if (isSettled()) return;
  if (isAnyAway(server)) {
    await loop.runUntil(loop.nowMs + windowMsOf(profile), () => isSettled() || !isAnyAway(server));
    if (!isSettled() && isAnyAway(server)) ledger.fault('a session of a process that is gone is still there');
  }
  for (const { key, what } of ledger.openCalls)
    ledger.fault(`call ${key} (${what}) is open, though everybody is connected and nothing fails`);
  for (const what of openWaits(ledger))
    ledger.fault(`${what} is open, though everybody is connected and nothing fails`);
}

/** What is waited for besides calls; an object that nobody registers may be waited for for ever. */
function openWaits(ledger: Ledger): string[] {
  return ledger.openWaits.filter((what) => !what.startsWith('whenRemoteProxyObject'));
}

/** Whether a server waits for a client to come back. */
function isAnyAway(server: SimulatedServer): boolean {
  return server
    .connections()
    .some((id) => server.connectionStatus(id) === SimulatedClient.STATUS_AUTO_CONNECTING);
}

/** Streams of both sides come in full. */
async function readAll(world: World): Promise<void> {
  const { loop, ledger } = world.ground;
  const { server, clients } = world.population;
  const readings = clients.flatMap((client) => {
    const id = client.connectionID() ?? '';
    return [world.users.readAll(client, id), world.users.readAll(server, id)];
  });
  await loop.runUntil(loop.nowMs + 5_000, () => readings.every((reading) => reading?.isOpen === false));
  for (const reading of readings) {
    if (reading?.hasOwnEnd !== true || reading.delivered !== reading.plan.count)
      ledger.fault('a stream on a quiet network did not come in full');
  }
}

/** Both sides of each connection agree on what is lent, and once all is given back, nothing is. */
async function settleReferences(world: World): Promise<void> {
  const { references, ground } = world;
  const { loop } = ground;
  await loop.runUntil(loop.nowMs + 5_000, () => references.busy === 0);
  await expectAgreement(world, 'with references', (theirs, mine) => theirs.references === mine.references);
  references.disposeAll();
  await loop.runUntil(loop.nowMs + 10);
  references.collectRest();
  const isNothing = ({ streams, references: left }: Counts): boolean => streams === 0 && left === 0;
  await expectAgreement(world, 'with nothing', (theirs, mine) => isNothing(theirs) && isNothing(mine));
}

async function expectAgreement(
  { ground, population }: World,
  what: string,
  isRight: (theirs: Counts, mine: Counts) => boolean,
): Promise<void> {
  const { loop, ledger } = ground;
  const { server, clients } = population;
  const counts = (): (readonly [Counts, Counts])[] =>
    clients.map((client) => [server.counts(client.connectionID()), client.counts()]);
  const isDone = (): boolean => counts().every(([theirs, mine]) => isRight(theirs, mine));
  await loop.runUntil(loop.nowMs + 2_000, isDone);
  if (!isDone()) ledger.fault(`the sides do not agree, ${what}: ${JSON.stringify(counts())}`);
}

async function disposeAll(world: World): Promise<void> {
  const { loop, ledger, random, peers } = world.ground;
  const order = random.chance(0.5) ? [...peers] : [...peers].reverse();
  let ms = 0;
  for (const peer of order) {
    loop.after(ms, () => {
      ledger.await(`dispose() of ${peer.name}`, peer.dispose());
    });
    if (random.chance(0.5)) ms += random.between(0, 20);
  }
  await loop.runUntil(loop.nowMs + 8_000);
}

function audit(world: World): void {
  const { loop, ledger, network, profile } = world.ground;
  const fault = (text: string): void => {
    ledger.fault(text);
  };
  ledger.audit();
  world.streams.audit(profile.isCalm);
  world.references.audit();
  world.population.audit();
  world.ground.sessions.audit(profile.isSteadfast);
  if (loop.waiting > 0) fault(`${loop.waiting} actions are left`);
  if (network.links.length > 0) fault(`${network.links.length} links are left`);
  for (const peer of world.ground.peers) {
    const { name, hearing } = peer;
    hearing.audit(name, fault);
    const counts = openCounts(peer.counts());
    if (counts.length > 0) fault(`${name}: ${JSON.stringify(counts)} after dispose()`);
    if (!world.ground.isTiny)
      for (const text of hearing.protocolFaults(world.ground.strangers)) fault(`${name}: ${text}`);
    for (const error of hearing.errors) {
      if (error instanceof UnknownConnectionError) fault(`${name}: ${error.message}`);
    }
    for (const error of hearing.unexpected(world.ground.strangers))
      fault(`${name} reported ${String(error)}`);
    const told = toldAfterwards(peer);
    if (told > 0) fault(`${name}: ${told} connections that are over still listen for registrations`);
    if (peer instanceof SimulatedServer) auditForgotten(peer, fault);
  }
  if (profile.isCalm) auditCalm(world, fault);
}

/** How many connections hear of an object that is registered now; they are silent when they are over, but they are kept. */
function toldAfterwards(peer: SimulatedPeer): number {
  const { prototype } = RPCCommunicator;
  const register: unknown = Reflect.get(prototype, 'register');
  let told = 0;
  Reflect.set(prototype, 'register', () => {
    told += 1;
  });
  peer.registerProxyObject('afterwards', { run: () => undefined });
  Reflect.set(prototype, 'register', register);
  return told;
}

/** A server knows nothing of connections that are over. */
function auditForgotten(server: SimulatedServer, fault: (text: string) => void): void {
  for (const entry of server.hearing.hooks) {
    const [kind, id = ''] = entry.split(' ');
    if (kind !== 'made') continue;
    try {
      server.connectionStatus(id);
      fault(`${server.name} still knows connection ${id}`);
    } catch (error) {
      if (!(error instanceof UnknownConnectionError)) throw error;
    }
  }
}

/** Where nothing disturbs, nothing fails. */
function auditCalm({ ground }: World, fault: (text: string) => void): void {
  const { ledger, peers } = ground;
  for (const { name, hearing } of peers) {
    for (const [id, { code, message }] of hearing.endsByID) {
      if (ground.strangers.has(id)) continue;
      if (code !== 'disconnected' && code !== 'server-stopped') fault(`${name}, undisturbed: ${message}`);
    }
  }
  for (const { key, what, outcome, executed } of ledger.calls) {
    if (
      outcome === 'failed' &&
      executed === 'unknown' &&
      !what.startsWith('hang') &&
      !what.startsWith('relay')
    )
      fault(`call ${key} (${what}) failed, undisturbed`);
  }
}
