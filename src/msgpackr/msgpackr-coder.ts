/**
 * Messages to bytes and back by msgpackr, set so that it writes and reads nothing but plain MessagePack.
 *
 * Of its builds this takes the one without `eval` and without native code. Neither is of use here: `eval` serves records,
 * which are no MessagePack, and the native part reads the texts of a stretch as one, so that each of them that is kept keeps
 * up to 8 KiB alive. And hardly anybody else uses that build: msgpackr has one buffer for all who encode with it.
 *
 * Its extension types are the process's, hence anybody's to change. Nothing here relies on them: what has an extension
 * never gets here. One thing is left to chance: a getter that gave a plain value when it was looked at, and gives a bigint, a Date
 * or a Set now. The built-in encoder refuses the first and writes the others as empty maps, msgpackr writes a number, its own
 * timestamp, at which the other side ends the connection, and an array. PROTOCOL.md, "Codecs".
 */
import { Packr, RESET_BUFFER_MODE, Unpackr, type Options } from 'msgpackr/index-no-eval';

import type { MessageCoder } from '../protocol/message-codec.js';

/** Memory that stays with msgpackr between two messages. */
const maxKeptBytes = 1024 * 1024;

/** What msgpackr begins with. */
const firstBytes = 8 * 1024;

/**
 * Up to so many bytes msgpackr has quicker ways to read keys and texts, which count from where its memory begins. And the
 * memory that it has seen before needs no view to be made on it.
 */
const maxShortBytes = 179;

const nil = 0xc0;

const options: Options = {
  // Records are a format of its own, and so are bundled strings and the extensions of structured clones.
  useRecords: false,
  bundleStrings: false,
  structuredClone: false,
  moreTypes: false,
  mapsAsObjects: true,
  // Else each map would take two bytes more, and one of 65,536 entries could not be written.
  variableMapSize: true,
  // Whole numbers up to 2^53, and what a foreign peer has beyond, as the built-in decoder has them.
  int64AsType: 'number',
  // A value that became undefined after it was looked at, as the built-in encoder has it.
  encodeUndefinedAsNil: true,
  // A plain object may have a member `toJSON`, which is a value like any other.
  useToJSON: false,
  writeFunction: () => {
    throw new TypeError('a function');
  },
};

/** A coder, for any number of connections. */
export class MsgpackrCoder implements MessageCoder {
  readonly #packr = new Packr({ ...options });
  readonly #unpackr = new Unpackr({ ...options });
  /** For what is read from `#short`, of which nothing may be kept. */
  readonly #copyingUnpackr = new Unpackr({ ...options, copyBuffers: true });
  readonly #short = new Uint8Array(maxShortBytes);
  readonly #range = { start: 0, end: 0 };

  /** {@inheritDoc MessageCoder.encode} */
  encode(message: readonly unknown[]): Uint8Array {
    const packed = this.#packr.pack(message, RESET_BUFFER_MODE);
    if (packed.buffer.byteLength > maxKeptBytes) this.#shrink(packed);
    // A slice of a Buffer is no copy, where one of this is.
    return new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
  }

  /** {@inheritDoc MessageCoder.decode} */
  decode(bytes: Uint8Array, start: number, end: number): unknown {
    if (end - start <= maxShortBytes) {
      this.#short.set(bytes.subarray(start, end));
      return this.#copyingUnpackr.unpack(this.#short, end - start);
    }
    this.#range.start = start;
    this.#range.end = end;
    const message: unknown = this.#unpackr.unpack(bytes, this.#range);
    // It remembers what it read last.
    if (bytes.buffer.byteLength > maxKeptBytes) this.#unpackr.unpack(Uint8Array.of(nil));
    return message;
  }

  /** The buffer of msgpackr grows for good, unless it gets another; in that nobody has anything yet. */
  #shrink(packed: Uint8Array): void {
    // A getter may send something while its value is encoded. That has a buffer to itself, and the outer one is in use.
    const isOuter = this.#packr.position === packed.byteOffset;
    // eslint-disable-next-line no-restricted-globals -- msgpackr writes texts by a method that only a Buffer has
    if (isOuter) this.#packr.useBuffer(Buffer.allocUnsafeSlow(firstBytes));
  }
}
