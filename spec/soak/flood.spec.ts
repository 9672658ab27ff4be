import { describe, expect, it } from '@jest/globals';
import { VirtualWorld } from '../helpers/virtual-world.js';
import { flood, type FloodKind, type FloodStage } from './flood.js';

describe('a reader of 1,000 values a second from a producer of 100,000', () => {
  it.each<readonly [FloodKind, number, number]>([
    ['error', 4_096, 5_000],
    ['drop-oldest', 200_000, 200_000],
    ['drop-newest', 200_000, 200_000],
    ['latest', 200_000, 200_000],
    ['pull', 1_500, 3_000],
  ])('gets what there is room for, and the heap stays flat: %s', async (kind, atLeast, atMost) => {
    const world = new VirtualWorld();
    const stage: FloodStage = {
      serve: async (service, streams) => {
        const server = world.server();
        server.registerProxyObject('service', service, { streams });
        await server.start();
        const client = world.client();
        client.connectToServer();
        await client.whenConnected();
        return [server, client];
      },
      sleep: (ms) =>
        new Promise((resolve) => {
          world.scheduler.schedule(() => {
            resolve();
          }, ms);
        }),
      now: () => world.scheduler.now(),
    };

    const { produced, delivered, dropped, faults } = await world.until(flood(kind, 2, stage));

    expect(faults).toEqual([]);
    expect(delivered + dropped).toBe(produced);
    expect(produced).toBeGreaterThanOrEqual(atLeast);
    expect(produced).toBeLessThanOrEqual(atMost);
    expect(world.errors).toEqual([]);
  });
});
