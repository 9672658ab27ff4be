import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import type { ThreadEvent } from '../../src/io-thread/thread-messages.js';
import { mostWaitingBytes, WatchedTransport } from '../../src/io-thread/watched-transport.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { filler, frameOf, framed, joined, openingBytes } from '../helpers/wire.js';

const beats = { timeoutMs: 9_000, peerTimeoutMs: 9_000, intervalMs: undefined };

/** A transport under watch, in time that the spec lets pass. */
class Hand {
  readonly transport = new HandTransport();
  readonly told: ThreadEvent[] = [];
  readonly watched: WatchedTransport;
  lagMs = 0;
  ended = 0;
  #nowMs = 0;

  constructor() {
    this.watched = new WatchedTransport({
      id: 7,
      transport: this.transport,
      isAccepted: true,
      codec: new Codec(defaultLimits),
      pool: new FragmentPool(),
      now: () => this.#nowMs,
      loopLagMs: () => this.lagMs,
      tell: (event) => this.told.push(event),
      onEnded: () => {
        this.ended += 1;
      },
    });
  }

  /** What the main thread sees of what was written. */
  get written(): number | undefined {
    return new Int32Array(this.watched.written)[0];
  }

  /** Open, with the opening seen and heartbeats begun. */
  beating(settings = beats): this {
    this.watched.open(defaultLimits);
    this.transport.arrive(openingBytes.slice());
    this.watched.startHeartbeats(settings);
    this.take();
    return this;
  }

  pass(ms: number): this {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs;) {
      const stepMs = Math.min(100, endMs - this.#nowMs);
      this.#nowMs += stepMs;
      jest.advanceTimersByTime(stepMs);
    }
    return this;
  }

  /** What was told since. */
  take(): ThreadEvent[] {
    return this.told.splice(0);
  }
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('WatchedTransport', () => {
  it('tells the main thread what comes, in memory of its own', () => {
    const hand = new Hand();
    hand.watched.open(defaultLimits);
    const chunk = joined(openingBytes, frameOf([3, 1]));
    hand.transport.arrive(chunk);
    const expected = chunk.slice();
    chunk.fill(0);
    expect(hand.take()).toEqual([{ type: 'bytes', id: 7, bytes: expected }]);
  });

  it('pings and answers by itself, and tells for how long the main loop has not turned', () => {
    const hand = new Hand().beating();
    hand.lagMs = 2_500;
    hand.pass(3_000);
    expect(hand.transport.take()).toEqual(frameOf([35, 1, 2_500]));
    hand.transport.arrive(frameOf([35, 4]));
    expect(hand.transport.take()).toEqual(frameOf([36, 4, 2_500]));
    hand.transport.arrive(frameOf([36, 1, 80]));
    expect(hand.take()).toEqual([
      { type: 'lag', id: 7, loopLagMs: 80 },
      { type: 'heartbeat', id: 7, roundTripMs: 0, loopLagMs: 80 },
    ]);
  });

  it('tells of silence when it has read once more, and nothing was there', () => {
    const hand = new Hand().beating();
    hand.pass(9_000);
    expect(hand.take()).toEqual([]);
    hand.transport.arrive(frameOf([3, 1])).finishReading();
    expect(hand.take()).toEqual([{ type: 'bytes', id: 7, bytes: frameOf([3, 1]) }]);
    hand.pass(9_100).transport.finishReading();
    expect(hand.take()).toEqual([{ type: 'silence', id: 7 }]);
  });

  it('bears as much silence as it is told from then on', () => {
    const hand = new Hand().beating();
    hand.watched.setTimeout(300);
    hand.pass(700).transport.finishReading();
    expect(hand.take()).toEqual([{ type: 'silence', id: 7 }]);
  });

  it('answers many pings in one piece, and gives up a peer that reads no answer', () => {
    const hand = new Hand().beating();
    const pings = Array.from({ length: 1_000 }, (_, at) => frameOf([35, at + 1]));
    hand.transport.acts.splice(0);
    hand.transport.arrive(joined(...pings));
    expect(hand.transport.acts).toEqual(['write']);
    hand.transport.queuedBytes = defaultLimits.maxQueuedBytes + 1;
    hand.transport.arrive(frameOf([35, 2_000]));
    hand.transport.arrive(frameOf([35, 2_001]));
    expect(hand.take()).toEqual([
      { type: 'fault', id: 7, code: 'limit-exceeded', message: expect.stringContaining('maxQueuedBytes') },
    ]);
  });

  it('tells ten lags a second at most, the last one in any case', () => {
    const hand = new Hand().beating();
    for (let lagMs = 1; lagMs <= 100; lagMs++) hand.transport.arrive(frameOf([35, lagMs, lagMs]));
    expect(hand.take()).toEqual([{ type: 'lag', id: 7, loopLagMs: 1 }]);
    hand.pass(3_000);
    expect(hand.take()).toEqual([{ type: 'lag', id: 7, loopLagMs: 100 }]);
  });

  it('tells at once that a lag is over, and nothing of one that nobody heard of', () => {
    const hand = new Hand().beating();
    for (const lagMs of [2_000, 2_001, 0, 5, 0]) hand.transport.arrive(frameOf([35, 1, lagMs]));
    expect(hand.take()).toEqual([
      { type: 'lag', id: 7, loopLagMs: 2_000 },
      { type: 'lag', id: 7, loopLagMs: 0 },
    ]);
  });

  it('tells the newest lag before it says that all was read', () => {
    const hand = new Hand().beating();
    for (const lagMs of [2_000, 3_000]) hand.transport.arrive(frameOf([35, 1, lagMs]));
    hand.watched.read(9);
    hand.transport.finishReading();
    expect(hand.take()).toEqual([
      { type: 'lag', id: 7, loopLagMs: 2_000 },
      { type: 'lag', id: 7, loopLagMs: 3_000 },
      { type: 'read', id: 7, token: 9 },
    ]);
  });

  it('tells of a fault', () => {
    const hand = new Hand().beating();
    hand.transport.arrive(framed(Uint8Array.of(0xc1)));
    expect(hand.take()).toEqual([
      { type: 'fault', id: 7, code: 'protocol-error', message: expect.stringContaining('0xC1') },
    ]);
  });

  describe('in front of a busy main thread', () => {
    const frame = frameOf([13, 1, 0, filler(60_000)]);
    const count = Math.ceil(mostWaitingBytes / frame.length);

    /** With as much waiting as may. */
    function full(): Hand {
      const hand = new Hand().beating();
      for (let sent = 1; sent < count; sent++) hand.transport.arrive(frame.slice());
      expect(hand.transport.acts).not.toContain('pause');
      hand.transport.arrive(frame.slice());
      hand.transport.acts.splice(0);
      hand.take();
      return hand;
    }

    it('has the peer send as many more bytes as were taken', () => {
      const hand = full();
      hand.transport.take();
      hand.watched.grant(1_000_000);
      expect(hand.transport.take()).toEqual(frameOf([44, 1_000_000]));
    });

    it('stops reading when twice a window of bytes waits', () => {
      const hand = new Hand().beating();
      for (let sent = 1; sent <= count; sent++) hand.transport.arrive(frame.slice());
      expect(hand.transport.acts.filter((act) => act === 'pause')).toHaveLength(1);
    });

    it('goes on pinging, and blames nobody for silence of its own making', () => {
      const hand = full();
      hand.lagMs = 30_000;
      for (let ping = 1; ping <= 10; ping++) {
        hand.pass(3_000).transport.finishReading();
        expect(hand.transport.take()).toEqual(frameOf([35, ping, 30_000]));
      }
      expect(hand.take()).toEqual([]);
    });

    it('reads again once half of it was consumed, and then bears another whole timeout', () => {
      const hand = full().pass(20_000);
      hand.watched.grant(mostWaitingBytes / 2 - frame.length);
      expect(hand.transport.acts).not.toContain('resume');
      hand.watched.grant(2 * frame.length);
      expect(hand.transport.acts).toContain('resume');
      hand.pass(8_900).transport.finishReading();
      expect(hand.take()).toEqual([]);
      hand.pass(200).transport.finishReading();
      expect(hand.take()).toEqual([{ type: 'silence', id: 7 }]);
    });
  });

  describe('writing', () => {
    it('counts what was handed to the system, and tells nothing of it', () => {
      const hand = new Hand().beating();
      hand.watched.write(filler(100));
      expect(hand.written).toBe(100);
      expect(hand.take()).toEqual([]);
    });

    it.each(['drains', 'is taken without a word'])('counts the rest when the queue %s', (how) => {
      const hand = new Hand().beating();
      hand.transport.queuedBytes = 30;
      hand.watched.write(filler(100));
      expect(hand.written).toBe(70);
      hand.watched.drain();
      hand.pass(100);
      expect(hand.take()).toEqual([]);
      hand.transport.queuedBytes = 0;
      if (how === 'drains') hand.transport.drain();
      else hand.pass(100);
      expect(hand.written).toBe(100);
      expect(hand.take()).toEqual([{ type: 'drained', id: 7 }]);
    });

    it('tells at once that nothing is queued, and once', () => {
      const hand = new Hand().beating();
      hand.watched.write(filler(100));
      hand.watched.drain();
      hand.watched.write(filler(100));
      expect(hand.take()).toEqual([{ type: 'drained', id: 7 }]);
    });

    it('does not count its own heartbeats', () => {
      const hand = new Hand().beating();
      hand.transport.queuedBytes = 3;
      hand.transport.arrive(frameOf([35, 1]));
      expect(hand.written).toBe(0);
    });
  });

  it('answers when everything that had arrived was told', () => {
    const hand = new Hand().beating();
    hand.watched.read(5);
    expect(hand.take()).toEqual([]);
    hand.transport.finishReading();
    expect(hand.take()).toEqual([{ type: 'read', id: 7, token: 5 }]);
  });

  describe('the end', () => {
    it('is told with its error, and is the last thing', () => {
      const hand = new Hand().beating();
      hand.transport.queuedBytes = 50;
      hand.watched.write(filler(50));
      hand.transport.end(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
      expect(hand.take()).toEqual([
        { type: 'closed', id: 7, error: { message: 'gone', code: 'ECONNRESET' } },
      ]);
      expect(hand.ended).toBe(1);
      hand.watched.write(filler(1));
      hand.transport.queuedBytes = 0;
      hand.pass(20_000);
      expect(hand.take()).toEqual([]);
    });

    it('follows on close and on destroy', () => {
      const hand = new Hand().beating();
      hand.transport.acts.splice(0);
      hand.watched.close();
      hand.watched.destroy();
      expect(hand.transport.acts).toEqual(['close', 'destroy']);
      expect(hand.ended).toBe(0);
      hand.transport.end();
      expect(hand.take()).toEqual([{ type: 'closed', id: 7, error: undefined }]);
    });

    it.each(['close', 'destroy'] as const)('is not told by one that was never opened, after %s', (act) => {
      const hand = new Hand();
      hand.watched[act]();
      expect(hand.transport.acts).toEqual([act]);
      expect(hand.ended).toBe(1);
      expect(hand.take()).toEqual([]);
    });
  });
});
