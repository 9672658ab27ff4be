import { describe, expect, it } from '@jest/globals';
import { from, lastValueFrom, type Observable, toArray } from 'rxjs';
import { byReference, RemoteError, transferred, type ServerOptions } from 'tandem-rpc';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import { served, servingSides } from '../helpers/served.js';
import { rejectionOf, VirtualWorld } from '../helpers/virtual-world.js';
import { goldenValues } from '../support/golden-values.js';

type Codec = ServerOptions['codec'];

class Account {
  balance = 0;
  add(by: number): number {
    this.balance += by;
    return this.balance;
  }
}

byReference(Account.prototype);

class Service {
  readonly account = new Account();
  echo(...values: unknown[]): unknown[] {
    return values;
  }
  fail(): never {
    throw Object.assign(new RangeError('too far'), { code: 'E_FAR', data: { at: 2 ** 40 } });
  }
  open(): Account {
    return this.account;
  }
  isOwn(account: unknown): boolean {
    return account === this.account;
  }
  async each(callback: (value: number) => Promise<number>): Promise<number[]> {
    return [await callback(1), await callback(2 ** 40)];
  }
  aborted(signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(signal.reason);
      });
    });
  }
  values$(count: number): Observable<unknown> {
    return from(
      Array.from({ length: count }, (_, at) => (at % 10 === 0 ? new Map([[at, at]]) : { at, text: 'é' })),
    );
  }
  async sum(values$: AsyncIterable<number>): Promise<number> {
    let sum = 0;
    for await (const value of values$) sum += value;
    return sum;
  }
}

/** A codec that nobody else speaks. */
const other = { ...msgpackrCodec(), name: 'other' };

describe('the codec of a connection', () => {
  it.each<[string, Codec | undefined, Codec | undefined, string]>([
    ['both', msgpackrCodec(), msgpackrCodec(), 'msgpackr'],
    ['the client only', undefined, msgpackrCodec(), 'msgpack'],
    ['the server only', msgpackrCodec(), undefined, 'msgpack'],
    ['neither', undefined, undefined, 'msgpack'],
    ['each its own', other, msgpackrCodec(), 'msgpack'],
    [
      'both, some, in another order: the server’s',
      [other, msgpackrCodec()],
      [msgpackrCodec(), other],
      'other',
    ],
    ['both, one in common', [other, msgpackrCodec()], [msgpackrCodec()], 'msgpackr'],
  ])('is what both name, else the built-in one: %s', async (_what, serving, using, agreed) => {
    const world = new VirtualWorld();
    const service = new Service();
    const { server, client, id } = await world.pair(
      { localProxyObjects: { service }, ...(serving && { codec: serving }) },
      using && { codec: using },
    );
    expect([server.connectionCodec(id), client.codec()]).toEqual([agreed, agreed]);
    const proxy = await world.until(client.whenRemoteProxyObject<Service>('service'));
    expect(await world.until(proxy.echo(1, 2 ** 40, 'a'))).toEqual([1, 2 ** 40, 'a']);
    await world.until(client.disconnectFromServer());
    expect(client.codec()).toBeUndefined();
    expect(() => server.connectionCodec('nobody')).toThrow('there is no connection "nobody"');
  });

  it('is agreed on again on a port of one’s own, and after each loss', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ dedicatedPorts: true, codec: msgpackrCodec() });
    const client = await world.connectedClient({ codec: msgpackrCodec() });
    expect([client.codec(), server.connectionCodec(client.connectionID() ?? '')]).toEqual([
      'msgpackr',
      'msgpackr',
    ]);
    world.network.cut();
    await world.pass(1);
    expect(client.codec()).toBe('msgpackr');
  });

  it('is each client’s own', async () => {
    const world = new VirtualWorld();
    const server = await world.startedServer({ codec: msgpackrCodec() });
    const [one, two] = [
      await world.connectedClient({ codec: msgpackrCodec() }),
      await world.connectedClient(),
    ];
    expect([one, two].map((client) => server.connectionCodec(client.connectionID() ?? ''))).toEqual([
      'msgpackr',
      'msgpack',
    ]);
  });
});

describe.each(servingSides)('with msgpackr on both sides, what the %s serves', (side) => {
  const connected = () =>
    served(side, new Service(), { serving: { codec: msgpackrCodec() }, using: { codec: msgpackrCodec() } });

  it('takes and gives values of every kind', async () => {
    const { world, proxy } = await connected();
    const values = goldenValues.map(([, value]) => value).filter((value) => !(value instanceof Date));
    expect(await world.until(proxy.echo(...values))).toStrictEqual(values);
    const plain = [{ at: 2 ** 40, text: 'é'.repeat(300), list: [null, true, -1.5] }, Buffer.from('abc')];
    expect(await world.until(proxy.echo(...plain))).toStrictEqual([plain[0], Uint8Array.of(97, 98, 99)]);
  });

  it('fails as without it', async () => {
    const { world, proxy } = await connected();
    const error = await world.failureOf(proxy.fail());
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ remoteName: 'RangeError', message: 'too far', remoteCode: 'E_FAR' });
    expect(await world.failureOf(proxy.echo(() => 1, Symbol('s')))).toMatchObject({
      code: 'unserializable-value',
      executed: 'no',
    });
    expect(await world.failureOf(proxy.echo('a'.repeat(5_000_000)))).toMatchObject({
      code: 'limit-exceeded',
    });
    expect(await world.until(proxy.echo(1))).toEqual([1]);
  });

  it('streams both ways', async () => {
    const { world, proxy } = await connected();
    const values = await world.until(lastValueFrom(proxy.values$(3_000).pipe(toArray())));
    expect(values).toHaveLength(3_000);
    expect(values.slice(0, 2)).toStrictEqual([new Map([[0, 0]]), { at: 1, text: 'é' }]);
    expect(await world.until(proxy.sum(from([1, 2, 2 ** 40]) as never))).toBe(2 ** 40 + 3);
  });

  it('lends and takes references', async () => {
    const { world, proxy } = await connected();
    expect(await world.until(proxy.each((value) => Promise.resolve(value * 2)))).toEqual([2, 2 ** 41]);
    const account = await world.until(proxy.open());
    expect(await world.until(account.add(5))).toBe(5);
    expect(await world.until(proxy.isOwn(account))).toBe(true);
    const aborting = new AbortController();
    const aborted = proxy.aborted(aborting.signal);
    await world.pass(0.1);
    aborting.abort({ why: 2 ** 40 });
    expect(await world.until(aborted)).toEqual({ why: 2 ** 40 });
  });

  it('takes long messages, in fragments, with bytes given away or not', async () => {
    const { world, proxy } = await connected();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => at);
    const text = 'é'.repeat(200_000);
    const [answer, short] = [proxy.echo(text, bytes, transferred(bytes), { bytes }), proxy.echo(1)];
    expect(await world.until(short)).toEqual([1]);
    expect(await world.until(answer)).toStrictEqual([text, bytes, bytes, { bytes }]);
    expect(await world.until(proxy.echo('again'))).toEqual(['again']);
  });

  it('refuses what a peer may not send, and ends its connection', async () => {
    const { world, server, client, proxy } = await served(side, new Service(), {
      serving: { codec: msgpackrCodec(), limits: { maxStringBytes: 1_024 } },
      using: { codec: msgpackrCodec() },
    });
    const ends: unknown[] = [];
    client.disconnectionMade$.subscribe((end) => ends.push(end));
    const call = rejectionOf(proxy.echo('a'.repeat(1_025)));
    await world.pass(0.01);
    expect(await call).toMatchObject({ code: 'connection-lost' });
    expect(ends).toMatchObject([{ reason: { code: 'protocol-error' } }]);
    expect(world.errors[0]?.message).toContain('limits.maxStringBytes');
    await world.pass(1);
    expect(server.connectionCodec(client.connectionID() ?? '')).toBe('msgpackr');
  });
});
