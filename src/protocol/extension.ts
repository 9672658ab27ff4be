/**
 * What the outgoing pass makes of a value that MessagePack lacks.
 */
import { ExtData } from '@msgpack/msgpack';

/** An extension on its way to the encoder. */
export class Extension extends ExtData {
  /** Only the built-in encoder knows what this is; any other fails at it, and so writes nothing wrong. */
  readonly unknownToOthers = unencodable;
}

const unencodable = Symbol('an extension');
