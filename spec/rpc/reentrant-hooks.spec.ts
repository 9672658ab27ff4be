/**
 * Hooks that run at once, as on an idle main thread, and stop or start what is being started or stopped.
 */
import { describe, expect, it } from '@jest/globals';
import { type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import { RPCClient } from '../../src/rpc/client.js';
import { RPCServer } from '../../src/rpc/server.js';
import { MainThreadScheduler } from '../../src/streams/main-thread-scheduler.js';
import { TestNetwork } from '../../src/testing/index.js';

function world() {
  const scheduler = new VirtualTimeScheduler();
  const atOnce: SchedulerLike = new MainThreadScheduler({
    now: () => scheduler.now(),
    defer: (work) => {
      scheduler.schedule(() => {
        work();
      });
    },
    delayed: scheduler,
    onError: (error) => {
      throw error;
    },
  });
  const network = new TestNetwork({ scheduler, latencyInSeconds: 0.001 });
  const options = { ...network.options, callbackScheduler: atOnce };
  const pass = async (ms: number) => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.flush();
    scheduler.frame = scheduler.maxFrames;
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { network, options, pass };
}

/** A client that, the first time it comes to a status, stops and starts again. */
class RestlessClient extends RPCClient {
  restartAt: string | undefined;
  readonly heard: string[] = [];

  override statusChanged(status: string): void {
    if (status === this.restartAt) this.restart();
  }
  override connectionMade(): void {
    this.heard.push('made');
    if (this.restartAt === 'made') this.restart();
  }
  override disconnectionMade(): void {
    this.heard.push('lost');
  }
  restart(): void {
    this.restartAt = undefined;
    void this.disconnectFromServer();
    this.connectToServer();
  }
}

describe('a client that is stopped and started again in a hook', () => {
  it.each([
    RPCClient.STATUS_AUTO_CONNECTING,
    RPCClient.STATUS_CONNECTING,
    RPCClient.STATUS_CONNECTED,
    'made',
  ])('at "%s" keeps one connection, and tells of each that ends', async (moment) => {
    const { network, options, pass } = world();
    const server = new RPCServer(options);
    const started = server.start();
    await pass(0);
    await started;
    const client = new RestlessClient(options);
    client.restartAt = moment;
    client.connectToServer();
    await pass(2_000);

    expect(client.isConnected()).toBe(true);
    expect(network.links).toHaveLength(1);
    expect(server.connections()).toEqual([client.connectionID()]);

    await client.dispose();
    await pass(2_000);
    const made = client.heard.filter((word) => word === 'made').length;

    expect(client.heard).toEqual(Array.from({ length: made }, () => ['made', 'lost']).flat());
  });
});

describe('a client that is stopped in a hook', () => {
  it('does not go on connecting', async () => {
    const { network, options, pass } = world();
    const client = new (class extends RPCClient {
      override statusChanged(status: string): void {
        if (status === RPCClient.STATUS_AUTO_CONNECTING) void this.disconnectFromServer();
      }
    })(options);

    expect(() => {
      client.connectToServer();
    }).not.toThrow();
    await pass(1_000);

    expect(client.status()).toBe(RPCClient.STATUS_DISCONNECTED);
    expect(network.links).toHaveLength(0);
  });

  it('keeps whoever waits since it was started again waiting', async () => {
    const { options, pass } = world();
    const server = new RPCServer(options);
    void server.start();
    const waits: Promise<void>[] = [];
    const client = new (class extends RPCClient {
      override statusChanged(status: string): void {
        if (status !== RPCClient.STATUS_DISCONNECTED || waits.length > 0) return;
        this.connectToServer();
        waits.push(this.whenConnected());
      }
    })(options);
    client.connectToServer();
    void client.disconnectFromServer();
    await pass(2_000);

    await expect(Promise.all(waits)).resolves.toHaveLength(1);
  });
});

describe('a server that is stopped and started again in a hook', () => {
  it.each([RPCServer.STATE_STARTING, RPCServer.STATE_RUNNING])(
    'at "%s" listens once, and stops for good in the end',
    async (moment) => {
      const { options, pass } = world();
      const outcomes: string[] = [];
      let isFirst = true;
      const server = new (class extends RPCServer {
        override statusChanged(status: string): void {
          if (status === moment && isFirst) {
            isFirst = false;
            void this.stop();
          } else if (status === RPCServer.STATE_NOT_RUNNING && outcomes.length === 0) {
            outcomes.push('again');
            this.start().then(
              () => outcomes.push('running'),
              () => outcomes.push('failed'),
            );
          }
        }
      })(options);
      server.start().catch(() => {});
      await pass(2_000);

      expect(outcomes).toEqual(['again', 'running']);
      expect(server.status()).toBe(RPCServer.STATE_RUNNING);

      void server.stop();
      await pass(2_000);
      const other = new RPCServer(options);
      const started = other.start();
      await pass(2_000);

      await expect(started).resolves.toBeUndefined();
    },
  );
});

describe('an object that is registered while a client is on its way in', () => {
  it('is told to it', async () => {
    const { network, options, pass } = world();
    const server = new RPCServer({ ...options, localProxyObjects: { early: { run: () => 1 } } });
    void server.start();
    await pass(0);
    const client = new RPCClient(options);
    client.connectToServer();
    // The server has said what it had registered, and the client has not yet.
    while (network.links[0] === undefined || network.links[0].deliveredToServerBytes === 0) await pass(0.5);
    server.unregisterProxyObject('early');
    server.registerProxyObject('late', { run: () => 2 });
    expect(server.connections()).toEqual([]);
    await pass(1_000);

    expect(client.remoteProxyObjects()).toEqual(['late']);
  });
});
