import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';

describe('streams over TCP to a peer that reads at once', () => {
  // With heartbeats that come after 20 s: nothing else may be what makes values leave.
  it.each([
    [65_536, undefined],
    [66_000, undefined],
    [3_000, 200_000],
    [52_000, 600_000],
  ])('values of %d bytes follow each other without waiting for anything', async (size, mark) => {
    const service = {
      *values$(): Generator<Uint8Array> {
        for (let at = 0; at < 100; at += 1) yield new Uint8Array(size);
      },
    };
    const options = {
      timeoutInSeconds: 60,
      limits: mark === undefined ? {} : { highWaterBytes: mark },
    };
    await using server = new RPCServer({ ...options, port: 0, localProxyObjects: { service } });
    await server.start();
    await using client = new RPCClient({ ...options, port: server.address()?.port ?? 0 });
    client.connectToServer();
    const proxy = await client.whenRemoteProxyObject<typeof service>('service');
    const values = await lastValueFrom(proxy.values$().pipe(toArray()));
    expect(values.map(({ length }) => length)).toEqual(Array<number>(100).fill(size));
  });
});
