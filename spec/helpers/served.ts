/**
 * One side serves an object, the other uses it: every rule of calls and streams holds for both directions.
 */
import type { RegistrationOptions, RemoteProxy, RPCClient, RPCServer } from 'tandem-rpc';
import { VirtualWorld, type ClientExtras, type ServerExtras } from './virtual-world.js';

/** Which of the two serves. */
export type ServingSide = 'server' | 'client';

/** Both directions, for `describe.each`. */
export const servingSides: readonly ServingSide[] = ['server', 'client'];

/** Options of either kind of side. */
type Extras = ServerExtras & ClientExtras;

/** How the two sides are made. */
export interface ServedSettings {
  readonly serving?: Extras;
  readonly using?: Extras;
  readonly registration?: RegistrationOptions;
  readonly latencyInSeconds?: number;
}

/** Two connected sides; the proxy is the user's, of the object that the other serves as `"service"`. */
export interface Served<Service> {
  readonly world: VirtualWorld;
  readonly server: RPCServer;
  readonly client: RPCClient;
  readonly id: string;
  readonly serving: RPCServer | RPCClient;
  readonly using: RPCServer | RPCClient;
  readonly proxy: RemoteProxy<Service>;
}

/** Connects two sides of which one serves an object. */
export async function served<Service extends object>(
  side: ServingSide,
  service: Service,
  { serving = {}, using = {}, registration, latencyInSeconds }: ServedSettings = {},
): Promise<Served<Service>> {
  const world = new VirtualWorld(latencyInSeconds);
  const isServer = side === 'server';
  const server = await world.startedServer(isServer ? serving : using);
  const client = world.client(isServer ? using : serving);
  (isServer ? server : client).registerProxyObject('service', service, registration);
  client.connectToServer();
  await world.until(client.whenConnected());
  await world.pass(0.01 + 2 * (latencyInSeconds ?? 0));
  const id = client.connectionID() ?? '';
  const proxy = isServer
    ? client.remoteProxyObject<Service>('service')
    : server.remoteProxyObject<Service>(id, 'service');
  if (proxy === undefined) throw new Error('the service was expected to be there');
  return {
    world,
    server,
    client,
    id,
    serving: isServer ? server : client,
    using: isServer ? client : server,
    proxy,
  };
}
