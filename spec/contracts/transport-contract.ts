/**
 * What `src/transports/transport.ts` promises, sentence by sentence, for any implementation.
 *
 * The spec of a transport calls `describeTransportContract`, and adds what is true of that transport alone.
 */

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type {
  Address,
  Dial,
  Listener,
  Transport,
  TransportProvider,
} from '../../src/transports/transport.js';
import {
  areEqual,
  codeOf,
  first,
  pattern,
  RecordingDialSink,
  RecordingListenSink,
  RecordingSink,
} from '../helpers/recording-sinks.js';

/** What the contract is tried on. */
export interface TransportBench {
  readonly transports: TransportProvider;
  /** Lets some of what is under way happen. */
  turn(): Promise<void>;
}

const anyPort: Address = { host: '127.0.0.1', port: 0 };
const mebibyte = 1024 * 1024;

/** More than any system buffers between two ends that do not read. */
const flood = 24 * mebibyte;

/** Declares the specs of the contract. */
export function describeTransportContract(name: string, make: () => TransportBench): void {
  describe(`${name} as a transport`, () => {
    let bench: TransportBench;
    let owned: Transport[];
    let listeners: Listener[];

    beforeEach(() => {
      bench = make();
      owned = [];
      listeners = [];
    });

    afterEach(async () => {
      for (const transport of owned) transport.destroy();
      let closed = 0;
      for (const listener of listeners) {
        listener.close(() => {
          closed += 1;
        });
      }
      await until(() => closed === listeners.length);
    });

    async function until(isTrue: () => boolean): Promise<void> {
      while (!isTrue()) await bench.turn();
    }

    /** Long enough for anything that is wrongly under way to show. */
    async function quiet(): Promise<void> {
      for (let turns = 0; turns < 20; turns += 1) await bench.turn();
    }

    function listen(address = anyPort): { listener: Listener; sink: RecordingListenSink } {
      const sink = new RecordingListenSink();
      const listener = bench.transports.listen(address, sink);
      listeners.push(listener);
      return { listener, sink };
    }

    async function listening(address = anyPort) {
      const { listener, sink } = listen(address);
      await until(() => sink.calls > 0);
      return { listener, sink, address: first(sink.addresses) };
    }

    function dial(address: Address): { dial: Dial; sink: RecordingDialSink } {
      const sink = new RecordingDialSink();
      return { dial: bench.transports.dial(address, sink), sink };
    }

    /** Two connected transports, neither of them open. */
    async function connected() {
      const { listener, sink, address } = await listening();
      const dialled = dial(address);
      await until(() => dialled.sink.calls > 0 && sink.accepted.length > 0);
      const client = first(dialled.sink.connected);
      const server = first(sink.accepted);
      owned.push(client, server);
      return { listener, address, client, server, dial: dialled.dial };
    }

    /** Two connected transports, both open. */
    async function opened() {
      const pair = await connected();
      const atClient = new RecordingSink();
      const atServer = new RecordingSink();
      pair.client.open(atClient);
      pair.server.open(atServer);
      return { ...pair, atClient, atServer };
    }

    describe('delivery', () => {
      it('delivers in order, both ways', async () => {
        const { client, server, atClient, atServer } = await opened();
        const sent = pattern(50_000);
        for (let offset = 0; offset < sent.length; offset += 777) {
          client.write(sent.slice(offset, offset + 777));
          server.write(sent.slice(offset, offset + 777));
          if (offset % 10 === 0) await bench.turn();
        }
        await until(() => atServer.byteCount === sent.length && atClient.byteCount === sent.length);
        expect(areEqual(atServer.bytes, sent)).toBe(true);
        expect(areEqual(atClient.bytes, sent)).toBe(true);
      });

      it('hands out plain byte arrays', async () => {
        const { client, server, atServer } = await opened();
        client.write(Uint8Array.of(1, 2, 3));
        await until(() => atServer.byteCount === 3);
        expect(first(atServer.chunks).constructor.name).toBe('Uint8Array');
        expect(server.queuedBytes).toBe(0);
      });

      it('takes an empty write', async () => {
        const { client, atServer } = await opened();
        expect(client.write(new Uint8Array(0))).toBe(true);
        client.write(Uint8Array.of(9));
        await until(() => atServer.byteCount === 1);
        expect(atServer.bytes).toEqual(Uint8Array.of(9));
      });

      it('keeps what arrives before open, and delivers it after open has returned', async () => {
        const { client, server } = await connected();
        const sent = pattern(100_000);
        client.write(sent);
        client.close();
        await quiet();
        const sink = new RecordingSink();
        server.open(sink);
        expect(sink.calls).toBe(0);
        await until(() => sink.hasEnded);
        expect(areEqual(sink.bytes, sent)).toBe(true);
        expect(sink.ends).toEqual([undefined]);
      });

      it('reports after open an end that came before it', async () => {
        const { client, server } = await connected();
        client.destroy();
        server.destroy();
        await quiet();
        const sink = new RecordingSink();
        client.open(sink);
        expect(sink.calls).toBe(0);
        await until(() => sink.hasEnded);
        expect(sink.ends).toEqual([undefined]);
      });

      it('delivers nothing more once the receiver has ended the pipe from within a delivery', async () => {
        const { client, server } = await connected();
        client.write(pattern(mebibyte));
        await bench.turn();
        client.write(pattern(mebibyte));
        const sink = new RecordingSink();
        sink.react = () => {
          server.destroy();
        };
        server.open(sink);
        await until(() => sink.hasEnded);
        await quiet();
        expect(sink.chunks).toHaveLength(1);
        expect(sink.ends).toEqual([undefined]);
      });
    });

    describe('back-pressure', () => {
      it('answers false when full, then says that it is writable, and loses nothing', async () => {
        const { client, server } = await connected();
        const atClient = new RecordingSink();
        client.open(atClient);
        const sent = pattern(flood);
        let offset = 0;
        let refusals = 0;
        const pump = (): void => {
          while (offset < sent.length) {
            const part = sent.subarray(offset, offset + mebibyte / 4);
            offset += part.length;
            if (client.write(part)) continue;
            refusals += 1;
            return;
          }
        };
        atClient.onWritable = () => {
          atClient.writables += 1;
          pump();
        };
        pump();
        await quiet();
        const atServer = new RecordingSink();
        expect(offset).toBeLessThan(sent.length);
        server.open(atServer);
        await until(() => atServer.byteCount === sent.length && atClient.writables === refusals);
        expect(refusals).toBeGreaterThan(0);
        expect(client.queuedBytes).toBe(0);
        expect(areEqual(atServer.bytes, sent)).toBe(true);
      });

      it('tells how much is queued', async () => {
        const { client, server } = await connected();
        expect(client.queuedBytes).toBe(0);
        client.write(new Uint8Array(flood));
        await quiet();
        expect(client.queuedBytes).toBeGreaterThan(0);
        expect(client.queuedBytes).toBeLessThanOrEqual(flood);
        server.open(new RecordingSink());
        await until(() => client.queuedBytes === 0);
        expect(client.queuedBytes).toBe(0);
      });

      it('reports after open that the queue drained before it', async () => {
        const { client, server } = await connected();
        expect(client.write(new Uint8Array(flood))).toBe(false);
        server.open(new RecordingSink());
        await until(() => client.queuedBytes === 0);
        await quiet();
        const sink = new RecordingSink();
        client.open(sink);
        expect(sink.calls).toBe(0);
        await until(() => sink.writables > 0);
        await quiet();
        expect(sink.writables).toBe(1);
      });

      it('does not say that it is writable when nothing was refused', async () => {
        const { client, atClient, atServer } = await opened();
        expect(client.write(Uint8Array.of(1))).toBe(true);
        await until(() => atServer.byteCount === 1);
        await quiet();
        expect(atClient.writables).toBe(0);
      });
    });

    describe('close', () => {
      it('writes what is queued, then ends both ends in order, once each', async () => {
        const { client, atClient, atServer } = await opened();
        const sent = pattern(4 * mebibyte);
        client.write(sent);
        client.close();
        await until(() => atClient.hasEnded && atServer.hasEnded);
        await quiet();
        expect(areEqual(atServer.bytes, sent)).toBe(true);
        expect(atServer.ends).toEqual([undefined]);
        expect(atClient.ends).toEqual([undefined]);
      });

      it('reads nothing more', async () => {
        const { client, server, atClient, atServer } = await opened();
        server.write(Uint8Array.of(1, 2, 3));
        client.close();
        await until(() => atClient.hasEnded && atServer.hasEnded);
        expect(atClient.byteCount).toBe(0);
        expect(atClient.ends).toEqual([undefined]);
      });

      it('may be called at both ends at once', async () => {
        const { client, server, atClient, atServer } = await opened();
        client.write(Uint8Array.of(1));
        server.write(Uint8Array.of(2));
        client.close();
        server.close();
        await until(() => atClient.hasEnded && atServer.hasEnded);
        await quiet();
        expect([...atClient.ends, ...atServer.ends]).toEqual([undefined, undefined]);
        expect(atClient.byteCount + atServer.byteCount).toBe(0);
      });

      it('drops what the other end has queued', async () => {
        const { client, server, atClient, atServer } = await opened();
        client.close();
        await until(() => atServer.hasEnded);
        expect(server.write(new Uint8Array(flood))).toBe(true);
        expect(server.queuedBytes).toBe(0);
        await until(() => atClient.hasEnded);
        expect(atServer.ends).toEqual([undefined]);
      });

      it('works before open', async () => {
        const { client, server } = await connected();
        server.write(pattern(1_000));
        client.write(Uint8Array.of(7));
        client.close();
        const atServer = new RecordingSink();
        server.open(atServer);
        await until(() => atServer.hasEnded);
        const atClient = new RecordingSink();
        client.open(atClient);
        await until(() => atClient.hasEnded);
        expect(atServer.bytes).toEqual(Uint8Array.of(7));
        expect(atClient.byteCount).toBe(0);
        expect(atClient.ends).toEqual([undefined]);
      });

      it('gives way to destroy while it waits for the peer', async () => {
        const { client } = await connected();
        const sink = new RecordingSink();
        client.open(sink);
        client.write(new Uint8Array(flood));
        client.close();
        await quiet();
        expect(sink.hasEnded).toBe(false);
        client.destroy();
        expect(client.queuedBytes).toBe(0);
        await until(() => sink.hasEnded);
        expect(sink.ends).toEqual([undefined]);
      });
    });

    describe('destroy', () => {
      it('loses what is queued and ends both ends, once each', async () => {
        const { client, server } = await connected();
        const atClient = new RecordingSink();
        client.open(atClient);
        client.write(new Uint8Array(flood));
        client.destroy();
        expect(client.queuedBytes).toBe(0);
        const atServer = new RecordingSink();
        server.open(atServer);
        await until(() => atClient.hasEnded && atServer.hasEnded);
        await quiet();
        expect(atServer.byteCount).toBeLessThan(flood);
        expect(atClient.ends).toEqual([undefined]);
        expect(atServer.ends).toHaveLength(1);
      });

      it('does not say that the lost queue is writable', async () => {
        const { client, atClient } = await opened();
        expect(client.write(new Uint8Array(flood))).toBe(false);
        client.destroy();
        await until(() => atClient.hasEnded);
        await quiet();
        expect(atClient.calls).toBe(1);
      });
    });

    describe('the end', () => {
      const sequences: Record<string, readonly ('close' | 'destroy')[]> = {
        'close twice': ['close', 'close'],
        'destroy twice': ['destroy', 'destroy'],
        'close, then destroy': ['close', 'destroy'],
        'destroy, then close': ['destroy', 'close'],
      };
      it.each(Object.entries(sequences))('is reported once after %s', async (_name, acts) => {
        const { client, server, atClient, atServer } = await opened();
        for (const act of acts) client[act]();
        await until(() => atClient.hasEnded && atServer.hasEnded);
        for (const act of acts) {
          client[act]();
          server[act]();
        }
        await quiet();
        expect(atClient.calls).toBe(1);
        expect(atServer.calls).toBe(1);
      });

      it('makes write do nothing, and never wait', async () => {
        const { client, atClient, atServer } = await opened();
        client.close();
        expect(client.write(new Uint8Array(flood))).toBe(true);
        await until(() => atClient.hasEnded && atServer.hasEnded);
        expect(client.write(new Uint8Array(flood))).toBe(true);
        expect(client.queuedBytes).toBe(0);
        await quiet();
        expect(atServer.byteCount).toBe(0);
        expect(atClient.calls).toBe(1);
      });

      it('is the last thing that happens: neither flush nor afterReading calls back later', async () => {
        const { client, atClient } = await opened();
        client.destroy();
        await until(() => atClient.hasEnded);
        let calls = 0;
        client.scheduleFlush(() => (calls += 1));
        client.afterReading(() => (calls += 1));
        await quiet();
        expect(calls).toBe(0);
      });
    });

    describe('its methods', () => {
      it('call nothing before they return', async () => {
        const { sink, address } = await listening();
        const dialled = dial(address);
        expect(dialled.sink.calls).toBe(0);
        await until(() => dialled.sink.calls > 0 && sink.accepted.length > 0);
        const [client, server] = [first(dialled.sink.connected), first(sink.accepted)];
        owned.push(client, server);
        const recorder = new RecordingSink();
        let callbacks = 0;
        const count = (): void => {
          callbacks += 1;
        };
        server.write(Uint8Array.of(1));
        client.open(recorder);
        client.write(new Uint8Array(flood));
        client.scheduleFlush(count);
        client.afterReading(count);
        client.close();
        client.destroy();
        server.destroy();
        expect(recorder.calls + callbacks).toBe(0);
        await until(() => recorder.hasEnded);
      });

      it('call back once for each time they were asked', async () => {
        const { client } = await opened();
        let flushes = 0;
        let readings = 0;
        for (let times = 0; times < 3; times += 1) {
          client.scheduleFlush(() => (flushes += 1));
          client.afterReading(() => (readings += 1));
        }
        await until(() => flushes >= 3 && readings >= 3);
        await quiet();
        expect([flushes, readings]).toEqual([3, 3]);
      });

      it('keep no one waiting who is paused while the other side is reset', async () => {
        const { client, server, atServer } = await opened();
        client.write(pattern(30_000));
        await until(() => atServer.byteCount === 30_000);
        server.pause();
        client.destroy();
        await quiet();
        // As of one that acts on what came a part at a time, and has not been told of the end.
        if (!atServer.hasEnded)
          server.afterReading(() => {
            server.resume();
          });
        await until(() => atServer.hasEnded);
        expect(atServer.byteCount).toBe(30_000);
      });

      it('hand over what has already arrived before afterReading calls back', async () => {
        const { client, server, atServer } = await opened();
        await quiet();
        let countThen = -1;
        client.write(pattern(30_000));
        server.afterReading(() => {
          countThen = atServer.byteCount;
        });
        await until(() => countThen >= 0);
        expect(countThen).toBe(30_000);
      });
    });

    describe('listening', () => {
      it('reports the port that was chosen, before any transport', async () => {
        const { sink } = listen();
        expect(sink.calls).toBe(0);
        await until(() => sink.calls > 0);
        expect(sink.addresses).toEqual([{ host: '127.0.0.1', port: expect.any(Number) }]);
        expect(first(sink.addresses).port).toBeGreaterThan(1_023);
      });

      it('chooses a port that is free', async () => {
        const one = await listening();
        const other = await listening();
        expect(one.address.port).not.toBe(other.address.port);
      });

      it('takes localhost for 127.0.0.1, also when dialling', async () => {
        const { sink, address } = await listening({ host: 'localhost', port: 0 });
        expect(address.host).toBe('127.0.0.1');
        const dialled = dial({ host: 'LocalHost', port: address.port });
        await until(() => dialled.sink.calls > 0 && sink.accepted.length > 0);
        owned.push(...dialled.sink.connected, ...sink.accepted);
        expect(dialled.sink.connected).toHaveLength(1);
      });

      it('names both ends', async () => {
        const { client, server, address } = await connected();
        expect(client.description).toMatch(new RegExp(`^[a-z]+ .+ -> 127\\.0\\.0\\.1:${address.port}$`));
        expect(server.description).toBe(client.description);
      });

      it('fails with address-in-use where somebody listens', async () => {
        const { address } = await listening();
        const second = listen(address);
        expect(second.sink.calls).toBe(0);
        await until(() => second.sink.calls > 0);
        await quiet();
        expect(second.sink.failures.map(({ kind }) => kind)).toEqual(['address-in-use']);
        expect(codeOf(first(second.sink.failures).error)).toBe('EADDRINUSE');
        expect(second.sink.calls).toBe(1);
      });

      it('leaves the first listener alone when a second that failed is closed', async () => {
        const { address, sink } = await listening();
        const second = listen(address);
        await until(() => second.sink.calls > 0);
        let closed = 0;
        second.listener.close(() => (closed += 1));
        expect(closed).toBe(0);
        await until(() => closed === 1);
        const dialled = dial(address);
        await until(() => dialled.sink.calls > 0 && sink.accepted.length > 0);
        owned.push(...dialled.sink.connected, ...sink.accepted);
        expect(dialled.sink.connected).toHaveLength(1);
      });

      it('fails for a port that there cannot be', async () => {
        const { sink } = listen({ host: '127.0.0.1', port: 65_536 });
        expect(sink.calls).toBe(0);
        await until(() => sink.calls > 0);
        await quiet();
        expect(sink.failures.map(({ kind }) => kind)).toEqual(['other']);
        expect(sink.calls).toBe(1);
      });

      it('frees the address by closing, while what was accepted lives on', async () => {
        const { listener, address, client, server, atClient, atServer } = await opened();
        let isClosed = false;
        listener.close(() => {
          isClosed = true;
        });
        expect(isClosed).toBe(false);
        await until(() => isClosed);
        const next = await listening(address);
        expect(next.sink.failures).toEqual([]);
        client.write(Uint8Array.of(1));
        server.write(Uint8Array.of(2));
        await until(() => atServer.byteCount === 1 && atClient.byteCount === 1);
        expect(atClient.hasEnded || atServer.hasEnded).toBe(false);
      });

      it('refuses who dials after it was closed', async () => {
        const { listener, address, sink } = await listening();
        let isClosed = false;
        listener.close(() => {
          isClosed = true;
        });
        await until(() => isClosed);
        const dialled = dial(address);
        await until(() => dialled.sink.calls > 0);
        expect(dialled.sink.failures.map(({ kind }) => kind)).toEqual(['refused']);
        expect(sink.accepted).toEqual([]);
      });

      it('may be closed at once, and then reports nothing', async () => {
        const { listener, sink } = listen();
        const failing = listen({ host: '127.0.0.1', port: -1 });
        let closed = 0;
        listener.close(() => (closed += 1));
        failing.listener.close(() => (closed += 1));
        expect(closed).toBe(0);
        await until(() => closed === 2);
        await quiet();
        expect(sink.calls + failing.sink.calls).toBe(0);
      });

      it('answers every close', async () => {
        const { listener, address } = await listening();
        let closed = 0;
        listener.close(() => (closed += 1));
        listener.close(() => (closed += 1));
        await until(() => closed === 2);
        const next = await listening(address);
        // The address is the new listener's now.
        listener.close(() => (closed += 1));
        await until(() => closed === 3);
        const dialled = dial(address);
        await until(() => dialled.sink.calls > 0 && next.sink.accepted.length > 0);
        owned.push(...dialled.sink.connected, ...next.sink.accepted);
        expect(dialled.sink.failures).toEqual([]);
      });
    });

    describe('dialling', () => {
      it('fails with refused where nobody listens', async () => {
        const { listener, address } = await listening();
        let isClosed = false;
        listener.close(() => {
          isClosed = true;
        });
        await until(() => isClosed);
        const dialled = dial(address);
        expect(dialled.sink.calls).toBe(0);
        await until(() => dialled.sink.calls > 0);
        await quiet();
        expect(dialled.sink.failures.map(({ kind }) => kind)).toEqual(['refused']);
        expect(codeOf(first(dialled.sink.failures).error)).toBe('ECONNREFUSED');
        expect(dialled.sink.calls).toBe(1);
        dialled.dial.cancel();
      });

      it('fails for a port that there cannot be', async () => {
        const dialled = dial({ host: '127.0.0.1', port: 65_536 });
        expect(dialled.sink.calls).toBe(0);
        await until(() => dialled.sink.calls > 0);
        await quiet();
        expect(dialled.sink.failures.map(({ kind }) => kind)).toEqual(['other']);
        expect(dialled.sink.calls).toBe(1);
      });

      it('has no outcome once it was cancelled', async () => {
        const { sink, address } = await listening();
        const toServer = dial(address);
        const toNobody = dial({ host: '127.0.0.1', port: -1 });
        for (const { dial: attempt } of [toServer, toNobody]) {
          attempt.cancel();
          attempt.cancel();
        }
        await quiet();
        owned.push(...sink.accepted);
        expect(toServer.sink.calls + toNobody.sink.calls).toBe(0);
      });

      it('cannot be cancelled any more once it has succeeded', async () => {
        const { client, atServer, dial: attempt } = await opened();
        attempt.cancel();
        client.write(Uint8Array.of(5));
        await until(() => atServer.byteCount === 1);
        expect(atServer.bytes).toEqual(Uint8Array.of(5));
      });
    });
  });
}
