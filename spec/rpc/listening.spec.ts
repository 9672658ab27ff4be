import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { PortInUseError } from '../../src/errors.js';
import { Codec } from '../../src/protocol/codec.js';
import { SlabPool } from '../../src/protocol/framing.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { DedicatedPort } from '../../src/rpc/dedicated-port.js';
import { StartListening } from '../../src/rpc/start-listening.js';
import type { ListenSink, Transport, TransportProvider } from '../../src/transports/transport.js';

/** A provider that goes on talking after it was closed. */
function talkative() {
  const sinks: ListenSink[] = [];
  const heard: string[] = [];
  const transports: TransportProvider = {
    listen: (_address, sink) => {
      sinks.push(sink);
      return {
        close: (onClosed) => {
          onClosed();
        },
      };
    },
    dial: () => ({ cancel: () => undefined }),
  };
  const transport = { destroy: () => heard.push('destroyed') } as unknown as Transport;
  const talk = (): void => {
    for (const sink of sinks) {
      sink.onListening({ host: '127.0.0.1', port: 5 });
      sink.onTransport(transport);
      sink.onFailed({ kind: 'other', error: new Error('late') });
    }
  };
  const note = (word: string) => (): void => {
    heard.push(word);
  };
  const sink = { onListening: note('listening'), onTransport: note('transport') };
  return { transports, talk, heard, sink, note };
}

const connection = () => ({
  role: { side: 'prober' as const },
  timeoutMs: 1_000,
  heartbeatIntervalMs: undefined,
  handshakeTimeoutMs: 1_000,
  limits: defaultLimits,
  codec: new Codec(defaultLimits),
  slabs: new SlabPool(),
});

describe('a closed listener', () => {
  it('of a dedicated port tells nothing more, whatever its transports say', () => {
    const { transports, talk, heard, sink, note } = talkative();
    const scheduler = new VirtualTimeScheduler();
    const settings = { transports, host: '127.0.0.1', scheduler, timeoutMs: 1_000 };
    const port = new DedicatedPort(settings, { ...sink, onClosed: note('closed') });
    port.close();
    port.close();
    expect(port.isClosed).toBe(true);
    talk();
    scheduler.flush();
    expect(heard).toEqual(['closed', 'destroyed']);
  });

  it('of a server tells nothing more, whatever its transports say', () => {
    const { transports, talk, heard, sink, note } = talkative();
    const address = { host: '127.0.0.1', port: 5 };
    const scheduler = new VirtualTimeScheduler();
    const listening = new StartListening(
      { transports, address, scheduler, connection },
      { ...sink, onFailed: note('failed') },
    );
    listening.start();
    listening.close(note('closed'));
    talk();
    expect(heard).toEqual(['closed', 'destroyed']);
  });
});

describe('a server on any free port that lost its place', () => {
  it('asks for the same one again, and says who has it', () => {
    const asked: string[] = [];
    const sinks: ListenSink[] = [];
    const transports: TransportProvider = {
      listen: ({ port }, sink) => {
        asked.push(`listen ${port}`);
        sinks.push(sink);
        return { close: () => undefined };
      },
      dial: ({ port }, sink) => {
        asked.push(`dial ${port}`);
        sink.onFailed({ kind: 'refused', error: new Error('refused') });
        return { cancel: () => undefined };
      },
    };
    const scheduler = new VirtualTimeScheduler();
    const address = { host: '127.0.0.1', port: 0 };
    const errors: Error[] = [];
    const listening = new StartListening(
      { transports, address, scheduler, connection },
      {
        onListening: () => undefined,
        onTransport: () => undefined,
        onFailed: (error) => errors.push(error),
      },
    );
    listening.start();
    sinks[0]?.onListening({ host: '127.0.0.1', port: 1_234 });
    for (let at = 0; at < 4; at++) {
      sinks[at]?.onFailed({ kind: 'address-in-use', error: new Error('taken') });
      scheduler.flush();
    }
    const again = ['dial 1234', 'listen 1234'];
    expect(asked).toEqual(['listen 0', ...again, ...again, ...again, 'dial 1234']);
    expect(errors).toEqual([expect.any(PortInUseError)]);
    expect(errors[0]?.message).toBe('cannot listen on 127.0.0.1:1234: another program holds the port');
  });
});
