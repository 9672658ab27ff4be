import { describe, expect, it } from '@jest/globals';
import { MessageType } from '../../src/protocol/messages.js';
import { rawClient, rawServer, type RawPeer } from '../helpers/raw-peer.js';
import { collected, rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';

/** Tells of a lag with another answer to the first ping, which was answered already. */
function tellLag(peer: RawPeer, ...lag: readonly number[]): void {
  peer.send(MessageType.pong, 1, ...lag);
}

interface Extras {
  unresponsiveAfterInSeconds?: number;
  disconnectUnresponsive?: boolean;
}

/** A real side whose peer is worked by hand; `id` is that of the connection. */
async function beside(side: 'server' | 'client', extras: Extras = {}) {
  const world = new VirtualWorld();
  if (side === 'server') {
    const real = await world.startedServer(extras);
    const peer = await rawClient(world);
    peer.registerAll(['theirs', ['method']]);
    await world.pass(4);
    const [id = ''] = real.connections();
    return { world, real, peer, id, theirs: () => real.remoteProxyObject<Theirs>(id, 'theirs') };
  }
  const { peers } = await rawServer(world);
  const real = world.client(extras);
  real.connectToServer();
  await world.pass(0.01);
  const [peer] = peers as [RawPeer];
  peer.registerAll(['theirs', ['method']]);
  await world.pass(4);
  return { world, real, peer, id: 'made-by-hand', theirs: () => real.remoteProxyObject<Theirs>('theirs') };
}

interface Theirs {
  method(): void;
}

describe.each(['server', 'client'] as const)('a %s whose peer tells of its main loop', (side) => {
  it('counts it as unresponsive from 60 seconds on, until its loop has turned', async () => {
    const { world, real, peer, id } = await beside(side);
    const states = collected(real.unresponsive$);
    tellLag(peer, 59_999);
    await world.pass(0.01);
    expect(states).toEqual([[]]);
    tellLag(peer, 60_000);
    tellLag(peer, 70_000);
    await world.pass(0.01);
    expect(states).toEqual([[], [id]]);
    tellLag(peer);
    await world.pass(0.01);
    expect(states).toEqual([[], [id], []]);
    expect(world.errors).toEqual([]);
  });

  it('keeps the connection, and its calls wait', async () => {
    const { world, real, peer, id, theirs } = await beside(side, { unresponsiveAfterInSeconds: 1 });
    tellLag(peer, 1_000);
    await world.pass(0.01);
    const call = theirs()?.method();
    await world.pass(1);
    expect(collected(real.unresponsive$)).toEqual([[id]]);
    peer.connection.send([MessageType.response, 1]);
    await expect(world.until(Promise.resolve(call))).resolves.toBeUndefined();
    expect(collected(real.unresponsive$)).toEqual([[]]);
  });

  it('disconnects it where that is asked for, and says why', async () => {
    const { world, real, peer, theirs } = await beside(side, {
      unresponsiveAfterInSeconds: 2,
      disconnectUnresponsive: true,
    });
    const states = collected(real.unresponsive$);
    const ends = collected(real.disconnectionMade$);
    const lost = rejectionOf(Promise.resolve(theirs()?.method()));
    await world.pass(0.01);
    tellLag(peer, 2_500);
    await world.pass(0.01);
    expect(await lost).toMatchObject({ code: 'connection-lost', executed: 'unknown' });
    expect(ends).toEqual([
      { connectionID: expect.any(String), reason: expect.objectContaining({ code: 'unresponsive' }) },
    ]);
    expect(peer.end?.reason).toMatchObject({
      code: 'unresponsive',
      message: 'the main loop of the peer had not turned for 2500 ms (unresponsiveAfterInSeconds)',
    });
    expect(states).toEqual([[], [expect.any(String)], []]);
  });

  it('keeps a peer that was busy and is back, whatever of that is read only now', async () => {
    const { world, real, peer } = await beside(side, {
      unresponsiveAfterInSeconds: 1,
      disconnectUnresponsive: true,
    });
    const states = collected(real.unresponsive$);
    tellLag(peer, 1_500);
    tellLag(peer, 2_500);
    peer.send(MessageType.cancel, 1);
    await world.pass(0.01);
    expect(states).toEqual([[]]);
    expect(peer.end).toBeUndefined();
  });

  it('counts it as unresponsive until a message comes of its loop', async () => {
    const { world, real, peer, id } = await beside(side, { unresponsiveAfterInSeconds: 1 });
    const states = collected(real.unresponsive$);
    tellLag(peer, 1_500);
    await world.pass(0.01);
    peer.send(MessageType.cancel, 1);
    await world.pass(0.01);
    expect(states).toEqual([[], [id], []]);
  });

  it('forgets it with the connection, and completes the stream at its own end', async () => {
    const { world, real, peer, id } = await beside(side, { unresponsiveAfterInSeconds: 1 });
    const states = collected(real.unresponsive$);
    tellLag(peer, 1_000);
    await world.pass(0.01);
    peer.connection.close('disconnected', 'bye');
    await world.pass(0.01);
    expect(states).toEqual([[], [id], []]);
    await world.until(real.dispose());
    await world.pass(0.01);
    expect(states.at(-1)).toBe('|');
  });
});

describe('heartbeat$', () => {
  it('tells 0 of a peer whose loop turns', async () => {
    const world = new VirtualWorld();
    const { server, client } = await world.pair();
    const beats = [collected(server.heartbeat$), collected(client.heartbeat$)];
    await world.pass(4);
    for (const values of beats) expect(values).toEqual([expect.objectContaining({ loopLagMs: 0 })]);
  });
});
