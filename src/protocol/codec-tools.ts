/**
 * What codecs encode and decode with. It is used synchronously and keeps nothing of a connection, so all codecs with the
 * same limits share one: of its own each would take 2.5 KiB for a connection that does nothing.
 */
import { Decoder } from '@msgpack/msgpack';

import { Extensions } from './extensions.js';
import { limitRanges, type Limits } from './limits.js';
import { Marshal } from './marshal.js';
import { Prescan } from './prescan.js';
import { ReusedEncoder } from './reused-encoder.js';

/** Those used last. Not by the object of the limits: each client has its own, with the same in it. */
const known: CodecTools[] = [];

/** Few processes have more than two kinds of limits. */
const mostKnown = 8;

const names = Object.keys(limitRanges) as readonly (keyof Limits)[];

/** The tools for values within certain limits. */
export class CodecTools {
  /** The bounds of what is sent and of what is received. */
  readonly limits: Limits;
  readonly extensions = new Extensions();
  readonly marshal: Marshal;
  readonly prescan: Prescan;
  readonly encoder: ReusedEncoder;
  readonly decoder: Decoder;

  /** The tools for these limits, the same ones for equal limits unless too many others came between. */
  static of(limits: Limits): CodecTools {
    const shared =
      known.find((tools) => tools.limits === limits) ?? known.find((tools) => isEqual(tools.limits, limits));
    if (shared !== undefined) return shared;
    const tools = new CodecTools(limits);
    known.push(tools);
    if (known.length > mostKnown) known.shift();
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

function isEqual(left: Limits, right: Limits): boolean {
  return names.every((name) => left[name] === right[name]);
}
