import { describe, expect, it } from '@jest/globals';
import type { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { SlabPool } from '../../src/protocol/framing.js';
import { Inbox } from '../../src/protocol/inbox.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';
import { Outbox } from '../../src/protocol/outbox.js';
import { transferred } from '../../src/protocol/transferred.js';
import { filler } from '../helpers/wire.js';
import { codecs, type CodecMaker } from '../helpers/codecs.js';

/** Both halves of a connection, one behind the other. */
class Pipe {
  readonly codec: Codec;
  readonly outbox: Outbox;
  readonly #inbox: Inbox;

  constructor(codecWith: CodecMaker, limits: Partial<Limits> = {}) {
    const all = { ...defaultLimits, ...limits };
    this.codec = codecWith(all);
    this.outbox = new Outbox(this.codec, new SlabPool(), all.maxQueuedBytes);
    this.#inbox = new Inbox(codecWith(all), all, new FragmentPool());
  }

  send(...args: readonly unknown[]): void {
    this.outbox.send([0, 1, 'o', 'm', this.codec.marshal(args, 'arguments') as readonly unknown[]]);
  }

  /** What arrives of the one message that was sent. */
  receive(): unknown {
    const messages = this.receiveAll();
    if (messages.length !== 1) throw new Error(`${messages.length} messages arrived`);
    return messages[0];
  }

  /** What arrives of all that was sent. */
  receiveAll(): unknown[] {
    const messages: unknown[][] = [];
    for (;;) {
      const frames = this.outbox.takeFrames(1_000_000);
      if (frames.length === 0) break;
      for (const frame of frames) {
        this.#inbox.push(frame);
        for (let read = this.#inbox.read(false); read !== undefined; read = this.#inbox.read(false)) {
          messages.push(...(read as unknown as unknown[][]));
        }
      }
    }
    return messages.map((message) => message[4]);
  }
}

describe.each(codecs)('transferred(), by %s', (_codec, codecWith) => {
  it.each<readonly [string, ArrayBuffer | ArrayBufferView]>([
    ['a Uint8Array', filler(200_000)],
    ['a part of a buffer', filler(300_000).subarray(7, 250_000)],
    ['an ArrayBuffer', Uint8Array.from(filler(200_000)).buffer],
    ['a Float64Array', Float64Array.from({ length: 30_000 }, (_, at) => at / 7)],
    ['a DataView', new DataView(filler(100_000).buffer, 5, 90_000)],
    ['too few to be worth it', filler(1_000)],
    ['few enough for one frame', filler(20_000)],
    ['few enough to share a frame', filler(16_400)],
    ['none at all', new Uint8Array(0)],
  ])('sends %s as the very same value', (_what, bytes) => {
    const pipe = new Pipe(codecWith);
    pipe.send('before', transferred(bytes), { after: [1, transferred(bytes)] });
    expect(pipe.receive()).toStrictEqual(['before', bytes, { after: [1, bytes] }]);
  });

  it('saves the copy, but where a fragment holds other bytes too: what is written before they have left arrives', () => {
    const pipe = new Pipe(codecWith);
    const [given, kept] = [new Uint8Array(200_000), new Uint8Array(200_000)];
    pipe.send(transferred(given), kept);
    given.fill(1);
    kept.fill(1);
    const [came, unchanged] = pipe.receive() as [Uint8Array, Uint8Array];
    expect(came.subarray(66_560, 133_120)).toEqual(new Uint8Array(66_560).fill(1));
    expect(came).toHaveLength(200_000);
    expect(unchanged).toStrictEqual(new Uint8Array(200_000));
  });

  it('sends bytes within Maps, Sets and errors by copy', () => {
    const pipe = new Pipe(codecWith);
    const bytes = filler(100_000);
    const value = [new Map([['b', transferred(bytes)]]), new Set([transferred(bytes)])];
    pipe.send(value, transferred(bytes));
    expect(pipe.receive()).toStrictEqual([[new Map([['b', bytes]]), new Set([bytes])], bytes]);
  });

  it('counts in every bound on bytes', () => {
    const bytes = filler(100_000);
    expect(() => {
      new Pipe(codecWith, { maxBinaryBytes: 50_000 }).send(transferred(bytes));
    }).toThrow('maxBinaryBytes');
    expect(() => {
      new Pipe(codecWith, { maxMessageBytes: 150_000 }).send(transferred(bytes), transferred(bytes));
    }).toThrow('maxMessageBytes');
    const pipe = new Pipe(codecWith);
    pipe.send(transferred(bytes));
    expect(pipe.outbox.lastMessageBytes).toBeGreaterThan(100_000);
    expect(pipe.outbox.queuedBytes).toBe(pipe.outbox.lastMessageBytes);
  });

  it('keeps few bytes as they are while the window of the other side is closed', () => {
    const pipe = new Pipe(codecWith);
    pipe.outbox.setWindow(1);
    const bytes = filler(20_000);
    pipe.send('first');
    pipe.send(transferred(bytes));
    bytes.fill(0);
    pipe.outbox.setWindow(1_000_000);
    expect(pipe.receiveAll()).toStrictEqual([['first'], [filler(20_000)]]);
  });

  it.each([10, 35_000, 200_000])('is not mixed up with %i bytes that a getter sends meanwhile', (size) => {
    const pipe = new Pipe(codecWith);
    let reads = 0;
    const sending = {
      get text(): string {
        reads += 1;
        // First it is looked at, then it is encoded.
        if (reads === 2) pipe.send('inner', filler(size));
        return 'text';
      },
    };
    pipe.send(filler(40_000), sending, transferred(filler(50_000)));
    expect(pipe.receiveAll()).toStrictEqual(
      expect.arrayContaining([
        ['inner', filler(size)],
        [filler(40_000), { text: 'text' }, filler(50_000)],
      ]),
    );
  });

  it.each([40_000, 200_000])('refuses %i bytes whose memory a getter gives away meanwhile', (size) => {
    const pipe = new Pipe(codecWith);
    const bytes = filler(size);
    let reads = 0;
    const detaching = {
      get text(): string {
        reads += 1;
        if (reads === 2) structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
        return 'text';
      },
    };
    expect(() => {
      pipe.send(bytes, detaching);
    }).toThrow(expect.objectContaining({ code: 'unserializable-value' }));
    pipe.send('next');
    expect(pipe.receive()).toEqual(['next']);
  });

  it('leaves nothing behind when the message cannot be encoded', () => {
    const pipe = new Pipe(codecWith);
    let reads = 0;
    const changing = {
      get text(): unknown {
        reads += 1;
        return reads === 1 ? 'text' : Symbol('no value');
      },
    };
    expect(() => {
      pipe.send(transferred(filler(100_000)), changing);
    }).toThrow();
    pipe.send('next');
    expect(pipe.receive()).toEqual(['next']);
  });

  it('refuses what are no bytes', () => {
    expect(() => transferred('text' as never)).toThrow(TypeError);
    expect(() => transferred([1] as never)).toThrow('transferred needs an ArrayBuffer');
    expect(String(transferred(new Uint8Array(1)))).toBe('[transferred bytes]');
  });
});
