/**
 * `tandem-rpc/testing`: servers and clients linked in memory, in virtual time, with faults at will; and a TCP proxy with the
 * same faults for real sockets.
 */
export type { Address } from '../transports/transport.js';
export type { MemoryLink } from '../transports/memory-link.js';
export type { MemoryDirection } from '../transports/memory-pipe.js';
export { TestNetwork, type TestNetworkOptions, type TestPeerOptions } from './test-network.js';
export { FaultProxy, type FaultProxyOptions, type FaultTarget } from './fault-proxy.js';
export type { FaultLink } from './fault-link.js';
export type { FaultConditions, FaultDirection } from './fault-switches.js';
export type { RandomFaults, RandomFaultsOptions } from './random-faults.js';
export { seededRandom } from './seeded-random.js';
