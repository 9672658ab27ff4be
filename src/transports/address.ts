/**
 * How transports read and write an address: which host a name means, and how both ends are named to people.
 *
 * It resolves no names; that is the system's work.
 */

import type { Address } from './transport.js';

/**
 * The host that is meant by `host`. `localhost` is the one name that is not left to the system: it may mean 127.0.0.1 and
 * ::1, which different programs can hold at the same time, and a client must reach the server that was started.
 */
export function literalHost(host: string): string {
  return host.toLowerCase() === 'localhost' ? '127.0.0.1' : host;
}

/** `127.0.0.1:4000`, `[::1]:4000`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
}
