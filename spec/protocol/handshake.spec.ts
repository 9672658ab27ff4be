import { describe, expect, it } from '@jest/globals';
import { httpAnswer } from '../../src/protocol/opening.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { HandCore } from '../helpers/hand-core.js';
import { ascii, cut, frameOf, joined, openingBytes } from '../helpers/wire.js';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import { Codec } from '../../src/protocol/codec.js';
import { establishedDialer, establishedListener } from '../helpers/hand-core.js';

const hello = [32, { version: 1, timeoutMs: 9_000 }];
const welcome = [33, { version: 1, connectionID: 'c1', timeoutMs: 9_000 }];

function listener(): HandCore {
  return new HandCore({ side: 'listener' });
}
function dialer(): HandCore {
  const hand = new HandCore({ side: 'dialer' });
  hand.takeMessages();
  return hand;
}
function prober(): HandCore {
  const hand = new HandCore({ side: 'prober' });
  hand.takeMessages();
  return hand;
}

/** What both sides say unless their limits say otherwise. */
const streamBytes = defaultLimits.maxStreamBytes;

describe('the handshake of a dialer', () => {
  it('begins with its opening and HELLO at once', () => {
    const hand = new HandCore({ side: 'dialer' }, { timeoutMs: 9_000 });
    const bytes = hand.takeBytes();
    expect(bytes.slice(0, 8)).toEqual(openingBytes);
    expect(hand.read(bytes)).toEqual([[32, { version: 1, timeoutMs: 9_000, streamBytes }]]);
  });

  it('shows the ticket of a handover', () => {
    const hand = new HandCore({ side: 'dialer', ticket: 'T' });
    expect(hand.takeMessages()).toEqual([[32, { version: 1, timeoutMs: 10_000, streamBytes, ticket: 'T' }]]);
  });

  it('is done with WELCOME', () => {
    const hand = dialer().receive(openingBytes).hear(welcome);
    expect(hand.events).toEqual([
      { type: 'established', connectionID: 'c1', peerTimeoutMs: expect.any(Number) },
    ]);
    expect(hand.core.isEstablished).toBe(true);
  });

  it('is done whatever the pieces that WELCOME comes in', () => {
    const hand = dialer().receive(...cut(joined(openingBytes, frameOf(welcome)), 1));
    expect(hand.core.isEstablished).toBe(true);
  });

  it.each([undefined, 0, 1_500])('ends with REFUSE, and tells when to come again: %p', (retryAfterMs) => {
    const refuse = [34, 'server-full', 'full\n', ...(retryAfterMs === undefined ? [] : [retryAfterMs])];
    const hand = dialer().receive(openingBytes).hear(refuse);
    expect(hand.events).toEqual([
      {
        type: 'closed',
        reason: expect.objectContaining({ code: 'server-full', message: 'full\ufffd', by: 'remote' }),
        lastReceived: undefined,
        occupant: undefined,
        retryAfterMs,
      },
    ]);
    expect(hand.takeMessages()).toEqual([]);
  });

  it('ends with HANDOVER', () => {
    const hand = dialer().receive(openingBytes).hear([42, 4_001, 'T']);
    expect(hand.events).toEqual([
      { type: 'handover', port: 4_001, ticket: 'T' },
      expect.objectContaining({ type: 'closed' }),
    ]);
    expect(hand.closed?.reason).toMatchObject({ code: 'disconnected', by: 'remote' });
  });

  it.each([[hello], [[40]], [[41, { version: 1, service: 'tandem' }]], [[35, 1]], [[38, 'timeout', '', 0]]])(
    'refuses %j from a server',
    (message) => {
      const hand = dialer().receive(openingBytes).hear(message);
      expect(hand.happened).toEqual(['closed']);
      expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
      expect(hand.takeBytes()).toHaveLength(0);
    },
  );

  it('refuses a WELCOME of another version, and what comes with WELCOME in its frame', () => {
    const other = [33, { version: 2, connectionID: 'c1', timeoutMs: 1 }];
    expect(dialer().receive(openingBytes).hear(other).happened).toEqual(['closed']);
    expect(dialer().receive(openingBytes).hear(welcome, [3, 1]).happened).toEqual(['closed']);
  });

  it('says nothing to somebody who speaks another protocol, but tells who it seems to be', () => {
    const hand = dialer().receive(ascii('SSH-2.0-OpenSSH_9\r\n'));
    expect(hand.closed).toMatchObject({ occupant: 'ssh', reason: { code: 'protocol-error' } });
    expect(hand.closed?.reason.message).toBe('the other side does not speak this protocol, but ssh');
    expect(hand.takeBytes()).toHaveLength(0);
  });

  it('ends without a word when it is closed', () => {
    const hand = dialer().close();
    expect(hand.happened).toEqual(['closed']);
    expect(hand.takeBytes()).toHaveLength(0);
  });

  it('tells a timeout that changed after HELLO, so that the peer pings often enough', () => {
    const hand = dialer();
    hand.core.setTimeout(300, 0);
    expect(hand.takeMessages()).toEqual([]);
    hand.receive(openingBytes).hear(welcome);
    expect(hand.takeMessages()).toEqual([[39, 300]]);
  });
});

describe('the handshake of a listener', () => {
  it('begins in silence', () => {
    expect(listener().takeBytes()).toHaveLength(0);
    expect(listener().receive(openingBytes.subarray(0, 7)).takeBytes()).toHaveLength(0);
  });

  it('answers a right opening with its own', () => {
    expect(listener().receive(openingBytes).takeBytes()).toEqual(openingBytes);
  });

  it.each([undefined, 'T'])('asks whether to let a client in, with the ticket %p', (ticket) => {
    const message = [32, { version: 1, timeoutMs: 1, ...(ticket === undefined ? {} : { ticket }) }];
    const [, hello] = message;
    expect(listener().receive(openingBytes).hear(message).events).toEqual([{ type: 'hello', hello }]);
  });

  it('welcomes, in a frame of its own', () => {
    const hand = listener().receive(openingBytes).hear(hello).welcome('c7');
    hand.core.send([9, [], true]);
    const bytes = hand.takeBytes();
    expect(hand.events.at(-1)).toEqual({
      type: 'established',
      connectionID: 'c7',
      peerTimeoutMs: expect.any(Number),
    });
    const length = bytes[11] ?? 0;
    expect(bytes.slice(12 + length)).toEqual(frameOf([9, [], true]));
    expect(hand.read(bytes)[0]).toEqual([
      33,
      { version: 1, connectionID: 'c7', timeoutMs: 10_000, streamBytes },
    ]);
  });

  it.each([undefined, 2_000])('refuses, telling when to come again: %p', (retryAfterMs) => {
    const hand = listener().receive(openingBytes).hear(hello);
    hand.core.refuse('server-full', 'full', retryAfterMs);
    expect(hand.closed?.reason).toMatchObject({ code: 'server-full', by: 'local' });
    const more = retryAfterMs === undefined ? [] : [retryAfterMs];
    expect(hand.takeMessages()).toEqual([[34, 'server-full', 'full', ...more]]);
  });

  it('hands over', () => {
    const hand = listener().receive(openingBytes).hear(hello);
    hand.core.handOver(4_001, 'T');
    expect(hand.closed?.reason).toMatchObject({ code: 'disconnected', by: 'local' });
    expect(hand.takeMessages()).toEqual([[42, 4_001, 'T']]);
  });

  it('answers a probe and ends; nobody is asked', () => {
    const hand = listener().receive(openingBytes).hear([40]);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.takeMessages()).toEqual([[41, { version: 1, service: 'tandem' }]]);
  });

  it.each([
    [welcome],
    [[34, 'server-full', '']],
    [[42, 1, 'T']],
    [[41, { version: 1, service: 'tandem' }]],
    [[35, 1]],
    [[36, 1]],
    [[39, 1]],
    [[38, 'disconnected', '', 0]],
    [[0, 1, 'a', 'b', []]],
    [[9, [], true]],
  ])('refuses %j from a client, with REFUSE', (message) => {
    const hand = listener().receive(openingBytes).hear(message);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
    expect(hand.takeMessages()).toEqual([
      [34, 'protocol-error', expect.stringContaining('before the handshake was complete')],
    ]);
  });

  it('refuses another version in the opening, with words that a peer of any version can read', () => {
    const hand = listener().receive(joined(openingBytes.subarray(0, 7), Uint8Array.of(9)));
    expect(hand.closed).toMatchObject({ occupant: 'tandem', reason: { code: 'protocol-error' } });
    expect(hand.takeMessages()).toEqual([[34, 'protocol-error', expect.stringContaining('version 9')]]);
  });

  it('refuses another version in HELLO', () => {
    const hand = listener()
      .receive(openingBytes)
      .hear([32, { version: 2, timeoutMs: 1 }]);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.takeMessages()).toEqual([[34, 'protocol-error', expect.stringContaining('version 2')]]);
  });

  it.each(['in the same frame', 'in the same chunk', 'later'])('refuses a second HELLO: %s', (when) => {
    const hand = listener().receive(openingBytes);
    if (when === 'in the same frame') hand.hear(hello, hello);
    else if (when === 'later') hand.hear(hello).hear(hello);
    else hand.receive(joined(frameOf(hello), frameOf(hello)));
    expect(hand.happened).toEqual(['hello', 'closed']);
    expect(hand.closed?.reason.message).toBe('a second HELLO');
  });

  it('refuses a HELLO after WELCOME', () => {
    const hand = listener().receive(openingBytes).hear(hello).welcome().hear(hello);
    expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
  });

  it('answers HTTP in HTTP, and nothing else', () => {
    const hand = listener().receive(ascii('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    expect(hand.closed).toMatchObject({ occupant: 'http', reason: { code: 'protocol-error' } });
    expect(hand.takeBytes()).toEqual(httpAnswer);
  });

  it.each([
    ['tls', '\u0016\u0003\u0001'],
    ['messagepack-rpc', '\u0094\u0000'],
    ['unknown', 'hello?'],
  ])('names what seems to be there: %s', (occupant, text) => {
    const hand = listener().receive(ascii(text));
    expect(hand.closed).toMatchObject({ occupant, reason: { code: 'protocol-error', by: 'local' } });
    expect(hand.closed?.reason.message).toContain(occupant === 'unknown' ? 'something else' : occupant);
    expect(hand.takeMessages()).toEqual([[34, 'protocol-error', expect.any(String)]]);
  });

  it('says that it stops to a client whose opening has not come', () => {
    const hand = listener().close('server-stopped', 'the server stops');
    expect(hand.takeMessages()).toEqual([[34, 'server-stopped', 'the server stops']]);
  });

  it.each(['welcome', 'refuse', 'handOver'] as const)(
    'answers once, and only a HELLO that waits: %s has no effect before, twice or after the end',
    (answer) => {
      const give = (hand: HandCore): HandCore => {
        if (answer === 'welcome') return hand.welcome();
        if (answer === 'refuse') hand.core.refuse('server-full', 'full', undefined);
        else hand.core.handOver(1, 'T');
        return hand;
      };
      const before = give(listener().receive(openingBytes));
      expect([before.happened, before.takeMessages()]).toEqual([[], []]);
      const answered = give(listener().receive(openingBytes).hear(hello));
      const [happened, messages] = [answered.happened, answered.takeMessages()];
      expect(messages).toHaveLength(1);
      give(answered);
      expect([answered.happened, answered.takeMessages()]).toEqual([happened, []]);
      const ended = listener().receive(openingBytes).hear(hello, [99]);
      const gone = listener().receive(openingBytes).hear(hello);
      gone.core.transportClosed(undefined);
      for (const hand of [ended, gone]) {
        hand.takeMessages();
        const until = hand.happened;
        expect([give(hand).happened, hand.takeMessages()]).toEqual([until, []]);
        expect(hand.core.isClosed).toBe(true);
      }
    },
  );

  it('sends no PING before WELCOME, however long the answer takes', () => {
    const hand = listener()
      .receive(openingBytes)
      .hear([32, { version: 1, timeoutMs: 30 }]);
    hand.takeMessages();
    hand.pass(4_900);
    expect(hand.takeMessages()).toEqual([]);
    expect(hand.happened).toEqual(['hello']);
    hand.welcome().core.markReady();
    expect(hand.takeMessages()).toHaveLength(1);
    hand.pass(10).pass(9_989);
    expect(hand.happened).not.toContain('suspect');
    expect(hand.pass(1).happened).toContain('suspect');
  });
});

describe('the handshake of a prober', () => {
  it('asks', () => {
    expect(new HandCore({ side: 'prober' }).takeMessages()).toEqual([[40]]);
  });

  it('ends with the answer', () => {
    const identity = { version: 1, service: 'tandem' };
    const hand = prober().receive(openingBytes).hear([41, identity]);
    expect(hand.events).toEqual([
      { type: 'identity', identity },
      expect.objectContaining({ type: 'closed' }),
    ]);
    expect(hand.closed?.reason).toMatchObject({ code: 'disconnected', by: 'local' });
  });

  it('ends with REFUSE', () => {
    expect(prober().receive(openingBytes).hear([34, 'server-stopped', 'x']).closed?.reason).toMatchObject({
      code: 'server-stopped',
      by: 'remote',
    });
  });

  it.each([[welcome], [[42, 1, 'T']], [hello], [[35, 1]]])('refuses %j', (message) => {
    const hand = prober().receive(openingBytes).hear(message);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.closed?.reason.code).toBe('protocol-error');
  });
});

describe('a client with a ticket', () => {
  it('is not sent on again: a server could have it dial for ever', () => {
    const sentOn = (ticket?: string) =>
      new HandCore({ side: 'dialer', ticket }).receive(openingBytes).hear([42, 9_000, 'again']);
    expect(sentOn().happened).toEqual(['handover', 'closed']);
    expect(sentOn('ticket').happened).toEqual(['closed']);
    expect(sentOn('ticket').closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
  });
});

describe("the handshake's deadline", () => {
  it.each([['listener'], ['dialer'], ['prober']] as const)('ends a silent peer of a %s', (side) => {
    const hand = new HandCore({ side });
    hand.takeMessages();
    expect(hand.core.nextDeadlineMs).toBe(5_000);
    expect(hand.pass(4_999).closed).toBeUndefined();
    expect(hand.pass(1).confirmSuspicion().closed?.reason).toMatchObject({
      code: 'handshake-timeout',
      by: 'local',
      message: 'the peer did not begin to speak this protocol within 5000 ms',
    });
    expect(hand.takeMessages()).toHaveLength(side === 'listener' ? 1 : 0);
    expect(hand.core.nextDeadlineMs).toBe(Infinity);
  });

  it('counts until the session is ready, on both sides', () => {
    const listening = listener().receive(openingBytes).hear(hello).welcome();
    const dialling = dialer().receive(openingBytes).hear(welcome);
    for (const hand of [listening, dialling]) {
      hand.takeMessages();
      hand.pass(4_999).hear([9, []]);
      expect(hand.closed).toBeUndefined();
      expect(hand.pass(1).confirmSuspicion().closed?.reason).toMatchObject({
        code: 'handshake-timeout',
        message: 'the peer did not complete the handshake within 5000 ms',
      });
      expect(hand.takeMessages().at(-1)).toEqual([38, 'handshake-timeout', expect.any(String), 1]);
    }
  });

  it('counts no longer afterwards', () => {
    const hand = dialer().receive(openingBytes).hear(welcome);
    hand.core.markReady();
    expect(hand.pass(5_001).closed).toBeUndefined();
  });

  it('is not put off by a trickle of bytes', () => {
    const hand = listener();
    for (const byte of joined(openingBytes, frameOf(hello)).slice(0, 20)) {
      hand.pass(245).receive(Uint8Array.of(byte));
    }
    expect(hand.closed).toBeUndefined();
    expect(hand.pass(100).confirmSuspicion().closed?.reason.code).toBe('handshake-timeout');
  });

  it('has no effect before it is due', () => {
    const hand = listener().receive(openingBytes).hear(hello);
    hand.core.handleDeadline(4_999);
    expect(hand.happened).toEqual(['hello']);
  });

  it('is judged only after what had arrived was read, since this side may have been blocked itself', () => {
    const hand = dialer().block(60_000).receive(openingBytes).hear(welcome);
    hand.core.markReady();
    expect(hand.confirmSuspicion().closed).toBeUndefined();
    expect(hand.happened).toContain('established');
  });

  it('ends a client that nobody answers', () => {
    const hand = listener().receive(openingBytes).hear(hello).pass(5_000).confirmSuspicion();
    expect(hand.happened).toEqual(['hello', 'suspect', 'closed']);
    expect(hand.takeMessages()).toEqual([[34, 'handshake-timeout', expect.any(String)]]);
  });
});

describe('the codec', () => {
  const speaking = () => new Codec(defaultLimits, [msgpackrCodec()]);
  // A number beyond 32 bits shows who wrote it.
  const [asInteger, asFloat] = ['cf0000010000000000', 'cb4270000000000000'];
  const written = (hand: HandCore): string => {
    hand.core.send([6, 2 ** 40]);
    return Buffer.from(hand.takeBytes()).toString('hex');
  };

  it('is offered in HELLO', () => {
    expect(new HandCore({ side: 'dialer' }, { codec: speaking() }).takeMessages()).toEqual([
      [32, { version: 1, timeoutMs: 10_000, streamBytes, codecs: ['msgpackr'] }],
    ]);
  });

  it.each([
    ['is agreed on where the server allows it', ['msgpackr'], 'msgpackr'],
    ['is agreed on among others', ['other', 'msgpackr', 'other'], 'msgpackr'],
    ['is the built-in one where the server knows none of those offered', ['other', '__proto__'], undefined],
    ['is the built-in one where the client offers none', [], undefined],
    ['is the built-in one where the client does not know of codecs', undefined, undefined],
  ])('%s', (_what, codecs, codec) => {
    const hand = new HandCore({ side: 'listener' }, { codec: speaking() });
    hand.receive(openingBytes).hear([32, { version: 1, timeoutMs: 9_000, ...(codecs && { codecs }) }]);
    hand.welcome();
    expect(hand.takeMessages()).toEqual([
      [33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, streamBytes, ...(codec && { codec }) }],
    ]);
    expect(written(hand)).toContain(codec === undefined ? asInteger : asFloat);
  });

  it('is the built-in one where the server allows no other', () => {
    const hand = new HandCore({ side: 'listener' });
    hand.receive(openingBytes).hear([32, { version: 1, timeoutMs: 9_000, codecs: ['msgpackr'] }]);
    expect(hand.welcome().takeMessages()).toEqual([
      [33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, streamBytes }],
    ]);
    expect(written(hand)).toContain(asInteger);
  });

  it('is used by the client from WELCOME on', () => {
    const agreed = new HandCore({ side: 'dialer' }, { codec: speaking() });
    agreed.takeMessages();
    agreed.receive(openingBytes).hear([33, { ...(welcome[1] as object), codec: 'msgpackr' }]);
    expect(agreed.core.isEstablished).toBe(true);
    expect(written(agreed)).toContain(asFloat);
    expect(written(establishedDialer({ codec: speaking() }))).toContain(asInteger);
    expect(written(establishedListener({ codec: speaking() }))).toContain(asInteger);
  });

  it.each([
    ['that was not offered', { codec: speaking() }, 'other'],
    ['where none was offered', {}, 'msgpackr'],
    ['by the name of the built-in one', { codec: speaking() }, 'msgpack'],
  ])('of WELCOME is refused %s', (_what, changes, codec) => {
    const hand = new HandCore({ side: 'dialer' }, changes);
    hand.takeMessages();
    hand.receive(openingBytes).hear([33, { ...(welcome[1] as object), codec }]);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.closed?.reason).toMatchObject({
      code: 'protocol-error',
      by: 'local',
      message: `the codec "${codec}", which was not offered`,
    });
  });

  it('does not change what may come before WELCOME', () => {
    const hand = new HandCore({ side: 'listener' }, { codec: speaking() });
    hand.receive(openingBytes).hear([32, { version: 1, timeoutMs: 9_000, codecs: ['msgpackr'] }], [3, 1]);
    expect(hand.closed?.reason.code).toBe('protocol-error');
  });
});
