/**
 * A client in the driver's process, and when what happened to it.
 */
import { RPCClient } from '../../src/rpc/client.js';
import type { ClientOptions } from '../../src/rpc/options.js';
import { nowMs } from './stage.js';

/** One such client; every list holds times, in milliseconds. */
export interface WatchedClient {
  readonly client: RPCClient;
  /** When sessions began, and ended. */
  readonly made: number[];
  readonly lost: number[];
  /** When a session lost its connection, and when it went on by another. */
  readonly away: number[];
  readonly resumed: number[];
}

/** Makes a client, and has it connect. */
export function watchedClient(options: ClientOptions): WatchedClient {
  const client = new RPCClient(options);
  const [made, lost, away, resumed]: number[][] = [[], [], [], []];
  const watched: WatchedClient = { client, made: made!, lost: lost!, away: away!, resumed: resumed! };
  client.connectionMade$.subscribe(() => watched.made.push(nowMs()));
  client.disconnectionMade$.subscribe(() => watched.lost.push(nowMs()));
  client.resumed$.subscribe(() => watched.resumed.push(nowMs()));
  let isAway = true;
  client.status$.subscribe((status) => {
    // Attempts that fail while it is away are part of the same absence.
    if (status === RPCClient.STATUS_AUTO_CONNECTING && !isAway) watched.away.push(nowMs());
    if (status === RPCClient.STATUS_CONNECTED) isAway = false;
    else if (status === RPCClient.STATUS_AUTO_CONNECTING) isAway = true;
  });
  client.connectToServer();
  return watched;
}
