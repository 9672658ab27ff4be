/**
 * `tandem-rpc/testing`: servers and clients linked in memory, in virtual time, with faults at will.
 */
export type { MemoryLink } from '../transports/memory-link.js';
export type { MemoryDirection } from '../transports/memory-pipe.js';
export { TestNetwork, type TestNetworkOptions, type TestPeerOptions } from './test-network.js';
