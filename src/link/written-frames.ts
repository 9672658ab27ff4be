/**
 * What a connection has written and its transport not yet handed to the system: until then the memory must not be used
 * again, and from then on should be.
 */

import type { SlabPool } from '../protocol/framing.js';

/** Gives the memory of written frames back as soon as nobody reads it any more. */
export class WrittenFrames {
  readonly #slabs: SlabPool;
  /** Those that wait, the oldest first, and the bytes of all of them. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  /** @param slabs - where the frames are from */
  constructor(slabs: SlabPool) {
    this.#slabs = slabs;
  }

  /**
   * Frames were written.
   * @param frames - in their order
   * @param queuedBytes - how much the transport holds of all that was written
   */
  add(frames: readonly Uint8Array[], queuedBytes: number): void {
    if (queuedBytes === 0 && this.#waitingBytes === 0) {
      this.#slabs.reclaim(frames);
      return;
    }
    for (const frame of frames) {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.length;
    }
    this.release(queuedBytes);
  }

  /** The transport holds so much now: what was written before that is the system's. */
  release(queuedBytes: number): void {
    let count = 0;
    for (const frame of this.#waiting) {
      if (this.#waitingBytes - frame.length < queuedBytes) break;
      this.#waitingBytes -= frame.length;
      this.#slabs.fragments.giveBack(frame);
      count += 1;
    }
    if (count > 0) this.#waiting.splice(0, count);
  }
}
