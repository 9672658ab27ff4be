/**
 * What many rows begin and end with: a server in a process of its own, a client in this one that calls at a rate, perhaps a proxy
 * between them; and in the end the ledger held against what the client was told.
 */
import { FaultProxy } from '../../src/testing/fault-proxy.js';
import { auditLedger, type LedgerFaults } from './ledger.js';
import { Load } from './load.js';
import type { Actor, Stage } from './stage.js';
import { watchedClient, type WatchedClient } from './watched-client.js';

/** Who takes part. */
export interface LoadedScene extends WatchedClient {
  readonly server: Actor;
  /** Where the server listens, and its ledger, for those who take its place. */
  readonly port: number;
  readonly ledger: string;
  /** Before the server, where one was asked for. */
  readonly proxy: FaultProxy;
}

/** How. */
export interface LoadSettings {
  readonly callsPerSecond: number;
  /** Of both sides. */
  readonly timeoutInSeconds?: number;
  readonly resume?: { readonly windowInSeconds: number };
  /** Of the server. */
  readonly thread?: boolean;
  readonly isProxied?: boolean;
}

/** What came of the calls. */
export interface LoadReport extends LedgerFaults {
  readonly calls: number;
  readonly failedCalls: number;
}

/**
 * Plays something while calls are made; they end with it.
 * @returns what it gives, and what came of the calls
 */
export async function underLoad<Result extends object>(
  stage: Stage,
  { callsPerSecond, thread, isProxied = false, ...options }: LoadSettings,
  play: (scene: LoadedScene) => Promise<Result>,
): Promise<Result & LoadReport> {
  const ledger = stage.file('ledger');
  const server = stage.actor();
  const serving = { port: 0, ...options, ...(thread === undefined ? {} : { thread }) };
  const { port } = await server.ask('serve', serving, ledger);
  const proxy = new FaultProxy({ target: { port } });
  const watched = watchedClient({ port: isProxied ? (await proxy.listen()).port : port, ...options });
  await watched.client.whenConnected();
  const load = new Load(watched.client, callsPerSecond);
  try {
    const result = await play({ ...watched, server, port, ledger, proxy });
    await load.end();
    const failedCalls = load.told.filter(({ outcome }) => outcome !== 'ok').length;
    return { ...result, ...auditLedger(ledger, load.told), calls: load.told.length, failedCalls };
  } finally {
    await load.end();
    await watched.client.dispose();
    await proxy.dispose();
  }
}
