/**
 * Every codec there is: what holds for one holds for all.
 */
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits, type Limits } from '../../src/protocol/limits.js';

/** Makes a codec as a connection has it on which one was agreed. */
export type CodecMaker = (limits?: Partial<Limits>) => Codec;

/** Makes one with the built-in encoder and decoder. */
export const builtIn: CodecMaker = (limits = {}) => new Codec({ ...defaultLimits, ...limits });

/** Makes one with msgpackr. */
export const withMsgpackr: CodecMaker = (limits = {}) => {
  const codec = new Codec({ ...defaultLimits, ...limits }, [msgpackrCodec()]);
  codec.agreed.use('msgpackr');
  return codec;
};

/** All of them, for `describe.each`. */
export const codecs: readonly (readonly [name: string, make: CodecMaker])[] = [
  ['the built-in codec', builtIn],
  ['msgpackr', withMsgpackr],
];

/** Each with each other: who sends, who receives. */
export const codecPairs: readonly (readonly [names: string, sender: CodecMaker, receiver: CodecMaker])[] =
  codecs.flatMap(([one, sender]) =>
    codecs.map(([other, receiver]) => [`${one} to ${other}`, sender, receiver] as const),
  );
