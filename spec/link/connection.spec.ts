import { describe, expect, it } from '@jest/globals';
import { Connection, type ConnectionEnd, type ConnectionSink } from '../../src/link/connection.js';
import { Codec } from '../../src/protocol/codec.js';
import type { ConnectionRole, ConnectionSettings } from '../../src/protocol/connection-settings.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { FrameReader } from '../../src/protocol/framing.js';

import { defaultLimits, maxFrameBytes } from '../../src/protocol/limits.js';
import type { Hello, NotifyMessage } from '../../src/protocol/messages.js';
import type { Transport } from '../../src/transports/transport.js';
import { MemoryNetwork } from '../../src/transports/memory.js';
import { settingsOf } from '../helpers/hand-core.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualClock } from '../helpers/virtual-clock.js';
import type {
  HeartbeatSettings,
  HeartbeatSink,
  TransportHeartbeats,
} from '../../src/transports/transport.js';
import { filler, frameOf, framed, joined, openingBytes } from '../helpers/wire.js';

/** A sink that keeps what it is told, and runs what the spec hung on it. */
class Log implements ConnectionSink {
  onFlush = (): void => {};
  onRoom = (): void => {};
  readonly told: string[] = [];
  readonly on = new Map<string, () => void>();
  end: ConnectionEnd | undefined;
  deadlineMs = Infinity;
  #depth = 0;

  onHello({ ticket }: Hello): void {
    this.#tell(`hello ${ticket ?? ''}`.trim());
  }
  onResumed(): void {
    this.#tell('resumed');
  }
  onEstablished(connectionID: string): void {
    this.#tell(`established ${connectionID}`);
  }
  onMessages(messages: readonly (readonly unknown[])[]): void {
    this.#tell(`messages ${JSON.stringify(messages)}`);
  }
  onHandover(port: number, ticket: string): void {
    this.#tell(`handover ${port} ${ticket}`);
  }
  onGoAway(code: string, retryAfterMs?: number): void {
    this.#tell(`goaway ${code} ${retryAfterMs}`);
  }
  onIdentity(): void {
    this.#tell('identity');
  }
  onHeartbeat(roundTripMs: number): void {
    this.#tell(`heartbeat ${roundTripMs}`);
  }
  onLoopLag(loopLagMs: number): void {
    this.#tell(`lag ${loopLagMs}`);
  }
  onClosed(end: ConnectionEnd): void {
    this.end = end;
    this.#tell(`closed ${end.reason.code}`);
  }
  nextDeadlineMs(): number {
    return this.deadlineMs;
  }
  handleDeadline(nowMs: number): void {
    this.deadlineMs = Infinity;
    this.#tell(`deadline ${nowMs}`);
  }

  #tell(what: string): void {
    this.#depth += 1;
    this.told.push(this.#depth > 1 ? `re-entered: ${what}` : what);
    this.on.get(what.split(' ')[0] ?? '')?.();
    this.#depth -= 1;
  }
}

interface Bench {
  readonly clock: VirtualClock;
  readonly transport: HandTransport;
  readonly log: Log;
  readonly connection: Connection;
}

function bench(
  role: ConnectionRole,
  changes: Partial<ConnectionSettings> = {},
  heartbeats?: HandHeartbeats,
): Bench {
  const clock = new VirtualClock();
  const transport = Object.assign(new HandTransport(), { heartbeats });
  const log = new Log();
  const connection = new Connection(transport, settingsOf(role, changes), clock, log);
  connection.open();
  return { clock, transport, log, connection };
}

/** A connection that is established and ready, with nothing to write. */
function established(
  side: 'listener' | 'dialer',
  changes: Partial<ConnectionSettings> = {},
  heartbeats?: HandHeartbeats,
): Bench {
  const all = bench({ side }, changes, heartbeats);
  const { transport, log, connection } = all;
  if (side === 'dialer') {
    transport.arrive(openingBytes, frameOf([33, { version: 1, connectionID: 'c1', timeoutMs: 10_000 }]));
  } else {
    log.on.set('hello', () => connection.welcome('c1'));
    transport.arrive(openingBytes, frameOf([32, { version: 1, timeoutMs: 10_000 }]));
  }
  connection.markReady();
  transport.turn().take();
  transport.acts.length = 0;
  log.told.length = 0;
  return all;
}

/** The messages in what was written. */
function messagesIn(bytes: Uint8Array): unknown[][] {
  const reader = new FrameReader(new FragmentPool());
  reader.push(bytes);
  const messages: unknown[][] = [];
  for (let frame = reader.read(maxFrameBytes); frame !== undefined; frame = reader.read(maxFrameBytes))
    messages.push(...new Codec(defaultLimits).decodeFrame(frame, false));
  return messages;
}

/** The heartbeats of a transport that keeps them, worked by hand. */
class HandHeartbeats implements TransportHeartbeats {
  readonly windowBytes = 123_456;
  readonly told: unknown[] = [];
  sink: HeartbeatSink | undefined;

  start(settings: HeartbeatSettings, sink: HeartbeatSink): void {
    this.told.push(settings);
    this.sink = sink;
  }
  setTimeout(timeoutMs: number): void {
    this.told.push(timeoutMs);
  }
}

const long: NotifyMessage = [2, 'a', 'b', [filler(1_000_000)]];
const sides = ['listener', 'dialer'] as const;

describe('Connection', () => {
  it('speaks first when it dials, at the end of the turn', () => {
    const { transport } = bench({ side: 'dialer' });
    expect(transport.take()).toHaveLength(0);
    expect(transport.turn().take().slice(0, 8)).toEqual(openingBytes);
  });

  it('reports the handshake to both roles', () => {
    const dialling = bench({ side: 'dialer' });
    const welcome = frameOf([33, { version: 1, connectionID: 'c1', timeoutMs: 1_000 }]);
    dialling.transport.arrive(openingBytes, welcome);
    expect(dialling.log.told).toEqual(['established c1']);
    expect(dialling.connection.isEstablished).toBe(true);
    const listening = bench({ side: 'listener' });
    listening.transport.arrive(openingBytes, frameOf([32, { version: 1, timeoutMs: 1_000, ticket: 'T' }]));
    expect(listening.log.told).toEqual(['hello T']);
    expect(listening.connection.isEstablished).toBe(false);
    expect(listening.connection.description).toBe('hand -> spec');
  });

  it('reports a handover and then the end', () => {
    const { transport, log } = bench({ side: 'dialer' });
    transport.arrive(openingBytes, frameOf([42, 4_001, 'T']));
    expect(log.told).toEqual(['handover 4001 T', 'closed disconnected']);
  });

  it.each(['refuse', 'handOver'] as const)('answers a client by %s and ends', (answer) => {
    const { transport, log, connection } = bench({ side: 'listener' });
    log.on.set('hello', () => {
      if (answer === 'refuse') connection.refuse('server-full', 'full', 100);
      else connection.handOver(4_001, 'T');
    });
    transport.arrive(openingBytes, frameOf([32, { version: 1, timeoutMs: 1 }]));
    const expected = answer === 'refuse' ? [34, 'server-full', 'full', 100] : [42, 4_001, 'T'];
    expect(messagesIn(transport.take().slice(8))).toEqual([expected]);
    expect(transport.acts.at(-1)).toBe('close');
    expect(log.told).toEqual(['hello', `closed ${answer === 'refuse' ? 'server-full' : 'disconnected'}`]);
  });

  it('tells nothing after the end, though a handler answers a HELLO that came with a fault', () => {
    const { transport, log, connection } = bench({ side: 'listener' });
    log.on.set('hello', () => connection.welcome('c1'));
    const hello = frameOf([32, { version: 1, timeoutMs: 1 }]);
    transport.arrive(joined(openingBytes, hello, hello)).turn();
    expect(log.told).toEqual(['hello', 'closed protocol-error']);
    expect(connection.isEstablished).toBe(false);
  });

  describe.each(sides)('of a %s', (side) => {
    it('writes once a turn, at its end', () => {
      const { transport, connection } = established(side);
      connection.send([3, 1]);
      connection.send([3, 2]);
      expect(transport.flushes).toBe(1);
      expect(transport.acts).toEqual([]);
      transport.turn();
      expect(transport.acts).toEqual(['write']);
      expect(messagesIn(transport.take())).toEqual([
        [3, 1],
        [3, 2],
      ]);
      expect(transport.flushes).toBe(0);
    });

    it('never calls the sink inside a call of the sink', () => {
      const { transport, log, connection } = established(side);
      log.on.set('messages', () => {
        connection.setTimeout(5_000);
        connection.send([3, 9]);
        transport.arrive(frameOf([3, 2]));
        log.on.clear();
        log.on.set('messages', () => connection.close('disconnected', 'bye'));
      });
      transport.arrive(frameOf([3, 1]));
      expect(log.told).toEqual(['messages [[3,1]]', 'messages [[3,2]]', 'closed disconnected']);
    });

    it('sends what handlers send at once in one write, when all of the chunk was dealt with', () => {
      const { transport, log, connection } = established(side);
      log.on.set('messages', () => {
        connection.send([3, 8]);
        connection.send([3, 9]);
        expect(transport.acts).toEqual([]);
      });
      transport.arrive(joined(frameOf([3, 1]), frameOf([35, 1])));
      expect([transport.acts, transport.flushes]).toEqual([['write'], 0]);
      expect(messagesIn(transport.take())).toEqual([
        [36, 1],
        [3, 8],
        [3, 9],
      ]);
    });

    it('begins to write before the end of a turn that sends much, in ever larger steps', () => {
      const { transport, connection } = established(side);
      const sizes: number[] = [];
      for (let sent = 0; sent < 60; sent += 1) {
        connection.send([2, 'a', 'b', [filler(1_000)]]);
        const { length } = transport.take();
        if (length > 0) sizes.push(length);
      }
      transport.turn();
      sizes.push(transport.take().length);
      // A turn of its own begins small again.
      for (let sent = 0; sent < 5; sent += 1) connection.send([2, 'a', 'b', [filler(1_000)]]);
      sizes.push(transport.take().length);
      const messages = sizes.map((size) => Math.floor(size / 1_000));
      expect(messages).toEqual([5, 9, 17, 29, 5]);
    });

    it('does not write early while the transport has something to do', () => {
      const { transport, connection } = established(side);
      transport.queuedBytes = 1;
      for (let sent = 0; sent < 20; sent += 1) connection.send([2, 'a', 'b', [filler(1_000)]]);
      expect(transport.acts).toEqual([]);
      expect(transport.turn().take().length).toBeGreaterThan(20_000);
    });

    it('can be closed inside a handler, which may go on sending: that never leaves', () => {
      const { transport, log, connection } = established(side);
      let sent: ReturnType<Connection['send']> = 1;
      log.on.set('messages', () => {
        connection.close('disconnected', 'bye');
        sent = connection.send([3, 9]);
      });
      transport.arrive(frameOf([3, 1]));
      expect(messagesIn(transport.take())).toEqual([[38, 'disconnected', 'bye', 1]]);
      expect(connection.isHandedOver(sent)).toBe(false);
      expect(connection.isBeyond(sent, 1_000)).toBe(true);
    });

    it('says GOODBYE before it ends the transport, and destroys it a second later', () => {
      const { clock, transport, log, connection } = established(side);
      connection.send([3, 1]);
      connection.close('disconnected', 'bye');
      expect(transport.acts).toEqual(['write', 'close']);
      expect(messagesIn(transport.take())).toEqual([
        [3, 1],
        [38, 'disconnected', 'bye', 0],
      ]);
      expect(log.told).toEqual(['closed disconnected']);
      clock.pass(999);
      expect(transport.acts).toEqual(['write', 'close']);
      clock.pass(1);
      expect(transport.acts).toEqual(['write', 'close', 'destroy']);
      expect(clock.armed).toBe(0);
    });

    it('does not destroy a transport that ended in time', () => {
      const { clock, transport, log, connection } = established(side);
      connection.close('disconnected', 'bye');
      transport.end();
      expect(clock.armed).toBe(0);
      clock.pass(10_000);
      expect(transport.acts).toEqual(['write', 'close']);
      expect(log.told).toEqual(['closed disconnected']);
    });

    it('tells nothing, asks nothing and writes nothing after the end', () => {
      const { clock, transport, log, connection } = established(side);
      connection.send([3, 1]);
      connection.close('disconnected', 'bye');
      transport.take();
      log.nextDeadlineMs = () => {
        throw new Error('asked after the end');
      };
      transport
        .arrive(frameOf([3, 1]))
        .drain()
        .turn()
        .finishReading();
      connection.send([3, 1]);
      connection.setTimeout(1);
      connection.deadlineChanged();
      connection.close('timeout', 'again');
      connection.refuse('server-full', 'full', undefined);
      transport.turn().end(new Error('late'));
      clock.pass(100_000);
      expect(transport.take()).toHaveLength(0);
      expect(log.told).toEqual(['closed disconnected']);
      expect([clock.armed, transport.flushes, connection.queuedBytes]).toEqual([0, 0, 0]);
    });

    it('reports the loss of its transport; what had not left was not handed over', () => {
      const { clock, transport, log, connection } = established(side);
      const left = connection.send([3, 1]);
      transport.turn();
      const kept = connection.send([3, 2]);
      transport.take();
      transport.end(new Error('ECONNRESET'));
      expect(log.told).toEqual(['closed connection-lost']);
      expect(log.end).toMatchObject({ reason: { by: 'transport' }, lastReceived: undefined });
      expect([connection.isHandedOver(left), connection.isHandedOver(kept)]).toEqual([true, false]);
      expect(transport.turn().take()).toHaveLength(0);
      expect(transport.acts).not.toContain('close');
      expect(clock.armed).toBe(0);
    });

    it('ends when the peer says GOODBYE, and tells how far that had read', () => {
      const { transport, log } = established(side);
      transport.arrive(frameOf([3, 1], [38, 'server-stopped', 'bye', 7]));
      expect(log.told).toEqual(['messages [[3,1]]', 'closed server-stopped']);
      expect(log.end?.lastReceived).toBe(7);
      expect(transport.acts).toEqual(['close']);
    });

    it('reports round trips', () => {
      const { clock, transport, log } = established(side, { timeoutMs: 9_000 });
      clock.pass(3_000);
      expect(messagesIn(transport.turn().take())).toEqual([[35, 1]]);
      clock.pass(40);
      transport.arrive(frameOf([36, 1]));
      expect(log.told).toEqual(['heartbeat 40']);
    });

    it('answers a ping, and sends its own along if that is due soon', () => {
      const { clock, transport } = established(side, { timeoutMs: 9_000 });
      clock.pass(1_000);
      transport.arrive(frameOf([35, 1]));
      expect(messagesIn(transport.take())).toEqual([[36, 1]]);
      clock.pass(1_000);
      transport.arrive(frameOf([35, 2]));
      expect(transport.acts).toEqual(['write', 'write']);
      expect(messagesIn(transport.take())).toEqual([
        [36, 2],
        [35, 1],
      ]);
      clock.pass(2_999);
      expect(transport.turn().take()).toHaveLength(0);
      clock.pass(1);
      expect(messagesIn(transport.turn().take())).toEqual([[35, 2]]);
    });

    it('tells no lag while what has arrived is not read, since messages wait for their turn', () => {
      const { transport, log } = established(side, {
        limits: { ...defaultLimits, maxTurnMessages: 2 },
      });
      transport.arrive(frameOf([35, 1, 5_000], [3, 1], [3, 2], [3, 3], [35, 2, 6_000]));
      transport.finishReading();
      expect(log.told.filter((what) => what.startsWith('lag'))).toEqual([]);
      transport.finishReading();
      expect(log.told.filter((what) => what.startsWith('lag'))).toEqual(['lag 6000']);
    });

    describe('with more in a chunk than belongs into a turn', () => {
      const limits = { ...defaultLimits, maxTurnMessages: 300 };
      const cancels = (from: number, count: number): Uint8Array[] =>
        Array.from({ length: count }, (_, at) => frameOf([3, from + at]));
      /** The ids that the sink was given, in order. */
      const idsIn = (log: Log): number[] =>
        log.told
          .filter((what) => what.startsWith('messages'))
          .flatMap((what) =>
            (JSON.parse(what.slice('messages '.length)) as [3, number][]).map(([, id]) => id),
          );
      const inOrder = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

      it('leaves the rest undecoded until others have had their turn, in order', () => {
        const { transport, log, connection } = established(side, { limits });
        const chunk = joined(...cancels(1, 1_000));
        transport.arrive(chunk);
        // It is the transport's again.
        chunk.fill(0xc1);
        expect([idsIn(log).length, connection.receivedCount, connection.yields]).toEqual([300, 512, 1]);
        expect(transport.acts.filter((act) => act !== 'write')).toEqual(['pause']);
        // What had been on its way to this side all the same.
        transport.arrive(joined(...cancels(1_001, 200)));
        expect(connection.receivedCount).toBe(512);
        for (let turns = 0; turns < 3; turns += 1) transport.finishReading();
        expect([idsIn(log), connection.receivedCount, connection.yields]).toEqual([inOrder(1_200), 1_200, 3]);
        expect(transport.acts.filter((act) => act !== 'write')).toEqual(['pause', 'resume']);
        transport.finishReading();
        transport.arrive(frameOf([3, 1_201]));
        expect(idsIn(log)).toEqual(inOrder(1_201));
      });

      it('answers heartbeats that lie behind messages which wait for slow methods', () => {
        const { transport, clock, log } = established(side, { limits });
        log.on.set('messages', () => {
          clock.frame += 1_000;
        });
        transport.arrive(joined(...cancels(1, 400), frameOf([35, 7])));
        transport.turn();
        expect(messagesIn(transport.take())).toEqual([]);
        transport.finishReading().turn();
        expect(messagesIn(transport.take())).toEqual([[36, 7]]);
        expect(idsIn(log).length).toBeLessThan(10);
      });

      it('takes what waits as a sign of life', () => {
        const { transport, clock, log, connection } = established(side, { limits });
        clock.pass(9_900);
        transport.arrive(joined(...cancels(1, 1_000)));
        clock.pass(200);
        transport.arrive(frameOf([3, 1_001]));
        // The word that all was read does not come, since others take so long.
        clock.pass(9_900);
        expect([connection.receivedCount, log.told.at(-1)?.startsWith('closed')]).toEqual([512, false]);
      });

      it('reads all that had arrived before it says that the other side has ended, and why', () => {
        const { transport, log } = established(side, { limits });
        transport.arrive(joined(...cancels(1, 1_000)));
        transport.end(new Error('reset'));
        expect([idsIn(log), log.told.at(-1)]).toEqual([inOrder(1_000), 'closed connection-lost']);
        const other = established(side, { limits });
        other.transport.arrive(joined(...cancels(1, 1_000), frameOf([38, 'server-stopped', 'bye', 7])));
        other.transport.end();
        expect([idsIn(other.log), other.log.told.at(-1)]).toEqual([inOrder(1_000), 'closed server-stopped']);
        other.transport.finishReading();
        expect(other.log.told.at(-1)).toBe('closed server-stopped');
      });

      it('does not say that it has read what it leaves when it ends by itself', () => {
        const { transport, log, connection } = established(side, { limits });
        transport.arrive(joined(...cancels(1, 1_000)));
        connection.close('disconnected', 'enough');
        expect(messagesIn(transport.turn().take()).at(-1)).toEqual([38, 'disconnected', 'enough', 512]);
        expect(idsIn(log)).toEqual(inOrder(512));
        transport.finishReading();
        expect(log.told.at(-1)).toBe('closed disconnected');
      });

      it('ends for what is not as it must be when that is read, behind what was', () => {
        const { transport, log } = established(side, { limits });
        transport.arrive(joined(...cancels(1, 600), framed(Uint8Array.of(0xc1)), ...cancels(601, 10)));
        expect(log.told.some((what) => what.startsWith('closed'))).toBe(false);
        transport.finishReading();
        transport.finishReading();
        expect([idsIn(log), log.told.at(-1)]).toEqual([inOrder(600), 'closed protocol-error']);
      });
    });

    it('ends a silent peer after reading once more, and does not wait for it', () => {
      const { clock, transport, log } = established(side);
      clock.pass(10_000);
      expect(log.told).toEqual([]);
      transport.finishReading();
      expect(log.told).toEqual(['closed timeout']);
      transport.acts.length = 0;
      clock.pass(0);
      expect(transport.acts).toEqual(['destroy']);
      expect(clock.armed).toBe(0);
    });

    it('spares a peer whose bytes had arrived', () => {
      const { clock, transport, log } = established(side);
      clock.pass(10_000);
      transport.arrive(frameOf([35, 1])).finishReading();
      clock.pass(9_999);
      transport.finishReading();
      expect(log.told).toEqual([]);
    });

    it('lets long messages wait for room, and short ones pass them', () => {
      const { transport, connection } = established(side);
      transport.isKeeping = true;
      transport.hasRoom = false;
      const sent = connection.send(long);
      transport.turn();
      expect(transport.queuedBytes).toBeGreaterThanOrEqual(256 * 1024);
      expect(transport.queuedBytes).toBeLessThan(330 * 1024);
      connection.send([3, 1]);
      transport.turn();
      // What is short waits for what the transport has, and for no more of what is long.
      expect(messagesIn(transport.take()).length).toBeLessThan(7);
      transport.drain();
      expect(messagesIn(transport.take())).toEqual([[3, 1]]);
      transport.turn();
      expect(connection.isHandedOver(sent)).toBe(false);
      for (let rounds = 0; rounds < 10; rounds++) {
        transport.drain().turn();
        transport.take();
      }
      expect(connection.isHandedOver(sent)).toBe(true);
      expect(connection.withdraw(sent)).toBe(false);
      expect(transport.drain().flushes).toBe(0);
    });

    it('tells the peer of a long message that is taken back half way', () => {
      const { transport, connection } = established(side);
      const sent = connection.send(long);
      transport.isKeeping = true;
      transport.turn();
      transport.take();
      expect(connection.withdraw(sent)).toBe(true);
      expect(messagesIn(transport.turn().take()).map(([type, , end]) => [type, end])).toEqual([[13, 2]]);
    });

    it('tells of room only where less waits than when it was asked for', () => {
      const { transport, log, connection } = established(side);
      let told = 0;
      log.onRoom = () => {
        told += 1;
        // As one does for whom it is still too little.
        connection.requestRoom();
      };
      transport.isKeeping = true;
      transport.hasRoom = false;
      connection.send(long);
      connection.send(long);
      connection.requestRoom(Infinity);
      transport.turn();
      expect([told, transport.flushes]).toEqual([1, 1]);
      transport.turn();
      expect([told, transport.flushes]).toEqual([1, 0]);
      for (let rounds = 0; rounds < 20; rounds++) {
        transport.take();
        transport.drain().turn();
      }
      expect([told > 1, transport.flushes]).toEqual([true, 0]);
    });

    it('closes when the peer does not read, and does not wait for it', () => {
      const { clock, transport, log, connection } = established(side, {
        limits: { ...defaultLimits, maxQueuedBytes: 70_000 },
      });
      transport.isKeeping = true;
      transport.queuedBytes = 69_989;
      connection.send([3, 1]);
      expect(connection.queuedBytes).toBe(69_996);
      connection.send([3, 1]);
      transport.turn();
      expect([transport.queuedBytes, log.told]).toEqual([69_999, []]);
      connection.send([3, 1]);
      transport.turn();
      expect(log.told).toEqual(['closed limit-exceeded']);
      expect(log.end?.reason).toMatchObject({ by: 'local', message: expect.stringContaining('70000 bytes') });
      clock.pass(0);
      expect(transport.acts.slice(-2)).toEqual(['close', 'destroy']);
    });

    it('gives a peer that sent too much the time to read why', () => {
      const { clock, transport, log } = established(side, {
        limits: { ...defaultLimits, maxMessageBytes: 100_000 },
      });
      transport.arrive(frameOf([13, 1, 0, filler(66_560)]), frameOf([13, 1, 1, filler(33_441)]));
      expect(log.told).toEqual(['closed limit-exceeded']);
      expect(messagesIn(transport.take())).toEqual([[38, 'limit-exceeded', expect.any(String), 2]]);
      clock.pass(999);
      expect(transport.acts.at(-1)).toBe('close');
      clock.pass(1);
      expect(transport.acts.at(-1)).toBe('destroy');
    });

    it("calls the session's deadline when it is due, also one that came nearer", () => {
      const { clock, log, connection } = established(side);
      log.deadlineMs = 2_000;
      connection.deadlineChanged();
      log.deadlineMs = 1_000;
      connection.deadlineChanged();
      clock.pass(999);
      expect(log.told).toEqual([]);
      clock.pass(1);
      expect(log.told).toEqual(['deadline 1000']);
    });

    it('looks again when a deadline has moved away', () => {
      const { clock, log, connection } = established(side);
      log.deadlineMs = 1_000;
      connection.deadlineChanged();
      log.deadlineMs = 2_500;
      clock.pass(2_499);
      expect(log.told).toEqual([]);
      clock.pass(1);
      expect(log.told).toEqual(['deadline 2500']);
    });

    it('arms one timer', () => {
      const { clock, transport, connection, log } = established(side);
      for (let round = 1; round < 20; round++) {
        log.deadlineMs = 1_000 - round;
        connection.deadlineChanged();
        transport.arrive(frameOf([35, round]));
      }
      expect(clock.armed).toBe(1);
    });

    it('survives a handler that ends it in its deadline', () => {
      const { clock, log, connection } = established(side);
      log.on.set('deadline', () => connection.close('disconnected', 'bye'));
      log.deadlineMs = 5;
      connection.deadlineChanged();
      clock.pass(5);
      expect(log.told.at(-1)).toBe('closed disconnected');
      clock.pass(2_000);
      expect(clock.armed).toBe(0);
    });
  });

  it('bounds what a stranger makes it keep: a handshake that is not finished ends in time', () => {
    const { clock, transport, log } = bench({ side: 'listener' });
    transport.arrive(openingBytes, framed(filler(0), 16_384));
    clock.pass(5_000);
    transport.finishReading();
    expect(log.told).toEqual(['closed handshake-timeout']);
    transport.end();
    expect(clock.armed).toBe(0);
  });
});

describe('two connections over a network in memory', () => {
  const address = { host: '127.0.0.1', port: 9_000 };

  function link(latencyMs: number, sliceBytes?: number, listening: Partial<ConnectionSettings> = {}) {
    const clock = new VirtualClock();
    const network = new MemoryNetwork({ scheduler: clock, latencyMs });
    network.sliceBytes = sliceBytes;
    const create = (transport: Transport, side: 'listener' | 'dialer') => {
      const log = new Log();
      const changes = side === 'listener' ? listening : {};
      const connection = new Connection(transport, settingsOf({ side }, changes), clock, log);
      log.on.set('hello', () => connection.welcome('c1'));
      log.on.set('established', () => connection.markReady());
      connection.open();
      return { log, connection };
    };
    const ends: ReturnType<typeof create>[] = [];
    const onFailed = (): never => {
      throw new Error('no link');
    };
    const listener = network.transports.listen(address, {
      onListening: () => {},
      onTransport: (transport) => ends.push(create(transport, 'listener')),
      onFailed,
    });
    network.transports.dial(address, {
      onTransport: (transport) => ends.push(create(transport, 'dialer')),
      onFailed,
    });
    clock.pass(20 * latencyMs + 100);
    const [dialer, server] = ends;
    if (dialer === undefined || server === undefined) throw new Error('no link');
    listener.close(() => {});
    return { clock, network, dialer, server };
  }

  it.each([
    [0, undefined],
    [50, undefined],
    [5, 1],
  ])('connect, talk and part without a rest, with latency %i in slices of %p', (latencyMs, sliceBytes) => {
    const { clock, network, dialer, server } = link(latencyMs, sliceBytes);
    dialer.connection.send([3, 1]);
    server.connection.send([3, 2]);
    clock.pass(1_000);
    server.connection.close('server-stopped', 'bye');
    clock.pass(5_000);
    expect(dialer.log.told).toEqual(['established c1', 'messages [[3,2]]', 'closed server-stopped']);
    expect(server.log.told).toEqual(['hello', 'established c1', 'messages [[3,1]]', 'closed server-stopped']);
    expect(dialer.log.end?.lastReceived).toBe(1);
    expect([clock.armed, network.links.length]).toEqual([0, 0]);
  });

  it('tell a peer that sends too much why it is closed', () => {
    const limits = { ...defaultLimits, maxMessageBytes: 100_000 };
    const { clock, dialer, server } = link(50, undefined, { limits });
    dialer.connection.send(long);
    clock.pass(60_000);
    expect(server.log.told.at(-1)).toBe('closed limit-exceeded');
    expect(dialer.log.told.at(-1)).toBe('closed limit-exceeded');
    expect(dialer.log.end?.reason.by).toBe('remote');
  });

  it('notice a peer that fell silent, within the timeout', () => {
    const { clock, network, dialer, server } = link(5);
    network.halfOpen('toServer');
    clock.pass(14_000);
    expect(server.log.told.at(-1)).toBe('closed timeout');
    network.heal();
    clock.pass(60_000);
    expect(dialer.log.told.at(-1)).toMatch(/^closed/);
    expect([clock.armed, network.links.length]).toEqual([0, 0]);
  });
});

describe.each(sides)('a %s on a transport that keeps the heartbeats', (side) => {
  function kept(): Bench & { heartbeats: HandHeartbeats } {
    const heartbeats = new HandHeartbeats();
    return { ...established(side, { timeoutMs: 2_000, heartbeatIntervalMs: 250 }, heartbeats), heartbeats };
  }

  it('tells the peer what may wait for this thread', () => {
    const { transport, log, connection } = bench({ side }, {}, new HandHeartbeats());
    if (side === 'listener') {
      log.on.set('hello', () => connection.welcome('c1'));
      transport.arrive(openingBytes, frameOf([32, { version: 1, timeoutMs: 10_000 }]));
    }
    const [greeting] = messagesIn(transport.turn().take().subarray(openingBytes.length));
    expect(greeting?.[1]).toMatchObject({ windowBytes: 123_456 });
  });

  it('has them start when the handshake is done, and sends none of its own', () => {
    const { heartbeats, clock, transport } = kept();
    expect(heartbeats.told).toEqual([{ timeoutMs: 2_000, peerTimeoutMs: 10_000, intervalMs: 250 }]);
    clock.pass(60_000);
    expect(messagesIn(transport.turn().take())).toEqual([]);
  });

  it('tells it and the peer of another timeout', () => {
    const { heartbeats, connection, transport } = kept();
    connection.setTimeout(500);
    expect(heartbeats.told.at(-1)).toBe(500);
    expect(messagesIn(transport.turn().take())).toEqual([[39, 500]]);
  });

  it('hands on what they tell, and what the sink does then is told when it has returned', () => {
    const { heartbeats, log, connection, transport } = kept();
    log.on.set('lag', () => {
      connection.close('disconnected', 'a spec');
    });
    heartbeats.sink?.onHeartbeat(3, 40);
    heartbeats.sink?.onLoopLag(41);
    transport.finishReading();
    heartbeats.sink?.onLoopLag(42);
    heartbeats.sink?.onHeartbeat(3, 42);
    transport.finishReading();
    expect(log.told).toEqual(['heartbeat 3', 'lag 41', 'closed disconnected']);
  });

  it('tells the last of several lags, once all that has arrived was read', () => {
    const { heartbeats, log, transport } = kept();
    for (const lagMs of [1_000, 2_000, 0]) heartbeats.sink?.onLoopLag(lagMs);
    expect(log.told).toEqual([]);
    transport.finishReading().finishReading();
    expect(log.told).toEqual(['lag 0']);
    heartbeats.sink?.onLoopLag(3_000);
    transport.finishReading();
    expect(log.told).toEqual(['lag 0', 'lag 3000']);
  });

  it('ends with the code timeout when they hear nothing', () => {
    const { heartbeats, log, transport } = kept();
    heartbeats.sink?.onSilence();
    expect(log.end?.reason).toMatchObject({ code: 'timeout', by: 'local' });
    expect(transport.acts.at(-1)).toBe('close');
  });

  it('ends for a fault that the transport has found', () => {
    const { connection, log, transport } = kept();
    connection.onFault('protocol-error', 'a spec');
    expect(log.end?.reason).toMatchObject({ code: 'protocol-error', message: 'a spec', by: 'local' });
    expect(messagesIn(transport.turn().take())).toEqual([[38, 'protocol-error', 'a spec', 0]]);
  });
});
