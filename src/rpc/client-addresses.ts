/**
 * Where a client dials: one address by host and port or as a URL, or several, checked at the door.
 */
import type { Address } from '../transports/transport.js';
import { checkHost, checkPort } from './checks.js';

/** Where the server is: in one of three ways. */
export interface AddressOptions {
  /** The port. */
  readonly port?: number;
  /** The host. */
  readonly host?: string;
  /** Both in one. */
  readonly url?: string;
  /** Those of several servers. */
  readonly urls?: readonly string[];
}

/** One address, or several in their order. */
export type Addresses = readonly [Address, ...(readonly Address[])];

/** How many addresses a client may have: more is a list that somebody forgot to shorten. */
const maxAddresses = 64;

/**
 * Checks where to dial.
 * @throws TypeError, RangeError naming the option, the value and what is allowed
 */
export function checkAddresses({ host, port, url, urls }: AddressOptions): Addresses {
  if (url === undefined && urls === undefined) return [{ host: checkHost(host), port: checkPort(port, 1) }];
  const name = url === undefined ? 'urls' : 'url';
  for (const [other, value] of Object.entries({ host, port, ...(name === 'url' ? { urls } : {}) })) {
    if (value !== undefined) throw new TypeError(`${name} goes without the option ${other}`);
  }
  if (url !== undefined) return [checkUrl('url', url)];
  const given: unknown = urls;
  if (!Array.isArray(given) || given.length === 0 || given.length > maxAddresses)
    throw new TypeError(`urls is to be an array of 1 to ${maxAddresses} texts`);
  const [first, ...others] = given as [unknown, ...unknown[]];
  return [checkUrl('urls[0]', first), ...others.map((each, at) => checkUrl(`urls[${at + 1}]`, each))];
}

function checkUrl(name: string, value: unknown): Address {
  const shown = typeof value === 'string' ? JSON.stringify(value) : typeof value;
  const wrong = `${name} is ${shown}; allowed is "tcp://host:port"`;
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined) throw new TypeError(wrong);
  const { protocol, hostname, port, pathname, username, password, search, hash } = url;
  if (protocol !== 'tcp:') throw new RangeError(`${wrong}: there is no transport for ${protocol} yet`);
  if (!['', '/'].includes(pathname) || [username, password, search, hash].some((part) => part !== ''))
    throw new RangeError(`${wrong}, and nothing else in it`);
  if (hostname === '' || port === '' || port === '0') throw new RangeError(wrong);
  // In a URL a literal IPv6 address stands in brackets.
  return { host: checkHost(hostname.replace(/^\[(.*)\]$/, '$1')), port: checkPort(Number(port), 1) };
}

/** Names them, for messages to people. */
export function describeAddresses(addresses: Addresses): string {
  return addresses.map(({ host, port }) => `${host}:${port}`).join(' or ');
}
