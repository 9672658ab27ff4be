import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
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
    const connection = () => ({
      role: { side: 'prober' as const },
      timeoutMs: 1_000,
      heartbeatIntervalMs: undefined,
      handshakeTimeoutMs: 1_000,
      limits: defaultLimits,
      codec: new Codec(defaultLimits),
      slabs: new SlabPool(),
    });
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
