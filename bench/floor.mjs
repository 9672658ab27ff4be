// The floor that everything is compared with: what the same calls cost with the same codec over bare sockets.
//
// Frames with a length each, the encoder and decoder of @msgpack/msgpack used again and again, a promise for each call,
// and all frames of one turn of the event loop in one write. There is nothing else: no limits, no checks, no errors, no
// timeouts, no heartbeats, no names. Of a stream each value is a message, sent under credit for a number of values, which is
// returned in bulk; bare sockets alone would let values pile up without bound. A library that does its
// work cannot be as fast; how near it comes is the question.
import { connect as connectSocket, createServer } from 'node:net';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { makeValues } from './payload.mjs';

const slabBytes = 64 * 1024;
const earlyWriteBytes = 32 * 1024;
const headerBytes = 4;

const request = 0;
const response = 1;
const subscribe = 2;
const next = 3;
const complete = 4;
const credit = 5;

/** Values that may be on their way. */
const window = 1_024;

/** Both ends of a connection: calls out and calls in. */
class Link {
  #socket;
  #encoder = new Encoder();
  #decoder = new Decoder();
  #calls = new Map();
  #taken = new Map();
  #given = new Map();
  #lastID = 0;
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #from = 0;
  #end = 0;
  #isFlushDue = false;
  #rest = Buffer.alloc(0);

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
  }

  /** Calls the other side. */
  echo(value) {
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      this.#calls.set(id, resolve);
      this.#send([request, id, 'echo', value]);
    });
  }

  /** Takes a stream of the other side. */
  stream(count, take) {
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      this.#taken.set(id, { take, resolve, unreturned: 0 });
      this.#send([subscribe, id, count, window]);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #send(message) {
    const bytes = this.#encoder.encodeSharedRef(message);
    const size = headerBytes + bytes.length;
    if (this.#end + size > this.#slab.length) {
      this.#write();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, size));
      this.#from = this.#end = 0;
    }
    this.#slab.writeUInt32BE(bytes.length, this.#end);
    this.#slab.set(bytes, this.#end + headerBytes);
    this.#end += size;
    if (this.#end - this.#from >= earlyWriteBytes) this.#write();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      process.nextTick(this.#flush);
    }
  }

  #flush = () => {
    this.#isFlushDue = false;
    this.#write();
  };

  #write() {
    if (this.#end === this.#from) return;
    this.#socket.write(this.#slab.subarray(this.#from, this.#end));
    this.#from = this.#end;
  }

  #read(chunk) {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + headerBytes <= bytes.length) {
      const end = at + headerBytes + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      this.#receive(this.#decoder.decode(bytes.subarray(at + headerBytes, end)));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

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
    }
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

/** Serves at a free port. */
export async function serve() {
  let link;
  const server = createServer((socket) => {
    link = new Link(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    /** Calls the client that has connected. */
    echo: (value) => link.echo(value),
    /** Takes a stream of it. */
    stream: (count, take) => link.stream(count, take),
    close() {
      link?.close();
      server.close();
    },
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const socket = connectSocket(port, '127.0.0.1');
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const link = new Link(socket);
  return {
    echo: (value) => link.echo(value),
    stream: (count, take) => link.stream(count, take),
    close: () => link.close(),
  };
}
