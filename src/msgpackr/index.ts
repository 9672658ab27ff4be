/**
 * `tandem-rpc/msgpackr`: the codec that has msgpackr encode and decode, faster than the built-in one. Needs the package
 * `msgpackr` beside this one.
 */
import type { MessageCodec } from '../protocol/message-codec.js';
import { MsgpackrCoder } from './msgpackr-coder.js';

export type { MessageCodec, MessageCoder } from '../protocol/message-codec.js';

/**
 * The codec `"msgpackr"`, for the option `codec` of a server, a client or both; one may serve any number of them.
 *
 * What crosses, what is refused and every limit are the same as without it.
 */
export function msgpackrCodec(): MessageCodec {
  // It keeps nothing from one message to the next, so that one will do for all connections.
  const coder = new MsgpackrCoder();
  return { name: 'msgpackr', create: () => coder };
}
