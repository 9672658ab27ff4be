/**
 * What a connection writes: a transport is given no more than keeps a fast link busy, and the rest when it says that it is done with
 * that. So it is seen how fast the peer reads, also where a transport tells nothing of a write until all of it has left.
 */
import type { SlabPool } from '../protocol/framing.js';
import type { Transport } from '../transports/transport.js';
import { WrittenFrames } from './written-frames.js';

/** Bytes that a transport may hold before others wait here: enough to keep a fast link busy between two turns. */
const mostRoomBytes = 256 * 1024;

/** So few pieces are given to a transport that has room without a look at their size: none is larger than a slab. */
const fewPieces = 2;

/** The frames of one connection on their way to its transport. Owned by the connection. */
export class Outflow {
  readonly #transport: Pick<Transport, 'write' | 'queuedBytes' | 'isCopying'>;
  readonly #written: WrittenFrames;
  readonly #mostBytes: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isAccepting = true;
  #isClogged = false;
  #behindBytes = 0;

  /**
   * @param transport - of the connection
   * @param slabs - where the frames are from
   * @param highWaterBytes - of the connection: a transport that has what a long message gives it leaves room below that
   */
  constructor(
    transport: Pick<Transport, 'write' | 'queuedBytes' | 'isCopying'>,
    slabs: SlabPool,
    highWaterBytes: number,
  ) {
    this.#transport = transport;
    this.#mostBytes = Math.min(mostRoomBytes, highWaterBytes / 4);
    this.#written = new WrittenFrames(slabs);
  }

  /** Bytes that have not been handed to the system. */
  get queuedBytes(): number {
    return this.#heldBytes + this.#transport.queuedBytes;
  }

  /**
   * The same, as of the last write: none while the transport takes what it gets, since then nothing waits, and it would not tell when
   * it is done.
   */
  get behindBytes(): number {
    return this.#behindBytes;
  }

  /**
   * Bytes for which there is room in the transport; negative where there is more in it. While it takes what it gets there is some, since it
   * would not say when it is done.
   */
  get roomBytes(): number {
    const bytes = this.#mostBytes - this.queuedBytes;
    return this.#isAccepting && this.#heldBytes === 0 ? Math.max(1, bytes) : bytes;
  }

  /** Whether the transport has more than it takes at once: it will say when it is done with it. */
  get isClogged(): boolean {
    return this.#isClogged;
  }

  /** Writes frames, now or later, in order. @returns whether the transport takes more, and so says nothing */
  write(frames: readonly Uint8Array[]): boolean {
    if (this.#heldBytes === 0 && frames.length <= fewPieces && this.roomBytes > 0) this.#give(frames);
    else {
      for (const frame of frames) {
        this.#held.push(frame);
        this.#heldBytes += frame.length;
      }
      this.#feed();
    }
    this.#look();
    return this.#isAccepting;
  }

  /** The transport is done with what it had. */
  onWritable(): void {
    this.#written.release(this.#transport.queuedBytes);
    this.#isAccepting = true;
    this.#feed();
    this.#look();
  }

  /** Writes all there is, and these: the connection ends, and nothing follows. */
  finish(frames: readonly Uint8Array[]): void {
    const last = [...this.#held, ...frames];
    this.drop();
    if (last.length > 0) this.#transport.write(...last);
  }

  /** What waits here never leaves. */
  drop(): void {
    this.#held = [];
    this.#heldBytes = this.#behindBytes = 0;
    this.#isClogged = false;
  }

  /** Gives the transport more, until it has enough and will say when it is done. */
  #feed(): void {
    let count = 0;
    while (
      count < this.#held.length &&
      (this.#isAccepting || this.#transport.queuedBytes < this.#mostBytes)
    ) {
      const from = count;
      let bytes = this.#transport.queuedBytes;
      do {
        const { length } = this.#held[count] ?? nothing;
        bytes += length;
        this.#heldBytes -= length;
        count += 1;
      } while (count < this.#held.length && bytes < this.#mostBytes);
      this.#give(this.#held.slice(from, count));
    }
    if (count > 0) this.#held.splice(0, count);
  }

  #give(frames: readonly Uint8Array[]): void {
    this.#isAccepting = this.#transport.write(...frames);
    // What was copied is nobody's any more.
    this.#written.add(frames, this.#transport.isCopying === true ? 0 : this.#transport.queuedBytes);
  }

  #look(): void {
    const bytes = this.#isAccepting ? this.#heldBytes : this.queuedBytes;
    this.#isClogged = bytes > 0;
    this.#behindBytes = bytes;
  }
}

const nothing = new Uint8Array(0);
