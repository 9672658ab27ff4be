import { describe, expect, it } from '@jest/globals';
import { httpAnswer, opening, OpeningReader, recognise } from '../../src/protocol/opening.js';
import { ascii, joined, toHex } from '../helpers/wire.js';

describe('the opening', () => {
  it('is C1 TANDEM 01', () => {
    expect(toHex(opening)).toBe('c154414e44454d01');
  });
});

describe('OpeningReader', () => {
  it('hands back what came behind the opening', () => {
    const rest = Uint8Array.of(0, 0, 0, 1);
    expect(new OpeningReader().receive(joined(opening, rest))).toEqual({ kind: 'tandem', rest });
    expect(new OpeningReader().receive(opening)).toEqual({ kind: 'tandem', rest: new Uint8Array(0) });
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])('reads it cut after %i bytes', (at) => {
    const reader = new OpeningReader();
    const verdicts = [
      reader.receive(opening.subarray(0, at)),
      reader.receive(joined(opening.subarray(at), Uint8Array.of(9))),
    ];
    expect(verdicts).toEqual([undefined, { kind: 'tandem', rest: Uint8Array.of(9) }]);
  });

  it('reads it byte by byte', () => {
    const reader = new OpeningReader();
    const verdicts = Array.from(opening, (byte) => reader.receive(Uint8Array.of(byte))?.kind);
    expect(verdicts).toEqual([...Array.from({ length: 7 }, () => undefined), 'tandem']);
  });

  it.each([0, 2, 255])('tells a peer of version %i', (version) => {
    const reader = new OpeningReader();
    expect(reader.receive(joined(opening.subarray(0, 7), Uint8Array.of(version)))).toEqual({
      kind: 'other-version',
      version,
    });
  });

  it.each([1, 2, 3, 4, 5, 6])('knows something foreign by its byte %i, before the rest comes', (at) => {
    const wrong = opening.slice(0, at + 1);
    wrong[at] = 0;
    expect(new OpeningReader().receive(wrong)).toEqual({ kind: 'foreign', occupant: 'unknown' });
  });

  it('says what the foreign bytes look like', () => {
    expect(new OpeningReader().receive(ascii('GET / HTTP/1.1\r\n'))).toEqual({
      kind: 'foreign',
      occupant: 'http',
    });
  });
});

describe('recognise', () => {
  it.each([
    ['HTTP/1.1 200 OK', 'http'],
    ['GET / HTTP/1.1', 'http'],
    ['OPTIONS * HTTP/1.1', 'http'],
    ['CONNECT a:1 HTTP/1.1', 'http'],
    ['PRI * HTTP/2.0', 'http'],
    ['SSH-2.0-OpenSSH', 'ssh'],
    ['POSTGRES', 'unknown'],
    ['220 smtp', 'unknown'],
    ['', 'unknown'],
    ['\u0016\u0003\u0001\u0002', 'tls'],
    ['\u0015\u0003\u0003\u0000', 'tls'],
    ['\u0016\u0002', 'unknown'],
    ['\u0016', 'unknown'],
    ['\u0017\u0003', 'unknown'],
    ['\u0094\u0000\u0001', 'messagepack-rpc'],
    ['\u0093\u0002', 'messagepack-rpc'],
    ['\u0092', 'unknown'],
    ['\u00c1TANDEN', 'unknown'],
  ])('takes %j for %s', (text, occupant) => {
    expect(recognise(ascii(text))).toBe(occupant);
  });
});

describe('the answer to HTTP', () => {
  it('is a whole answer that a browser can show', () => {
    const text = String.fromCharCode(...httpAnswer);
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(text).toContain('Connection: close\r\n\r\nThis port speaks the Tandem RPC protocol');
  });
});
