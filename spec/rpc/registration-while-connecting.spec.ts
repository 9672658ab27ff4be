import { describe, expect, it } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';

const latencyMs = 10;
const greeter = { greet: () => 'hello' };

/** Registers an object at each end at every moment of the handshake in turn, and tells who learned of which. */
function registerAt(atMs: number): { readonly atServer: string[]; readonly atClient: string[] } {
  const scheduler = new TestScheduler(() => undefined);
  const atServer: string[] = [];
  const atClient: string[] = [];
  scheduler.run(() => {
    const network = new TestNetwork({ scheduler, latencyInSeconds: latencyMs / 1_000 });
    const server = new RPCServer(network.options);
    const client = new RPCClient(network.options);
    server.remoteProxyObjectRegistered$.subscribe(({ name }) => atServer.push(name));
    client.remoteProxyObjectRegistered$.subscribe(({ name }) => atClient.push(name));
    void server.start();
    client.connectToServer();
    scheduler.schedule(() => {
      server.registerProxyObject('fromServer', greeter);
      client.registerProxyObject('fromClient', greeter);
    }, atMs);
    scheduler.schedule(() => {
      expect(client.remoteProxyObject('fromServer')).toBeDefined();
      expect(server.remoteProxyObject(server.connections()[0]!, 'fromClient')).toBeDefined();
      void client.dispose();
      void server.dispose();
    }, 1_000);
  });
  return { atServer, atClient };
}

describe('an object registered while the handshake runs', () => {
  // The handshake takes four ways there or back; one step before, and one after.
  it.each([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50])(
    'is told once to the other side, at both ends (%i ms after the start)',
    (atMs) => {
      expect(registerAt(atMs)).toEqual({ atServer: ['fromClient'], atClient: ['fromServer'] });
    },
  );
});
