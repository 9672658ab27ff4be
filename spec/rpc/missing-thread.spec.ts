import { describe, expect, it } from '@jest/globals';
import { RPCClient } from 'tandem-rpc';
import type { TransportProvider } from '../../src/transports/transport.js';
import { VirtualWorld } from '../helpers/virtual-world.js';

const noThread = Object.assign(new Error('no I/O thread could be started'), { code: 'io-thread' });

describe('a client that has no I/O thread', () => {
  it('reports that once, and again when there was one meanwhile', async () => {
    const world = new VirtualWorld();
    const { transport } = world.network.options;
    let failure: Error | undefined = noThread;
    const failing: TransportProvider = {
      listen: (address, sink) => transport.listen(address, sink),
      dial: (address, sink) => {
        if (failure === undefined) return transport.dial(address, sink);
        const error = failure;
        const timer = world.scheduler.schedule(() => {
          sink.onFailed({ kind: 'other', error });
        });
        return {
          cancel: () => {
            timer.unsubscribe();
          },
        };
      },
    };
    const client = world.client({ transport: failing });
    client.connectToServer();
    await world.pass(30);
    const told = expect.objectContaining({
      code: 'io-thread',
      message: 'cannot connect to 127.0.0.1:9000: no I/O thread could be started',
      cause: noThread,
    });
    expect(world.errors.splice(0)).toEqual([told]);
    expect(client.status()).toBe(RPCClient.STATUS_AUTO_CONNECTING);
    failure = new Error('refused');
    await world.pass(30);
    expect(world.errors).toEqual([]);
    failure = noThread;
    await world.pass(30);
    expect(world.errors.splice(0)).toEqual([told]);
    failure = undefined;
    const server = await world.startedServer();
    await world.until(client.whenConnected());
    failure = noThread;
    await world.until(server.stop());
    await world.pass(30);
    expect(world.errors.splice(0)).toEqual([told]);
    await client.dispose();
  });
});
