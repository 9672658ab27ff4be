import { describe, expect, it } from '@jest/globals';
import { encode } from '@msgpack/msgpack';
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { FrameWatch, type FrameWatchEvent } from '../../src/protocol/frame-watch.js';
import { defaultLimits, maxFrameBytes, maxHandshakeFrameBytes } from '../../src/protocol/limits.js';
import { cut, filler, frameOf, framed, joined, openingBytes } from '../helpers/wire.js';

/** A watch whose time and lag the spec sets. */
class Hand {
  readonly watch: FrameWatch;
  nowMs = 0;
  lagMs = 0;
  readonly events: FrameWatchEvent[] = [];

  constructor(isStranger = false) {
    this.watch = new FrameWatch(defaultLimits, isStranger, new Codec(defaultLimits), new FragmentPool());
  }

  /** Hands in chunks. @returns what passed */
  receive(...chunks: readonly Uint8Array[]): Uint8Array {
    const passed: Uint8Array[] = [];
    for (const chunk of chunks) {
      this.watch.receive(chunk, this.nowMs, this.lagMs);
      passed.push(...this.watch.takeForwarded().map((piece) => piece.slice()));
      this.events.push(...this.watch.takeEvents());
      chunk.fill(0xc1);
    }
    return joined(...passed);
  }

  /** The frames that it wants to be written. */
  get replies(): Uint8Array {
    return joined(...this.watch.takeReplies());
  }
}

/** One that has seen the opening, with heartbeats for 9 s on both sides. */
function beating(isStranger = false): Hand {
  const hand = new Hand(isStranger);
  hand.receive(openingBytes.slice());
  hand.watch.startHeartbeats(9_000, 9_000, undefined, 0);
  return hand;
}

describe('FrameWatch', () => {
  it('lets the opening and whole frames pass, however they are cut', () => {
    const bytes = joined(openingBytes, frameOf([3, 1], [3, 2]), frameOf([0, 1, 'a', 'b', [1.5]]));
    for (const size of [1, 3, 7, 20, bytes.length]) {
      expect(new Hand().receive(...cut(bytes.slice(), size))).toEqual(bytes);
    }
  });

  it('keeps a frame back until it is whole', () => {
    const hand = beating();
    const frame = frameOf([3, 1], [3, 2]);
    expect(hand.receive(frame.slice(0, 6))).toHaveLength(0);
    expect(hand.receive(frame.slice(6))).toEqual(frame);
  });

  it('lets a fragment pass without a look', () => {
    const frame = frameOf([13, 1, 1, filler(60_000)]);
    expect(beating().receive(frame.slice())).toEqual(frame);
  });

  it.each([
    ['HTTP', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')],
    ['another version', Uint8Array.of(...openingBytes.subarray(0, 7), 99, 0, 0, 0, 0)],
  ])('lets all of %s pass, for others to say what it is', (_what, bytes) => {
    const hand = new Hand();
    expect(hand.receive(...cut(bytes.slice(), 5))).toEqual(bytes);
    expect(hand.receive(filler(10).slice())).toEqual(filler(10));
    expect(hand.events).toEqual([]);
    expect(hand.watch.nextDeadlineMs).toBe(Infinity);
  });

  describe('before heartbeats start', () => {
    it('lets what both sides prove a shared token with pass', () => {
      const [nonce, proof] = [filler(32), filler(32)];
      const frames = [
        frameOf([32, { version: 1, timeoutMs: 1, nonce }]),
        frameOf([45, nonce, proof], [46, proof]),
      ];
      const hand = new Hand(true);
      hand.receive(openingBytes.slice());
      for (const frame of frames) expect(hand.receive(frame.slice())).toEqual(frame);
    });

    it('lets heartbeats pass', () => {
      const hand = new Hand();
      hand.receive(openingBytes.slice());
      expect(hand.receive(frameOf([35, 1]))).toEqual(frameOf([35, 1]));
      expect(hand.replies).toHaveLength(0);
    });

    it('has no deadline', () => {
      const hand = new Hand();
      expect(hand.watch.nextDeadlineMs).toBe(Infinity);
      hand.watch.setTimeout(1, 0);
      hand.watch.excuseSilence(0);
      expect(hand.watch.handleDeadline(1_000, 0)).toBe(false);
      expect(hand.watch.isDead(1_000)).toBe(false);
    });

    it('refuses a large frame of a stranger, and takes one of a server', () => {
      const frame = framed(joined(encode([2, 'a', 'b', [filler(maxHandshakeFrameBytes)]])));
      const stranger = new Hand(true);
      stranger.receive(openingBytes.slice());
      expect(stranger.receive(frame.slice())).toHaveLength(0);
      expect(stranger.events).toEqual([
        { type: 'fault', code: 'protocol-error', message: expect.stringContaining('a frame of') },
      ]);
      const server = new Hand();
      server.receive(openingBytes.slice());
      expect(server.receive(frame.slice())).toEqual(frame);
    });
  });

  describe('with heartbeats', () => {
    it('answers pings with the lag of its own main loop, and lets them go no further', () => {
      const hand = beating();
      hand.lagMs = 30_000.4;
      expect(hand.receive(frameOf([35, 1, 5]))).toHaveLength(0);
      hand.lagMs = 0.4;
      expect(hand.receive(frameOf([35, 2, 5]))).toHaveLength(0);
      expect(hand.replies).toEqual(joined(frameOf([36, 1, 30_000]), frameOf([36, 2])));
      expect(hand.events).toEqual([{ type: 'lag', loopLagMs: 5 }]);
    });

    it('pings, and tells how long the answer took and what the peer said of its loop', () => {
      const hand = beating();
      hand.nowMs = hand.watch.nextDeadlineMs;
      expect(hand.nowMs).toBe(3_000);
      expect(hand.watch.handleDeadline(hand.nowMs, 7)).toBe(false);
      expect(hand.replies).toEqual(frameOf([35, 1, 7]));
      hand.nowMs += 12;
      expect(hand.receive(frameOf([36, 1, 400]), frameOf([36, 1]))).toHaveLength(0);
      expect(hand.events).toEqual([
        { type: 'lag', loopLagMs: 400 },
        { type: 'heartbeat', roundTripMs: 12, loopLagMs: 400 },
        { type: 'lag', loopLagMs: 0 },
      ]);
    });

    it('sends a ping along with an answer where one is due soon', () => {
      const hand = beating();
      hand.nowMs = 2_000;
      hand.lagMs = 9;
      hand.receive(frameOf([35, 1]));
      expect(hand.replies).toEqual(joined(frameOf([36, 1, 9]), frameOf([35, 1, 9])));
      expect(hand.watch.nextDeadlineMs).toBe(5_000);
    });

    it('lets a frame pass that holds something else besides, and has answered the ping in it', () => {
      const hand = beating();
      const frame = frameOf([3, 1], [35, 1], [3, 2]);
      expect(hand.receive(frame.slice())).toEqual(frame);
      expect(hand.replies).toEqual(frameOf([36, 1]));
    });

    it.each([
      ['an array of 16 bits', Uint8Array.of(0xdc, 0, 2, 35, 1)],
      ['an array of 32 bits', Uint8Array.of(0xdd, 0, 0, 0, 2, 35, 1)],
      ['of a type in two bytes', Uint8Array.of(0x92, 0xcc, 35, 1)],
    ])('knows a ping that is %s', (_what, bytes) => {
      const hand = beating();
      expect(hand.receive(framed(bytes))).toHaveLength(0);
      expect(hand.replies).toEqual(frameOf([36, 1]));
    });

    it('lets others pass whose type is in two bytes', () => {
      const frame = framed(Uint8Array.of(0x92, 0xcc, 3, 1));
      expect(beating().receive(frame.slice())).toEqual(frame);
    });

    it.each([
      ['a message', frameOf([3, 1])],
      ['a fragment', frameOf([13, 1, 0, filler(66_560)])],
    ])('takes %s as proof that the loop of the peer has turned', (_, frame) => {
      const hand = beating();
      hand.receive(frameOf([35, 1, 2_500]), frame.slice(), frame.slice());
      expect(hand.events).toEqual([
        { type: 'lag', loopLagMs: 2_500 },
        { type: 'lag', loopLagMs: 0 },
      ]);
    });

    it('tells of many lags in a chunk the last one', () => {
      const hand = beating();
      hand.receive(joined(...Array.from({ length: 50 }, (_, at) => frameOf([35, at + 1, 1 + (at % 7)]))));
      expect(hand.events).toEqual([{ type: 'lag', loopLagMs: 1 }]);
    });

    it('reads nothing more of a peer that does not read', () => {
      const hand = beating();
      hand.watch.refuseDeaf(1_000);
      hand.watch.refuseDeaf(1_000);
      expect(hand.receive(frameOf([3, 1]))).toHaveLength(0);
      expect(hand.events).toEqual([
        { type: 'fault', code: 'limit-exceeded', message: expect.stringContaining('maxQueuedBytes') },
      ]);
    });

    it('tells the peer what was taken, from when on there are heartbeats', () => {
      const hand = beating();
      hand.watch.widenWindow(5_000);
      expect(hand.replies).toEqual(frameOf([44, 5_000]));
      const early = new Hand();
      early.receive(openingBytes.slice());
      early.watch.widenWindow(5_000);
      expect(early.replies).toHaveLength(0);
      expect(early.receive(frameOf([44, 7]))).toEqual(frameOf([44, 7]));
    });

    it('pings as often as the peer asks for, and lets its wish pass', () => {
      const hand = beating();
      expect(hand.receive(frameOf([39, 300]))).toEqual(frameOf([39, 300]));
      hand.watch.handleDeadline(0, 0);
      expect(hand.watch.nextDeadlineMs).toBe(100);
    });

    it('suspects a silent peer, and calls it dead unless something comes', () => {
      const hand = beating();
      for (hand.nowMs = 3_000; hand.nowMs < 9_000; hand.nowMs += 3_000) {
        expect(hand.watch.handleDeadline(hand.nowMs, 0)).toBe(false);
      }
      expect(hand.watch.handleDeadline(9_000, 0)).toBe(true);
      expect(hand.watch.isDead(9_000)).toBe(true);
      hand.receive(frameOf([3, 1]));
      expect(hand.watch.isDead(9_000)).toBe(false);
    });

    it('suspects it at the timeout, also between two pings', () => {
      const hand = new Hand();
      hand.watch.startHeartbeats(9_000, 90_000, 8_000, 0);
      hand.watch.handleDeadline(8_000, 0);
      expect(hand.replies).toEqual(frameOf([35, 1]));
      expect(hand.watch.handleDeadline(9_000, 0)).toBe(true);
      expect(hand.replies).toHaveLength(0);
    });

    it('bears silence that it has excused', () => {
      const hand = beating();
      hand.watch.excuseSilence(8_000);
      hand.watch.handleDeadline(9_000, 0);
      expect(hand.watch.isDead(9_000)).toBe(false);
    });

    it('bears as much silence as it is told', () => {
      const hand = beating();
      hand.watch.setTimeout(300, 0);
      expect(hand.watch.nextDeadlineMs).toBe(100);
    });

    it('counts a frame that is begun and does not end within 46 s as a fault', () => {
      const hand = beating();
      const frame = frameOf([3, 1], [3, 2]);
      hand.receive(frame.slice(0, 5));
      hand.nowMs = 45_999;
      hand.receive(frame.slice(5, 6));
      expect(hand.watch.handleDeadline(45_999, 0)).toBe(false);
      expect(hand.watch.handleDeadline(46_000, 0)).toBe(true);
      expect(hand.watch.isDead(46_000)).toBe(false);
      expect(hand.watch.takeEvents()).toEqual([
        { type: 'fault', code: 'protocol-error', message: 'a frame that was begun did not end within 46 s' },
      ]);
      expect(hand.watch.nextDeadlineMs).toBe(Infinity);
    });
  });

  it.each<[string, Uint8Array]>([
    ['garbage in a frame', framed(Uint8Array.of(0xc1))],
    ['a frame of no bytes', framed(new Uint8Array(0))],
    ['a frame above 256 KiB', framed(filler(1), maxFrameBytes + 1)],
    ['an array that claims to be long', framed(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))],
    ['a PONG for a ping never sent', frameOf([36, 1])],
    ['a ping that is none', frameOf([35, 'x'])],
    ['what only begins like a ping', framed(Uint8Array.of(0xa2, 35, 35))],
  ])('says that %s is a fault, and reads nothing more', (_what, bytes) => {
    const hand = beating();
    expect(hand.receive(bytes.slice(), frameOf([3, 1]), frameOf([35, 1]))).toHaveLength(0);
    expect(hand.events).toEqual([
      { type: 'fault', code: 'protocol-error', message: expect.stringMatching(/./) },
    ]);
    expect(hand.replies).toHaveLength(0);
  });

  it('lets what came before a fault pass', () => {
    const hand = beating();
    expect(hand.receive(joined(frameOf([3, 1]), framed(Uint8Array.of(0xc1))))).toEqual(frameOf([3, 1]));
    expect(hand.events).toHaveLength(1);
  });
});
