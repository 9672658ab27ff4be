// What every call of the benchmark carries: an object of 91 bytes as MessagePack and 116 as JSON; and the small values of streams.

/** The first number that takes its full size in both encodings, and how many numbers of that size there are. */
const firstNumber = 100_000;
const numbers = 900_000;

/**
 * Makes the payload of a call.
 *
 * @param {number} call counts up; makes the payload of this call differ from that of the call before
 */
export function makePayload(call) {
  return {
    sequence: firstNumber + (call % numbers),
    name: 'Ada Lovelace',
    email: 'lovelace@example.org',
    isActive: true,
    tags: ['maths', 'analysis'],
  };
}

/**
 * Makes sure that a reply is the echo of its payload: an answer of another call, or none at all, must not count.
 *
 * @param {ReturnType<typeof makePayload>} reply
 * @param {ReturnType<typeof makePayload>} payload
 */
export function checkReply(reply, payload) {
  if (reply.sequence !== payload.sequence || reply.email !== payload.email || reply.tags.length !== 2) {
    throw new Error(`call ${payload.sequence} was answered with ${JSON.stringify(reply)}`);
  }
}

/** Makes the values of a stream, one when it is asked for. */
export function* makeValues(count) {
  for (let index = 0; index < count; index++) yield { i: index, k: 'key', v: index % 1_000 };
}

/** Makes sure that a value is the next one. */
export function checkValue(value, index) {
  if (value.i !== index || value.k !== 'key') {
    throw new Error(`value ${index} of a stream came as ${JSON.stringify(value)}`);
  }
}

/** Makes bytes for a call. */
export function makeBytes(length) {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31) % 251;
  return bytes;
}

/** Makes the bytes of a call differ from those of the call before. */
export function markBytes(bytes, call) {
  bytes.writeUInt32BE(call, 0);
  bytes.writeUInt32BE(call, bytes.length - 4);
}

/** Makes sure that these are the bytes that were sent: by their length, both ends, and a piece in the middle. */
export function checkBytes(reply, sent) {
  const middle = sent.length >> 1;
  for (const [from, to] of [
    [0, 64],
    [middle, middle + 64],
    [sent.length - 64, sent.length],
  ]) {
    if (reply.length !== sent.length || sent.compare(reply, from, to, from, to) !== 0) {
      throw new Error(`${sent.length} bytes were answered with ${reply.length} others`);
    }
  }
}
