/**
 * A server in a process of its own, a client in this one, and a proxy between them.
 */
import { RPCClient } from '../../src/rpc/client.js';
import { FaultProxy, type FaultProxyOptions } from '../../src/testing/fault-proxy.js';
import type { Figures } from './row.js';
import type { Actor, Stage } from './stage.js';

/** Who takes part. */
export interface Scene {
  readonly server: Actor;
  readonly client: RPCClient;
  readonly proxy: FaultProxy;
  readonly port: number;
}

/** Plays something with them; they end with it. */
export async function withProxy(
  stage: Stage,
  options: Partial<FaultProxyOptions> & { readonly timeoutInSeconds?: number },
  play: (scene: Scene) => Promise<Figures>,
): Promise<Figures> {
  const { timeoutInSeconds = 10, ...proxyOptions } = options;
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0, timeoutInSeconds });
  const proxy = new FaultProxy({ target: { port }, ...proxyOptions });
  const client = new RPCClient({
    port: (await proxy.listen()).port,
    timeoutInSeconds,
    identifier: 'behind the proxy',
    localProxyObjects: { service: { sink: () => undefined } },
  });
  client.connectToServer();
  try {
    await client.whenConnected();
    return await play({ server, client, proxy, port });
  } finally {
    await client.dispose();
    await proxy.dispose();
  }
}
