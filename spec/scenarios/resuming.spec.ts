import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, interval, map, take, toArray } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { FaultProxy } from 'tandem-rpc/testing';

class Service {
  readonly ran: number[] = [];
  readonly count$ = interval(1).pipe(map((at) => at));

  async work(id: number, bytes: Uint8Array): Promise<number> {
    this.ran.push(id);
    await new Promise((resolve) => {
      setTimeout(resolve, id % 7);
    });
    return bytes.length;
  }
}

const resume = { windowInSeconds: 30 };

describe.each([
  [false, false],
  [true, true],
  [true, false],
  [false, true],
])('a session over TCP, with an I/O thread at the server: %p, at the client: %p', (atServer, atClient) => {
  it('survives cuts at any byte: each call runs once, each value comes once', async () => {
    const service = new Service();
    const server = new RPCServer({ port: 0, localProxyObjects: { service }, resume, thread: atServer });
    await server.start();
    const proxy = new FaultProxy({ target: { port: server.address()?.port ?? 0 } });
    let links = 0;
    proxy.onLink((link) => {
      links += 1;
      // The last ones are whole, so that the work comes to an end.
      if (links > 12) return;
      link.cutAfterBytes('toServer', 500 + links * 613);
      link.cutAfterBytes('toClient', 400 + links * 613);
    });
    const client = new RPCClient({
      port: (await proxy.listen()).port,
      resume,
      thread: atClient,
      reconnect: { initialDelayInSeconds: 0.01, maxDelayInSeconds: 0.01 },
    });
    const ended: unknown[] = [];
    client.disconnectionMade$.subscribe((end) => ended.push(end));
    let resumed = 0;
    client.resumed$.subscribe(() => {
      resumed += 1;
    });
    client.connectToServer();
    const remote = await client.whenRemoteProxyObject<Service>('service');
    const values = firstValueFrom(remote.count$.pipe(take(150), toArray()));
    const sizes = Array.from({ length: 300 }, (_, id) => (id % 50 === 0 ? 100_000 : id));
    const results = await Promise.all(sizes.map((size, id) => remote.work(id, new Uint8Array(size))));
    expect(results).toEqual(sizes);
    expect([...service.ran].sort((a, b) => a - b)).toEqual(sizes.map((_, id) => id));
    expect(await values).toEqual(Array.from({ length: 150 }, (_, at) => at));
    expect(ended).toEqual([]);
    expect(resumed).toBeGreaterThan(2);
    await Promise.all([client.dispose(), server.dispose()]);
    await proxy.dispose();
  });
});
