/**
 * Bytes by hand: frames as any peer might write them, right or wrong, and hexadecimal text.
 */
import { encode } from '@msgpack/msgpack';
import { opening } from '../../src/protocol/opening.js';

/** The 8 bytes that begin a connection. */
export const openingBytes: Uint8Array = opening;

/** Joins bytes. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A frame around these bytes; `announced` is the length it claims. */
export function framed(content: Uint8Array, announced = content.length): Uint8Array {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, announced);
  return joined(header, content);
}

/** One frame of these messages, unchecked. */
export function frameOf(...messages: readonly (readonly unknown[])[]): Uint8Array {
  return framed(joined(...messages.map((message) => encode(message))));
}

/** Bytes that stand for nothing, so many of them. */
export function filler(size: number): Uint8Array {
  return new Uint8Array(size).fill(0x2a);
}

/** Cuts bytes into chunks of this size. */
export function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
  return chunks;
}

/** Characters as the bytes that ASCII gives them. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes as hexadecimal text. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Hexadecimal text as bytes. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
