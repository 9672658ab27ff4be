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
  #encoder: Encoder;

  /**
   * @param extensions - tells which objects are extensions
   * @param maxDepth - how deep arrays and maps may nest
   */
  constructor(extensions: ExtensionCodecType<undefined>, maxDepth: number) {
    this.#extensions = extensions;
    // The library counts what lies in the innermost array as one level more.
    this.#maxDepth = maxDepth + 1;
    this.#encoder = this.#create();
  }

  /**
   * Encodes one value.
   *
   * @returns a view of memory that the next call overwrites
   * @throws whatever a getter of the value throws, or the library on something it does not know
   */
  encode(value: unknown): Uint8Array<ArrayBuffer> {
    const bytes = this.#encoder.encodeSharedRef(value);
    if (bytes.buffer.byteLength > maxKeptBytes) this.#encoder = this.#create();
    return bytes;
  }

  #create(): Encoder {
    return new Encoder({ extensionCodec: this.#extensions, maxDepth: this.#maxDepth });
  }
}

const maxKeptBytes = 1024 * 1024;
