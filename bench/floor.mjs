// The floor that everything is compared with: what the same calls cost with the same codec over bare sockets.
//
// Frames with a length each, the encoder and decoder of @msgpack/msgpack used again and again, a promise for each call,
// and all frames of one turn of the event loop in one write. There is nothing else: no limits, no checks, no errors, no
// timeouts, no heartbeats, no names. Of a stream each value is a message, sent under credit for a number of values, which is
// returned in bulk; bare sockets alone would let values pile up without bound. In a stream both ways each value is
// sent back, which is credit for another one. A library that does its work cannot be as fast; how near it comes is the
// question.
import { Decoder, Encoder } from '@msgpack/msgpack';
import { makeValues } from './payload.mjs';
import { BatchWriter, FrameReader, openSockets } from './wire.mjs';

const request = 0;
const response = 1;
const subscribe = 2;
const next = 3;
const complete = 4;
const credit = 5;
const say = 6;
const sayBack = 7;

/** Values that may be on their way. */
const window = 1_024;

/** Both ends of a connection: calls out and calls in. */
class Link {
  #writer;
  #encoder = new Encoder();
  #decoder = new Decoder();
  #calls = new Map();
  #taken = new Map();
  #given = new Map();
  #talks = new Map();
  #lastID = 0;

  /**
   * @param {import('node:net').Socket} socket
   * @param {boolean} isLengthPerBatch
   */
  constructor(socket, isLengthPerBatch) {
    this.#writer = new BatchWriter(socket, isLengthPerBatch);
    const reader = new FrameReader(isLengthPerBatch ? this.#readBatch : this.#readMessage);
    socket.on('data', (chunk) => reader.read(chunk));
  }

  /** Calls the other side. */
  echo(value) {
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      this.#calls.set(id, resolve);
      this.#send([request, id, 'echo', value]);
    });
  }

  /** The same with bytes. */
  echoBytes(bytes) {
    return this.echo(bytes);
  }

  /** Takes a stream of the other side. */
  stream(count, take) {
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      this.#taken.set(id, { take, resolve, unreturned: 0 });
      this.#send([subscribe, id, count, window]);
    });
  }

  /** Gives a stream, and takes it back. */
  talk(count, take) {
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      const values = makeValues(count);
      this.#talks.set(id, { values, take, resolve, untaken: count });
      for (let sent = 0; sent < window && sent < count; sent++) this.#send([say, id, values.next().value]);
    });
  }

  #send(message) {
    this.#writer.send(this.#encoder.encodeSharedRef(message));
  }

  #readMessage = (frame) => this.#receive(this.#decoder.decode(frame));

  #readBatch = (frame) => {
    for (const message of this.#decoder.decodeMulti(frame)) this.#receive(message);
  };

  #receive(message) {
    const id = message[1];
    switch (message[0]) {
      case request:
        this.#send([response, id, message[3]]);
        return;
      case response: {
        const resolve = this.#calls.get(id);
        this.#calls.delete(id);
        resolve(message[2]);
        return;
      }
      case next: {
        const taken = this.#taken.get(id);
        taken.take(message[2]);
        if (++taken.unreturned < window / 2) return;
        this.#send([credit, id, taken.unreturned]);
        taken.unreturned = 0;
        return;
      }
      case complete:
        this.#taken.get(id).resolve();
        this.#taken.delete(id);
        return;
      case subscribe:
        this.#given.set(id, makeValues(message[2]));
        this.#give(id, message[3]);
        return;
      case credit:
        if (this.#given.has(id)) this.#give(id, message[2]);
        return;
      case say:
        this.#send([sayBack, id, message[2]]);
        return;
      case sayBack:
        this.#hear(id, message[2]);
    }
  }

  #hear(id, value) {
    const talk = this.#talks.get(id);
    talk.take(value);
    if (--talk.untaken === 0) {
      this.#talks.delete(id);
      talk.resolve();
      return;
    }
    const { done, value: following } = talk.values.next();
    if (!done) this.#send([say, id, following]);
  }

  #give(id, count) {
    const values = this.#given.get(id);
    for (let left = count; left > 0; left--) {
      const { done, value } = values.next();
      if (done) {
        this.#send([complete, id]);
        this.#given.delete(id);
        return;
      }
      this.#send([next, id, value]);
    }
  }
}

/**
 * Makes the two ends of a floor of this kind.
 *
 * @param {object} options
 * @param {boolean} options.isLengthPerBatch one length for all messages of a write, which are decoded in one go
 */
export function openFloor({ isLengthPerBatch }) {
  return openSockets((socket) => new Link(socket, isLengthPerBatch), ['echo', 'echoBytes', 'stream', 'talk']);
}

export const { serve, connect } = openFloor({ isLengthPerBatch: false });
