import { describe, expect, it } from '@jest/globals';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient } from '../helpers/raw-peer.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** How many calls a busy honest client makes, at one time. */
const honestCalls = 1_000;
/** How many a hostile one makes. */
const hostileCalls = 6_000;

/** What a turn is. */
const maxTurnMessages = 256;

/** Runs both, or the honest one only. @returns how many calls of either had run when the last honest one had */
async function race(isHostile: boolean) {
  const world = new VirtualWorld();
  const ran = { honest: 0, hostile: 0 };
  const atEnd = { honest: 0, hostile: 0 };
  const service = {
    honest(): void {
      ran.honest += 1;
      if (ran.honest === honestCalls) Object.assign(atEnd, ran);
    },
    hostile(): void {
      ran.hostile += 1;
    },
  };
  const server = await world.startedServer({ localProxyObjects: { service }, limits: { maxTurnMessages } });
  const client = await world.connectedClient();
  const peer = await rawClient(world);
  peer.registerAll();
  await world.pass(0.01);
  const proxy = client.remoteProxyObject<typeof service>('service')!;
  // The hostile one comes first, so that it is in front wherever there is a line.
  for (let id = 1; isHostile && id <= hostileCalls; id += 1) {
    peer.send(MessageType.request, id, 'service', 'hostile', []);
  }
  await world.until(Promise.all(Array.from({ length: honestCalls }, () => proxy.honest())));
  await world.pass(1);
  const { yields } = server.counts();
  return { atEnd, ran, yields, responses: peer.responses.length, errors: world.errors };
}

describe('a peer that sends without end', () => {
  it('costs another busy one no more than as much work again', async () => {
    const alone = await race(false);
    expect(alone.atEnd).toEqual({ honest: honestCalls, hostile: 0 });
    const { atEnd, ran, yields, responses, errors } = await race(true);
    expect(atEnd.honest).toBe(honestCalls);
    // Turns of 256 messages each, taken in turn; the one that is going on when the honest client begins comes on top.
    expect(atEnd.hostile).toBeGreaterThan(0);
    expect(atEnd.hostile).toBeLessThanOrEqual(honestCalls + 2 * maxTurnMessages);
    // And loses nothing itself.
    expect([ran.hostile, responses, errors]).toEqual([hostileCalls, hostileCalls, []]);
    expect(yields).toBeGreaterThan(hostileCalls / maxTurnMessages / 2);
  });
});

describe('a peer that asks for what it may not have', () => {
  it('waits after each turn that it wasted, and gets each refusal', async () => {
    const world = new VirtualWorld();
    const service = { hold: () => new Promise<never>(() => undefined), echo: (value: number) => value };
    const limits = { maxTurnMessages, maxIncomingCalls: 10 };
    await world.startedServer({ localProxyObjects: { service }, limits });
    const client = await world.connectedClient();
    const peer = await rawClient(world);
    peer.registerAll();
    await world.pass(0.01);
    for (let id = 1; id <= hostileCalls; id += 1) peer.send(MessageType.request, id, 'service', 'hold', []);
    const proxy = client.remoteProxyObject<typeof service>('service')!;
    const beforeMs = world.now * 1_000;
    for (let at = 0; at < 10; at += 1) expect(await world.until(proxy.echo(at))).toBe(at);
    const tookMs = world.now * 1_000 - beforeMs;
    // A turn and a millisecond, again and again: another one is served between.
    expect(peer.responses.length).toBeLessThanOrEqual((tookMs + 2) * maxTurnMessages);
    await world.pass(1);
    expect([peer.responses.length, world.errors]).toEqual([hostileCalls - 10, []]);
  });
});
