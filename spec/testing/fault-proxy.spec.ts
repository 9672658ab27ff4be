import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FaultProxy, seededRandom, type FaultLink, type FaultProxyOptions } from 'tandem-rpc/testing';

/** One end of a connection, and what it has seen. */
class End {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  ended = false;
  closed = false;
  code: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.chunks.push(chunk));
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.code = error.code));
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
}

describe('FaultProxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  let accepted: End[];
  let dialled: End[];

  beforeEach(async () => {
    accepted = [];
    dialled = [];
    server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accepted.push(new End(socket)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    proxy = proxyWith({});
  });

  afterEach(async () => {
    for (const { socket } of [...accepted, ...dialled]) socket.destroy();
    await proxy.dispose();
    server.close();
  });

  function proxyWith(options: Partial<FaultProxyOptions>): FaultProxy {
    return new FaultProxy({ target: { port: (server.address() as AddressInfo).port }, ...options });
  }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await turn();
  }

  /** Long enough for anything that is wrongly under way to show. */
  async function quiet(): Promise<void> {
    for (let turns = 0; turns < 100; turns += 1) await turn();
  }

  function dial(): End {
    const client = new End(connect({ port: proxy.address().port, allowHalfOpen: true, noDelay: true }));
    dialled.push(client);
    return client;
  }

  /** A client, the server's end of its connection, and the link between them. */
  async function connected(): Promise<{ client: End; served: End; link: FaultLink }> {
    await proxy.listen();
    return another();
  }

  async function another(): Promise<{ client: End; served: End; link: FaultLink }> {
    const [before, links] = [accepted.length, proxy.links.length];
    const client = dial();
    await until(() => accepted.length > before && proxy.links.length > links);
    return { client, served: accepted.at(-1)!, link: proxy.links.at(-1)! };
  }

  async function expectAtLeast(ms: number, isTrue: () => boolean): Promise<void> {
    const startMs = performance.now();
    await until(isTrue);
    // Timers may fire a fraction of a millisecond early.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(ms - 2);
  }

  it('passes everything on, counts it, and ends as the ends do', async () => {
    const { client, served, link } = await connected();
    client.socket.write('to the server');
    served.socket.end('to the client');
    await until(() => client.ended);
    client.socket.end(', and more');
    await until(() => client.closed && served.closed && proxy.links.length === 0);
    expect([served.text, client.text]).toEqual(['to the server, and more', 'to the client']);
    expect([link.deliveredToServerBytes, link.deliveredToClientBytes, link.queuedBytes]).toEqual([23, 13, 0]);
    expect([proxy.deliveredToServerBytes, proxy.deliveredToClientBytes]).toEqual([23, 13]);
    expect([client.code, served.code, proxy.connections]).toEqual([undefined, undefined, 1]);
  });

  it('passes megabytes on, in order, through a receiver that is slow', async () => {
    const { client, served } = await connected();
    const sent = Buffer.from(Array.from({ length: 4_000_000 }, (_, at) => (at * 31) % 251));
    served.socket.pause();
    client.socket.write(sent);
    await quiet();
    served.socket.resume();
    client.socket.end();
    await until(() => served.ended);
    expect(Buffer.concat(served.chunks).equals(sent)).toBe(true);
  });

  it('reads no more than it may hold, and counts what waits', async () => {
    proxy = proxyWith({ maxQueuedBytes: 100_000 });
    const { client, link, served } = await connected();
    proxy.freeze();
    client.socket.write(Buffer.alloc(16_000_000));
    await until(() => link.queuedBytes > 100_000);
    await quiet();
    expect(link.queuedBytes).toBeLessThan(400_000);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    proxy.thaw();
    await until(() => link.deliveredToServerBytes === 16_000_000 && link.queuedBytes === 0);
    expect(served.code).toBeUndefined();
  });

  it('passes a reset on', async () => {
    const { client, served } = await connected();
    client.socket.resetAndDestroy();
    await until(() => served.closed);
    expect(served.code).toBe('ECONNRESET');
  });

  it('resets a client whose server does not listen', async () => {
    await once(server.close(), 'close');
    await proxy.listen();
    const client = dial();
    await until(() => client.closed && proxy.links.length === 0);
    expect(client.code).toBe('ECONNRESET');
  });

  it('leads new links to another target when told so', async () => {
    const { link } = await connected();
    const other = createServer((socket) => {
      socket.end('the other one');
    });
    await once(other.listen(0, '127.0.0.1'), 'listening');
    proxy.target = { host: '127.0.0.1', port: (other.address() as AddressInfo).port };
    const client = dial();
    client.socket.end();
    await until(() => client.ended);
    expect(client.text).toBe('the other one');
    expect(proxy.links).toContain(link);
    other.close();
  });

  it('refuses connections while told to', async () => {
    const first = await connected();
    proxy.refuseConnections = true;
    const client = dial();
    await until(() => client.closed);
    expect([client.code, proxy.connections, first.client.closed]).toEqual(['ECONNRESET', 2, false]);
    proxy.refuseConnections = false;
    expect((await another()).link.number).toBe(3);
  });

  describe('disturbed', () => {
    it('delivers late, ends and resets too, in order', async () => {
      const { client, served } = await connected();
      proxy.disturb({ latencyInSeconds: 0.04 });
      client.socket.end('late');
      await expectAtLeast(40, () => served.chunks.length > 0);
      await until(() => served.ended);
      served.socket.resetAndDestroy();
      await expectAtLeast(40, () => client.closed);
      expect([served.text, client.code]).toEqual(['late', 'ECONNRESET']);
    });

    it('draws jitter from the given chance, and keeps the order', async () => {
      const draws = [1, 0, 0.5];
      proxy = proxyWith({
        conditions: { latencyInSeconds: 0.01, jitterInSeconds: 0.04 },
        random: () => draws.shift()!,
      });
      const { client, served, link } = await connected();
      client.socket.write('a');
      await until(() => link.queuedBytes === 1);
      client.socket.write('b');
      await expectAtLeast(40, () => served.text.length === 2);
      expect([served.text, draws]).toEqual(['ab', [0.5]]);
    });

    it('has the same jitter in each run unless told otherwise', () => {
      const [one, other, third] = [seededRandom(1), seededRandom(1), seededRandom(2)];
      const draws = [one(), one(), one()];
      expect([other(), other(), other()]).toEqual(draws);
      expect(draws).not.toContain(third());
      for (const draw of draws) expect(draw >= 0 && draw < 1).toBe(true);
    });

    it('passes so many bytes a second', async () => {
      const { client, served } = await connected();
      proxy.disturb({ bytesPerSecond: 10_000 }, 'toServer');
      client.socket.write(Buffer.alloc(600));
      await expectAtLeast(50 - 10, () => served.text.length === 600);
      served.socket.write(Buffer.alloc(1_000_000));
      await until(() => client.text.length === 1_000_000);
      expect(served.text.length).toBe(600);
    });

    it('writes slices, and yields to the event loop between many of them', async () => {
      const { client, served, link } = await connected();
      link.disturb({ sliceBytes: 1 });
      client.socket.write('x'.repeat(2_000));
      await until(() => link.deliveredToServerBytes > 0);
      expect(link.deliveredToServerBytes).toBeLessThan(2_000);
      await until(() => served.text.length === 2_000);
    });

    it('lets the conditions of a link take the place of those of the proxy, one by one', async () => {
      const { client, served, link } = await connected();
      proxy.disturb({ latencyInSeconds: 1_000 });
      link.disturb({ latencyInSeconds: 0 });
      client.socket.write('now');
      await until(() => served.text === 'now');
      link.disturb({ latencyInSeconds: undefined });
      client.socket.write('never');
      await until(() => link.queuedBytes === 5);
      expect(served.text).toBe('now');
    });

    it.each([
      ['latencyInSeconds', -1, 'latencyInSeconds must be 0 to 1000000, found -1'],
      ['jitterInSeconds', NaN, 'jitterInSeconds must be 0 to 1000000, found NaN'],
      ['bytesPerSecond', 0, 'bytesPerSecond must be more than 0, found 0'],
      ['sliceBytes', 0.5, 'sliceBytes must be a whole number from 1 up, found 0.5'],
    ])('refuses %s of %d', (name, value, message) => {
      expect(() => {
        proxy.disturb({ [name]: value });
      }).toThrow(new RangeError(message));
      expect(() => proxyWith({ conditions: { [name]: value } })).toThrow(RangeError);
    });
  });

  describe('frozen', () => {
    it('holds everything, and lets all of it go', async () => {
      const { client, served, link } = await connected();
      proxy.freeze();
      client.socket.write('held');
      client.socket.end();
      served.socket.write('as well');
      await until(() => link.queuedBytes === 11);
      await quiet();
      expect([served.text, served.ended, client.text]).toEqual(['', false, '']);
      proxy.thaw();
      await until(() => served.ended && client.text === 'as well');
      expect(served.text).toBe('held');
    });

    it('holds one direction, and one link, by itself', async () => {
      const first = await connected();
      const second = await another();
      first.link.freeze('toClient');
      for (const { client, served } of [first, second]) {
        client.socket.write('up');
        served.socket.write('down');
      }
      await until(() => first.served.text === 'up' && second.client.text === 'down');
      expect([first.client.text, first.link.queuedBytes]).toEqual(['', 4]);
      proxy.thaw();
      await quiet();
      expect(first.client.text).toBe('');
      first.link.thaw();
      await until(() => first.client.text === 'down');
    });

    it('keeps the end of a client that has died from the server', async () => {
      const { client, served, link } = await connected();
      proxy.freeze('toServer');
      client.socket.resetAndDestroy();
      await until(() => client.closed);
      await quiet();
      expect(served.closed).toBe(false);
      expect(proxy.links).toEqual([link]);
      proxy.thaw('toServer');
      await until(() => served.closed && proxy.links.length === 0);
    });
  });

  describe('half open', () => {
    it('lets everything vanish in one direction, the end included', async () => {
      const { client, served, link } = await connected();
      link.halfOpen('toServer');
      client.socket.end('lost');
      served.socket.write('heard');
      await until(() => client.text === 'heard');
      await quiet();
      expect([served.text, served.ended, link.queuedBytes]).toEqual(['', false, 0]);
    });

    it('goes on when healed if nothing was lost', async () => {
      const { client, served } = await connected();
      proxy.halfOpen('toServer');
      served.socket.write('heard');
      await until(() => client.text === 'heard');
      proxy.heal();
      client.socket.write('again');
      await until(() => served.text.length === 5);
      expect(served.text).toBe('again');
    });

    it('cuts what has a gap with the next bytes', async () => {
      const { client, served, link } = await connected();
      link.halfOpen('toServer');
      client.socket.write('lost');
      await quiet();
      link.heal();
      await quiet();
      expect(client.closed).toBe(false);
      client.socket.write('more');
      await until(() => client.closed && served.closed);
      expect([client.code, served.code, served.text]).toEqual(['ECONNRESET', 'ECONNRESET', '']);
    });

    it('cuts what has a gap at once when no more bytes can come', async () => {
      const { client, served, link } = await connected();
      link.halfOpen('toServer');
      client.socket.resetAndDestroy();
      await quiet();
      link.heal();
      await until(() => served.closed);
      expect(served.code).toBe('ECONNRESET');
    });
  });

  describe('cut', () => {
    it('resets every link, and loses what is under way', async () => {
      const [first, second] = [await connected(), await another()];
      proxy.freeze();
      first.client.socket.write('lost');
      await until(() => first.link.queuedBytes === 4);
      proxy.cut();
      const ends = [first.client, first.served, second.client, second.served];
      await until(() => ends.every(({ closed }) => closed));
      expect(ends.map(({ code }) => code)).toEqual(Array(4).fill('ECONNRESET'));
      expect([first.served.text, proxy.links]).toEqual(['', []]);
    });

    it.each([
      ['toServer', 1],
      ['toServer', 70_001],
      ['toClient', 65_536],
    ] as const)('happens at a byte: %s, %d', async (direction, bytes) => {
      await proxy.listen();
      proxy.onLink((link) => {
        link.cutAfterBytes(direction, bytes);
      });
      const { client, served, link } = await another();
      const [from, to] = direction === 'toServer' ? [client, served] : [served, client];
      from.socket.write(Buffer.alloc(100_000));
      // A reset that is met in the same read as the last data is told as an end.
      await until(() => from.closed && (to.closed || to.ended));
      expect([link.deliveredToServerBytes, link.deliveredToClientBytes]).toContain(bytes);
      expect(to.text.length).toBeLessThanOrEqual(bytes);
    });

    it('happens before a byte has passed when 0 are allowed', async () => {
      await proxy.listen();
      proxy.onLink((link) => {
        if (link.number === 1) link.cutAfterBytes('toServer', 0);
      });
      const client = dial();
      await until(() => client.closed && proxy.links.length === 0);
      expect([client.code, accepted.length]).toEqual(['ECONNRESET', 0]);
      await another();
    });

    it('gives way to any other fault at a byte', async () => {
      const { client, served, link } = await connected();
      link.afterBytes('toServer', 8, () => {
        link.end('toServer');
      });
      link.afterBytes('toServer', 3, () => {
        link.freeze('toServer');
      });
      client.socket.write('thawedended');
      await until(() => served.text === 'tha');
      await quiet();
      expect(served.text).toBe('tha');
      link.thaw();
      await until(() => served.ended);
      expect(served.text).toBe('thawedend'.slice(0, 8));
    });

    it('refuses bytes that are no whole number from 0 up', async () => {
      const { link } = await connected();
      for (const bytes of [-1, 0.5, NaN, Infinity]) {
        expect(() => {
          link.cutAfterBytes('toServer', bytes);
        }).toThrow(new RangeError(`bytes must be a whole number from 0 up, found ${bytes}`));
      }
    });
  });

  it('ends one direction in good order, and drops what comes further', async () => {
    const { client, served, link } = await connected();
    link.end('toServer');
    await until(() => served.ended);
    client.socket.write('dropped');
    served.socket.end('goes on');
    await until(() => client.ended);
    client.socket.end();
    await until(() => proxy.links.length === 0);
    expect([served.text, client.text, client.code]).toEqual(['', 'goes on', undefined]);
  });

  it.each(['toServer', 'toClient'] as const)('cuts a link whose end %s is on its way', async (direction) => {
    const { link } = await connected();
    link.end(direction);
    link.cut();
    await until(() => proxy.links.length === 0);
    expect(link.queuedBytes).toBe(0);
  });

  describe('disposed', () => {
    it('has let go of every socket, and is so twice', async () => {
      const { client, served } = await connected();
      const { port } = proxy.address();
      proxy.disturb({ latencyInSeconds: 1_000 });
      client.socket.write('never arrives');
      await Promise.all([proxy.dispose(), proxy[Symbol.asyncDispose]()]);
      await until(() => client.closed && served.closed);
      expect(proxy.links).toEqual([]);
      expect(() => proxy.address()).toThrow('the proxy does not listen');
      await once(server.close(), 'close');
      await once(server.listen(port, '127.0.0.1'), 'listening');
    });

    it('does not listen any more, nor twice before', async () => {
      await proxy.listen();
      await expect(proxy.listen()).rejects.toThrow('the proxy has listened already');
      await proxy.dispose();
      await expect(proxy.listen()).rejects.toThrow('the proxy was disposed');
    });

    it('does not begin to listen when disposed meanwhile', async () => {
      const listening = proxy.listen();
      await Promise.all([
        expect(listening).rejects.toThrow('the proxy was disposed'),
        expect(proxy.dispose()).resolves.toBeUndefined(),
      ]);
    });

    it('needs not have listened', async () => {
      await proxy.dispose();
      await expect(proxy.listen()).rejects.toThrow('the proxy was disposed');
    });
  });

  it('tells why it cannot listen', async () => {
    proxy = proxyWith({ port: (server.address() as AddressInfo).port });
    await expect(proxy.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('refuses a bound on what it holds that is none', () => {
    expect(() => proxyWith({ maxQueuedBytes: -1 })).toThrow(
      new RangeError('maxQueuedBytes must be a whole number from 0 up, found -1'),
    );
  });
});
