/**
 * A client that says what the spec likes from the first message on, and keeps what it hears.
 */
import { Codec } from '../../src/protocol/codec.js';
import { FragmentPool } from '../../src/protocol/fragment-pool.js';
import { FrameReader } from '../../src/protocol/framing.js';
import { defaultLimits, maxFrameBytes } from '../../src/protocol/limits.js';
import type { Transport } from '../../src/transports/transport.js';
import type { VirtualWorld } from './virtual-world.js';
import { frameOf, joined, openingBytes } from './wire.js';

/** One such client. */
export interface Wire {
  /** What it has heard, in order. */
  readonly messages: readonly (readonly unknown[])[];
  /** Says these, in one frame. */
  say(...messages: readonly (readonly unknown[])[]): void;
}

/** Dials, says this, and hears the answer. */
export async function dialWire(world: VirtualWorld, first: readonly unknown[]): Promise<Wire> {
  const messages: (readonly unknown[])[] = [];
  const reader = new FrameReader(new FragmentPool());
  const codec = new Codec(defaultLimits);
  let skipped = 0;
  let live: Transport | undefined;
  world.network.options.transport.dial(
    { host: '127.0.0.1', port: 9_000 },
    {
      onTransport: (transport) => {
        live = transport;
        transport.open({
          onChunk: (chunk) => {
            const skip = Math.min(chunk.length, openingBytes.length - skipped);
            skipped += skip;
            reader.push(chunk.subarray(skip));
            for (
              let frame = reader.read(maxFrameBytes);
              frame !== undefined;
              frame = reader.read(maxFrameBytes)
            ) {
              messages.push(...codec.decodeFrame(frame, false));
            }
          },
          onWritable: () => undefined,
          onClosed: () => undefined,
        });
        transport.write(joined(openingBytes, frameOf(first)));
      },
      onFailed: ({ error }) => {
        throw error;
      },
    },
  );
  await world.pass(0.02);
  return { messages, say: (...more) => void live?.write(frameOf(...more)) };
}
