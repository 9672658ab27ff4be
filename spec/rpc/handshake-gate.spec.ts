import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { LimitExceededError } from '../../src/errors.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import { HandshakeGate, type Pass } from '../../src/rpc/handshake-gate.js';
import { frameOf, joined, openingBytes } from '../helpers/wire.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

/** A gate, and those who came to it. */
function gate(limits: Partial<Limits>) {
  const reports: unknown[] = [];
  const scheduler = new VirtualTimeScheduler();
  const made = new HandshakeGate({ ...defaultLimits, ...limits }, scheduler, (error) => reports.push(error));
  const begun: (() => void)[] = [];
  const passes: Pass[] = [];
  /** Who gave way, by the order in which they were let in. */
  const gone: number[] = [];
  const enter = (remoteHost?: string): HandTransport => {
    const transport = Object.assign(new HandTransport(), { remoteHost });
    made.enter(transport, (pass) => {
      begun.push(pass.leave);
      const at = passes.push(pass) - 1;
      return () => {
        gone.push(at);
        pass.leave();
      };
    });
    return transport;
  };
  const pass = (ms: number): void => {
    scheduler.maxFrames = scheduler.frame + ms;
    // Something that is due then, so that the time is that.
    scheduler.schedule(() => undefined, ms);
    scheduler.flush();
  };
  return { made, begun, passes, gone, reports, enter, pass, scheduler };
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
    // Of IPv6 a network of 64 bits is one.
    expect(['2001:db8::1', '2001:DB8::2', '2001:db8:0:0:ffff::3', '2001:db8:0:1::1'].map(refused)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(reports).toMatchObject([{ message: expect.stringContaining('limits.maxHandshakesPerAddress') }]);
    begun[0]!();
    expect(['10.0.0.1', '10.0.0.1'].map(refused)).toEqual([false, true]);
    for (const leave of begun) leave();
    expect(made.size).toBe(0);
  });

  it('has those who say nothing give way to those who wait, after a quarter of a second', () => {
    const { made, passes, gone, enter, pass } = gate({ maxHandshakes: 2 });
    enter();
    pass(200);
    enter();
    pass(1_000);
    expect([gone, made.size]).toEqual([[], 2]);
    enter(); // nobody has to wait while somebody has had his time
    expect([gone, passes.length, passes[2]?.waitedMs]).toEqual([[0], 3, 0]);
    passes[2]?.heard();
    enter();
    enter();
    expect([gone, made.waiting]).toEqual([[0, 1], 1]);
    pass(249);
    expect(gone).toEqual([0, 1]);
    pass(1);
    expect([gone, made.waiting, passes[4]?.waitedMs]).toEqual([[0, 1, 3], 0, 250]);
  });

  it('lets those take their time who have said who they are', () => {
    const { made, passes, gone, enter, pass, scheduler } = gate({ maxHandshakes: 1 });
    enter();
    passes[0]?.heard();
    enter();
    pass(10_000);
    expect([gone, made.waiting]).toEqual([[], 1]);
    passes[0]?.leave();
    expect([passes.length, passes[1]?.waitedMs]).toEqual([2, 10_000]);
    pass(10_000);
    expect([gone, scheduler.actions.length]).toEqual([[], 0]);
  });

  it('has those who were greeted, and say nothing more, give way after a second', () => {
    const { made, passes, gone, enter, pass } = gate({ maxHandshakes: 2 });
    enter();
    enter();
    passes[0]?.heard();
    passes[0]?.greeted();
    pass(100);
    enter();
    enter();
    pass(150); // the one who is silent goes first
    expect([gone, made.waiting]).toEqual([[1], 1]);
    passes[2]?.heard();
    passes[2]?.greeted();
    pass(749);
    expect(gone).toEqual([1]);
    pass(1);
    expect([gone, made.waiting]).toEqual([[1, 0], 0]);
    for (const each of passes) each.leave();
    passes[3]?.greeted(); // too late for that
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
    await world.pass(0.2);
    expect([server.counts().handshakes, server.connections()]).toEqual([3, []]);
    for (const end of silent) end();
    await world.until(Promise.all(clients.map((client) => client.whenConnected())));
    await world.pass(0.01);
    expect(server.counts()).toMatchObject({ handshakes: 0, refusedConnections: 0 });
  });

  /** Dials, says something, and nothing more. @returns when it ended, in seconds, once it has */
  function stranger(world: VirtualWorld, said: Uint8Array): { endedAt: number | undefined } {
    const seen: { endedAt: number | undefined } = { endedAt: undefined };
    world.network.options.transport.dial(
      { host: '127.0.0.1', port: 9_000 },
      {
        onTransport: (transport) => {
          transport.open({
            onChunk: () => undefined,
            onWritable: () => undefined,
            onClosed: () => (seen.endedAt ??= world.now),
          });
          transport.write(said);
        },
        onFailed: () => undefined,
      },
    );
    return seen;
  }

  it('do not wait for long for strangers who say a byte now and then', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ limits: { maxHandshakes: 1 } });
    const strangers = [1, 2, 3, 4].map(() => stranger(world, openingBytes.subarray(0, 1)));
    await world.pass(0.01);
    const client = world.client();
    client.connectToServer();
    await world.until(client.whenConnected());
    expect(world.now).toBeLessThan(4 * 0.25 + 0.1);
    await world.pass(0.01);
    expect(strangers.map(({ endedAt }) => endedAt !== undefined)).toEqual([true, true, true, true]);
    expect(server.counts().handshakes).toBe(0);
  });

  it('have ended within their time from the beginning on, also those that had to wait', async () => {
    const world = new VirtualWorld();
    await world.startedServer({ limits: { maxHandshakes: 1 } });
    const hello = frameOf([32, { version: 1, timeoutMs: 10_000 }]);
    const first = stranger(world, joined(openingBytes, hello));
    const second = stranger(world, new Uint8Array(0));
    await world.pass(6);
    // The first was greeted, and then had to give way; the second had nobody behind it.
    expect(first.endedAt).toBeCloseTo(1, 1);
    expect(second.endedAt).toBeCloseTo(5, 1);
  });
});
