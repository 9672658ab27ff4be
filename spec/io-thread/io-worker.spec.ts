import { describe, expect, it } from '@jest/globals';
import { defaultLimits } from '../../src/protocol/limits.js';
import { IOWorker, maxUntaken } from '../../src/io-thread/io-worker.js';
import type { ThreadEvent } from '../../src/io-thread/thread-messages.js';
import type { ListenSink } from '../../src/transports/transport.js';
import { HandTransport } from '../helpers/hand-transport.js';

/** A worker whose sockets are the spec. */
function handled() {
  const events: ThreadEvent[] = [];
  const listening: ListenSink[] = [];
  const closed: (() => void)[] = [];
  const worker = new IOWorker({
    transports: {
      listen: (_address, sink) => {
        listening.push(sink);
        return { close: (onClosed) => closed.push(onClosed) };
      },
      dial: () => ({ cancel: () => undefined }),
    },
    now: () => 0,
    loopLagMs: () => 0,
    post: (told) => events.push(...told),
  });
  worker.receive([{ type: 'listen', id: 2, address: { host: '127.0.0.1', port: 0 } }]);
  const accept = (): HandTransport => {
    const transport = new HandTransport();
    listening[0]?.onTransport(transport);
    return transport;
  };
  return { worker, accept, closed, events };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('IOWorker', () => {
  it('closes who comes while too many wait for a busy main thread, and lets others in once some were taken', async () => {
    const { worker, accept, events } = handled();
    for (let count = 1; count <= maxUntaken; count++) expect(accept().acts).toEqual([]);
    expect(accept().acts).toEqual(['destroy']);
    await turn();
    expect(events).toHaveLength(maxUntaken);
    const [first, second] = events;
    worker.receive([
      { type: 'open', id: first?.id ?? 0, limits: defaultLimits },
      { type: 'destroy', id: second?.id ?? 0 },
    ]);
    expect([accept().acts, accept().acts, accept().acts]).toEqual([[], [], ['destroy']]);
  });

  it('numbers what it accepts by odd numbers, none twice', async () => {
    const { accept, events } = handled();
    for (let count = 0; count < 3; count++) accept();
    await turn();
    expect(events.map(({ id }) => id)).toEqual([1, 3, 5]);
  });

  it('answers each unlisten, also of what does not listen', async () => {
    const { worker, closed, events } = handled();
    worker.receive([
      { type: 'unlisten', id: 2 },
      { type: 'unlisten', id: 2 },
    ]);
    await turn();
    expect(events).toEqual([{ type: 'unlistened', id: 2 }]);
    closed[0]?.();
    await turn();
    expect(events).toHaveLength(2);
  });

  it('does nothing for what has ended meanwhile', () => {
    const { worker, events } = handled();
    worker.receive([
      { type: 'cancel', id: 4 },
      { type: 'open', id: 4, limits: defaultLimits },
      { type: 'write', id: 4, bytes: Uint8Array.of(1) },
      { type: 'read', id: 4, token: 1 },
      { type: 'grant', id: 4, bytes: 1 },
      { type: 'heartbeats', id: 4, settings: { timeoutMs: 1, peerTimeoutMs: 1, intervalMs: 1 } },
      { type: 'timeout', id: 4, timeoutMs: 1 },
      { type: 'close', id: 4 },
      { type: 'destroy', id: 4 },
    ]);
    expect(events).toEqual([]);
  });
});
