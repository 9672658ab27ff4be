/**
 * The library's encoder, used again for every message.
 *
 * A new encoder for each message costs 3.5 times as much. But an encoder never gives memory back: after one message of
 * 16 MB each connection would keep 32 MB for good. So one that has grown is replaced.
 */
import { Encoder, type ExtensionCodecType } from '@msgpack/msgpack';

/** Encodes what the outgoing pass has left. */
export class ReusedEncoder {
  readonly #extensions: ExtensionCodecType<undefined>;
  readonly #maxDepth: number;
  #encoder: Encoder | undefined;

  /**
   * @param extensions - tells which objects are extensions
   * @param maxDepth - how deep arrays and maps may nest
   */
  constructor(extensions: ExtensionCodecType<undefined>, maxDepth: number) {
    this.#extensions = extensions;
    // The library counts what lies in the innermost array as one level more.
    this.#maxDepth = maxDepth + 1;
  }

  /**
   * Encodes one value.
   *
   * @returns a view of memory that the next call overwrites
   * @throws whatever a getter of the value throws, or the library on something it does not know
   */
  encode(value: unknown): Uint8Array<ArrayBuffer> {
    this.#encoder ??= this.#create();
    const bytes = this.#encoder.encodeSharedRef(value);
    if (bytes.buffer.byteLength > maxKeptBytes) this.#encoder = undefined;
    return bytes;
  }

  #create(): Encoder {
    return new Encoder({
      extensionCodec: this.#extensions,
      maxDepth: this.#maxDepth,
      initialBufferSize: initialBytes,
    });
  }
}

const maxKeptBytes = 1024 * 1024;

/** It grows with what it is given; most connections are idle. */
const initialBytes = 256;
