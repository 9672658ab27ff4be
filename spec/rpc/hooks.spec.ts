import { describe, expect, it } from '@jest/globals';
import { type CloseReason, RPCClient, RPCServer } from 'tandem-rpc';
import { collected, turn, VirtualWorld } from '../helpers/virtual-world.js';

const greeter = { greet: (name: string) => `hello ${name}` };
type Greeter = typeof greeter;

class LoggingServer extends RPCServer {
  /** A field of the subclass: it exists before any hook is called. */
  readonly log: string[] = ['field'];
  override connectionMade(connectionID: string): void {
    this.log.push(
      `made ${this.connections().includes(connectionID)} ${this.remoteProxyObjects(connectionID).join()}`,
    );
  }
  override disconnectionMade(connectionID: string, reason: CloseReason): void {
    const status = this.connectionStatus(connectionID);
    this.log.push(
      `lost ${status} ${this.connectionUniqueIdentifier(connectionID)} ${reason.code} ${reason.by}`,
    );
  }
  override remoteProxyObjectRegistered(_connectionID: string, name: string): void {
    this.log.push(`registered ${name}`);
  }
  override remoteProxyObjectUnregistered(_connectionID: string, name: string): void {
    this.log.push(`unregistered ${name}`);
  }
}

class LoggingClient extends RPCClient {
  readonly log: string[] = ['field'];
  override connectionMade(connectionID: string): void {
    this.log.push(`made ${this.connectionID() === connectionID} ${this.remoteProxyObjects().join()}`);
  }
  override disconnectionMade(_connectionID: string, reason: CloseReason): void {
    this.log.push(`lost ${reason.code} ${reason.by}`);
  }
  override remoteProxyObjectRegistered(connectionID: string, name: string): void {
    this.log.push(`registered ${name} ${this.connectionID() === connectionID}`);
  }
  override remoteProxyObjectUnregistered(_connectionID: string, name: string): void {
    this.log.push(`unregistered ${name}`);
  }
}

describe('hooks', () => {
  it('tell a server of a connection and what it brings, of later objects, and of the end', async () => {
    const world = new VirtualWorld();
    const server = world.server({}, LoggingServer);
    await world.until(server.start());
    const client = await world.connectedClient({
      localProxyObjects: { one: greeter, two: greeter },
      identifier: 'me',
    });
    client.registerProxyObject('three', greeter);
    client.unregisterProxyObject('one');
    await world.pass(0.01);
    await client.disconnectFromServer();
    await world.pass(0.01);
    expect(server.log).toEqual([
      'field',
      'made true one,two',
      'registered one',
      'registered two',
      'registered three',
      'unregistered one',
      'lost disconnected me disconnected remote',
    ]);
  });

  it('tell a client the same', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ localProxyObjects: { one: greeter, two: greeter } });
    const client = world.client({}, LoggingClient);
    client.connectToServer();
    await world.until(client.whenConnected());
    server.registerProxyObject('three', greeter);
    server.unregisterProxyObject('one');
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.001);
    expect(client.log).toEqual([
      'field',
      'made true one,two',
      'registered one true',
      'registered two true',
      'registered three true',
      'unregistered one',
      'lost connection-lost transport',
    ]);
  });

  it('come before every subscriber, also one that came before the start', async () => {
    const world = new VirtualWorld();
    const order: string[] = [];
    class Ordered extends RPCServer {
      override connectionMade(): void {
        order.push('hook');
      }
    }
    const server = world.server({}, Ordered);
    server.connectionMade$.subscribe(() => order.push('early'));
    await world.until(server.start());
    server.connectionMade$.subscribe(() => order.push('late'));
    await world.connectedClient();
    expect(order).toEqual(['hook', 'early', 'late']);
  });

  it('are called once for each event after the server was started again', async () => {
    const world = new VirtualWorld();
    const server = world.server({}, LoggingServer);
    await world.until(server.start());
    await world.until(server.stop());
    await world.until(server.start());
    await world.connectedClient();
    expect(server.log).toEqual(['field', 'made true ']);
  });

  it('that throw or reject are reported, and change nothing for others', async () => {
    const world = new VirtualWorld();
    class Failing extends RPCServer {
      override connectionMade(): void {
        throw new Error('thrown');
      }
      override remoteProxyObjectRegistered(): Promise<void> {
        return Promise.reject(new Error('rejected'));
      }
      override statusChanged(): void {
        throw new Error('status');
      }
    }
    const server = world.server({}, Failing);
    const made = collected(server.connectionMade$);
    const registered = collected(server.remoteProxyObjectRegistered$);
    await world.until(server.start());
    const client = await world.connectedClient({ localProxyObjects: { greeter } });
    await turn();
    expect(made).toEqual([client.connectionID()]);
    expect(registered).toEqual([{ connectionID: client.connectionID(), name: 'greeter' }]);
    await world.pass(0);
    expect(world.errors.map(({ message }) => message)).toEqual(['status', 'status', 'thrown', 'rejected']);
  });

  it('may call what has just been registered, and stop what has just begun', async () => {
    const world = new VirtualWorld();
    const answers: string[] = [];
    class Calling extends RPCServer {
      override async remoteProxyObjectRegistered(connectionID: string, name: string): Promise<void> {
        const proxy = this.remoteProxyObject<Greeter>(connectionID, name);
        answers.push((await proxy?.greet('hook')) ?? '');
        this.disconnect(connectionID, 'that was all');
      }
    }
    const server = world.server({}, Calling);
    await world.until(server.start());
    const client = world.client({ localProxyObjects: { greeter } });
    const ends = collected(client.disconnectionMade$);
    client.connectToServer();
    await world.pass(0.02);
    expect(answers).toEqual(['hello hook']);
    expect(ends).toMatchObject([{ reason: { code: 'disconnected', by: 'remote', message: 'that was all' } }]);
  });

  it('may be left as they are', () => {
    const world = new VirtualWorld();
    for (const plain of [world.server(), world.client()]) {
      expect([plain.connectionMade(''), plain.remoteProxyObjectRegistered('', '')]).toEqual([
        undefined,
        undefined,
      ]);
      expect(plain.remoteProxyObjectUnregistered('', '')).toBeUndefined();
    }
  });
});
