import { execFile, execFileSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { tcpTransports } from '../../src/transports/tcp.js';
import type { Listener, Transport } from '../../src/transports/transport.js';
import { describeTransportContract } from '../contracts/transport-contract.js';
import {
  codeOf,
  first,
  pattern,
  RecordingDialSink,
  RecordingListenSink,
  RecordingSink,
} from '../helpers/recording-sinks.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await turn();
}

describeTransportContract('tcp', () => ({ transports: tcpTransports(), turn }));

describe('a tcp transport', () => {
  it('dials such that small packets leave at once: none waits for the acknowledgement of another', async () => {
    const setNoDelay = jest.spyOn(Socket.prototype, 'setNoDelay');
    const listening = new RecordingListenSink();
    const listener = tcpTransports().listen({ host: '127.0.0.1', port: 0 }, listening);
    await until(() => listening.addresses.length > 0);
    const dialing = new RecordingDialSink();
    tcpTransports().dial(first(listening.addresses), dialing);
    await until(() => listening.accepted.length > 0 && dialing.connected.length > 0);
    expect(setNoDelay.mock.calls).toContainEqual([true]);
    setNoDelay.mockRestore();
    for (const transport of [...listening.accepted, ...dialing.connected]) transport.destroy();
    listener.close(() => {});
  });
});

describe('tcp against a peer of another kind', () => {
  let listener: Listener;
  let peer: Socket | undefined;
  let accepted: Transport[] = [];

  afterEach(() => {
    peer?.destroy();
    for (const transport of accepted) transport.destroy();
    listener.close(() => {});
  });

  /** A bare socket and the transport that was accepted from it. */
  async function accept(): Promise<{ raw: Socket; transport: Transport }> {
    const sink = new RecordingListenSink();
    listener = tcpTransports().listen({ host: '127.0.0.1', port: 0 }, sink);
    await until(() => sink.addresses.length > 0);
    const socket = connect({ ...first(sink.addresses), allowHalfOpen: true });
    socket.on('error', () => {});
    peer = socket;
    accepted = sink.accepted;
    await until(() => accepted.length > 0 && !socket.connecting);
    return { raw: socket, transport: first(accepted) };
  }

  it('reports a reset as an error, after the data before it', async () => {
    const { raw, transport } = await accept();
    const sink = new RecordingSink();
    transport.open(sink);
    raw.write('abc');
    await until(() => sink.byteCount === 3);
    raw.resetAndDestroy();
    await until(() => sink.hasEnded);
    expect(codeOf(sink.ends[0])).toBe('ECONNRESET');
    expect(sink.ends).toHaveLength(1);
  });

  it('keeps what came before a reset until it is opened, whichever end dialled', async () => {
    const { raw, transport } = await accept();
    const far: Socket[] = [];
    const server = createServer((socket) => far.push(socket)).listen(0, '127.0.0.1');
    await until(() => server.listening);
    const dialling = new RecordingDialSink();
    tcpTransports().dial({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, dialling);
    await until(() => dialling.calls > 0 && far.length > 0);
    server.close();
    for (const peer of [raw, first(far)]) peer.write('abc', () => peer.resetAndDestroy());
    await until(() => raw.destroyed && first(far).destroyed);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    for (const end of [transport, first(dialling.connected)]) {
      const sink = new RecordingSink();
      end.open(sink);
      await until(() => sink.hasEnded);
      // Whether as an error, the system decides: see the head of the source.
      expect([sink.byteCount, sink.ends.length]).toEqual([3, 1]);
    }
  });

  it('reports after open a reset that came before it', async () => {
    const { raw, transport } = await accept();
    raw.resetAndDestroy();
    await turn();
    const sink = new RecordingSink();
    transport.open(sink);
    await until(() => sink.hasEnded);
    expect(codeOf(sink.ends[0])).toBe('ECONNRESET');
  });

  it('accepts who was gone before it could be asked for its ends', async () => {
    const sink = new RecordingListenSink();
    listener = tcpTransports().listen({ host: '127.0.0.1', port: 0 }, sink);
    await until(() => sink.addresses.length > 0);
    // While another process comes and goes, this one accepts nobody.
    const visit = `const it = require('net').connect(${first(sink.addresses).port}, '127.0.0.1', () => it.resetAndDestroy())`;
    execFileSync(process.execPath, ['--eval', visit]);
    accepted = sink.accepted;
    await until(() => accepted.length > 0);
    const recorder = new RecordingSink();
    first(accepted).open(recorder);
    await until(() => recorder.hasEnded);
    expect(first(accepted).description).toMatch(/^tcp unknown -> /);
    expect(recorder.ends).toHaveLength(1);
  });

  it('takes a half-closed pipe for an orderly end, after all data, though its own queue is full', async () => {
    const { raw, transport } = await accept();
    const sink = new RecordingSink();
    transport.open(sink);
    expect(transport.write(new Uint8Array(24 * 1024 * 1024))).toBe(false);
    raw.end(pattern(100_000));
    await until(() => sink.hasEnded);
    expect(sink.byteCount).toBe(100_000);
    expect(sink.ends).toEqual([undefined]);
  });

  it('ends by close in order while the peer keeps sending, and takes nothing away from it', async () => {
    const { raw, transport } = await accept();
    let got = 0;
    let hasPeerEnded = false;
    raw.on('data', (chunk) => (got += chunk.length));
    raw.on('end', () => (hasPeerEnded = true));
    const sink = new RecordingSink();
    transport.open(sink);
    raw.write(pattern(500_000));
    transport.write(pattern(500_000));
    transport.close();
    raw.write(pattern(500_000));
    await until(() => hasPeerEnded);
    expect(got).toBe(500_000);
    expect(sink.hasEnded).toBe(false);
    raw.end();
    await until(() => sink.hasEnded);
    expect(sink.ends).toEqual([undefined]);
    expect(sink.byteCount).toBe(0);
  });

  it('reads the rest away after close, though it was never opened', async () => {
    const { raw, transport } = await accept();
    transport.close();
    let isWritten = false;
    raw.write(new Uint8Array(24 * 1024 * 1024), () => (isWritten = true));
    await until(() => isWritten);
    const hasClosed = new Promise((resolve) => raw.once('close', resolve));
    raw.resume().end();
    await hasClosed;
    expect(raw.errored).toBeNull();
  });

  it('reports nothing when it is closed while the host is looked up', async () => {
    const sink = new RecordingListenSink();
    // Whether the name is found or not, nobody may hear of it.
    listener = tcpTransports().listen({ host: hostname(), port: 0 }, sink);
    let isClosed = false;
    listener.close(() => {
      isClosed = true;
    });
    await until(() => isClosed);
    await Promise.allSettled([lookup(hostname())]);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(sink.calls).toBe(0);
  });

  it.each(['a microtask', 'the chunk itself'])(
    'flushes behind all microtasks where %s asks for it',
    async (who) => {
      const { raw, transport } = await accept();
      const sink = new RecordingSink();
      const log: string[] = [];
      const schedule = (): void => {
        transport.scheduleFlush(() => log.push('flush'));
      };
      sink.react = () => {
        if (who !== 'a microtask') schedule();
        void Promise.resolve()
          .then(() => {
            if (who === 'a microtask') schedule();
            log.push('answered');
          })
          .then(() => log.push('answered later'));
        setImmediate(() => log.push('next turn'));
      };
      transport.open(sink);
      raw.write('x');
      await until(() => log.includes('next turn'));
      expect(log).toEqual(['answered', 'answered later', 'flush', 'next turn']);
    },
  );

  it('keeps no process alive once all is closed', async () => {
    const script = `
      import { tcpTransports } from './src/transports/tcp.ts';
      const { listen, dial } = tcpTransports();
      const sink = { onChunk() {}, onWritable() {}, onClosed() {} };
      const fail = ({ error }) => { throw error; };
      const listener = listen({ host: 'localhost', port: 0 }, {
        onListening(address) {
          dial(address, { onTransport(it) { it.open(sink); it.afterReading(() => it.close()); }, onFailed: fail });
        },
        onTransport(it) { it.open(sink); listener.close(() => console.log('done')); },
        onFailed: fail,
      });`;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      script,
    ]);
    expect(stdout).toBe('done\n');
  });
});
