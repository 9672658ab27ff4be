/**
 * Buffers of the size of a fragment, used again and again by all connections of a process: what is sent is copied into
 * them, what comes is gathered in them until its message is complete.
 *
 * Made anew for each fragment they cost a large part of the way: the memory is filled with zeros first, and being outside of
 * the heap of JavaScript it has the garbage collector look at everything again and again.
 */

import { HeapPace } from './heap-pace.js';
import { fragmentBytes } from './limits.js';

/** Where a fragment's bytes begin in a buffer: what is before them in its frame fits here, however the peer writes it. */
export const headRoomBytes = 64;

/** Bytes of one buffer. */
export const pooledBytes = headRoomBytes + fragmentBytes;

/** A message of this size or more is written in a buffer of its own, of which it takes at least half. */
export const largeBytes = pooledBytes / 2;

/** Unused buffers that are kept, 4 MiB in all: enough for four messages of a MiB each. */
export const maxFreeBuffers = 64;

/** Lends buffers. Their bytes are whatever was there before, hence a buffer is never shown to a user. */
export class FragmentPool {
  readonly #free: Uint8Array[] = [];
  /** Those that are lent. Known weakly: what is dropped with a connection need not be given back. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  readonly #pace = new HeapPace();

  /** Buffers that are kept for the next taker. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** Lends a buffer to the caller alone: the one that was given back last, whose bytes are the nearest to the processor. */
  take(): Uint8Array {
    const buffer = this.#free.pop() ?? new Uint8Array(pooledBytes);
    this.#lent.add(buffer.buffer);
    return buffer;
  }

  /** Makes an array of any size, for its taker to keep. */
  make(bytes: number): Uint8Array<ArrayBuffer> {
    this.#pace.follow(bytes);
    return new Uint8Array(bytes);
  }

  /**
   * Takes a buffer back, which its taker no longer touches.
   * @param bytes - a view of it; one of anything else, or of a buffer that was given back before, is ignored
   */
  giveBack({ buffer }: Uint8Array): void {
    // Nearly everything that is written is something else, and told more cheaply by its size.
    if (buffer.byteLength !== pooledBytes || !this.#lent.delete(buffer)) return;
    if (this.#free.length < maxFreeBuffers) this.#free.push(new Uint8Array(buffer));
  }
}
