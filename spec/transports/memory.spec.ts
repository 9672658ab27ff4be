import { beforeEach, describe, expect, it } from '@jest/globals';
import { asapScheduler, asyncScheduler } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { MemoryLink } from '../../src/transports/memory-link.js';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../src/transports/memory.js';
import type { Transport } from '../../src/transports/transport.js';
import { describeTransportContract } from '../contracts/transport-contract.js';
import {
  codeOf,
  first,
  last,
  pattern,
  RecordingDialSink,
  RecordingListenSink,
  RecordingSink,
} from '../helpers/recording-sinks.js';

function virtualScheduler(): TestScheduler {
  const scheduler = new TestScheduler(() => {});
  scheduler.maxFrames = Infinity;
  return scheduler;
}

describeTransportContract('memory', () => {
  const scheduler = virtualScheduler();
  return {
    transports: new MemoryNetwork({ scheduler }).transports,
    async turn() {
      scheduler.flush();
    },
  };
});

describeTransportContract('memory in small slices', () => {
  const scheduler = virtualScheduler();
  const network = new MemoryNetwork({ scheduler });
  network.sliceBytes = 1_009;
  return {
    transports: network.transports,
    async turn() {
      scheduler.flush();
    },
  };
});

describe.each([
  ['asyncScheduler', asyncScheduler],
  ['asapScheduler', asapScheduler],
])('memory on %s', (_name, scheduler) => {
  describeTransportContract('in real time, memory', () => ({
    transports: new MemoryNetwork({ scheduler }).transports,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  }));
});

const address = { host: 'server', port: 1 };

describe('MemoryNetwork', () => {
  let scheduler: TestScheduler;
  let network: MemoryNetwork;
  let listening: RecordingListenSink;

  beforeEach(() => {
    start();
  });

  function start(options: Partial<MemoryNetworkOptions> = {}): void {
    scheduler = virtualScheduler();
    network = new MemoryNetwork({ scheduler, latencyMs: 10, ...options });
    listening = new RecordingListenSink();
    network.transports.listen(address, listening);
  }

  /** Runs all that happens in the next so many milliseconds, the last included. */
  function advance(ms: number): void {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.schedule(() => {}, ms);
    scheduler.flush();
    scheduler.maxFrames = Infinity;
  }

  function dial(): RecordingDialSink {
    const sink = new RecordingDialSink();
    network.transports.dial(address, sink);
    return sink;
  }

  interface Pair {
    readonly client: Transport;
    readonly server: Transport;
    readonly atClient: RecordingSink;
    readonly atServer: RecordingSink;
    readonly link: MemoryLink;
  }

  function connect(): Pair {
    const dialled = dial();
    advance(network.latencyMs);
    const [client, server] = [first(dialled.connected), last(listening.accepted)];
    const [atClient, atServer] = [new RecordingSink(), new RecordingSink()];
    client.open(atClient);
    server.open(atServer);
    advance(0);
    return { client, server, atClient, atServer, link: last(network.links) };
  }

  describe('latency', () => {
    it('passes before a dial is answered and before bytes arrive', () => {
      const dialled = dial();
      advance(9);
      expect(dialled.calls + listening.accepted.length).toBe(0);
      advance(1);
      expect([dialled.connected.length, listening.accepted.length]).toEqual([1, 1]);

      const { client, atServer } = connect();
      client.write(pattern(5));
      advance(9);
      expect(atServer.byteCount).toBe(0);
      advance(1);
      expect(atServer.bytes).toEqual(pattern(5));
    });

    it('passes before a dial is refused', () => {
      const sink = new RecordingDialSink();
      network.transports.dial({ host: 'nobody', port: 1 }, sink);
      advance(9);
      expect(sink.calls).toBe(0);
      advance(1);
      expect(sink.failures.map(({ kind }) => kind)).toEqual(['refused']);
    });

    it('passes once for the other end of a close, and twice for the end that closed', () => {
      const { client, atClient, atServer } = connect();
      client.close();
      advance(9);
      expect(atServer.hasEnded).toBe(false);
      advance(1);
      expect(atServer.hasEnded).toBe(true);
      advance(9);
      expect(atClient.hasEnded).toBe(false);
      advance(1);
      expect(atClient.ends).toEqual([undefined]);
    });

    it('keeps the order when it is lowered', () => {
      const { client, atServer, link } = connect();
      client.write(Uint8Array.of(1));
      link.latencyMs = 0;
      client.write(Uint8Array.of(2));
      advance(9);
      expect(atServer.byteCount).toBe(0);
      advance(1);
      expect(atServer.chunks).toEqual([Uint8Array.of(1, 2)]);
    });

    it('applies to what is written from then on when it is raised', () => {
      const { client, atServer } = connect();
      client.write(Uint8Array.of(1));
      network.latencyMs = 100;
      client.write(Uint8Array.of(2));
      advance(10);
      expect(atServer.bytes).toEqual(Uint8Array.of(1));
      advance(89);
      expect(atServer.byteCount).toBe(1);
      advance(1);
      expect(atServer.bytes).toEqual(Uint8Array.of(1, 2));
    });

    it('of a link takes the place of the network’s until it is taken away', () => {
      const { link } = connect();
      link.latencyMs = 3;
      expect([link.latencyMs, network.latencyMs]).toEqual([3, 10]);
      link.latencyMs = undefined;
      network.latencyMs = 4;
      expect(link.latencyMs).toBe(4);
    });

    it.each([-1, NaN, Infinity])('cannot be %s', (latencyMs) => {
      const { link } = connect();
      expect(() => (link.latencyMs = latencyMs)).toThrow(RangeError);
      expect(() => (network.latencyMs = latencyMs)).toThrow('latencyMs must be a finite number from 0 up');
      expect(() => new MemoryNetwork({ scheduler, latencyMs })).toThrow(RangeError);
    });
  });

  describe('delivery', () => {
    it('takes a copy of what is written', () => {
      const { client, atServer } = connect();
      const bytes = Uint8Array.of(1, 2, 3);
      client.write(bytes);
      bytes.fill(0);
      advance(10);
      expect(atServer.bytes).toEqual(Uint8Array.of(1, 2, 3));
    });

    it('makes one chunk of what is due at the same instant', () => {
      const { client, atServer } = connect();
      client.write(Uint8Array.of(1));
      client.write(Uint8Array.of(2, 3));
      advance(1);
      client.write(Uint8Array.of(4));
      advance(10);
      expect(atServer.chunks).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    });

    it('hands over what is due at the same instant before afterReading calls back', () => {
      const { client, server, atServer } = connect();
      client.write(Uint8Array.of(1));
      advance(5);
      let countThen = -1;
      // This action is older than the one that will deliver the second byte.
      scheduler.schedule(() => {
        server.afterReading(() => {
          countThen = atServer.byteCount;
        });
      }, 10);
      client.write(Uint8Array.of(2));
      advance(10);
      expect(countThen).toBe(2);
    });

    it('flushes at the same instant, in an action of its own', () => {
      const { client } = connect();
      const log: string[] = [];
      scheduler.schedule(() => {
        client.scheduleFlush(() => log.push(`flush at ${scheduler.now()}`));
        log.push(`asked at ${scheduler.now()}`);
      }, 5);
      advance(5);
      expect(log).toEqual(['asked at 15', 'flush at 15']);
    });

    it('counts the bytes delivered each way', () => {
      const { client, server, link } = connect();
      client.write(pattern(7));
      server.write(pattern(3));
      expect([link.deliveredToServerBytes, link.deliveredToClientBytes]).toEqual([0, 0]);
      advance(10);
      expect([link.deliveredToServerBytes, link.deliveredToClientBytes]).toEqual([7, 3]);
    });

    it.each([
      ['65,536 unless told', undefined, 65_536],
      ['what is told', 100, 100],
    ])('answers false above %s, and is writable again once all is delivered', (_name, option, bound) => {
      start(option === undefined ? {} : { highWaterBytes: option });
      const { client, atClient } = connect();
      expect(client.write(pattern(bound))).toBe(true);
      expect(client.write(Uint8Array.of(1))).toBe(false);
      expect(client.queuedBytes).toBe(bound + 1);
      advance(9);
      expect(atClient.writables).toBe(0);
      advance(1);
      expect([client.queuedBytes, atClient.writables]).toEqual([0, 1]);
    });

    it('is writable again only when all is delivered, though a later write was taken', () => {
      start({ highWaterBytes: 100 });
      const { client, atClient } = connect();
      client.write(pattern(60));
      advance(5);
      expect(client.write(pattern(60))).toBe(false);
      advance(5);
      expect(client.write(pattern(1))).toBe(true);
      advance(9);
      expect(atClient.writables).toBe(0);
      advance(1);
      expect(atClient.writables).toBe(1);
    });

    it('drops what is under way to an end that has closed', () => {
      const { client, server, atServer } = connect();
      client.close();
      advance(5);
      server.write(pattern(10));
      advance(5);
      expect(atServer.ends).toEqual([undefined]);
      expect(server.queuedBytes).toBe(0);
    });
  });

  describe('freeze', () => {
    it('holds both directions and the end, loses nothing and tells nobody', () => {
      const { client, server, atClient, atServer, link } = connect();
      client.write(Uint8Array.of(1));
      server.write(Uint8Array.of(2));
      link.freeze();
      client.write(Uint8Array.of(3));
      client.close();
      advance(60_000);
      expect(atClient.calls + atServer.calls).toBe(0);
      expect(link.isFrozen).toBe(true);
      link.thaw();
      expect(atServer.calls).toBe(0);
      advance(0);
      expect(atServer.bytes).toEqual(Uint8Array.of(1, 3));
      advance(10);
      expect([...atServer.ends, ...atClient.ends]).toEqual([undefined, undefined]);
    });

    it('lets what is not yet due come at its time after a thaw', () => {
      const { client, atServer, link } = connect();
      client.write(Uint8Array.of(1));
      link.freeze();
      advance(4);
      link.thaw();
      advance(5);
      expect(atServer.byteCount).toBe(0);
      advance(1);
      expect(atServer.byteCount).toBe(1);
    });

    it('leaves an end free to give up', () => {
      const { client, atClient, atServer, link } = connect();
      link.freeze();
      client.destroy();
      advance(0);
      expect(atClient.ends).toEqual([undefined]);
      advance(1_000);
      expect(atServer.calls).toBe(0);
      link.thaw();
      advance(10);
      expect(atServer.ends).toEqual([undefined]);
    });

    it('of the network holds every link and every dial', () => {
      const { client, atServer, link } = connect();
      network.freeze();
      expect([network.isHeld('toClient'), link.isFrozen]).toEqual([true, true]);
      client.write(Uint8Array.of(1));
      const dialled = dial();
      const cancelled = new RecordingDialSink();
      const attempt = network.transports.dial(address, cancelled);
      advance(1_000);
      attempt.cancel();
      expect(atServer.calls + dialled.calls).toBe(0);
      network.thaw();
      advance(0);
      expect([atServer.byteCount, dialled.connected.length, cancelled.calls]).toEqual([1, 1, 0]);
    });

    it('of a link outlasts that of the network', () => {
      const { client, atServer, link } = connect();
      link.freeze();
      network.freeze();
      client.write(Uint8Array.of(1));
      network.thaw();
      advance(100);
      expect(atServer.calls).toBe(0);
    });
  });

  describe('halfOpen', () => {
    it('loses one direction silently, what is under way included, and leaves the other', () => {
      const { client, server, atClient, atServer, link } = connect();
      client.write(Uint8Array.of(1));
      link.halfOpen('toServer');
      client.write(Uint8Array.of(2));
      server.write(Uint8Array.of(3));
      advance(10);
      expect(atServer.calls).toBe(0);
      expect(atClient.bytes).toEqual(Uint8Array.of(3));
      expect([client.queuedBytes, link.deliveredToServerBytes]).toEqual([0, 0]);
    });

    it('loses the end of the pipe too', () => {
      const { client, atClient, atServer, link } = connect();
      link.halfOpen('toServer');
      client.close();
      advance(1_000);
      expect(atServer.calls + atClient.calls).toBe(0);
      client.destroy();
      advance(1_000);
      expect(atClient.ends).toEqual([undefined]);
      expect(atServer.calls).toBe(0);
      expect(network.links).toEqual([link]);
    });

    it('tells a sender that was refused that it is writable', () => {
      const { client, atClient, link } = connect();
      link.halfOpen('toServer');
      expect(client.write(pattern(65_537))).toBe(false);
      advance(10);
      expect(atClient.writables).toBe(1);
    });

    it('that is healed in time goes on as before', () => {
      const { client, atServer, link } = connect();
      link.halfOpen('toServer');
      client.write(Uint8Array.of(1));
      advance(9);
      link.heal();
      advance(1);
      expect(atServer.bytes).toEqual(Uint8Array.of(1));
    });

    it('that has lost something is cut after healing by what arrives next', () => {
      const { client, atClient, atServer, link } = connect();
      link.halfOpen('toServer');
      client.write(Uint8Array.of(1));
      advance(10);
      link.heal();
      advance(1_000);
      expect(atServer.calls).toBe(0);
      client.write(Uint8Array.of(2));
      advance(10);
      expect(atServer.byteCount).toBe(0);
      expect([...atClient.ends, ...atServer.ends].map(codeOf)).toEqual(['ECONNRESET', 'ECONNRESET']);
    });

    it('of the network holds for every link, and no dial has an outcome until it heals', () => {
      const { server, atClient, link } = connect();
      network.halfOpen('toClient');
      expect([link.isSilent('toClient'), link.isSilent('toServer')]).toEqual([true, false]);
      server.write(Uint8Array.of(1));
      const dialled = dial();
      advance(1_000);
      expect(atClient.calls + dialled.calls).toBe(0);
      network.heal();
      advance(0);
      expect(dialled.connected).toHaveLength(1);
      expect(link.isSilent('toClient')).toBe(false);
    });
  });

  describe('cut', () => {
    it('ends both ends with a reset and loses what is under way', () => {
      const { client, server, atClient, atServer, link } = connect();
      client.write(Uint8Array.of(1));
      server.write(Uint8Array.of(2));
      link.cut();
      link.cut();
      expect(atClient.calls + atServer.calls).toBe(0);
      advance(0);
      expect([...atClient.ends, ...atServer.ends].map(codeOf)).toEqual(['ECONNRESET', 'ECONNRESET']);
      advance(1_000);
      expect([atClient.calls, atServer.calls]).toEqual([1, 1]);
      expect(network.links).toEqual([]);
    });

    it('spares an end that has ended already', () => {
      const { client, atClient, atServer, link } = connect();
      client.destroy();
      link.cut();
      advance(10);
      expect(atClient.ends).toEqual([undefined]);
      expect(atServer.ends.map(codeOf)).toEqual(['ECONNRESET']);
    });

    it('reaches a frozen link, and an end that was never opened', () => {
      const dialled = dial();
      advance(10);
      const link = first(network.links);
      link.freeze();
      link.cut();
      advance(10);
      const sink = new RecordingSink();
      first(dialled.connected).open(sink);
      advance(0);
      expect(sink.ends.map(codeOf)).toEqual(['ECONNRESET']);
    });

    it('of the network cuts every link', () => {
      const pairs = [connect(), connect()];
      network.cut();
      advance(0);
      const ends = pairs.flatMap(({ atClient, atServer }) => [...atClient.ends, ...atServer.ends]);
      expect(ends.map(codeOf)).toEqual(Array(4).fill('ECONNRESET'));
      expect(network.links).toEqual([]);
    });
  });

  describe('cutAfterBytes', () => {
    it.each([
      [1, 1],
      [4, 4],
      [6, 6],
    ])('of %i cuts in the middle of what is sent, after so many bytes', (bytes, delivered) => {
      const { client, atClient, atServer, link } = connect();
      client.write(pattern(3));
      advance(10);
      link.cutAfterBytes('toServer', bytes);
      client.write(pattern(4));
      client.write(pattern(4));
      advance(10);
      expect(atServer.byteCount).toBe(3 + delivered);
      expect(link.deliveredToServerBytes).toBe(3 + delivered);
      expect([...atClient.ends, ...atServer.ends].map(codeOf)).toEqual(['ECONNRESET', 'ECONNRESET']);
    });

    it('counts one direction only', () => {
      const { client, server, atClient, atServer, link } = connect();
      link.cutAfterBytes('toClient', 2);
      client.write(pattern(100));
      server.write(pattern(1));
      advance(10);
      expect([atServer.byteCount, atClient.hasEnded]).toEqual([100, false]);
      server.write(pattern(1));
      advance(10);
      expect([atClient.byteCount, atClient.hasEnded]).toEqual([2, true]);
    });

    it('of 0 cuts at once', () => {
      const { atClient, atServer, link } = connect();
      link.cutAfterBytes('toServer', 0);
      advance(0);
      expect([atClient.ends.length, atServer.ends.length]).toEqual([1, 1]);
    });

    it('adds up with slices', () => {
      const { client, atServer, link } = connect();
      link.sliceBytes = 3;
      link.cutAfterBytes('toServer', 5);
      client.write(pattern(8));
      advance(10);
      expect(atServer.chunks.map(({ length }) => length)).toEqual([3, 2]);
      expect(atServer.hasEnded).toBe(true);
    });

    it.each([-1, NaN, 0.5])('cannot be %s', (bytes) => {
      const { link } = connect();
      expect(() => {
        link.cutAfterBytes('toServer', bytes);
      }).toThrow(RangeError);
    });
  });

  describe('sliceBytes', () => {
    it('delivers in pieces, across the borders of what was written', () => {
      const { client, atServer, link } = connect();
      link.sliceBytes = 4;
      client.write(pattern(5));
      client.write(pattern(5));
      advance(10);
      expect(atServer.chunks.map(({ length }) => length)).toEqual([4, 4, 2]);
      expect(atServer.bytes).toEqual(Uint8Array.of(...pattern(5), ...pattern(5)));
    });

    it('of a link takes the place of the network’s until it is taken away', () => {
      const { link } = connect();
      network.sliceBytes = 5;
      link.sliceBytes = 3;
      expect([link.sliceBytes, network.sliceBytes]).toEqual([3, 5]);
      link.sliceBytes = undefined;
      expect(link.sliceBytes).toBe(5);
    });

    it('stops between two pieces when the receiver freezes the link', () => {
      const { client, atServer, link } = connect();
      link.sliceBytes = 1;
      atServer.react = () => {
        link.freeze();
      };
      client.write(pattern(2));
      advance(10);
      expect(atServer.byteCount).toBe(1);
      link.thaw();
      advance(0);
      expect(atServer.byteCount).toBe(2);
    });

    it.each([0, -1, 1.5, NaN])('cannot be %s', (sliceBytes) => {
      const { link } = connect();
      expect(() => (link.sliceBytes = sliceBytes)).toThrow(RangeError);
      expect(() => (network.sliceBytes = sliceBytes)).toThrow('sliceBytes must be a whole number from 1 up');
    });
  });

  describe('its links', () => {
    it('are listed in the order of dialling, while one end lives', () => {
      network.latencyMs = 50;
      dial();
      network.latencyMs = 10;
      dial();
      advance(10);
      expect(network.links.map(({ number }) => number)).toEqual([2]);
      advance(40);
      expect(network.links.map(({ number }) => number)).toEqual([1, 2]);
      expect(network.links.map((link) => link.address)).toEqual([address, address]);
      const links = network.links;
      first(links).client.destroy();
      expect(network.links).toEqual(links);
      first(links).server.destroy();
      expect(network.links).toEqual([last(links)]);
    });

    it('are told of before their ends are handed out', () => {
      const known: number[] = [];
      network.onLink = (link) => {
        known.push(link.number, listening.accepted.length);
        link.cut();
      };
      const dialled = dial();
      advance(10);
      expect(known).toEqual([1, 0]);
      const sink = new RecordingSink();
      first(dialled.connected).open(sink);
      advance(0);
      expect(sink.ends.map(codeOf)).toEqual(['ECONNRESET']);
    });
  });

  describe('leaves nothing behind', () => {
    it('on the scheduler once both ends have ended', () => {
      const { client, server } = connect();
      client.write(pattern(1));
      server.write(pattern(1));
      network.latencyMs = 60_000;
      client.destroy();
      server.destroy();
      advance(0);
      expect(scheduler.actions).toEqual([]);
    });

    it('on the scheduler once a dial was cancelled', () => {
      advance(0);
      network.transports.dial(address, new RecordingDialSink()).cancel();
      expect(scheduler.actions).toEqual([]);
    });

    it('of a dial that is cancelled just when the network has thawed', () => {
      network.freeze();
      const sink = new RecordingDialSink();
      const attempt = network.transports.dial(address, sink);
      advance(10);
      network.thaw();
      attempt.cancel();
      advance(10);
      expect(sink.calls + listening.accepted.length).toBe(0);
    });

    it('of a link whose ends were closed and never opened', () => {
      const dialled = dial();
      advance(10);
      first(listening.accepted).write(pattern(5));
      first(listening.accepted).close();
      advance(10);
      first(dialled.connected).close();
      advance(20);
      expect(network.links).toEqual([]);
    });
  });

  describe('listening', () => {
    it('picks the lowest free port from 49152 up, for each host', () => {
      const sinks = ['one', 'one', 'other'].map((host) => {
        const sink = new RecordingListenSink();
        network.transports.listen({ host, port: 0 }, sink);
        return sink;
      });
      advance(0);
      expect(sinks.map((sink) => first(sink.addresses).port)).toEqual([49_152, 49_153, 49_152]);
    });

    it('fails when all of those are taken', () => {
      for (let port = 49_152; port <= 65_535; port += 1) {
        network.transports.listen({ host: 'full', port }, new RecordingListenSink());
        // The scheduler sorts all that waits at each new action.
        if (port % 64 === 0) advance(0);
      }
      const sink = new RecordingListenSink();
      network.transports.listen({ host: 'full', port: 0 }, sink);
      advance(0);
      expect(sink.failures.map(({ kind }) => kind)).toEqual(['address-in-use']);
    });

    it('hands no transport to a listener that the dialling side has just closed', () => {
      const sink = new RecordingListenSink();
      const listener = network.transports.listen({ host: 'short', port: 1 }, sink);
      const atClient = new RecordingSink();
      network.transports.dial(
        { host: 'short', port: 1 },
        {
          onTransport(transport) {
            listener.close(() => {});
            transport.open(atClient);
          },
          onFailed() {},
        },
      );
      advance(20);
      expect(sink.accepted).toEqual([]);
      expect(atClient.ends).toEqual([undefined]);
    });

    it('refuses dials while refuseConnections is set', () => {
      network.refuseConnections = true;
      const refused = dial();
      advance(10);
      network.refuseConnections = false;
      const connected = dial();
      advance(10);
      expect(refused.failures.map(({ error }) => codeOf(error))).toEqual(['ECONNREFUSED']);
      expect(connected.connected).toHaveLength(1);
    });
  });

  it('does the same each time', () => {
    const traces = [1, 2].map(() => {
      start();
      const { client, server, atClient, atServer, link } = connect();
      const trace: unknown[] = [];
      atServer.react = (chunk) => {
        trace.push([scheduler.now(), 'server', chunk.length]);
        server.write(chunk);
      };
      atClient.react = (chunk) => trace.push([scheduler.now(), 'client', chunk.length]);
      for (let step = 1; step < 50; step += 1) {
        client.write(pattern(step * 17));
        link.latencyMs = (step * 7) % 23;
        link.sliceBytes = step % 5 === 0 ? undefined : step;
        advance(step % 4);
      }
      link.cutAfterBytes('toClient', 1_000);
      advance(1_000);
      return [...trace, link.deliveredToServerBytes, link.deliveredToClientBytes];
    });
    expect(traces[0]).toEqual(traces[1]);
    expect(first(traces).length).toBeGreaterThan(50);
  });
});
