import { describe, expect, it } from '@jest/globals';
import type { RPCError } from 'tandem-rpc';
import { seededRandom, TestNetwork, type MemoryLink } from 'tandem-rpc/testing';
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

  it('draws jitter from a seed, and keeps the order', async () => {
    const durations = async (random?: () => number) => {
      const world = new VirtualWorld();
      const jittery = new TestNetwork({
        scheduler: world.scheduler,
        jitterInSeconds: 0.2,
        ...(random && { random }),
      });
      const noted: number[] = [];
      const listener = { note: (number: number) => noted.push(number) };
      const server = world.server({ ...jittery.options, localProxyObjects: { listener } });
      await world.until(server.start());
      const client = world.client(jittery.options);
      client.connectToServer();
      const proxy = await world.until(client.whenRemoteProxyObject<typeof listener>('listener'));
      const times: number[] = [];
      const calls = [0, 1, 2, 3].map(async (number) => {
        await proxy.note(number);
        times.push(world.now);
      });
      await world.until(Promise.all(calls));
      expect(noted).toEqual([0, 1, 2, 3]);
      expect(jittery.jitterInSeconds).toBe(0.2);
      await world.until(client.dispose());
      await world.until(server.dispose());
      return times;
    };
    const once = await durations();
    expect(await durations()).toEqual(once);
    expect(await durations(seededRandom(2))).not.toEqual(once);
  });

  it('can change jitter and slices, within bounds', () => {
    const { network } = new VirtualWorld();
    expect([network.jitterInSeconds, network.sliceBytes]).toEqual([0, undefined]);
    network.jitterInSeconds = 0.5;
    network.sliceBytes = 1;
    expect([network.jitterInSeconds, network.sliceBytes]).toEqual([0.5, 1]);
    expect(() => {
      network.jitterInSeconds = NaN;
    }).toThrow(new RangeError('jitterMs must be a finite number from 0 up, found NaN'));
    expect(() => {
      network.sliceBytes = 0;
    }).toThrow(RangeError);
  });

  it('holds one direction while that is clogged', async () => {
    const world = new VirtualWorld();
    const { server, client, id } = await world.pair(
      { localProxyObjects: { service } },
      { localProxyObjects: { service } },
    );
    world.network.freeze('toClient');
    let served = false;
    const echo = client.remoteProxyObject<Service>('service')!.echo('answered later');
    const away = server.remoteProxyObject<Service>(id, 'service')!.echo('asked later');
    void echo.then(() => (served = true));
    await world.pass(2);
    expect([served, server.counts().calls, server.counts().incomingCalls]).toEqual([false, 1, 0]);
    world.network.thaw('toClient');
    await expect(world.until(echo)).resolves.toBe('answered later');
    await expect(world.until(away)).resolves.toBe('asked later');
  });

  it('makes no connections while one direction is held', async () => {
    const world = new VirtualWorld();
    await world.startedServer();
    const client = world.client();
    world.network.freeze('toServer');
    client.connectToServer();
    await world.pass(3);
    expect(client.isConnected()).toBe(false);
    world.network.thaw();
    await world.until(client.whenConnected());
  });

  describe('disturbed at random', () => {
    /** What happens to calls and connections within a virtual minute. */
    async function history(seed: number): Promise<string[]> {
      const world = new VirtualWorld(0.01);
      const told: string[] = [];
      const { client } = await world.pair(
        { localProxyObjects: { service }, timeoutInSeconds: 2 },
        { timeoutInSeconds: 2 },
      );
      const tell = (text: string) => told.push(`${world.now.toFixed(3)} ${text}`);
      client.status$.subscribe(tell);
      const faults = world.network.disturbAtRandom({ seed, meanPauseInSeconds: 0.5, onFault: tell });
      for (let second = 0; second < 60; second += 1) {
        client
          .remoteProxyObject<Service>('service')
          ?.echo(second)
          .then(
            () => tell('answered'),
            (error: unknown) => tell(`failed: ${(error as RPCError).executed}`),
          );
        await world.pass(1);
      }
      faults.stop();
      faults[Symbol.dispose]();
      // A link with a gap is cut by the next thing that arrives, a heartbeat at the latest.
      await world.pass(2);
      await world.until(client.whenConnected());
      await world.pass(10);
      await expect(world.until(client.remoteProxyObject<Service>('service')!.echo(0))).resolves.toBe(0);
      return told;
    }

    it('has every kind of fault, the same ones for the same seed, and is whole afterwards', async () => {
      const told = await history(1);
      for (const fault of ['is cut after', 'is cut', 'is frozen', 'is clogged', 'is silent', 'answered'])
        expect(told.join('\n')).toContain(fault);
      expect(await history(1)).toEqual(told);
      expect(await history(2)).not.toEqual(told);
    });

    it('does nothing to a network without links, and tells nobody unless asked', async () => {
      const world = new VirtualWorld();
      const faults = world.network.disturbAtRandom({ seed: 3 });
      await world.pass(10);
      const { client } = await world.pair();
      await world.pass(30);
      faults.stop();
      await world.until(client.whenConnected());
      expect(world.network.links).toHaveLength(1);
    });

    it.each([0, -1, Infinity, NaN])('refuses a mean pause of %d', (meanPauseInSeconds) => {
      expect(() => new VirtualWorld().network.disturbAtRandom({ seed: 1, meanPauseInSeconds })).toThrow(
        new RangeError(`meanPauseInSeconds must be a finite number above 0, found ${meanPauseInSeconds}`),
      );
    });
  });
});
