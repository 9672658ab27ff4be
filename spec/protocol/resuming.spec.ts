import { describe, expect, it } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { FragmentPool, pooledBytes } from '../../src/protocol/fragment-pool.js';
import type { ConnectionSettings } from '../../src/protocol/connection-settings.js';
import type { Message, SessionMessage } from '../../src/protocol/messages.js';
import { maxLogMessages, SendLog } from '../../src/protocol/send-log.js';
import { HandCore } from '../helpers/hand-core.js';
import { aliveBytesAtRest } from '../soak/heap.js';
import { filler, openingBytes } from '../helpers/wire.js';

const keptBytes = 256 * 1024;
const grant = { token: Uint8Array.of(1), windowMs: 1_000 };
const call = (id: number): SessionMessage => [0, id, 'a', 'b', []];
const isSession = (message: readonly unknown[]): boolean => Number(message[0]) < 32;

/** A listener whose session can be resumed; what it wrote was taken. */
function listener(changes: Partial<ConnectionSettings> = {}): HandCore {
  const hand = new HandCore({ side: 'listener' }, { keptBytes, ...changes });
  hand.receive(openingBytes).hear([32, { version: 1, timeoutMs: 10_000, resume: { windowMs: 1_000 } }]);
  hand.core.welcome('c1', 0, grant);
  hand.takeMessages();
  return hand;
}

/** The next connection of its session, by which the peer says that it has received so much. */
function next(previous: HandCore, received: number, changes: Partial<ConnectionSettings> = {}): HandCore {
  const session = { connectionID: 'c1', token: Uint8Array.of(1), attempt: 1, received };
  const hand = new HandCore({ side: 'listener' }, { keptBytes, ...changes });
  hand
    .receive(openingBytes)
    .hear([32, { version: 1, timeoutMs: 10_000, resume: { windowMs: 1_000, session } }]);
  previous.core.transportClosed(undefined);
  hand.core.resume('c1', previous.core, grant, 0);
  return hand;
}

/** A dialler whose session can be resumed. */
function dialer(): HandCore {
  const hand = new HandCore({ side: 'dialer', resume: { windowMs: 1_000 } }, { keptBytes });
  hand.takeMessages();
  hand.receive(openingBytes).hear([33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, resume: grant }]);
  return hand;
}

/** A long message, as the three fragments that it travels in. */
function listenerFragments(): [Message, Message, Message] {
  const hand = listener();
  hand.core.send([0, 1, 'a', 'b', [filler(180_000)]]);
  const [first, second, third] = hand.takeMessages().filter(isSession);
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three were expected');
  return [first, second, third];
}

describe('a resumable session', () => {
  it('numbers the first message of each frame', () => {
    const hand = listener();
    hand.core.send(call(1));
    hand.core.send(call(2));
    expect(hand.takeMessages()).toEqual([[43, 1], call(1), call(2)]);
    hand.core.send(call(3));
    expect(hand.takeMessages()).toEqual([[43, 3], call(3)]);
  });

  it('is acknowledged by a dialler at once, so that the server knows that its token has come', () => {
    const hand = dialer();
    expect(hand.takeMessages()).toEqual([[37, 0]]);
    expect(hand.happened).toEqual(['established']);
  });

  it('acknowledges after 100 ms what has come, once', () => {
    const hand = listener().hear([43, 1], call(1)).hear(call(2));
    expect(hand.takeMessages()).toEqual([]);
    hand.pass(99);
    expect(hand.takeMessages()).toEqual([]);
    hand.pass(1);
    expect(hand.takeMessages()).toEqual([[37, 2]]);
    hand.pass(1_000);
    expect(hand.takeMessages()).toEqual([]);
  });

  it('acknowledges 32 messages, and 64 KiB, at once', () => {
    const hand = listener().hear([43, 1], ...Array.from({ length: 31 }, (_, at) => call(at + 1)));
    expect(hand.takeMessages()).toEqual([]);
    hand.hear(call(32));
    expect(hand.takeMessages()).toEqual([[37, 32]]);
    hand.hear([0, 33, 'a', 'b', [filler(66_000)]]);
    expect(hand.takeMessages()).toEqual([[37, 33]]);
  });

  it('drops what comes again, and keeps its order', () => {
    const hand = listener().hear([43, 1], call(1), call(2));
    const again = next(hand, 0).hear([43, 1], call(1), call(2), call(3));
    expect(again.received).toEqual([call(3)]);
    expect(again.core.receivedCount).toBe(3);
  });

  it('acknowledges again what comes again: its first acknowledgement may be what got lost', () => {
    const hand = listener().hear([43, 1], call(1), call(2));
    hand.pass(100);
    expect(hand.takeMessages()).toEqual([[37, 2]]);
    const again = next(hand, 0);
    again.takeMessages();
    again.hear([43, 1], call(1), call(2));
    again.pass(100);
    expect(again.takeMessages()).toEqual([[37, 2]]);
  });

  it('writes again what was not received, then what was sent meanwhile', () => {
    const hand = listener();
    for (const id of [1, 2, 3]) hand.core.send(call(id));
    hand.takeMessages();
    hand.core.transportClosed(undefined);
    expect(hand.core.isAway).toBe(true);
    hand.core.send(call(4));
    expect(hand.takeMessages()).toEqual([]);
    const again = next(hand, 1);
    const [welcome, ...rest] = again.takeMessages();
    expect(welcome).toMatchObject([33, { connectionID: 'c1', resume: { received: 0 } }]);
    expect(rest.slice(0, 3)).toEqual([[43, 2], call(2), call(3)]);
    // What waited is sent as the one fragment of a long message.
    expect(rest.slice(3)).toEqual([
      [43, 4],
      [13, 1, 1, expect.any(Uint8Array)],
    ]);
    expect(again.happened).toEqual(['hello', 'resumed']);
  });

  it('writes fragments again as they were, and goes on in the middle of a long message', () => {
    const hand = listener();
    const bytes = filler(200_000);
    hand.core.send([0, 1, 'a', 'b', [bytes]]);
    const first = hand.takeMessages(1).filter(isSession);
    const second = hand.takeMessages(1).filter(isSession);
    const again = next(hand, 1);
    const rest = again.takeMessages().filter(isSession);
    expect(first.concat(rest)).toHaveLength(4);
    expect(rest[0]).toEqual(second[0]);
    const other = listener();
    for (const message of [...first, ...rest]) other.hear([43, other.core.receivedCount + 1]).hear(message);
    expect(other.received).toEqual([[0, 1, 'a', 'b', [bytes]]]);
  });

  it('drops fragments that come again', () => {
    const [first, second, third] = listenerFragments();
    const hand = listener().hear([43, 1]).hear(first).hear(second);
    const again = next(hand, 0).hear([43, 1]).hear(first).hear(second).hear(third);
    expect(again.received).toEqual([[0, 1, 'a', 'b', [filler(180_000)]]]);
  });

  it('gives a long message up that has begun, also while it is away', () => {
    const hand = listener();
    const sent = hand.core.send([0, 1, 'a', 'b', [filler(200_000)]]);
    hand.takeMessages(1);
    hand.core.transportClosed(undefined);
    expect(hand.core.withdraw(sent)).toBe(true);
    const again = next(hand, 1);
    expect(again.takeMessages().filter(isSession)).toEqual([[13, 1, 2, new Uint8Array(0)]]);
  });

  it('has messages wait while too much is not acknowledged', () => {
    const hand = listener();
    for (let id = 1; id <= 5; id += 1) hand.core.send([0, id, 'a', 'b', [filler(60_000)]]);
    expect(hand.takeMessages().filter(isSession)).toHaveLength(5);
    const waiting = hand.core.send(call(6));
    expect(hand.takeMessages()).toEqual([]);
    expect(hand.core.withdraw(waiting)).toBe(true);
    hand.core.send(call(7));
    hand.hear([37, 1]);
    expect(hand.takeMessages().filter(isSession)).toHaveLength(1);
  });

  it('replays no more than the window of the other side allows', () => {
    const hand = listener();
    for (let id = 1; id <= 3; id += 1) hand.core.send([0, id, 'a', 'b', [filler(60_000)]]);
    hand.takeMessages();
    hand.core.transportClosed(undefined);
    const session = { connectionID: 'c1', token: Uint8Array.of(1), attempt: 1, received: 0 };
    const again = new HandCore({ side: 'listener' }, { keptBytes });
    const resume = { windowMs: 1, session };
    again.receive(openingBytes).hear([32, { version: 1, timeoutMs: 1_000, windowBytes: 100_000, resume }]);
    again.core.resume('c1', hand.core, grant, 0);
    expect(again.takeMessages().filter(isSession)).toHaveLength(2);
    expect(again.core.queuedBytes).toBeGreaterThan(0);
    again.hear([44, 100_000]);
    expect(again.takeMessages().filter(isSession)).toHaveLength(1);
  });

  it('ends before all was sent again, and sends no more of it', () => {
    const hand = listener();
    for (const id of [1, 2, 3]) hand.core.send(call(id));
    hand.takeMessages();
    const left = next(hand, 1);
    left.close('disconnected', 'enough');
    expect(left.takeMessages().map(([type]) => type)).toEqual([33, 38]);
    const other = listener();
    other.core.send(call(1));
    const told = next(other, 0).hear([38, 'disconnected', 'enough', 0]);
    expect(told.takeMessages().map(([type]) => type)).toEqual([33]);
    expect(told.core.queuedBytes).toBe(0);
  });

  it('outlives silence, and the other side hearing of silence', () => {
    const hand = listener().close('timeout', 'silence');
    expect(hand.core.isAway).toBe(true);
    expect(hand.takeMessages()).toEqual([[38, 'timeout', 'silence', 0]]);
    expect(hand.takeMessages()).toEqual([]);
    const other = listener().hear([38, 'timeout', 'silence', 0]);
    expect(other.core.isAway).toBe(true);
  });

  it.each(['disconnected', 'protocol-error', 'limit-exceeded'] as const)('ends with %s', (code) => {
    expect(listener().close(code).core.isAway).toBe(false);
    expect(listener().hear([38, code, 'bye', 0]).core.isAway).toBe(false);
  });

  it('goes from one core to the next: the one before has nothing left', () => {
    const hand = listener();
    hand.core.send(call(1));
    const again = next(hand, 0);
    expect(hand.core.isAway).toBe(false);
    expect(hand.core.send(call(2))).toBe(0);
    expect(again.takeMessages().filter(isSession)).toEqual([call(1)]);
    again.core.abandon();
    again.core.abandon();
    expect(again.core.isAway).toBe(true);
    expect(again.happened).toEqual(['hello', 'resumed']);
    again.core.endSession();
    expect(again.core.send(call(3))).toBe(0);
  });

  it('knows what has reached the other side', () => {
    const hand = listener();
    const one = hand.core.send(call(1));
    const two = hand.core.send(call(2));
    hand.takeMessages();
    hand.hear([37, 1]);
    expect([hand.core.hasReached(one), hand.core.hasReached(two)]).toEqual([true, false]);
    expect(hand.core.isAcknowledged).toBe(false);
    hand.hear([37, 2]);
    expect(hand.core.isAcknowledged).toBe(true);
    expect(new HandCore({ side: 'listener' }).core.isAcknowledged).toBe(true);
  });

  it('says from where it can be continued', () => {
    const hand = listener();
    for (const id of [1, 2, 3]) hand.core.send(call(id));
    hand.takeMessages();
    hand.hear([37, 1]);
    const from = [0, 1, 2, 3, 4].map((received) => hand.core.canContinueFrom(received));
    expect(from).toEqual([false, true, true, true, false]);
    expect(new HandCore({ side: 'listener' }).core.canContinueFrom(0)).toBe(false);
  });

  it('is confirmed by the first word after the handshake', () => {
    const hand = listener();
    expect(hand.core.isConfirmed).toBe(false);
    expect(hand.hear([37, 0]).core.isConfirmed).toBe(true);
  });
});

describe('a dialler that resumes', () => {
  it('goes on where it was', () => {
    const hand = dialer();
    hand.hear([43, 1], call(1));
    hand.core.send(call(1));
    hand.takeMessages();
    hand.core.transportClosed(undefined);
    const again = new HandCore({ side: 'dialer' }, { keptBytes }, hand.core);
    again.takeMessages();
    const resume = { ...grant, received: 0 };
    again
      .receive(openingBytes)
      .hear([33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, resume }])
      .hear([43, 2], call(2));
    expect(again.takeMessages()).toEqual([[37, 1], [43, 1], call(1)]);
    expect(again.received).toEqual([call(2)]);
    expect(again.happened).toEqual(['resumed', 'messages']);
  });

  it('keeps nothing of the connections before', async () => {
    // In a function of its own: what a scope holds is alive.
    const make = (): { readonly again: HandCore; readonly before: WeakRef<object> } => {
      const hand = dialer();
      hand.core.transportClosed(undefined);
      const again = new HandCore({ side: 'dialer' }, { keptBytes }, hand.core);
      const resume = { ...grant, received: 0 };
      again.receive(openingBytes).hear([33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, resume }]);
      return { again, before: new WeakRef(hand.core) };
    };
    const { again, before } = make();
    await aliveBytesAtRest();
    expect(before.deref()).toBeUndefined();
    expect(again.core.isEstablished).toBe(true);
  });

  it.each([
    ['a session that nobody asked for', 0, false],
    ['a session of which too much was received', 2, true],
  ])('refuses %s', (_what, received, hasAsked) => {
    const hand = dialer();
    hand.core.send(call(1));
    hand.takeMessages();
    hand.core.transportClosed(undefined);
    const again = new HandCore({ side: 'dialer' }, { keptBytes }, hasAsked ? hand.core : undefined);
    const resume = { ...grant, received };
    again.receive(openingBytes).hear([33, { version: 1, connectionID: 'c1', timeoutMs: 10_000, resume }]);
    expect(again.closed?.reason.code).toBe('protocol-error');
    expect(hand.core.isAway).toBe(true);
  });
});

describe('a peer of a resumable session', () => {
  it.each<readonly [string, readonly (readonly unknown[])[]]>([
    ['sends without a number', [call(1)]],
    ['leaves a message out', [[43, 2], call(2)]],
    ['numbers anew within a connection', [[43, 1], call(1), [43, 1], call(1)]],
    ['leaves one out within a connection', [[43, 1], call(1), [43, 3], call(3)]],
    ['acknowledges what was never sent', [[37, 1]]],
  ])('is at fault if it %s', (_what, messages) => {
    const hand = listener().hear(...messages);
    expect(hand.closed?.reason).toMatchObject({ code: 'protocol-error', by: 'local' });
    expect(hand.core.isAway).toBe(false);
  });

  it('is at fault if it takes an acknowledgement back', () => {
    const hand = listener();
    hand.core.send(call(1));
    hand.takeMessages();
    expect(hand.hear([37, 1]).hear([37, 0]).closed?.reason.code).toBe('protocol-error');
  });

  it('is at fault if it acknowledges on a connection what was not written there again', () => {
    const hand = listener();
    for (let id = 1; id <= 3; id += 1) hand.core.send(call(id));
    hand.takeMessages();
    const again = next(hand, 1).hear([37, 3]);
    expect(again.closed?.reason.code).toBe('protocol-error');
  });

  it.each([[[37, 0]], [[43, 1]]])('is at fault if it says %p where nothing can be resumed', (message) => {
    const hand = new HandCore({ side: 'listener' });
    hand
      .receive(openingBytes)
      .hear([32, { version: 1, timeoutMs: 10_000 }])
      .welcome();
    expect(hand.hear(message).closed?.reason.code).toBe('protocol-error');
  });

  it('begins a session of its own where this side resumes none', () => {
    const hand = new HandCore({ side: 'dialer' });
    hand.receive(openingBytes).hear([33, { version: 1, connectionID: 'c1', timeoutMs: 1, resume: grant }]);
    expect(hand.core.isResumable).toBe(false);
  });
});

describe('resume()', () => {
  it('has no effect where no HELLO asks for it', () => {
    const hand = listener();
    hand.core.transportClosed(undefined);
    const again = new HandCore({ side: 'listener' }, { keptBytes });
    again.receive(openingBytes);
    again.core.resume('c1', hand.core, grant, 0);
    again.hear([32, { version: 1, timeoutMs: 10_000 }]);
    again.core.resume('c1', hand.core, grant, 0);
    expect(again.happened).toEqual(['hello']);
    expect(hand.core.isAway).toBe(true);
  });
});

describe('a session without a connection, of which too much waits', () => {
  const limits = { ...defaultLimits, maxQueuedBytes: 65_536 };

  it('refuses what asks for something, and takes what the other side must hear, up to twice as much', () => {
    const hand = listener({ limits });
    hand.core.transportClosed(undefined);
    const answer = (id: number): SessionMessage => [1, id, null, filler(30_000)];
    for (let id = 1; id <= 3; id += 1) hand.core.send(answer(id));
    expect(() => hand.core.send(call(1))).toThrow('limits.maxQueuedBytes');
    expect(() => hand.core.send([0, 2, 'a', 'b', [filler(70_000)]])).toThrow('limits.maxQueuedBytes');
    hand.core.send([3, 1]);
    expect(hand.core.isOverfull).toBe(false);
    for (let id = 4; id <= 6; id += 1) hand.core.send(answer(id));
    expect(hand.core.isOverfull).toBe(true);
  });
});

describe('SendLog', () => {
  const log = (): SendLog => new SendLog(new FragmentPool(), keptBytes);

  it('counts the bytes that are not acknowledged', () => {
    const sent = log();
    for (let size = 1; size <= 4; size += 1) sent.add(filler(size));
    sent.addFrame(filler(100));
    expect(sent.bytes).toBe(110);
    sent.acknowledge(2);
    expect(sent.bytes).toBe(107);
    sent.acknowledge(2);
    sent.acknowledge(4);
    expect(sent.bytes).toBe(100);
    sent.acknowledge(5);
    expect(sent.bytes).toBe(0);
  });

  it('counts the memory that it holds: buffers as a whole, frames as they are', () => {
    const sent = log();
    expect(sent.heldBytes).toBe(0);
    sent.add(filler(1));
    sent.add(filler(1));
    expect(sent.heldBytes).toBe(pooledBytes);
    sent.addFrame(filler(100));
    sent.add(filler(1));
    expect(sent.heldBytes).toBe(2 * pooledBytes + 100);
    sent.acknowledge(1);
    expect(sent.heldBytes).toBe(2 * pooledBytes + 100);
    sent.acknowledge(3);
    expect(sent.heldBytes).toBe(pooledBytes);
    sent.clear();
    expect(sent.heldBytes).toBe(0);
  });

  it('gives its buffers back', () => {
    const pool = new FragmentPool();
    const sent = new SendLog(pool, keptBytes);
    for (let at = 0; at < 10; at += 1) sent.add(filler(30_000));
    sent.acknowledge(3);
    expect(pool.freeCount).toBe(1);
    sent.addFrame(filler(100));
    sent.clear();
    expect(pool.freeCount).toBe(5);
  });

  it('is full after so many messages, whatever their bytes', () => {
    const sent = new SendLog(new FragmentPool(), 64 * 1024 * 1024);
    const one = filler(1);
    for (let at = 0; at < maxLogMessages; at += 1) sent.add(one);
    expect(sent.isFull).toBe(true);
    sent.acknowledge(1);
    expect(sent.isFull).toBe(false);
  });
});
