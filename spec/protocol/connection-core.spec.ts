import { describe, expect, it } from '@jest/globals';
import { encode } from '@msgpack/msgpack';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { CorePair, establishedDialer, establishedListener, HandCore } from '../helpers/hand-core.js';
import { cut, filler, frameOf, framed, joined, openingBytes } from '../helpers/wire.js';

const sides = [
  ['listener', establishedListener],
  ['dialer', establishedDialer],
] as const;

/** Session-ready, so that only heartbeats have deadlines. */
function ready(hand: HandCore): HandCore {
  hand.core.markReady();
  return hand;
}

describe.each(sides)('an established %s', (side, establish) => {
  it('hands on session messages that arrived together, in order', () => {
    const hand = establish().receive(joined(frameOf([3, 1], [3, 2]), frameOf([3, 3])));
    expect(hand.events.at(-1)).toEqual({
      type: 'messages',
      messages: [
        [3, 1],
        [3, 2],
        [3, 3],
      ],
    });
  });

  it('sends session messages', () => {
    const hand = establish();
    expect(hand.core.send([3, 1])).toBe(1);
    expect(hand.core.queuedBytes).toBeGreaterThan(0);
    expect(hand.takeMessages()).toEqual([[3, 1]]);
    expect(hand.core.queuedBytes).toBe(0);
  });

  it('keeps the order of messages and answered pings', () => {
    const hand = ready(establish()).pass(3_334);
    hand.takeMessages();
    hand.receive(joined(frameOf([3, 1]), frameOf([36, 1]), frameOf([3, 2])));
    expect(hand.events.slice(-3)).toEqual([
      { type: 'messages', messages: [[3, 1]] },
      { type: 'heartbeat', roundTripMs: expect.closeTo(0.67, 1), loopLagMs: 0 },
      { type: 'messages', messages: [[3, 2]] },
    ]);
  });

  it('answers each PING with a PONG of its id', () => {
    const hand = establish().hear([35, 1], [35, 7]).hear([35, Number.MAX_SAFE_INTEGER]);
    expect(hand.takeMessages()).toEqual([
      [36, 1],
      [36, 7],
      [36, Number.MAX_SAFE_INTEGER],
    ]);
  });

  it('tells of no lag after it was blocked: what sends a heartbeat has turned', () => {
    const hand = ready(establish())
      .block(3_333.5 + 1_500)
      .hear([35, 1]);
    expect(hand.takeMessages()).toEqual([
      [35, 1],
      [36, 1],
    ]);
  });

  it('tells what is new of the lag of its peer, and with each answered ping what it was', () => {
    const hand = ready(establish()).pass(3_334);
    hand.receive(
      joined(frameOf([3, 1]), frameOf([35, 1, 40]), frameOf([36, 1, 40]), frameOf([35, 2]), frameOf([35, 3])),
    );
    expect(hand.events.slice(-4)).toEqual([
      { type: 'messages', messages: [[3, 1]] },
      { type: 'lag', loopLagMs: 40 },
      { type: 'heartbeat', roundTripMs: expect.closeTo(0.67, 1), loopLagMs: 40 },
      { type: 'lag', loopLagMs: 0 },
    ]);
  });

  it('takes a session message as proof that the loop of its peer has turned', () => {
    const hand = ready(establish()).hear([35, 1, 2_500]).hear([3, 1]).hear([3, 2]);
    expect(hand.events.filter(({ type }) => type === 'lag')).toEqual([
      { type: 'lag', loopLagMs: 2_500 },
      { type: 'lag', loopLagMs: 0 },
    ]);
  });

  it('sends no more than the window of its peer, but heartbeats and the end', () => {
    const peer = { version: 1, connectionID: 'c1', timeoutMs: 10_000, windowBytes: 2_000 };
    const hand = new HandCore({ side });
    hand.takeMessages();
    hand.receive(openingBytes);
    if (side === 'dialer') hand.hear([33, peer]);
    else hand.hear([32, peer]).welcome();
    hand.takeMessages();
    ready(hand);
    for (let call = 0; call < 4; call++) hand.core.send([2, 'a', 'b', [filler(1_000)]]);
    expect(hand.takeMessages()).toHaveLength(2);
    hand.hear([35, 1]);
    expect(hand.takeMessages()).toEqual([[36, 1]]);
    hand.hear([44, 500]);
    expect(hand.takeMessages()).toHaveLength(1);
    expect(hand.core.queuedBytes).toBeGreaterThan(1_000);
    hand.core.close('disconnected', 'bye');
    expect(hand.takeMessages()).toEqual([[38, 'disconnected', 'bye', 0]]);
  });

  it('leaves heartbeats to a transport that keeps them', () => {
    const hand = ready(establish({ areHeartbeatsElsewhere: true }));
    expect(hand.core.nextDeadlineMs).toBe(Infinity);
    hand.hear([35, 1], [36, 1, 50], [39, 500]);
    expect(hand.takeMessages()).toEqual([]);
    expect(hand.events.filter(({ type }) => type === 'lag' || type === 'heartbeat')).toEqual([]);
    hand.core.setTimeout(4_000, 0);
    expect(hand.takeMessages()).toEqual([[39, 4_000]]);
    hand.core.reportSilence();
    expect(hand.receive().closed?.reason).toMatchObject({
      code: 'timeout',
      by: 'local',
      message: 'nothing was heard from the peer for 4000 ms (timeoutInSeconds)',
    });
  });

  it('ignores a second PONG for a ping', () => {
    const hand = ready(establish()).pass(3_334).hear([36, 1]).hear([36, 1]);
    expect(hand.happened.filter((type) => type === 'heartbeat')).toHaveLength(1);
    expect(hand.closed).toBeUndefined();
  });

  describe('closes with GOODBYE and the code protocol-error for', () => {
    const refused: readonly (readonly [what: string, bytes: Uint8Array])[] = [
      ['garbage', filler(100)],
      ['a frame of no bytes', framed(new Uint8Array(0))],
      ['a frame above 256 KiB', framed(filler(1), 256 * 1024 + 1)],
      ['a frame of 4 GiB', framed(filler(1), 0xffffffff)],
      ['what is no MessagePack', framed(Uint8Array.of(0xc1))],
      ['what is no array', framed(encode({ type: 35 }))],
      ['an unknown type', frameOf([4, 1])],
      ['a field that is wrong', frameOf([35, 0])],
      ['HELLO', frameOf([32, { version: 1, timeoutMs: 1 }])],
      ['WELCOME', frameOf([33, { version: 1, connectionID: 'c', timeoutMs: 1 }])],
      ['REFUSE', frameOf([34, 'server-full', ''])],
      ['PROBE', frameOf([40])],
      ['IDENTITY', frameOf([41, { version: 1, service: 'tandem' }])],
      ['HANDOVER', frameOf([42, 1, 'T'])],
      ['an opening', openingBytes],
      ['a PONG that nobody asked for', frameOf([36, 1])],
      ['a short fragment that is not the last', frameOf([13, 1, 0, filler(65_535)])],
      ['a fragment of a fragment', frameOf([13, 1, 1, encode([13, 2, 1, filler(1)])])],
      ['a PING in fragments', frameOf([13, 1, 1, encode([35, 1])])],
      ['five messages begun', joined(...[1, 2, 3, 4, 5].map((id) => frameOf([13, id, 0, filler(66_560)])))],
    ];

    it.each(refused)('%s', (_what, bytes) => {
      const hand = establish().receive(bytes);
      expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
      expect(hand.takeMessages()).toEqual([
        [38, 'protocol-error', hand.closed?.reason.message, expect.any(Number)],
      ]);
      expect(hand.happened.filter((type) => type === 'closed')).toHaveLength(1);
      expect(hand.core.nextDeadlineMs).toBe(Infinity);
    });

    it.each(refused)('%s, byte by byte', (_what, bytes) => {
      const hand = establish().receive(...cut(bytes.slice(0, 40), 1), bytes.slice(40));
      expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
    });
  });

  it('hands on what came before a fault, in frames before it', () => {
    const hand = establish().receive(joined(frameOf([3, 1]), frameOf([3, 2], [99]), frameOf([3, 3])));
    expect(hand.happened.slice(-2)).toEqual(['messages', 'closed']);
    expect(hand.received).toEqual([[3, 1]]);
  });

  it('closes with the code limit-exceeded for a message above maxMessageBytes', () => {
    const limits = { ...defaultLimits, maxMessageBytes: 100_000 };
    const hand = establish({ limits });
    const [first = filler(0), last = filler(0)] = cut(encode([2, 'a', 'b', [filler(100_000)]]), 66_560);
    hand.hear([13, 1, 0, first]);
    expect(hand.closed).toBeUndefined();
    hand.hear([13, 1, 1, last]);
    expect(hand.closed?.reason).toMatchObject({ code: 'limit-exceeded', by: 'local' });
    expect(hand.takeMessages()).toEqual([[38, 'limit-exceeded', expect.any(String), 2]]);
  });

  it('closes for whatever else is thrown while it reads, and says nothing unsafe', () => {
    const broken = new Codec(defaultLimits);
    broken.decodeFrame = () => {
      throw new RangeError('too\ndeep');
    };
    const hand = establish();
    const other = new HandCore({ side: 'listener' }, { codec: broken });
    other.receive(openingBytes).hear([40]);
    expect(other.closed?.reason).toMatchObject({
      code: 'protocol-error',
      message: 'what was received could not be handled: RangeError: too\ufffddeep',
    });
    expect(hand.closed).toBeUndefined();
  });

  describe('the deadline of a frame', () => {
    it('ends a peer that never finishes one, though bytes come', () => {
      const hand = ready(establish()).receive(framed(filler(0), 200_000));
      for (let second = 1; second < 46; second++) hand.pass(1_000).receive(filler(10));
      hand.pass(999);
      expect(hand.closed).toBeUndefined();
      hand.pass(1).confirmSuspicion();
      expect(hand.closed?.reason).toMatchObject({
        code: 'protocol-error',
        message: 'a frame that was begun did not end within 46 s',
      });
    });

    it('counts from the beginning of each frame', () => {
      const hand = ready(establish());
      const bytes = frameOf([3, 1]);
      for (let round = 0; round < 20; round++) {
        hand.receive(bytes.slice(3)).pass(5_000).confirmSuspicion();
        if (round === 0) hand.receive();
      }
      expect(hand.closed?.reason.code).toBe('protocol-error');
      const honest = ready(establish()).receive(bytes.slice(0, 3));
      for (let round = 0; round < 20; round++) {
        honest.pass(9_000).receive(joined(bytes.slice(3), bytes.slice(0, 3)));
      }
      expect(honest.closed).toBeUndefined();
      expect(honest.received).toHaveLength(20);
    });

    it('is gone when the frame is whole', () => {
      const bytes = frameOf([3, 1]);
      const hand = ready(establish());
      const before = hand.receive(bytes.slice(0, 3)).core.nextDeadlineMs;
      hand.receive(bytes.slice(3));
      expect(hand.core.nextDeadlineMs).toBe(before);
      expect(hand.core.nextDeadlineMs).toBeLessThan(46_000);
    });
  });

  describe('GOAWAY', () => {
    it('is told behind the messages that came before it, and ends nothing', () => {
      const hand = establish().receive(frameOf([3, 1], [47, 'server-stopped', 1_500], [3, 2]));
      expect(hand.happened.slice(-3)).toEqual(['messages', 'goaway', 'messages']);
      expect(hand.events.find(({ type }) => type === 'goaway')).toEqual({
        type: 'goaway',
        code: 'server-stopped',
        retryAfterMs: 1_500,
      });
      expect(hand.closed).toBeUndefined();
    });

    it('with a code of a newer peer is an ordinary end to come', () => {
      const hand = establish().hear([47, 'moved-to-mars']);
      expect(hand.events.find(({ type }) => type === 'goaway')).toEqual({
        type: 'goaway',
        code: 'disconnected',
        retryAfterMs: undefined,
      });
    });

    it('is sent on an established connection, and on no other', () => {
      const hand = establish();
      hand.takeMessages();
      hand.core.sendGoAway('server-stopped', 1_000);
      hand.core.sendGoAway('disconnected', undefined);
      expect(hand.takeMessages()).toEqual([
        [47, 'server-stopped', 1_000],
        [47, 'disconnected'],
      ]);
      hand.close().takeMessages();
      hand.core.sendGoAway('server-stopped', 1_000);
      expect(hand.takeMessages()).toEqual([]);
    });

    it('before WELCOME is a fault', () => {
      const hand = new HandCore({ side: 'dialer' });
      hand.receive(openingBytes).hear([47, 'server-stopped']);
      expect(hand.closed?.reason.code).toBe('protocol-error');
    });
  });

  describe('GOODBYE', () => {
    it('from the peer ends it; what comes behind is not read', () => {
      const goodbye = frameOf([3, 1], [38, 'server-stopped', 'bye', 5], [3, 2]);
      const hand = establish().receive(joined(goodbye, frameOf([3, 3]), filler(100)));
      hand.receive(frameOf([3, 4]));
      expect(hand.received).toEqual([[3, 1]]);
      expect(hand.closed).toMatchObject({
        reason: { code: 'server-stopped', message: 'bye', by: 'remote' },
        lastReceived: 5,
      });
      expect(hand.happened.at(-1)).toBe('closed');
      expect(hand.takeMessages()).toEqual([]);
    });

    it('tells how much was read, each fragment counted', () => {
      const hand = establish();
      hand
        .hear([3, 1], [35, 1])
        .hear([13, 1, 0, filler(66_560)])
        .hear([3, 2]);
      hand.takeMessages();
      expect(hand.close().takeMessages()).toEqual([[38, 'disconnected', 'bye', 3]]);
    });

    it('comes after everything short that is queued; what remains of long messages is dropped', () => {
      const hand = establish();
      const long = hand.core.send([2, 'a', 'b', [filler(200_000)]]);
      const short = hand.core.send([3, 1]);
      hand.takeMessages(1);
      hand.core.send([3, 2]);
      expect(hand.close().takeMessages()).toEqual([
        [3, 2],
        [38, 'disconnected', 'bye', 0],
      ]);
      expect(hand.core.isHandedOver(short)).toBe(true);
      expect(hand.core.isHandedOver(long)).toBe(false);
      expect(hand.core.withdraw(long)).toBe(true);
      expect(hand.core.hasLongMessages).toBe(false);
    });

    it('is said once', () => {
      const hand = establish().close().close('timeout', 'again');
      expect(hand.happened.filter((type) => type === 'closed')).toHaveLength(1);
      expect(hand.takeMessages()).toHaveLength(1);
    });

    it('carries text that the peer can read, whatever it was', () => {
      const hand = establish().close('disconnected', `${'x'.repeat(5_000)}\ud800\n`);
      expect(hand.takeMessages()).toEqual([[38, 'disconnected', `${'x'.repeat(1_024)}…`, 0]]);
      const other = establish().close('disconnected', '\ud800');
      expect(other.takeMessages()).toEqual([[38, 'disconnected', '\ufffd', 0]]);
    });
  });

  describe('after the end', () => {
    it('reads nothing of what had come before it', () => {
      const hand = establish();
      hand.core.receive(frameOf([2, 'a', 'b', []]), 0, false);
      hand.core.close('disconnected', 'enough');
      hand.core.readOn(0);
      expect([hand.core.hasUnread, hand.core.receivedCount]).toEqual([false, 0]);
    });

    it('nothing has an effect', () => {
      const hand = ready(establish()).close();
      hand.takeMessages();
      const happened = hand.happened;
      hand.hear([3, 1]).pass(100_000).confirmSuspicion().close().welcome();
      hand.core.handleDeadline(1e6);
      hand.core.transportClosed(undefined);
      hand.core.setTimeout(1_000, 0);
      hand.core.send([3, 1]);
      expect(hand.happened).toEqual(happened);
      expect(hand.takeMessages()).toEqual([]);
      expect(hand.core.queuedBytes).toBe(0);
      expect(hand.core.nextDeadlineMs).toBe(Infinity);
      expect([hand.core.isClosed, hand.core.isEstablished]).toEqual([true, false]);
    });
  });

  describe('the loss of the transport', () => {
    it.each([
      [undefined, 'the connection was lost: the other side ended it without a word'],
      [new Error('read\nECONNRESET'), 'the connection was lost: read\ufffdECONNRESET'],
    ])('is told: %p', (error, message) => {
      const hand = establish();
      hand.core.transportClosed(error);
      expect(hand.closed).toEqual({
        type: 'closed',
        reason: expect.objectContaining({ code: 'connection-lost', message, by: 'transport' }),
        lastReceived: undefined,
        occupant: undefined,
        retryAfterMs: undefined,
      });
      expect(hand.takeMessages()).toEqual([]);
    });
  });

  describe('heartbeats', () => {
    it('ping a third of the way to the timeout', () => {
      const hand = ready(establish({ timeoutMs: 9_000 }, 9_000));
      expect(hand.pass(2_999).takeMessages()).toEqual([]);
      expect(hand.pass(1).takeMessages()).toEqual([[35, 1]]);
      expect(hand.pass(3_000).takeMessages()).toEqual([[35, 2]]);
    });

    it('go on while another suspicion is open', () => {
      const hand = new HandCore({ side: 'listener' }, { handshakeTimeoutMs: 1_000 });
      hand
        .receive(openingBytes)
        .hear([32, { version: 1, timeoutMs: 3_000 }])
        .welcome();
      // Two deadlines have passed, and it takes its time until all that had arrived is read.
      for (let turn = 0; turn < 2; turn += 1) hand.core.handleDeadline(1_100);
      expect(hand.core.nextDeadlineMs).toBeGreaterThan(1_100);
    });

    it('suspect a silent peer at the timeout, and end it when reading brings nothing', () => {
      const hand = ready(establish({ timeoutMs: 9_000 }, 9_000)).pass(8_999);
      expect(hand.confirmSuspicion().happened).not.toContain('suspect');
      expect(hand.pass(1).happened).toContain('suspect');
      expect(hand.closed).toBeUndefined();
      expect(hand.confirmSuspicion().closed?.reason).toMatchObject({ code: 'timeout', by: 'local' });
      expect(hand.takeMessages().at(-1)).toEqual([38, 'timeout', expect.stringContaining('9000 ms'), 0]);
    });

    it('end nobody who is heard between the suspicion and the verdict', () => {
      const hand = ready(establish())
        .pass(10_000)
        .receive(frameOf([35, 1]).slice(0, 1))
        .confirmSuspicion();
      expect(hand.closed).toBeUndefined();
    });

    it('take any byte for life, also one of a frame that is not whole', () => {
      const hand = ready(establish()).receive(framed(filler(0), 100));
      for (let round = 0; round < 4; round++) hand.pass(9_999).receive(filler(1)).confirmSuspicion();
      expect(hand.happened).not.toContain('suspect');
    });

    it('do not blame the peer for a block of this side', () => {
      const hand = ready(establish()).block(25_000);
      expect(hand.happened).not.toContain('suspect');
      expect(
        hand
          .receive(frameOf([35, 1]))
          .pass(9_999)
          .confirmSuspicion().closed,
      ).toBeUndefined();
    });

    it('do not blame it either when its bytes are read only after the verdict was due', () => {
      const hand = ready(establish({ heartbeatIntervalMs: 9_000 }, 100_000))
        .pass(9_500)
        .block(1_000);
      expect(hand.happened).toContain('suspect');
      expect(hand.receive(frameOf([35, 1])).confirmSuspicion().closed).toBeUndefined();
    });

    it('tell a new timeout, and give the peer all of it', () => {
      const hand = ready(establish()).pass(3_000);
      hand.takeMessages();
      hand.core.setTimeout(300, hand.nowMs);
      expect(hand.takeMessages()).toEqual([[39, 300]]);
      expect(hand.pass(299).happened).not.toContain('suspect');
      expect(hand.pass(1).happened).toContain('suspect');
    });

    it('ping at once, and more often, when the peer bears less', () => {
      const hand = ready(establish()).hear([39, 300]);
      expect(hand.core.nextDeadlineMs).toBe(0);
      expect(hand.pass(200).takeMessages()).toEqual([
        [35, 1],
        [35, 2],
        [35, 3],
      ]);
    });
  });

  it('counts no reading of the peer as its own: withdraw and isBeyond are those of what it sent', () => {
    const hand = establish().hear([3, 1], [3, 2]);
    const sent = hand.core.send([3, 1]);
    expect(sent).toBe(1);
    expect([hand.core.isBeyond(sent, 0), hand.core.isBeyond(sent, 1)]).toEqual([true, false]);
    expect(hand.core.withdraw(sent)).toBe(false);
  });
});

describe('two cores', () => {
  it('agree on the handshake', () => {
    const { dialer, listener } = new CorePair();
    expect(dialer.happened).toEqual(['established']);
    expect(listener.happened).toEqual(['hello', 'established']);
  });

  it('carry long messages both ways', () => {
    const pair = new CorePair();
    const message = [2, 'a', 'b', ['x'.repeat(1_000_000)]] as const;
    pair.dialer.core.send(message);
    pair.listener.core.send(message);
    pair.exchange();
    expect(pair.listener.received).toEqual([message]);
    expect(pair.dialer.received).toEqual([message]);
  });

  it.each(['dialer', 'listener'] as const)('tell the truth in the GOODBYE of the %s', (side) => {
    const pair = new CorePair();
    const other = side === 'dialer' ? 'listener' : 'dialer';
    const sender = pair[other];
    const read = sender.core.send([3, 1]);
    const readLong = sender.core.send([2, 'a', 'b', [filler(100_000)]]);
    pair.exchange();
    const half = sender.core.send([2, 'a', 'b', [filler(200_000)]]);
    const lost = sender.core.send([3, 2]);
    sender.takeBytes(1);
    pair[side].close();
    pair.exchange();
    const lastReceived = sender.closed?.lastReceived ?? -1;
    expect(lastReceived).toBe(3);
    expect([read, readLong, half, lost].map((sent) => sender.core.isBeyond(sent, lastReceived))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it.each([
    [10_000, 10_000],
    [10_000, 300],
    [300, 10_000],
    [300, 300],
  ])('never end each other while idle, with timeouts %i and %i', (timeoutMs, otherMs) => {
    const pair = new CorePair({ timeoutMs }, { timeoutMs: otherMs });
    pair.dialer.core.markReady();
    pair.listener.core.markReady();
    pair.pass(30_000, 10);
    expect(pair.dialer.closed).toBeUndefined();
    expect(pair.listener.closed).toBeUndefined();
  });

  it.each(['dialer', 'listener'] as const)('stay alive when the %s changes its timeout', (side) => {
    const pair = new CorePair();
    pair.dialer.core.markReady();
    pair.listener.core.markReady();
    for (const timeoutMs of [300, 20_000, 150]) {
      pair[side].core.setTimeout(timeoutMs, pair[side].nowMs);
      pair.exchange().pass(25_000, 10);
    }
    expect(pair.dialer.closed).toBeUndefined();
    expect(pair.listener.closed).toBeUndefined();
  });
});
