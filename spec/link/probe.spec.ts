import { describe, expect, it } from '@jest/globals';
import { probe, type ProbeResult } from '../../src/link/probe.js';
import type { DialSink, TransportProvider } from '../../src/transports/transport.js';
import { settingsOf } from '../helpers/hand-core.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualClock } from '../helpers/virtual-clock.js';
import { ascii, frameOf, joined, openingBytes } from '../helpers/wire.js';

/** A probe under way, whose dial has the outcome that the spec gives it. */
function bench() {
  const clock = new VirtualClock();
  const results: ProbeResult[] = [];
  const sinks: DialSink[] = [];
  let isDialCancelled = false;
  const transports: TransportProvider = {
    dial: (_address, sink) => {
      sinks.push(sink);
      return { cancel: () => (isDialCancelled = true) };
    },
    listen: () => ({ close: () => {} }),
  };
  const cancel = probe(
    {
      transports,
      address: { host: 'h', port: 1 },
      scheduler: clock,
      connection: settingsOf({ side: 'dialer' }),
    },
    (result) => results.push(result),
  );
  const transport = new HandTransport();
  return {
    clock,
    results,
    transport,
    cancel,
    isDialCancelled: () => isDialCancelled,
    connect: () => sinks.forEach((sink) => sink.onTransport(transport)),
    fail: (kind: 'refused' | 'other', error: Error) =>
      sinks.forEach((sink) => sink.onFailed({ kind, error })),
  };
}

describe('probe', () => {
  it('asks with PROBE, and says nothing else', () => {
    const { connect, transport } = bench();
    connect();
    expect(transport.turn().take()).toEqual(joined(openingBytes, frameOf([40])));
  });

  it.each<[string, Uint8Array, ProbeResult]>([
    [
      'a Tandem server',
      joined(openingBytes, frameOf([41, { version: 1, service: 'tandem' }])),
      { kind: 'tandem' },
    ],
    [
      'another service on this protocol',
      joined(openingBytes, frameOf([41, { version: 1, service: 'other' }])),
      { kind: 'occupied', occupant: 'unknown' },
    ],
    ['HTTP', ascii('HTTP/1.1 400 Bad Request\r\n'), { kind: 'occupied', occupant: 'http' }],
    ['SSH', ascii('SSH-2.0-OpenSSH_9\r\n'), { kind: 'occupied', occupant: 'ssh' }],
    ['TLS', ascii('\u0015\u0003\u0001'), { kind: 'occupied', occupant: 'tls' }],
    ['something else', ascii('220 ready\r\n'), { kind: 'occupied', occupant: 'unknown' }],
    ['a server of another version', Uint8Array.of(...openingBytes.subarray(0, 7), 9), { kind: 'tandem' }],
    ['a peer that refuses', joined(openingBytes, frameOf([34, 'server-stopped', 'x'])), { kind: 'tandem' }],
    [
      'a peer that did not read the probe in time',
      joined(openingBytes, frameOf([34, 'handshake-timeout', 'x'])),
      { kind: 'tandem' },
    ],
    [
      'a peer that answers what was not asked',
      joined(openingBytes, frameOf([33, { version: 1, connectionID: 'c', timeoutMs: 1 }])),
      { kind: 'occupied', occupant: 'unknown' },
    ],
  ])('finds %s', (_what, answer, result) => {
    const { clock, connect, transport, results } = bench();
    connect();
    transport.arrive(answer);
    expect(results).toEqual([result]);
    expect(transport.acts).toContain('close');
    transport.end();
    expect(clock.armed).toBe(0);
  });

  it('finds nobody where the dial is refused', () => {
    const { clock, fail, results } = bench();
    fail('refused', new Error('ECONNREFUSED'));
    expect(results).toEqual([{ kind: 'nobody' }]);
    expect(clock.armed).toBe(0);
  });

  it('says why it could not ask', () => {
    const { fail, results } = bench();
    const error = new Error('no route');
    fail('other', error);
    expect(results).toEqual([{ kind: 'failed', error }]);
  });

  it('finds somebody who ends without a word', () => {
    const { connect, transport, results } = bench();
    connect();
    transport.end(new Error('ECONNRESET'));
    expect(results).toEqual([{ kind: 'occupied', occupant: 'unknown' }]);
  });

  it.each(['accepts and is silent', 'does not even accept', 'falls silent in the middle of its opening'])(
    'finds somebody who %s, within a second',
    (what) => {
      const { clock, connect, transport, results, isDialCancelled } = bench();
      if (what !== 'does not even accept') connect();
      if (what.startsWith('falls')) transport.arrive(openingBytes.slice(0, 4));
      clock.pass(999);
      expect(results).toEqual([]);
      clock.pass(1);
      expect(results).toEqual([{ kind: 'occupied', occupant: 'unresponsive' }]);
      expect(isDialCancelled()).toBe(true);
      clock.pass(10_000);
      expect(results).toHaveLength(1);
      expect(clock.armed).toBe(0);
    },
  );

  it.each([true, false])('reports nothing once cancelled, connected or not: %p', (isConnected) => {
    const { clock, connect, transport, results, cancel, isDialCancelled } = bench();
    if (isConnected) connect();
    cancel();
    cancel();
    transport.arrive(openingBytes, frameOf([41, { version: 1, service: 'tandem' }])).end();
    clock.pass(10_000);
    expect(results).toEqual([]);
    expect(isDialCancelled()).toBe(true);
    expect(clock.armed).toBe(0);
  });
});
