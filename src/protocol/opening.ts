/**
 * The first eight bytes of a connection, sent by both sides: `0xC1` (never legal in MessagePack), `TANDEM`, and the
 * protocol's major version. A web page cannot make a browser send them, and no length is believed before them.
 * When something else comes, its first bytes tell what seems to be there. PROTOCOL.md, "Opening".
 */

import type { PortOccupant } from '../errors.js';
import { itemAt } from './bytes.js';
import { protocolVersion } from './messages.js';

/** What both sides send first. */
export const opening: Uint8Array = Uint8Array.of(0xc1, 0x54, 0x41, 0x4e, 0x44, 0x45, 0x4d, protocolVersion);

/** What somebody who speaks HTTP to the port is told. */
export const httpAnswer: Uint8Array = ascii(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n' +
    'This port speaks the Tandem RPC protocol, not HTTP.\n',
);

/** What the first bytes turned out to be. */
export type OpeningVerdict =
  | { readonly kind: 'tandem'; readonly rest: Uint8Array }
  | { readonly kind: 'other-version'; readonly version: number }
  | { readonly kind: 'foreign'; readonly occupant: PortOccupant };

/** Collects the peer's opening, however it is cut into chunks. */
export class OpeningReader {
  readonly #bytes = new Uint8Array(opening.length);
  #length = 0;

  /**
   * Takes the next chunk.
   * @returns a verdict as soon as the bytes allow one, `undefined` until then
   */
  receive(chunk: Uint8Array): OpeningVerdict | undefined {
    const taken = Math.min(chunk.length, opening.length - this.#length);
    this.#bytes.set(chunk.subarray(0, taken), this.#length);
    this.#length += taken;
    const magicLength = Math.min(this.#length, opening.length - 1);
    for (let at = 0; at < magicLength; at++) {
      if (this.#bytes[at] !== opening[at]) return { kind: 'foreign', occupant: recognise(this.#bytes) };
    }
    if (this.#length < opening.length) return undefined;
    const version = itemAt(this.#bytes, opening.length - 1);
    if (version !== protocolVersion) return { kind: 'other-version', version };
    return { kind: 'tandem', rest: chunk.subarray(taken) };
  }
}

/** Names the protocol that begins with these bytes, as far as a few of them tell. */
export function recognise(bytes: Uint8Array): PortOccupant {
  const [first = 0, second = 0] = bytes;
  // TLS record types: 0x16 handshake, 0x15 alert, each followed by major version 3 (RFC 8446, 5.1).
  if ((first === 0x16 || first === 0x15) && second === 0x03) return 'tls';
  // A MessagePack-RPC request, response or notification is an array of four or three items.
  if (first === 0x93 || first === 0x94) return 'messagepack-rpc';
  const text = String.fromCharCode(...bytes.subarray(0, 8));
  if (text.startsWith('SSH-')) return 'ssh';
  if (/^(HTTP|GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PRI)[ /]/.test(text)) return 'http';
  return 'unknown';
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
