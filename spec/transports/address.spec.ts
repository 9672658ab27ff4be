import { describe, expect, it } from '@jest/globals';
import { formatAddress, literalHost } from '../../src/transports/address.js';

describe('an address', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1:4000'],
    ['example.org', 'example.org:4000'],
    ['::1', '[::1]:4000'],
  ])('of %s is written %s', (host, text) => {
    expect(formatAddress({ host, port: 4_000 })).toBe(text);
  });

  it.each([
    ['localhost', '127.0.0.1'],
    ['LOCALHOST', '127.0.0.1'],
    ['localhost.example.org', 'localhost.example.org'],
    ['::1', '::1'],
  ])('with host %s means %s', (host, meant) => {
    expect(literalHost(host)).toBe(meant);
  });
});
