/** Who is counted as one, of those who dial: strangers have many addresses, and a machine has many programs. */

/**
 * Whom a host stands for; `undefined`: nobody in particular, as for this machine's own programs. Of IPv6 the network of 64 bits, all of
 * which one customer has.
 */
export function originOf(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  const address = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (address === '::1' || address.startsWith('127.')) return undefined;
  return address.includes(':') ? networkOf(address) : address;
}

/** The first four groups, written out. */
function networkOf(address: string): string {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const behind = tail === undefined ? [] : groups(tail);
  const before = groups(head);
  const zeros = new Array<string>(Math.max(0, 8 - before.length - behind.length)).fill('0');
  return [...before, ...zeros, ...behind].slice(0, 4).join(':');
}
