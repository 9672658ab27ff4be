import { describe, expect, it } from '@jest/globals';
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool, pooledBytes } from '../../src/protocol/fragment-pool.js';
import { FrameReader, SlabPool } from '../../src/protocol/framing.js';
import { type LongMessage } from '../../src/protocol/fragments.js';
import { defaultLimits, fragmentBytes, maxFrameBytes } from '../../src/protocol/limits.js';
import type { NotifyMessage } from '../../src/protocol/messages.js';
import { Outbox, type Sent } from '../../src/protocol/outbox.js';
import { filler, joined, openingBytes } from '../helpers/wire.js';

const short: NotifyMessage = [2, 'a', 'b', []];
const room = 1_000_000;

/** A NOTIFY whose encoding has this many bytes. */
function messageOf(bytes: number): NotifyMessage {
  // What is around the filler, whose own length takes two bytes more where it is above 65,535.
  return [2, 'a', 'b', [filler(bytes - (bytes > 0xffff + 12 ? 12 : 10))]];
}

function createOutbox(maxQueuedBytes = defaultLimits.maxQueuedBytes): Outbox {
  return new Outbox(new Codec(defaultLimits), new SlabPool(), maxQueuedBytes);
}

/** Takes frames and decodes what is in them, each as a list. */
function takeFrames(outbox: Outbox, roomBytes = room): unknown[][][] {
  const reader = new FrameReader(new FragmentPool());
  reader.push(joined(...outbox.takeFrames(roomBytes)));
  const codec = new Codec(defaultLimits);
  const frames: unknown[][][] = [];
  for (let frame = reader.read(maxFrameBytes); frame !== undefined; frame = reader.read(maxFrameBytes))
    frames.push(codec.decodeFrame(frame, false));
  return frames;
}

/** `[id, end]` of each fragment. */
function fragmentsIn(frames: readonly unknown[][][]): unknown[][] {
  return frames.flat().flatMap(([type, id, end]) => (type === 13 ? [[id, end]] : []));
}

function longOf(sent: Sent): LongMessage {
  if (typeof sent === 'number') throw new Error('the message is not long');
  return sent;
}

describe('Outbox', () => {
  it('sends the opening once, before everything else', () => {
    const outbox = createOutbox();
    outbox.sendOpening();
    outbox.sendOpening();
    expect(joined(...outbox.takeFrames(0))).toEqual(openingBytes);
  });

  it('sends plain bytes as they are', () => {
    const outbox = createOutbox();
    outbox.sendPlain(Uint8Array.of(1, 2));
    expect(outbox.queuedBytes).toBe(2);
    expect(joined(...outbox.takeFrames(0))).toEqual(Uint8Array.of(1, 2));
  });

  it('numbers messages of the session from 1, and no others', () => {
    const outbox = createOutbox();
    outbox.sendControl([35, 1]);
    expect(outbox.send(short)).toBe(1);
    outbox.sendControl([35, 2]);
    expect(outbox.send([3, 1])).toBe(2);
    expect(takeFrames(outbox)).toEqual([[[35, 1], short, [35, 2], [3, 1]]]);
  });

  it('sends nothing of a message that cannot be encoded', () => {
    const outbox = createOutbox();
    const bad: NotifyMessage = [2, 'a', 'b', [Symbol('x')]];
    expect(() => outbox.send(bad)).toThrow(expect.objectContaining({ code: 'unserializable-value' }));
    expect(outbox.send(short)).toBe(1);
    expect(takeFrames(outbox)).toEqual([[short]]);
  });

  it('sends nothing of a message that would take more than it may', () => {
    const outbox = createOutbox();
    for (const size of [1_000, fragmentBytes + 1_000]) {
      const tooLong = (): Sent => outbox.send(messageOf(size), size - 1);
      expect(tooLong).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    }
    expect(outbox.queuedBytes).toBe(0);
    expect(outbox.send(messageOf(1_000), 1_000)).toBe(1);
  });

  it('sends up to 64 KiB as one message, and one byte more in fragments', () => {
    const outbox = createOutbox();
    expect(new Codec(defaultLimits).encode(messageOf(fragmentBytes))).toHaveLength(fragmentBytes);
    expect(outbox.send(messageOf(fragmentBytes))).toBe(1);
    expect(outbox.hasLongMessages).toBe(false);
    const long = outbox.send(messageOf(fragmentBytes + 1));
    expect(longOf(long).remainingBytes).toBe(fragmentBytes + 1);
    expect(outbox.hasLongMessages).toBe(true);
    expect(fragmentsIn(takeFrames(outbox))).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(outbox.hasLongMessages).toBe(false);
  });

  it('gives a large message a frame of its own, between the short ones of the turn', () => {
    const outbox = createOutbox();
    outbox.send(short);
    const large = messageOf(40_000);
    expect(outbox.send(large)).toBe(2);
    outbox.send(short);
    expect(takeFrames(outbox)).toEqual([[short], [large], [short]]);
  });

  it('gives each fragment a frame of its own, behind the short messages of the turn', () => {
    const outbox = createOutbox();
    outbox.send(messageOf(100_000));
    outbox.send(short);
    outbox.sendControl([35, 1]);
    const frames = takeFrames(outbox);
    expect(frames.map((frame) => frame.map(([type]) => type))).toEqual([[2, 35], [13], [13]]);
  });

  it('sends one long message at a time, in the order in which they were sent', () => {
    const outbox = createOutbox();
    outbox.send(messageOf(100_000));
    outbox.send(messageOf(100_000));
    expect(fragmentsIn(takeFrames(outbox))).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
  });

  it.each([
    [-1, 0],
    [0, 0],
    [1, 1],
    [fragmentBytes, 1],
    [fragmentBytes + 1, 2],
    [10 * fragmentBytes, 4],
  ])('sends long messages while there is room: with %i bytes %i fragments', (roomBytes, count) => {
    const outbox = createOutbox();
    outbox.send(messageOf(4 * fragmentBytes));
    outbox.send(short);
    const frames = takeFrames(outbox, roomBytes);
    expect(fragmentsIn(frames)).toHaveLength(count);
    expect(frames[0]).toEqual([short]);
  });

  it('does not see changes of a long message after it was sent', () => {
    const outbox = createOutbox();
    const bytes = filler(100_000);
    outbox.send([2, 'a', 'b', [bytes]]);
    bytes.fill(0);
    outbox.send([2, 'a', 'b', [new Uint8Array(100_000)]]);
    const [, , , piece] = takeFrames(outbox, 1)[0]?.[0] ?? [];
    expect((piece as Uint8Array).at(-1)).toBe(0x2a);
  });

  it('counts what waits: frames, and the rest of long messages', () => {
    const outbox = createOutbox();
    expect(outbox.queuedBytes).toBe(0);
    outbox.send(messageOf(200_000));
    expect(outbox.queuedBytes).toBe(200_000);
    outbox.send(short);
    expect(outbox.queuedBytes).toBe(200_000 + 4 + 7);
    outbox.takeFrames(1);
    expect(outbox.queuedBytes).toBe(200_000 - fragmentBytes);
    outbox.takeFrames(room);
    expect(outbox.queuedBytes).toBe(0);
  });

  describe('with a window', () => {
    const ofSize = messageOf(1_000);

    it('sends as long as any of it is left, then holds everything back in its order, and goes on when it is wider', () => {
      const outbox = createOutbox();
      outbox.setWindow(1_500);
      const sent = [1, 2, 3, 4].map((id) => outbox.send([2, 'a', `m${id}`, [filler(1_000)]]));
      expect(sent.slice(0, 2)).toEqual([1, 2]);
      expect(takeFrames(outbox).flat()).toHaveLength(2);
      expect(outbox.hasLongMessages).toBe(true);
      expect(takeFrames(outbox)).toEqual([]);
      outbox.widenWindow(600);
      expect(fragmentsIn(takeFrames(outbox))).toEqual([[1, 1]]);
      outbox.widenWindow(1_500);
      expect(fragmentsIn(takeFrames(outbox))).toEqual([[2, 1]]);
      expect(outbox.hasLongMessages).toBe(false);
      outbox.widenWindow(1_500);
      expect(outbox.send(ofSize)).toBe(5);
      expect(outbox.queuedBytes).toBe(1_000 + 4);
    });

    it('has short messages wait behind one that waits, however wide it is by then', () => {
      const outbox = createOutbox();
      outbox.setWindow(1);
      outbox.send(ofSize);
      const held = outbox.send(ofSize);
      outbox.widenWindow(1);
      const behind = outbox.send(short);
      expect([longOf(held).remainingBytes, longOf(behind).remainingBytes]).toEqual([1_000, 7]);
      outbox.setWindow(10_000);
      expect(fragmentsIn(takeFrames(outbox))).toEqual([
        [1, 1],
        [2, 1],
      ]);
      expect(outbox.isHandedOver(behind)).toBe(true);
      expect([longOf(held).lastNumber, longOf(behind).lastNumber]).toEqual([2, 3]);
    });

    it('is no wider than it was told to be', () => {
      const outbox = createOutbox();
      outbox.setWindow(100);
      outbox.widenWindow(1_000_000);
      outbox.send(ofSize);
      expect(typeof outbox.send(ofSize)).toBe('object');
    });

    it('counts fragments, and does not hold back what belongs to the connection', () => {
      const outbox = createOutbox();
      outbox.setWindow(fragmentBytes + 1);
      outbox.send(messageOf(4 * fragmentBytes));
      outbox.sendControl([35, 1]);
      expect(fragmentsIn(takeFrames(outbox))).toHaveLength(2);
      outbox.sendControl([35, 2]);
      expect(takeFrames(outbox)).toEqual([[[35, 2]]]);
      outbox.widenWindow(2 * fragmentBytes);
      expect(fragmentsIn(takeFrames(outbox))).toHaveLength(2);
    });

    it('keeps what was sent as it was then, transferred or not', () => {
      const outbox = createOutbox();
      outbox.setWindow(1);
      outbox.send(ofSize);
      const bytes = filler(500);
      outbox.send([2, 'a', 'b', [bytes]]);
      bytes.fill(0);
      outbox.setWindow(1_000);
      const [, , , piece] = takeFrames(outbox).flat().at(-1) as [number, number, number, Uint8Array];
      expect(piece.at(-1)).toBe(0x2a);
    });

    it('is open again when what waited was taken back', () => {
      const outbox = createOutbox();
      outbox.setWindow(1);
      outbox.send(ofSize);
      const held = outbox.send(ofSize);
      expect(outbox.withdraw(held)).toBe(true);
      expect(outbox.queuedBytes).toBe(1_000 + 4);
      outbox.widenWindow(1);
      outbox.setWindow(10);
      expect(outbox.send(short)).toBe(2);
    });

    it('takes no more than may wait, and says which option changes that', () => {
      const outbox = createOutbox(1_500);
      outbox.setWindow(1);
      outbox.send(ofSize);
      outbox.takeFrames(room);
      outbox.send(ofSize);
      outbox.send(ofSize);
      expect(() => outbox.send(short)).toThrow(
        expect.objectContaining({
          code: 'limit-exceeded',
          message: expect.stringContaining('maxQueuedBytes'),
        }),
      );
    });

    it('loses what waits at the end', () => {
      const outbox = createOutbox();
      outbox.setWindow(1);
      outbox.send(ofSize);
      outbox.send(ofSize);
      outbox.takeFrames(room);
      outbox.end();
      expect(outbox.queuedBytes).toBe(0);
      expect(outbox.withdraw(3)).toBe(false);
    });
  });

  describe('with too much waiting', () => {
    it('takes no further long message, but short ones', () => {
      const outbox = createOutbox(150_000);
      outbox.send(messageOf(100_000));
      outbox.send(messageOf(100_000));
      expect(() => outbox.send(messageOf(100_000))).toThrow(
        expect.objectContaining({
          code: 'limit-exceeded',
          message: expect.stringContaining('limits.maxQueuedBytes'),
        }),
      );
      expect(outbox.queuedBytes).toBe(200_000);
      expect(outbox.send(short)).toBe(1);
    });

    it('takes them again when room was made', () => {
      const outbox = createOutbox(150_000);
      outbox.send(messageOf(150_000));
      outbox.send(messageOf(100_000));
      expect(() => outbox.send(messageOf(100_000))).toThrow();
      outbox.takeFrames(room);
      expect(longOf(outbox.send(messageOf(100_000))).hasBegun).toBe(false);
    });
  });

  describe('isHandedOver', () => {
    it('is false until the frames were taken', () => {
      const outbox = createOutbox();
      const sent = outbox.send(short);
      expect(outbox.isHandedOver(sent)).toBe(false);
      outbox.takeFrames(0);
      expect(outbox.isHandedOver(sent)).toBe(true);
      expect(outbox.isHandedOver(outbox.send(short))).toBe(false);
    });

    it('is true of a long message only when its last fragment was taken', () => {
      const outbox = createOutbox();
      const sent = outbox.send(messageOf(100_000));
      expect(outbox.isHandedOver(sent)).toBe(false);
      outbox.takeFrames(1);
      expect(outbox.isHandedOver(sent)).toBe(false);
      outbox.takeFrames(1);
      expect(outbox.isHandedOver(sent)).toBe(true);
    });

    it('is false of a short message sent before a long one was taken, and true of both afterwards', () => {
      const outbox = createOutbox();
      const long = outbox.send(messageOf(100_000));
      const sent = outbox.send(short);
      outbox.takeFrames(0);
      expect([outbox.isHandedOver(long), outbox.isHandedOver(sent)]).toEqual([false, true]);
    });
  });

  describe('isBeyond', () => {
    it('compares with the last number that the peer has read', () => {
      const outbox = createOutbox();
      const first = outbox.send(short);
      const second = outbox.send(short);
      expect([0, 1, 2, 3].map((last) => outbox.isBeyond(first, last))).toEqual([true, false, false, false]);
      expect([0, 1, 2, 3].map((last) => outbox.isBeyond(second, last))).toEqual([true, true, false, false]);
    });

    it('holds for a long message until the peer has read its last fragment', () => {
      const outbox = createOutbox();
      const long = outbox.send(messageOf(100_000));
      expect(outbox.isBeyond(long, 1_000)).toBe(true);
      outbox.takeFrames(1);
      outbox.send(short);
      expect(outbox.isBeyond(long, 1_000)).toBe(true);
      outbox.takeFrames(1);
      expect([1, 2, 3].map((last) => outbox.isBeyond(long, last))).toEqual([true, true, false]);
    });
  });

  describe('withdraw', () => {
    it('comes too late for a short message', () => {
      const outbox = createOutbox();
      expect(outbox.withdraw(outbox.send(short))).toBe(false);
      expect(takeFrames(outbox)).toEqual([[short]]);
    });

    it('takes back a long message of which nothing has left, without a word', () => {
      const outbox = createOutbox();
      const sent = outbox.send(messageOf(100_000));
      expect(outbox.withdraw(sent)).toBe(true);
      expect(outbox.withdraw(sent)).toBe(true);
      expect(takeFrames(outbox)).toEqual([]);
      expect(outbox.queuedBytes).toBe(0);
    });

    it('takes back a long message that has begun, and says so', () => {
      const outbox = createOutbox();
      const sent = outbox.send(messageOf(200_000));
      outbox.takeFrames(1);
      expect(outbox.withdraw(sent)).toBe(true);
      expect(outbox.withdraw(sent)).toBe(true);
      expect(fragmentsIn(takeFrames(outbox))).toEqual([[1, 2]]);
      expect(outbox.isHandedOver(sent)).toBe(false);
      expect(outbox.send(short)).toBe(3);
    });

    it('comes too late for a long message whose last fragment was taken', () => {
      const outbox = createOutbox();
      const sent = outbox.send(messageOf(100_000));
      outbox.takeFrames(room);
      expect(outbox.withdraw(sent)).toBe(false);
      expect(takeFrames(outbox)).toEqual([]);
    });

    it('leaves the other long messages', () => {
      const outbox = createOutbox();
      outbox.send(messageOf(100_000));
      const second = outbox.send(messageOf(100_000));
      outbox.send(messageOf(100_000));
      expect(outbox.withdraw(second)).toBe(true);
      expect(fragmentsIn(takeFrames(outbox)).map(([id]) => id)).toEqual([1, 1, 3, 3]);
    });
  });

  describe('after the end', () => {
    it('drops what remains of long messages', () => {
      const outbox = createOutbox();
      const sent = outbox.send(messageOf(200_000));
      outbox.takeFrames(1);
      outbox.end();
      expect(outbox.hasLongMessages).toBe(false);
      expect(takeFrames(outbox)).toEqual([]);
      expect(outbox.isHandedOver(sent)).toBe(false);
      expect(outbox.withdraw(sent)).toBe(true);
      expect(takeFrames(outbox)).toEqual([]);
    });

    it('still gives out what was sent before', () => {
      const outbox = createOutbox();
      const sent = outbox.send(short);
      outbox.end();
      expect(takeFrames(outbox)).toEqual([[short]]);
      expect(outbox.isHandedOver(sent)).toBe(true);
    });

    it('takes nothing more, and says of it that it never left', () => {
      const outbox = createOutbox();
      outbox.end();
      const sent = [outbox.send(short), outbox.send(messageOf(100_000))];
      expect(outbox.queuedBytes).toBe(0);
      expect(takeFrames(outbox)).toEqual([]);
      for (const each of sent) {
        expect(outbox.isHandedOver(each)).toBe(false);
        expect(outbox.isBeyond(each, 1_000)).toBe(true);
        expect(outbox.withdraw(each)).toBe(true);
      }
    });
  });
});

describe('what an Outbox keeps', () => {
  it('is what waits, and what is not acknowledged where that is kept', () => {
    const outbox = createOutbox();
    outbox.send(short);
    expect(outbox.keptBytes).toBe(0);
    outbox.send(messageOf(100_000));
    expect(outbox.keptBytes).toBe(100_000);
    const keeping = createOutbox();
    keeping.keepSent(1_000_000);
    keeping.send(short);
    keeping.send(messageOf(100_000));
    expect(keeping.keptBytes).toBe(pooledBytes + 100_000);
  });
});
