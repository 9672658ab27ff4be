import { afterEach, describe, expect, it } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { threadTransports } from '../../src/io-thread/thread-transports.js';
import type { TransportProvider } from '../../src/transports/transport.js';
import { describeTransportContract } from '../contracts/transport-contract.js';
import { RecordingDialSink, RecordingListenSink, RecordingSink } from '../helpers/recording-sinks.js';
import { ThreadBeside } from '../helpers/thread-beside.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const providers: TransportProvider[] = [];

afterEach(() => {
  for (const provider of providers.splice(0)) provider.dispose?.();
});

function kept(provider: TransportProvider): TransportProvider {
  providers.push(provider);
  return provider;
}

describeTransportContract('tcp beside', () => {
  const beside = new ThreadBeside();
  return { transports: kept(threadTransports(defaultLimits, beside.thread)), turn };
});

describeTransportContract('tcp on the I/O thread', () => ({
  transports: kept(threadTransports(defaultLimits)),
  turn,
}));

describe('a transport of the I/O thread that has ended, and is paused', () => {
  it('lets the event loop turn before it says that all was read: whoever reads by turns is to take no more of it', async () => {
    const transports = kept(threadTransports(defaultLimits));
    const until = async (isTrue: () => boolean): Promise<void> => {
      while (!isTrue()) await turn();
    };
    const [listening, dialling] = [new RecordingListenSink(), new RecordingDialSink()];
    const listener = transports.listen({ host: '127.0.0.1', port: 0 }, listening);
    await until(() => listening.addresses.length > 0);
    transports.dial(listening.addresses[0]!, dialling);
    await until(() => dialling.connected.length > 0 && listening.accepted.length > 0);
    const [client, server] = [dialling.connected[0]!, listening.accepted[0]!];
    const atServer = new RecordingSink();
    server.open(atServer);
    client.open(new RecordingSink());
    client.write(new Uint8Array(30_000));
    await until(() => atServer.byteCount === 30_000);
    server.pause();
    client.destroy();
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(atServer.hasEnded).toBe(false);
    let [words, turns] = [0, 0];
    const next = (): void => {
      words += 1;
      if (words < 20) server.afterReading(next);
    };
    server.afterReading(next);
    for (; words < 20; turns += 1) await turn();
    expect(turns).toBeGreaterThanOrEqual(19);
    server.resume();
    await until(() => atServer.hasEnded);
    await new Promise<void>((resolve) => {
      listener.close(resolve);
    });
  });
});
