import { afterEach } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { threadTransports } from '../../src/io-thread/thread-transports.js';
import type { TransportProvider } from '../../src/transports/transport.js';
import { describeTransportContract } from '../contracts/transport-contract.js';
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
