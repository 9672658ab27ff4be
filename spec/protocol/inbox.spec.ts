import { describe, expect, it } from '@jest/globals';
import { encode } from '@msgpack/msgpack';
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { Inbox } from '../../src/protocol/inbox.js';
import { defaultLimits, maxHandshakeFrameBytes } from '../../src/protocol/limits.js';
import { cut, filler, frameOf, framed, joined } from '../helpers/wire.js';

const isProtocolError = expect.objectContaining({ code: 'protocol' });

function createInbox(): Inbox {
  return new Inbox(new Codec(defaultLimits), defaultLimits, new FragmentPool());
}

/** Hands in chunks and reads all that they complete. */
function read(inbox: Inbox, chunks: readonly Uint8Array[], isStranger = false): unknown[] {
  const messages: unknown[] = [];
  for (const chunk of chunks) {
    inbox.push(chunk);
    for (let found = inbox.read(isStranger); found !== undefined; found = inbox.read(isStranger))
      messages.push(...found);
  }
  return messages;
}

/** A message whose encoding has this many bytes, in fragments. */
function fragmentsOf(message: readonly unknown[], id = 1): Uint8Array[] {
  const pieces = cut(encode(message), 66_560);
  return pieces.map((piece, at) => frameOf([13, id, at === pieces.length - 1 ? 1 : 0, piece]));
}

describe('Inbox', () => {
  it('reads messages, several in a frame, and counts those of the session', () => {
    const inbox = createInbox();
    const chunk = joined(frameOf([35, 1], [3, 1], [3, 2]), frameOf([36, 1]), frameOf([3, 3]));
    expect(read(inbox, [chunk])).toEqual([
      [35, 1],
      [3, 1],
      [3, 2],
      [36, 1],
      [3, 3],
    ]);
    expect(inbox.receivedCount).toBe(3);
  });

  it('reads them byte by byte', () => {
    const inbox = createInbox();
    expect(read(inbox, cut(frameOf([2, 'a', 'b', ['c']]), 1))).toEqual([[2, 'a', 'b', ['c']]]);
  });

  it('reads a long frame in portions, by messages and by bytes', () => {
    const inbox = createInbox();
    inbox.push(frameOf(...Array.from({ length: 600 }, (_, at) => [3, at + 1])));
    const counts: (number | undefined)[] = [];
    for (let at = 0; at < 4; at += 1) {
      inbox.beginPortion();
      counts.push(inbox.read(false)?.length);
      expect(inbox.isPortionRead).toBe(at < 2);
    }
    expect(counts).toEqual([256, 256, 88, undefined]);
    inbox.push(frameOf(...Array.from({ length: 30 }, () => [2, 'a', 'b', ['x'.repeat(1_000)]])));
    expect([inbox.read(false)?.length, inbox.read(false)?.length, inbox.hasUnread]).toEqual([17, 13, false]);
    expect(inbox.receivedCount).toBe(630);
  });

  it('keeps what is unread of a frame and behind it, whatever becomes of the chunks', () => {
    const inbox = createInbox();
    const numbers = (from: number, count: number) => Array.from({ length: count }, (_, at) => [3, from + at]);
    const [first, second] = [frameOf(...numbers(1, 300)), frameOf(...numbers(301, 300))];
    const all: unknown[] = [];
    inbox.push(first);
    all.push(...(inbox.read(false) ?? []));
    inbox.keep();
    first.fill(0xc1);
    inbox.push(second);
    inbox.keep();
    second.fill(0xc1);
    for (let found = inbox.read(false); found !== undefined; found = inbox.read(false)) all.push(...found);
    expect(all).toEqual(numbers(1, 600));
  });

  it('counts the fragments of a portion as well', () => {
    const inbox = createInbox();
    const [first] = fragmentsOf([2, 'a', 'b', [filler(70_000)]]);
    inbox.beginPortion();
    inbox.push(first!);
    expect([inbox.read(false), inbox.isPortionRead]).toEqual([[], true]);
  });

  it('judges what strangers say in one frame as one', () => {
    const inbox = createInbox();
    const greetings = Array.from({ length: 300 }, (_, at) => [35, at + 1]);
    expect(read(inbox, [frameOf(...greetings)], true)).toHaveLength(300);
    inbox.push(frameOf(...greetings));
    expect(inbox.read(true)).toHaveLength(300);
  });

  it('says whether it is within a frame', () => {
    const inbox = createInbox();
    const bytes = frameOf([35, 1]);
    read(inbox, [bytes.slice(0, 1)]);
    expect(inbox.isWithinFrame).toBe(true);
    read(inbox, [bytes.slice(1)]);
    expect(inbox.isWithinFrame).toBe(false);
  });

  it('counts each fragment, and gives the message with the last', () => {
    const inbox = createInbox();
    const message = [2, 'a', 'b', ['x'.repeat(150_000)]];
    const frames = fragmentsOf(message);
    expect(frames).toHaveLength(3);
    expect(read(inbox, frames.slice(0, 2))).toEqual([]);
    expect(inbox.receivedCount).toBe(2);
    expect(read(inbox, frames.slice(2))).toEqual([message]);
    expect(inbox.receivedCount).toBe(3);
  });

  it('reads short messages between the fragments of long ones', () => {
    const inbox = createInbox();
    const long = [2, 'a', 'b', [filler(70_000)]];
    const [first, last] = fragmentsOf(long);
    const frames = [first, frameOf([3, 1]), last].filter((frame) => frame !== undefined);
    expect(read(inbox, frames)).toEqual([[3, 1], long]);
  });

  it('never shows one connection the bytes of another, though they share buffers', () => {
    const pool = new FragmentPool();
    const inboxes = [1, 2, 3].map(() => new Inbox(new Codec(defaultLimits), defaultLimits, pool));
    const messages = inboxes.map((_, at) => [2, 'a', 'b', [new Uint8Array(150_000 + at).fill(at + 1)]]);
    const chunks = messages.map((message) => cut(joined(...fragmentsOf(message)), 65_536));
    const received: unknown[][] = inboxes.map(() => []);
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 3; at += 1) {
        inboxes.forEach((inbox, index) => {
          const chunk = chunks[index]?.[at]?.slice() ?? new Uint8Array(0);
          received[index]?.push(...read(inbox, [chunk]));
          chunk.fill(0xc1);
        });
      }
    }
    inboxes.forEach((_, index) => {
      expect(received[index]).toEqual([messages[index], messages[index], messages[index]]);
    });
    expect(pool.freeCount).toBeGreaterThan(0);
  });

  it('gives bytes that do not change with the chunk they came in', () => {
    const inbox = createInbox();
    const chunk = frameOf([2, 'a', 'b', [Uint8Array.of(1, 2, 3)]]);
    const [message] = read(inbox, [chunk]) as [[number, string, string, [Uint8Array]]];
    expect(message[3][0].buffer).not.toBe(chunk.buffer);
  });

  it.each([
    ['a message of the connection', [35, 1]],
    ['a fragment', [13, 2, 1, new Uint8Array(0)]],
    ['something that is no message', [99]],
  ])('refuses fragments that make up %s', (_what, message) => {
    expect(() => read(createInbox(), fragmentsOf(message))).toThrow(isProtocolError);
  });

  it('refuses fragments that make up two messages, or none', () => {
    const two = joined(encode([3, 1]), encode([3, 2]));
    expect(() => read(createInbox(), [frameOf([13, 1, 1, two])])).toThrow(isProtocolError);
    expect(() => read(createInbox(), [frameOf([13, 1, 1, new Uint8Array(0)])])).toThrow(isProtocolError);
  });

  it.each([
    ['what is no MessagePack', Uint8Array.of(0xc1)],
    ['a value that is no array', encode(1)],
    ['a message that is cut short', encode([35, 1]).subarray(0, 2)],
    ['a good message with a byte behind it', joined(encode([35, 1]), Uint8Array.of(0xc0))],
    ['an array that claims to be long', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a map that claims to be long', Uint8Array.of(0x92, 0x20, 0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['bytes that claim to be many', Uint8Array.of(0x94, 13, 1, 0, 0xc6, 0xff, 0xff, 0xff, 0xff)],
    ['endless nesting', new Uint8Array(100_000).fill(0x91)],
  ])('refuses a frame of %s', (_what, content) => {
    expect(() => read(createInbox(), [framed(content)])).toThrow(isProtocolError);
  });

  describe('before the handshake', () => {
    it.each([[[3, 1]], [[0, 1, 'a', 'b', []]], [[9, [], true]], [[13, 1, 1, new Uint8Array(0)]]])(
      'refuses a message of the session: %j',
      (message) => {
        const inbox = createInbox();
        expect(() => read(inbox, [frameOf(message)], true)).toThrow(isProtocolError);
        expect(inbox.receivedCount).toBe(0);
      },
    );

    it('takes frames of up to 16 KiB', () => {
      const padded = (size: number): Uint8Array => {
        const bytes = frameOf([32, { version: 1, timeoutMs: 1, x: filler(size - 40) }]);
        return frameOf([32, { version: 1, timeoutMs: 1, x: filler(size - 40 + size + 4 - bytes.length) }]);
      };
      expect(padded(maxHandshakeFrameBytes)).toHaveLength(maxHandshakeFrameBytes + 4);
      expect(read(createInbox(), [padded(maxHandshakeFrameBytes)], true)).toHaveLength(1);
      expect(() => read(createInbox(), [padded(maxHandshakeFrameBytes + 1)], true)).toThrow(isProtocolError);
      expect(read(createInbox(), [padded(maxHandshakeFrameBytes + 1)])).toHaveLength(1);
    });

    it('takes 32 KiB in all', () => {
      const inbox = createInbox();
      const frame = frameOf([32, { version: 1, timeoutMs: 1, x: filler(10_000) }]);
      read(inbox, [frame, frame, frame], true);
      expect(() => read(inbox, [frame], true)).toThrow('more than 32768 bytes before the handshake');
    });
  });
});
