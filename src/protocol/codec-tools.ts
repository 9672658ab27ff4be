/**
 * What codecs encode and decode with. It is used synchronously and keeps nothing of a connection, so all codecs with the
 * same limits share one: of its own each would take 2.5 KiB for a connection that does nothing.
 */
import { Decoder } from '@msgpack/msgpack';

import { Extensions } from './extensions.js';
import type { Limits } from './limits.js';
import { Marshal } from './marshal.js';
import { Prescan } from './prescan.js';
import { ReusedEncoder } from './reused-encoder.js';

const known = new WeakMap<Limits, CodecTools>();

/** The tools for values within certain limits. */
export class CodecTools {
  /** The bounds of what is sent and of what is received. */
  readonly limits: Limits;
  readonly extensions = new Extensions();
  readonly marshal: Marshal;
  readonly prescan: Prescan;
  readonly encoder: ReusedEncoder;
  readonly decoder: Decoder;

  /** The tools for these limits, the same ones at each call. */
  static of(limits: Limits): CodecTools {
    let tools = known.get(limits);
    if (tools === undefined) known.set(limits, (tools = new CodecTools(limits)));
    return tools;
  }

  /** Made by `of`. */
  constructor(limits: Limits) {
    this.limits = limits;
    this.marshal = new Marshal(limits, this.extensions);
    this.prescan = new Prescan(limits);
    this.encoder = new ReusedEncoder(this.extensions, limits.maxDepth);
    this.decoder = new Decoder({ extensionCodec: this.extensions });
  }
}
