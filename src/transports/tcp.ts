/**
 * TCP through `node:net`.
 *
 * A socket stays paused until `open`, so what arrives early waits in the system's buffer, bounded and in order. Nagle's
 * algorithm is off on both ends, since Tandem itself gathers what belongs into one write. The end of a pipe is always
 * reported from the socket's `close` event, which comes exactly once and after everything else.
 *
 * A reset is reported as an error, with one exception: when it is met in the same read as the last data, libuv reports the
 * data and then an orderly end (`uv__stream_io` on POLLHUP). Whoever must know says goodbye in its own words.
 *
 * This is the only file that meets `Buffer`.
 */

import { createServer, Socket, type AddressInfo, type Server } from 'node:net';
import { afterMicrotasks } from './after-microtasks.js';
import { formatAddress, literalHost } from './address.js';
import type {
  Address,
  Dial,
  DialSink,
  Listener,
  ListenSink,
  Transport,
  TransportFailure,
  TransportProvider,
  TransportSink,
} from './transport.js';

/**
 * Transports over TCP. A host of `localhost` is taken as 127.0.0.1.
 * @returns a provider without state of its own; what it made is owned by whoever asked for it
 */
export function tcpTransports(): TransportProvider {
  return {
    listen: (address, sink) => new TcpListener(address, sink),
    dial: dialTcp,
  };
}

/** A server socket. Its `close` does not wait for the accepted sockets, as `node:net` by itself would. */
class TcpListener implements Listener {
  readonly #server: Server;
  readonly #sink: ListenSink;
  #isStopped = false;

  constructor(address: Address, sink: ListenSink) {
    this.#server = createServer({ noDelay: true, pauseOnConnect: true });
    this.#sink = sink;
    this.#server.on('listening', () => {
      this.#begin();
    });
    this.#server.on('connection', (socket) => {
      sink.onTransport(new TcpTransport(socket, false));
    });
    this.#server.on('error', (error) => {
      this.#fail(error);
    });
    try {
      this.#server.listen({
        host: literalHost(address.host),
        port: address.port,
        backlog: mostWaitingConnections,
      });
    } catch (error) {
      // A port out of range is the one thing that is thrown; nothing may be reported before we return.
      process.nextTick(() => {
        this.#fail(error as Error);
      });
    }
  }

  close(onClosed: () => void): void {
    this.#stop();
    // The port is free as soon as the server's `close` returns; the event of that name waits for every accepted socket.
    setImmediate(onClosed);
  }

  #begin(): void {
    // A TCP server that listens has an address of this kind; the others belong to pipes and closed servers.
    const { address, port } = this.#server.address() as AddressInfo;
    this.#sink.onListening({ host: address, port });
  }

  #fail(error: Error): void {
    if (this.#isStopped) return;
    this.#stop();
    this.#sink.onFailed(failureOf(error));
  }

  /** Closed while its host is still being looked up, a server of `node:net` never listens; only an error may come later. */
  #stop(): void {
    this.#isStopped = true;
    this.#server.close();
  }
}

/**
 * Connections that may wait to be accepted, where the system allows as many. Node's 511 are too few for a storm: what finds no room
 * is dialled again by its system after 1, 3 and 7 seconds (of 5,000 clients that came at once the last was in after 7.0 s, and
 * after 5.6 s with these).
 */
const mostWaitingConnections = 4_096;

function dialTcp(address: Address, sink: DialSink): Dial {
  const reading = new SharedReading();
  // Set here: `connect` takes the option and forgets it for a socket that is there already.
  const socket = new Socket(reading.options).pause().setNoDelay(true);
  let isSettled = false;
  socket.once('connect', () => {
    isSettled = true;
    const transport = new TcpTransport(socket, true);
    reading.onBytes = (bytes) => {
      transport.receive(bytes);
    };
    sink.onTransport(transport);
  });
  // It stays for good: from the connection on the transport hears the errors, and this one is silent.
  socket.on('error', (error) => {
    if (isSettled) return;
    isSettled = true;
    sink.onFailed(failureOf(error));
  });
  try {
    socket.connect({ host: literalHost(address.host), port: address.port });
  } catch (error) {
    // A port out of range is the one thing that is thrown; this way it is reported like any other failure.
    socket.destroy(error as Error);
  }
  return {
    cancel(): void {
      if (isSettled) return;
      isSettled = true;
      socket.destroy();
    },
  };
}

/** Bytes that are read at once. */
const readBytes = 64 * 1024;

/** Nobody keeps what is read, hence one memory for all sockets; made for the first of them. */
let readMemory: Uint8Array | undefined;

/**
 * Reads a dialled socket without an event, a stream's queue and new memory for each chunk: 1.1 µs less of a call's 30, one
 * at a time. Node has no such option for sockets that it accepts.
 */
class SharedReading {
  /** Set once there is a transport; until then the socket is paused. */
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  /** For the socket. */
  readonly options = {
    // The default; the types of `Socket` do not know `onread`, though its documentation does.
    allowHalfOpen: false,
    onread: {
      buffer: (readMemory ??= new Uint8Array(readBytes)),
      callback: (length: number, memory: Uint8Array): boolean => {
        this.onBytes(memory.subarray(0, length));
        return true;
      },
    },
  };
}

/** A connected socket, which the constructor receives paused. */
class TcpTransport implements Transport {
  readonly #socket: Socket;
  readonly #isDialled: boolean;
  #sink: TransportSink | undefined;
  #error: Error | undefined;
  #isReading = false;
  #isClosing = false;
  #isEnded = false;
  #isReported = false;
  #owesWritable = false;

  constructor(socket: Socket, isDialled: boolean) {
    this.#socket = socket;
    this.#isDialled = isDialled;
    socket.on('error', (error) => {
      this.#error = error;
    });
    // Comes of an accepted socket only.
    socket.on('data', (chunk) => {
      this.receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on('drain', () => {
      this.#owesWritable = true;
      this.#reportWritable();
    });
    socket.on('end', () => {
      // A peer that has ended reads no more: waiting until our queue is written could take for ever, or end in a reset.
      if (!this.#isClosing) socket.destroy();
    });
    socket.on('close', () => {
      this.#isEnded = true;
      this.#reportEnd();
    });
  }

  /** Asked for when there is something to say: finding out both ends takes two system calls, 7 µs each. */
  get description(): string {
    const ends = [localEnd(this.#socket), remoteEnd(this.#socket)];
    return `tcp ${(this.#isDialled ? ends : ends.reverse()).join(' -> ')}`;
  }

  get remoteHost(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Bytes came. */
  receive(bytes: Uint8Array): void {
    // A socket that was ended or destroyed may still have chunks to tell of.
    if (this.#isClosing) return;
    this.#isReading = true;
    this.#sink?.onChunk(bytes);
    this.#isReading = false;
  }

  get queuedBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  open(sink: TransportSink): void {
    process.nextTick(() => {
      this.#sink = sink;
      this.#reportWritable();
      this.#reportEnd();
      this.#socket.resume();
    });
  }

  write(...pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true;
    // One system call for all of them; corking costs as much as a short write saves.
    if (pieces.length > 1) socket.cork();
    let isAccepting = true;
    for (const bytes of pieces) isAccepting = socket.write(bytes);
    if (pieces.length > 1) socket.uncork();
    return isAccepting;
  }

  scheduleFlush(flush: () => void): void {
    afterMicrotasks(this.#isReading, () => {
      if (!this.#isReported) flush();
    });
  }

  afterReading(callback: () => void): void {
    // The first may come in the present turn, before any socket was read; between it and the second all were.
    setImmediate(() => {
      setImmediate(() => {
        if (!this.#isReported) callback();
      });
    });
  }

  pause(): void {
    if (!this.#isClosing) this.#socket.pause();
  }

  resume(): void {
    if (this.#sink !== undefined) this.#socket.resume();
  }

  close(): void {
    if (this.#isClosing || this.#socket.destroyed) return;
    this.#isClosing = true;
    this.#socket.end();
    // What the peer still sends is read and dropped until its end comes: closing a socket with unread bytes sends a
    // reset, which may take away what we have just written.
    this.#socket.resume();
  }

  destroy(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  #reportWritable(): void {
    if (!this.#owesWritable || this.#sink === undefined || this.#isClosing) return;
    this.#owesWritable = false;
    this.#sink.onWritable();
  }

  #reportEnd(): void {
    if (!this.#isEnded || this.#sink === undefined || this.#isReported) return;
    this.#isReported = true;
    this.#sink.onClosed(this.#error);
  }
}

function failureOf(error: Error): TransportFailure {
  // By shape: an error of another realm or of several tried addresses is no instance of anything we know.
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return { kind: 'address-in-use', error };
  if (code === 'ECONNREFUSED') return { kind: 'refused', error };
  return { kind: 'other', error };
}

function localEnd(socket: Socket): string {
  return end(socket.localAddress, socket.localPort);
}

function remoteEnd(socket: Socket): string {
  return end(socket.remoteAddress, socket.remotePort);
}

/** A socket that was reset before it was accepted can no longer tell its ends. */
function end(host: string | undefined, port: number | undefined): string {
  return host === undefined || port === undefined ? 'unknown' : formatAddress({ host, port });
}
