// The floor without a codec: bytes of the size that a payload has as MessagePack go over bare sockets and come back. Nothing is encoded or
// decoded but a kind, an id and the number of the payload, by which a reply is told to be the right one.
import { BatchWriter, FrameReader, openSockets } from './wire.mjs';

const request = 0;
const response = 1;

const headBytes = 9;
/** What an encoded call of the other floor has. */
const messageBytes = 107;

class RawLink {
  #writer;
  #calls = new Map();
  #lastID = 0;
  #message = Buffer.alloc(messageBytes, 'x');

  constructor(socket) {
    this.#writer = new BatchWriter(socket, false);
    const reader = new FrameReader(this.#receive);
    socket.on('data', (chunk) => reader.read(chunk));
  }

  /** Sends bytes in place of the value, and resolves with the value when they are back. */
  echo(value) {
    const id = ++this.#lastID;
    this.#message.writeUInt8(request, 0);
    this.#message.writeUInt32BE(id, 1);
    this.#message.writeUInt32BE(value.sequence, 5);
    this.#writer.send(this.#message);
    return new Promise((resolve, reject) => {
      this.#calls.set(id, (reply) => {
        if (reply.readUInt32BE(5) === value.sequence) resolve(value);
        else reject(new Error(`call ${value.sequence} was answered with ${reply.readUInt32BE(5)}`));
      });
    });
  }

  /** Sends these bytes. */
  echoBytes(bytes) {
    const id = ++this.#lastID;
    const message = Buffer.allocUnsafe(headBytes + bytes.length);
    message.writeUInt8(request, 0);
    message.writeUInt32BE(id, 1);
    message.set(bytes, headBytes);
    this.#writer.send(message);
    return new Promise((resolve) => {
      this.#calls.set(id, (reply) => resolve(reply.subarray(headBytes)));
    });
  }

  #receive = (frame) => {
    if (frame[0] === request) {
      frame[0] = response;
      this.#writer.send(frame);
      return;
    }
    const id = frame.readUInt32BE(1);
    const take = this.#calls.get(id);
    this.#calls.delete(id);
    take(frame);
  };
}

export const { serve, connect } = openSockets((socket) => new RawLink(socket), ['echo', 'echoBytes']);
