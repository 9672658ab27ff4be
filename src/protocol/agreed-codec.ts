/**
 * Which codec the two sides of one connection have agreed on: the built-in one, until WELCOME names another.
 *
 * The dialling side offers names, the listening side chooses by its own order: what reads a stranger's bytes is never the
 * stranger's choice. PROTOCOL.md, "Codecs".
 */
import { ProtocolError } from '../errors.js';
import { printable } from './close-reason.js';
import { builtInCodecName, type MessageCodec, type MessageCoder } from './message-codec.js';

/** The agreement of one connection. */
export class AgreedCodec {
  readonly #codecs: readonly MessageCodec[];
  #name = builtInCodecName;
  #coder: MessageCoder | undefined;

  /** @param codecs - those that this side allows besides the built-in one, the best first */
  constructor(codecs: readonly MessageCodec[]) {
    this.#codecs = codecs;
  }

  /** The names to offer. */
  get names(): readonly string[] {
    return this.#codecs.map(({ name }) => name);
  }

  /** The name of the codec in use. */
  get name(): string {
    return this.#name;
  }

  /** Encodes and decodes what it can; `undefined` while the built-in codec is in use. */
  get coder(): MessageCoder | undefined {
    return this.#name === builtInCodecName ? undefined : this.#coder;
  }

  /**
   * Chooses from what the other side offers.
   *
   * @param offered - untrusted; names that are not known here count as absent
   * @returns the name for WELCOME; `undefined`: the built-in codec
   */
  choose(offered: readonly string[] = []): string | undefined {
    return this.#codecs.find((codec) => offered.includes(codec.name) && this.#prepare(codec))?.name;
  }

  /**
   * From the next message on this codec is used.
   *
   * @param name - of WELCOME; `undefined`: the built-in codec
   * @throws {@link ProtocolError} if this side never offered it
   */
  use(name: string | undefined): void {
    if (name === undefined) return;
    const codec = this.#codecs.find((known) => known.name === name);
    if (codec === undefined)
      throw new ProtocolError(`the codec "${printable(name, 64)}", which was not offered`);
    if (this.#coder === undefined) this.#coder = codec.create();
    this.#name = name;
  }

  /** One that cannot be had is passed over: the client has not been told of it yet. */
  #prepare(codec: MessageCodec): boolean {
    try {
      this.#coder = codec.create();
      return true;
    } catch {
      return false;
    }
  }
}
