/**
 * Sockets that speak the protocol by hand: what they send is right or wrong as a row likes, what they hear is read.
 */
import { connect, type Socket } from 'node:net';
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { FrameReader } from '../../src/protocol/framing.js';
import { defaultLimits, maxFrameBytes } from '../../src/protocol/limits.js';
import { openingBytes } from '../helpers/wire.js';

/** Reads what one side of a connection says. */
export class Ear {
  readonly #reader = new FrameReader(new FragmentPool());
  readonly #codec = new Codec(defaultLimits);
  #skipped = 0;

  /** @returns the messages that are whole by now */
  hear(chunk: Uint8Array): (readonly unknown[])[] {
    const skip = Math.min(chunk.length, openingBytes.length - this.#skipped);
    this.#skipped += skip;
    this.#reader.push(chunk.subarray(skip));
    const messages: (readonly unknown[])[] = [];
    for (
      let frame = this.#reader.read(maxFrameBytes);
      frame !== undefined;
      frame = this.#reader.read(maxFrameBytes)
    ) {
      messages.push(...this.#codec.decodeFrame(frame, false));
    }
    return messages;
  }
}

/** Connects, says this, and gives the first message of the answer; `undefined` where there is none before the end. */
export function answerTo(port: number, bytes: Uint8Array): Promise<readonly unknown[] | undefined> {
  return new Promise((resolve) => {
    const ear = new Ear();
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const settle = (answer: readonly unknown[] | undefined): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(10_000, () => settle(undefined));
    socket.on('error', () => settle(undefined));
    socket.on('close', () => settle(undefined));
    socket.on('data', (chunk) => {
      // A server that is told nonsense ends in words that are none of this protocol's.
      try {
        const [first] = ear.hear(chunk);
        if (first !== undefined) settle(first);
      } catch {
        settle(undefined);
      }
    });
  });
}
