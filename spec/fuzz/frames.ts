/**
 * Byte strings that a peer might send: right ones, mutated ones, ones put together from pieces, noise, and bombs.
 */
import { Codec } from '../../src/protocol/codec.js';
import { defaultLimits } from '../../src/protocol/limits.js';
import { MessageType, protocolVersion } from '../../src/protocol/messages.js';
import { opening } from '../../src/protocol/opening.js';
import { LentReference, ReturnedReference, type Reference } from '../../src/protocol/references.js';
import type { SeededRandom } from '../simulation/seeded-random.js';

const codec = new Codec(defaultLimits);

// A function stands for the reference that it returns.
codec.lender = {
  lend: (value) => (typeof value === 'function' ? (value as () => Reference)() : undefined),
  attempt: (marshal) => marshal(),
};

function encode(message: readonly unknown[]): Uint8Array {
  const marshalled = message.map((field) => codec.marshal(field, 'field'));
  return codec.encode(marshalled).slice();
}

const hello = encode([MessageType.hello, { version: protocolVersion, timeoutMs: 5_000 }]);
const registerNothing = encode([MessageType.register, [], true]);

const references: readonly (() => Reference)[] = [
  () => new LentReference('function', 5),
  () => new LentReference('stream', 6),
  () => new LentReference('object', 7, ['run', 'values$'], ['values$']),
  () => new LentReference('signal', 8, [], [], { reason: 'r' }),
];

/** Right messages of every type, with values of every kind. */
const corpus: readonly Uint8Array[] = [
  hello,
  registerNothing,
  encode([MessageType.request, 1, 'service', 'echo', ['text', 1, -1, 2 ** 40, 1.5, true, null, undefined]]),
  encode([MessageType.request, 2, 'service', 'echo', [new Map([[1, new Set(['a'])]]), new Date(0)]]),
  encode([MessageType.request, 3, 'service', 'echo', [{ a: { b: [1n << 70n, new Error('e')] } }]]),
  encode([MessageType.request, 4, 'service', 'echo', [new Uint8Array(40), new Float64Array(3)]]),
  encode([MessageType.request, 5, 'service', 'missing', [], { metadata: { a: 1 } }]),
  encode([MessageType.response, 1, null, 'result']),
  encode([MessageType.response, 1, { message: 'm', code: 'c', executed: 'no' }]),
  encode([MessageType.notify, 'service', 'echo', ['x'.repeat(200)]]),
  encode([MessageType.cancel, 1]),
  encode([MessageType.request, 6, 5, '', [1], { timeoutMs: 1_000 }]),
  encode([MessageType.subscribe, 7, 'service', 'values$', [], 32]),
  encode([MessageType.subscribe, 8, 5, '', [], 1, { timeoutMs: 5 }]),
  encode([MessageType.next, 7, [1, 'two', { three: [3] }], 2]),
  encode([MessageType.complete, 7, 1]),
  encode([MessageType.fail, 7, { message: 'm', name: 'Error' }]),
  encode([MessageType.credit, 7, 16, 100]),
  encode([MessageType.release, [[5, 1]]]),
  encode([MessageType.abort, 5, 'reason']),
  encode([MessageType.request, 9, 'service', 'echo', references]),
  encode([
    MessageType.request,
    10,
    'service',
    'echo',
    [new Map([[() => new ReturnedReference(5), references]])],
  ]),
  encode([MessageType.register, [['name', ['run', 'stop']]]]),
  encode([MessageType.unregister, ['name']]),
  encode([MessageType.identify, 'me']),
  encode([MessageType.fragment, 1, 1, new Uint8Array(100)]),
  encode([MessageType.fragment, 1, 0, new Uint8Array(65_536)]),
  encode([MessageType.ping, 1]),
  encode([MessageType.pong, 1]),
  encode([MessageType.timeout, 1_000]),
  encode([MessageType.probe]),
  encode([MessageType.welcome, { version: 1, connectionID: 'id', timeoutMs: 1_000 }]),
  encode([MessageType.refuse, 'server-full', 'full', 1_000]),
  encode([MessageType.handover, 4_000, 'ticket']),
];

/** Bytes that made the decoder beneath allocate or recurse without bound, or nearly so. */
const bombs: readonly Uint8Array[] = [
  Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff),
  Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xc9, 0xff, 0xff, 0xff, 0xff, 1),
  repeated([0xdd, 0x01, 0xff, 0xff, 0xff], 8),
  repeated([0xdc, 0xff, 0xff], 3_000),
  repeated([0x91], 15_000),
  repeated([0x80], 15_000),
  repeated([0x81, 0xa1, 0x61], 5_000),
  repeated([0xc7, 0x05, 0x01, 0x91], 3_000),
  repeated([0xd9, 0xff], 100),
  repeated([0xc1], 100),
];

function repeated(bytes: readonly number[], times: number): Uint8Array {
  return Uint8Array.from({ length: bytes.length * times }, (_, at) => bytes[at % bytes.length]!);
}

/** The bytes of one frame, without its length: anything from right to absurd. */
export function drawFrame(random: SeededRandom): Uint8Array {
  switch (random.weighted({ right: 1, mutated: 8, joined: 4, noise: 4, typed: 3, bomb: 0.3 })) {
    case 'right':
      return random.pick(corpus);
    case 'mutated':
      return mutate(random, random.pick(corpus));
    case 'joined':
      return joined(Array.from({ length: random.whole(2, 4) }, () => maybeMutated(random)));
    case 'noise':
      return noise(random, random.whole(1, 60));
    case 'typed':
      return joined([
        Uint8Array.of(0x90 + random.whole(0, 15), random.whole(0, 45)),
        noise(random, random.whole(0, 40)),
      ]);
    case 'bomb':
      return random.pick(bombs);
  }
}

/** All that one connection sends: some say the opening and a right HELLO first, most do not get far. */
export function drawConversation(random: SeededRandom): Uint8Array {
  switch (random.weighted({ greeted: 6, opened: 2, foreign: 1, lying: 1 })) {
    case 'greeted': {
      const frames = Array.from({ length: random.whole(1, 3) }, () => framed(drawFrame(random)));
      const start = [opening, framed(hello), ...(random.chance(0.7) ? [framed(registerNothing)] : [])];
      return joined([...start, ...frames]);
    }
    case 'opened':
      return joined([opening, framed(drawFrame(random))]);
    case 'foreign':
      return noise(random, random.whole(1, 40));
    case 'lying':
      return joined([opening, noise(random, 4), drawFrame(random)]);
  }
}

function maybeMutated(random: SeededRandom): Uint8Array {
  const bytes = random.pick(corpus);
  return random.chance(0.5) ? mutate(random, bytes) : bytes;
}

function mutate(random: SeededRandom, original: Uint8Array): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (let left = random.whole(1, 4); left > 0 && bytes.length > 0; left--) {
    const at = random.whole(0, bytes.length - 1);
    switch (random.weighted({ bit: 3, byte: 4, cut: 1, insert: 1, repeat: 1 })) {
      case 'bit':
        bytes[at]! ^= 1 << random.whole(0, 7);
        break;
      case 'byte':
        bytes[at] = random.chance(0.5) ? random.whole(0x80, 0xff) : random.whole(0, 255);
        break;
      case 'cut':
        bytes = bytes.slice(0, at);
        break;
      case 'insert':
        bytes = joined([bytes.subarray(0, at), noise(random, random.whole(1, 6)), bytes.subarray(at)]);
        break;
      case 'repeat':
        bytes = joined([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 8), at), bytes.subarray(at)]);
    }
  }
  return bytes;
}

function noise(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.whole(0, 255));
}

/** A frame with its length before it. */
export function framed(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 4);
  new DataView(whole.buffer).setUint32(0, bytes.length);
  whole.set(bytes, 4);
  return whole;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
