import { describe, expect, it } from '@jest/globals';
import type { MemoryLink } from 'tandem-rpc/testing';
import { collected, VirtualWorld } from '../helpers/virtual-world.js';

const service = { echo: (value: unknown) => value };
type Service = typeof service;

describe('TestNetwork', () => {
  it('links real servers and clients in virtual time, with a latency that can change', async () => {
    const world = new VirtualWorld(0.1);
    const { client } = await world.pair({ localProxyObjects: { service } });
    const proxy = client.remoteProxyObject<Service>('service')!;
    const duration = async () => {
      const beganAt = world.now;
      await world.until(proxy.echo(1));
      return Number((world.now - beganAt).toFixed(3));
    };
    expect(await duration()).toBe(0.2);
    world.network.latencyInSeconds = 0.5;
    expect([world.network.latencyInSeconds, await duration()]).toEqual([0.5, 1]);
    expect(() => {
      world.network.latencyInSeconds = -1;
    }).toThrow(RangeError);
  });

  it('has no latency unless told, and the same chance each time', () => {
    const { network } = new VirtualWorld(0);
    expect(network.latencyInSeconds).toBe(0);
    expect([network.options.random(), network.options.host, network.options.port]).toEqual([
      0.5,
      '127.0.0.1',
      9_000,
    ]);
  });

  it('shows its links, and tells of each new one', async () => {
    const world = new VirtualWorld();
    const seen: MemoryLink[] = [];
    world.network.onLink((link) => seen.push(link));
    await world.pair();
    expect(seen).toEqual(world.network.links);
    expect(seen).toMatchObject([{ address: { host: '127.0.0.1', port: 9_000 } }]);
  });

  it('refuses connections while told to', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair();
    world.network.refuseConnections = true;
    expect(world.network.refuseConnections).toBe(true);
    await world.pass(1);
    expect(client.isConnected()).toBe(true);
    world.network.cut();
    await world.pass(10);
    expect(client.isConnected()).toBe(false);
    world.network.refuseConnections = false;
    await world.until(client.whenConnected());
  });

  it('holds everything while frozen, and loses nothing', async () => {
    const world = new VirtualWorld();
    const { client } = await world.pair({ localProxyObjects: { service } });
    const call = client.remoteProxyObject<Service>('service')!.echo('held');
    world.network.freeze();
    await world.pass(2);
    expect(client.counts().calls).toBe(1);
    world.network.thaw();
    await expect(world.until(call)).resolves.toBe('held');
  });

  it('lets everything vanish in one direction while half open', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair({ timeoutInSeconds: 1 }, { timeoutInSeconds: 1 });
    const ends = collected(server.disconnectionMade$);
    world.network.halfOpen('toServer');
    await world.pass(1.5);
    expect(ends).toMatchObject([{ reason: { code: 'timeout' } }]);
    world.network.heal();
    await world.until(client.whenConnected());
  });
});
