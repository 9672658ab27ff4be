/**
 * What one seed is like: drawn first, so that a seed can be understood before anything happens in it.
 */
import type { Limits } from '../../src/protocol/limits.js';
import type { ResumeOptions } from '../../src/rpc/options.js';
import type { SeededRandom } from './seeded-random.js';

/** The nature of one seed. */
export interface Profile {
  /** No faults, no ends by the users, no bounds: every call must succeed. */
  readonly isCalm: boolean;
  /** Users stop, disconnect and unregister inside hooks and bodies too. */
  readonly isWild: boolean;
  /** Both sides resume, for long, and only the network is at fault: no session may end before its users want it. */
  readonly isSteadfast: boolean;
  /** What users do most: some faults show only where much of the same meets. */
  readonly theme: 'anything' | 'streams' | 'references';
  readonly clients: number;
  readonly durationMs: number;
  readonly operations: number;
  readonly latencyMs: number;
  readonly sliceBytes: number | undefined;
  readonly highWaterBytes: number;
  /** Largest arguments and results, in bytes. */
  readonly maxBytes: number;
  readonly limits: Partial<Limits>;
  /** Values that wait for a slow reader. */
  readonly streamWindow: number;
  readonly serverTimeoutInSeconds: number;
  readonly clientTimeoutInSeconds: number;
  readonly callTimeoutInSeconds: number | null;
  readonly maxConnectionsAllowed: number | null;
  readonly dedicatedPorts: boolean;
  /** Whether and how each side's sessions outlive their connections: they do where both want it. */
  readonly serverResume: ResumeOptions | undefined;
  readonly clientResume: ResumeOptions | undefined;
  /** Callbacks run at once where the thread is idle, as by default, or as actions of their own. */
  readonly isCallbackImmediate: boolean;
  /** Whether sides send again more than was not received. */
  readonly isRepeating: boolean;
  /** How late a connection has its turn that has had one, in milliseconds: others have theirs. */
  readonly turnMs: number;
  /** Whether the server asks who its clients are. */
  readonly isAuthenticated: boolean;
  /** How often a thief asks for a session that is not his. */
  readonly thefts: number;
  /** How late callbacks run that are actions of their own, in milliseconds: observers of streams are slow then. */
  readonly callbackDelayMs: number;
}

/** Draws a profile. */
export function drawProfile(random: SeededRandom): Profile {
  const isCalm = random.chance(0.12);
  const theme = random.weighted({ anything: 6, streams: 1, references: 1.5 });
  const isLarge = random.chance(theme === 'references' ? 0.12 : 0.06);
  const isTiny = !isCalm && random.chance(0.15);
  const resume = random.weighted({ nobody: 10, both: 9, server: 0.5, client: 0.5 });
  const isSteadfast = !isCalm && !isTiny && resume === 'both' && random.chance(0.4);
  const draw = (side: 'server' | 'client'): ResumeOptions | undefined =>
    resume === 'both' || resume === side ? drawResume(random, isSteadfast) : undefined;
  const canResume = resume === 'both';
  return {
    isCalm,
    isWild: !isCalm && !isSteadfast && random.chance(0.3),
    isSteadfast,
    theme,
    clients: random.whole(1, 2),
    durationMs: random.between(200, 2_500),
    operations: random.whole(3, 18),
    latencyMs: random.pick([0, 0, 1, random.between(0, 20), random.between(0, 80)]),
    sliceBytes: drawSlice(random, isLarge),
    highWaterBytes: random.pick([65_536, 65_536, 1_024, 400_000]),
    maxBytes: isLarge ? 300 * 1024 : random.pick([0, 16, 400, 2_000]),
    limits: drawLimits(random, isCalm, isTiny, isSteadfast),
    streamWindow: random.pick([1, 3, 20]),
    serverTimeoutInSeconds: random.between(0.5, 3),
    clientTimeoutInSeconds: random.between(0.5, 3),
    callTimeoutInSeconds: isCalm || random.chance(0.6) ? null : random.between(0.05, 2),
    maxConnectionsAllowed: isCalm || random.chance(0.7) ? null : random.whole(0, 2),
    dedicatedPorts: random.chance(0.1),
    serverResume: draw('server'),
    clientResume: draw('client'),
    isRepeating: random.chance(0.5),
    turnMs: random.chance(0.8) ? 0 : random.between(0, 30),
    isAuthenticated: random.chance(canResume ? 0.3 : 0.1),
    thefts: canResume && random.chance(0.4) ? random.whole(1, 8) : 0,
    isCallbackImmediate: random.chance(0.5),
    callbackDelayMs: random.chance(0.7) ? 0 : random.between(0, 60),
  };
}

function drawSlice(random: SeededRandom, isLarge: boolean): number | undefined {
  if (random.chance(0.6)) return undefined;
  if (isLarge) return random.whole(1_000, 70_000);
  return random.chance(0.3) ? random.whole(1, 8) : random.whole(8, 500);
}

/** Bytes that are kept for the other side: as few as may be, so that it is all of them now and then. */
export const keptBytes = 256 * 1024;

function drawResume(random: SeededRandom, isLong: boolean): ResumeOptions {
  const windowInSeconds = random.pick([20, random.between(0.5, 4), random.between(0.01, 0.4)]);
  return { windowInSeconds: isLong ? 60 : windowInSeconds, maxBytes: keptBytes };
}

/** How long a session may be away, in milliseconds: 0 where it may not. */
export function windowMsOf({ serverResume, clientResume }: Profile): number {
  return 1_000 * Math.min(serverResume?.windowInSeconds ?? 0, clientResume?.windowInSeconds ?? 0);
}

function drawLimits(
  random: SeededRandom,
  isCalm: boolean,
  isTiny: boolean,
  isSteadfast: boolean,
): Partial<Limits> {
  const turn = {
    ...(random.chance(0.15) ? { maxTurnMessages: random.whole(1, 4) } : {}),
    // So little is reached by some messages of a turn, and by one that is long.
    ...(random.chance(0.3) ? { highWaterBytes: 16_384 } : {}),
  };
  if (isTiny) {
    return {
      ...turn,
      maxMessageBytes: random.whole(1_024, 3_000),
      maxQueuedBytes: 65_536,
      maxRegisteredObjects: random.whole(3, 5),
      maxArguments: random.whole(3, 5),
      maxNodes: random.whole(64, 200),
      ...some(random, {
        maxDepth: random.whole(4, 8),
        maxStringBytes: random.whole(256, 400),
        maxBinaryBytes: random.whole(32, 400),
        maxArrayItems: random.whole(64, 80),
        maxMapEntries: random.whole(16, 20),
        maxKeyBytes: random.whole(16, 20),
        maxBigintBits: random.whole(64, 80),
      }),
    };
  }
  if (!isCalm && random.chance(0.3)) return { ...turn, ...drawQuotas(random, isSteadfast) };
  return { ...turn, ...(random.chance(0.3) ? { maxStreamBytes: 65_536 } : {}) };
}

/** Any of the numbers that one side allows another, as small as it may be: what goes beyond is refused, and nobody disconnected. */
function drawQuotas(random: SeededRandom, isSteadfast: boolean): Partial<Limits> {
  return some(random, {
    maxIncomingCalls: random.whole(1, 4),
    maxOutgoingCalls: random.whole(1, 4),
    maxWaitingCalls: random.whole(0, 4),
    maxWaitingBytes: random.whole(1, 2_000),
    maxStreams: random.whole(1, 4),
    maxReferences: random.whole(1, 6),
    maxCancels: random.whole(2, 4),
    maxHandshakes: random.whole(1, 3),
    maxTurnMs: random.whole(1, 3),
    // Sessions that nobody wants to end may have to give way to others.
    ...(isSteadfast ? {} : { maxAwaySessions: random.whole(1, 2) }),
  });
}

function some(random: SeededRandom, least: Partial<Limits>): Partial<Limits> {
  return Object.fromEntries(Object.entries(least).filter(() => random.chance(0.4)));
}
