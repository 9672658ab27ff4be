import { describe, expect, it } from '@jest/globals';
import { ConnectionLostError, notify, withCallOptions } from 'tandem-rpc';
import { rawClient } from '../helpers/raw-peer.js';
import { served, servingSides, type ServedSettings } from '../helpers/served.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

class Desk {
  readonly ran: unknown[] = [];

  note(what: unknown): void {
    this.ran.push(what instanceof Uint8Array ? what.length : what);
  }

  answer(what: string): string {
    this.ran.push(what);
    return what;
  }
}

const slow: ServedSettings = { latencyInSeconds: 0.05 };
const resume = { windowInSeconds: 5 };
const resuming: ServedSettings = { serving: { resume }, using: { resume }, latencyInSeconds: 0.05 };

describe.each(servingSides)('notifications that are lost with their connection, to the %s', (side) => {
  it('are told once, all together: nobody knows whether they arrived', async () => {
    const desk = new Desk();
    const { world, using, id, proxy } = await served(side, desk, slow);
    for (let at = 0; at < 3; at += 1) notify(proxy).note(at);
    await world.pass(0.02);
    world.network.cut();
    await world.pass(0.1);
    expect(desk.ran).toEqual([]);
    expect(world.errors).toHaveLength(1);
    const [error] = world.errors;
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({
      ...{ code: 'connection-lost', executed: 'unknown', stage: 'sent', connectionID: id },
      ...{ object: 'service', member: 'note' },
      message: expect.stringMatching(
        /^3 notifications may not have arrived before the connection ended \(the last one: service\.note\): /,
      ),
    });
    expect(using.counts().calls).toBe(0);
  });

  it('are known to have arrived when a later call was answered', async () => {
    const desk = new Desk();
    const { world, proxy } = await served(side, desk, slow);
    notify(proxy).note('before');
    const answered = proxy.answer('now');
    notify(proxy).note('behind');
    await world.until(answered);
    world.network.cut();
    await world.pass(0.1);
    expect(world.errors).toMatchObject([
      { executed: 'unknown', message: expect.stringMatching(/^1 notification may not have arrived/) },
    ]);
  });

  it('are known to have arrived some heartbeats later', async () => {
    const desk = new Desk();
    const { world, proxy } = await served(side, desk, {
      ...slow,
      serving: { timeoutInSeconds: 3 },
      using: { timeoutInSeconds: 3 },
    });
    for (let second = 0; second < 10; second += 1) {
      notify(proxy).note(second);
      await world.pass(1);
    }
    world.network.cut();
    await world.pass(0.1);
    expect(world.errors).toHaveLength(1);
    const [, count] = /^(\d+) notifications may not/.exec(world.errors[0]?.message ?? '') ?? [];
    expect(Number(count)).toBeGreaterThan(0);
    expect(Number(count)).toBeLessThan(5);
    expect(desk.ran).toHaveLength(10);
  });

  it('are not told of where the side that sent them ended it in good order', async () => {
    const desk = new Desk();
    const { world, using, proxy } = await served(side, desk, slow);
    notify(proxy).note('last words');
    await world.until(using.dispose());
    await world.pass(1);
    expect([desk.ran, world.errors]).toEqual([['last words'], []]);
  });

  it('are told of truthfully where the other side ended it in good order: it says how far it has read', async () => {
    const desk = new Desk();
    const { world, serving, proxy } = await served(side, desk, slow);
    notify(proxy).note('read');
    await world.pass(0.06);
    notify(proxy).note('crosses the end');
    notify(proxy).note(new Uint8Array(200_000));
    await world.until(serving.dispose());
    await world.pass(0.2);
    expect(desk.ran).toEqual(['read']);
    expect(world.errors).toMatchObject([
      { executed: 'no', message: expect.stringMatching(/^2 notifications did not arrive before/) },
    ]);
  });

  it('go on with a session that goes on, and are told of when it ends', async () => {
    const desk = new Desk();
    const { world, proxy } = await served(side, desk, resuming);
    notify(proxy).note('sent');
    world.network.cut();
    await world.pass(1);
    notify(proxy).note('again');
    await world.pass(1);
    expect([desk.ran, world.errors]).toEqual([['sent', 'again'], []]);
    world.network.refuseConnections = true;
    notify(proxy).note('lost');
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.2);
    notify(proxy).note('waits in vain');
    notify(proxy).note('as well');
    await world.pass(30);
    const told = world.errors.filter(({ message }) => message.includes('notification'));
    expect(told).toMatchObject([
      {
        ...{ code: 'connection-lost', executed: 'unknown', stage: 'sent' },
        message: expect.stringMatching(/^2 notifications did not, and 1 notification may not have arrived/),
      },
    ]);
  });

  it('never left where they only waited for another connection', async () => {
    const { world, proxy } = await served(side, new Desk(), resuming);
    await world.pass(1);
    world.network.refuseConnections = true;
    world.network.cut();
    await world.pass(0.2);
    notify(withCallOptions(proxy, { metadata: 1 })).note('waits in vain');
    await world.pass(30);
    expect(world.errors).toMatchObject([
      { executed: 'no', stage: 'queued', message: expect.stringMatching(/^1 notification did not arrive/) },
    ]);
  });
});

describe('many notifications', () => {
  it('are counted beyond what is kept of them', async () => {
    const desk = new Desk();
    const { world, proxy } = await served('server', desk, slow);
    for (let at = 0; at < 5_000; at += 1) notify(proxy).note(at);
    await world.pass(0.01);
    world.network.cut();
    await world.pass(0.1);
    expect(world.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^up to 5000 notifications may not have arrived/),
    ]);
  });

  it('are forgotten when a later call was answered', async () => {
    const { world, proxy } = await served('server', new Desk(), slow);
    for (let at = 0; at < 5_000; at += 1) notify(proxy).note(at);
    await world.until(proxy.answer('all'));
    world.network.cut();
    await world.pass(0.1);
    expect(world.errors).toEqual([]);
  });

  it('are no more than what the other side has not read, where it says so', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer();
    const peer = await rawClient(world);
    peer.registerAll(['desk', ['note']]);
    await world.pass(0.01);
    const desk = server.remoteProxyObject<Desk>(peer.connectionID ?? '', 'desk')!;
    for (let at = 0; at < 5_000; at += 1) notify(desk).note(at);
    await world.pass(0.01);
    peer.connection.close('disconnected', 'enough');
    notify(desk).note('too late');
    await world.pass(0.01);
    expect(world.errors).toMatchObject([
      { executed: 'no', message: expect.stringMatching(/^1 notification did not arrive/) },
    ]);
  });
});
