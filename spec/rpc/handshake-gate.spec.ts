import { describe, expect, it } from '@jest/globals';
import { LimitExceededError } from '../../src/errors.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import { HandshakeGate } from '../../src/rpc/handshake-gate.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** A gate, and those who came to it. */
function gate(limits: Partial<Limits>) {
  const reports: unknown[] = [];
  const made = new HandshakeGate({ ...defaultLimits, ...limits }, (error) => reports.push(error));
  const begun: (() => void)[] = [];
  const enter = (remoteHost?: string): HandTransport => {
    const transport = Object.assign(new HandTransport(), { remoteHost });
    made.enter(transport, (leave) => begun.push(leave));
    return transport;
  };
  return { made, begun, reports, enter };
}

describe('HandshakeGate', () => {
  it('lets in as many as may be at one time, the others in their order', () => {
    const { made, begun, enter, reports } = gate({ maxHandshakes: 2 });
    for (let left = 5; left > 0; left -= 1) enter();
    expect([begun.length, made.size]).toEqual([2, 5]);
    begun[0]!();
    begun[0]!(); // once is enough
    expect([begun.length, made.size]).toEqual([3, 4]);
    for (const at of [1, 2, 3, 4]) begun[at]!();
    expect([made.size, made.refused, reports]).toEqual([0, 0, []]);
  });

  it('turns away who would wait too long, and says so once until it is empty', () => {
    const { made, begun, enter, reports } = gate({ maxHandshakes: 1 });
    for (let left = 16; left > 0; left -= 1) expect(enter().acts).toEqual([]);
    expect(enter().acts).toEqual(['destroy']);
    expect(enter().acts).toEqual(['destroy']);
    expect([made.size, made.refused, reports.length]).toEqual([16, 2, 1]);
    expect(reports[0]).toBeInstanceOf(LimitExceededError);
    expect((reports[0] as Error).message).toContain('limits.maxHandshakes ');
    for (let at = 0; at < 16; at += 1) begun[at]!();
    for (let left = 17; left > 0; left -= 1) enter();
    expect([made.refused, reports.length]).toEqual([3, 2]);
  });

  it('lets in only so many of one address, and tells no addresses of this machine apart', () => {
    const { made, begun, enter, reports } = gate({ maxHandshakesPerAddress: 2 });
    const refused = (host: string): boolean => enter(host).acts.includes('destroy');
    expect(['10.0.0.1', '::ffff:10.0.0.1', '10.0.0.1', '10.0.0.2'].map(refused)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(['127.0.0.1', '::ffff:127.0.0.1', '::1', '127.0.0.1'].some(refused)).toBe(false);
    expect(reports).toMatchObject([{ message: expect.stringContaining('limits.maxHandshakesPerAddress') }]);
    begun[0]!();
    expect(['10.0.0.1', '10.0.0.1'].map(refused)).toEqual([false, true]);
    for (const leave of begun) leave();
    expect(made.size).toBe(0);
  });

  it('turns away those who wait when it is closed', () => {
    const { made, begun, enter } = gate({ maxHandshakes: 1, maxHandshakesPerAddress: 2 });
    enter('10.0.0.1');
    const waiting = enter('10.0.0.1');
    made.close();
    expect([waiting.acts, made.size]).toEqual([['destroy'], 1]);
    begun[0]!();
    expect([begun.length, made.size]).toEqual([1, 0]);
  });
});

describe('the handshakes of an RPCServer', () => {
  it('are counted until they are made or have ended, and everybody gets in', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxHandshakes: 1 } });
    const silent: (() => void)[] = [];
    world.network.options.transport.dial(
      { host: '127.0.0.1', port: 9_000 },
      {
        onTransport: (transport) => {
          silent.push(() => {
            transport.destroy();
          });
        },
        onFailed: () => undefined,
      },
    );
    await world.pass(0.01);
    const clients = [world.client(), world.client()];
    for (const client of clients) client.connectToServer();
    await world.pass(0.5);
    expect([server.counts().handshakes, server.connections()]).toEqual([3, []]);
    for (const end of silent) end();
    await world.until(Promise.all(clients.map((client) => client.whenConnected())));
    await world.pass(0.01);
    expect(server.counts()).toMatchObject({ handshakes: 0, refusedConnections: 0 });
  });
});
