/**
 * A client that keeps to the protocol and to nothing else: it asks for far more than it may have, as fast as it can be written.
 */
import { encode, ExtData } from '@msgpack/msgpack';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { MessageType } from '../../src/protocol/messages.js';
import { framed, frameOf, joined, openingBytes } from '../helpers/wire.js';
import { Ear } from './raw-socket.js';

/** What is asked for. */
export const assaults = ['calls', 'cancelled calls', 'references', 'streams'] as const;
export type Assault = (typeof assaults)[number];

/** What came of it. */
export interface AssaultReport {
  /** What was asked for, in pieces; and how many of these were answered, by any answer. */
  readonly asked: number;
  readonly answered: number;
  /** How often the server had enough of it. */
  readonly disconnections: number;
}

/** Of these pieces, so many in a frame. */
const together = 250;
const referencesTogether = 500;

/** For each kind, the messages of one piece. */
const pieces: Readonly<Record<Assault, (id: number) => readonly (readonly unknown[])[]>> = {
  calls: (id) => [[MessageType.request, id, 'service', 'hold', []]],
  'cancelled calls': (id) => [
    [MessageType.request, id, 'service', 'hold', []],
    [MessageType.cancel, id],
  ],
  references: (id) => [
    [
      MessageType.request,
      id,
      'service',
      'take',
      [
        Array.from(
          { length: referencesTogether },
          (_, at) => new ExtData(8, encode([0, id * referencesTogether + at])),
        ),
      ],
    ],
  ],
  streams: (id) => [[MessageType.subscribe, id, 'service', 'ticks$', [], 1]],
};

/**
 * Writes bytes without end to whoever only reads and drops them: what any flood costs a process of Node and those who share the
 * machine with it.
 */
export async function pour(port: number, seconds: number): Promise<number> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  const bytes = new Uint8Array(65_536);
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    if (!socket.write(bytes)) await once(socket, 'drain');
    await new Promise((next) => setImmediate(next));
  }
  const written = socket.bytesWritten;
  socket.destroy();
  return written;
}

/** Who floods over a network has a machine of its own; here it is to have what the others leave of the processors. */
export function giveWay(): void {
  setPriority(19);
}

/** Asks for so many; connects again when it is thrown out. */
export async function assault(kind: Assault, port: number, count: number): Promise<AssaultReport> {
  const perPiece = kind === 'references' ? referencesTogether : 1;
  const wanted = Math.ceil(count / perPiece);
  let [asked, answered, disconnections] = [0, 0, 0];
  while (asked < wanted) {
    const line = await Line.open(port);
    while (asked < wanted && !line.isClosed) {
      const first = asked;
      asked += kind === 'references' ? 1 : Math.min(together, wanted - asked);
      const messages = Array.from({ length: asked - first }, (_, at) => pieces[kind](first + at + 1)).flat();
      await line.write(framed(joined(...messages.map((message) => encode(message)))));
    }
    if (asked >= wanted) await line.whenQuiet();
    if (line.isClosed) disconnections += 1;
    answered += line.answered;
    line.close();
  }
  return { asked: asked * perPiece, answered, disconnections };
}

/** One connection. */
class Line {
  answered = 0;
  isClosed = false;
  readonly #socket: Socket;
  readonly #ear = new Ear();
  #welcomed: () => void = () => undefined;
  #heardMs = performance.now();

  static async open(port: number): Promise<Line> {
    const line = new Line(connect(port, '127.0.0.1'));
    await new Promise<void>((resolve) => {
      line.#welcomed = resolve;
    });
    return line;
  }

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#welcomed();
      socket.emit('drain');
    });
    socket.on('data', (chunk) => {
      this.#heardMs = performance.now();
      for (const message of this.#ear.hear(chunk)) this.#receive(message);
    });
    socket.write(joined(openingBytes, frameOf([MessageType.hello, { version: 1, timeoutMs: 10_000 }])));
  }

  /** Writes, and waits while the system takes no more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#socket.write(bytes) && !this.isClosed) await once(this.#socket, 'drain');
    // What is heard is to be read as well.
    await new Promise((next) => setImmediate(next));
  }

  /** Waits until the server has said nothing but heartbeats for a moment. */
  async whenQuiet(): Promise<void> {
    while (!this.isClosed && performance.now() - this.#heardMs < 2_000)
      await new Promise((next) => setTimeout(next, 20));
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive([type, id]: readonly unknown[]): void {
    if (type === MessageType.welcome) {
      this.#socket.write(frameOf([MessageType.register, [], true]));
      this.#welcomed();
    } else if (type === MessageType.ping) this.#socket.write(frameOf([MessageType.pong, id]));
    else if (type === MessageType.response || type === MessageType.fail) this.answered += 1;
  }
}
