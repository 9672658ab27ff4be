// What the floors share: writing all frames of a turn at once, finding frames in what comes, and sockets without delay.
import { connect as connectSocket, createServer } from 'node:net';

const slabBytes = 64 * 1024;
const earlyWriteBytes = 32 * 1024;

/** Bytes of the length before each frame. */
const headerBytes = 4;

/** Collects the frames of one turn of the event loop in a slab, and writes them at once. */
export class BatchWriter {
  #socket;
  #isLengthPerBatch;
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #from = 0;
  #end = 0;
  #isFlushDue = false;

  /**
   * @param {import('node:net').Socket} socket
   * @param {boolean} isLengthPerBatch one length for all messages of a write, not one for each
   */
  constructor(socket, isLengthPerBatch) {
    this.#socket = socket;
    this.#isLengthPerBatch = isLengthPerBatch;
  }

  /** Takes a copy of a message. */
  send(bytes) {
    if (this.#end + headerBytes + bytes.length > this.#slab.length) {
      this.#write();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, headerBytes + bytes.length));
      this.#from = this.#end = 0;
    }
    if (!this.#isLengthPerBatch || this.#end === this.#from) {
      this.#slab.writeUInt32BE(bytes.length, this.#end);
      this.#end += headerBytes;
    }
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.length;
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
    if (this.#isLengthPerBatch) this.#slab.writeUInt32BE(this.#end - this.#from - headerBytes, this.#from);
    this.#socket.write(this.#slab.subarray(this.#from, this.#end));
    this.#from = this.#end;
  }
}

/** Finds the frames in what a socket gives. Pieces of a long one are joined once, when all of them are there. */
export class FrameReader {
  #pieces = [];
  #bytes = 0;
  #wanted = headerBytes;
  #take;

  /** @param {(frame: Buffer) => void} take */
  constructor(take) {
    this.#take = take;
  }

  read(chunk) {
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) {
      this.#pieces.push(chunk);
      return;
    }
    const bytes = this.#pieces.length === 0 ? chunk : Buffer.concat([...this.#pieces, chunk]);
    let at = 0;
    this.#wanted = headerBytes;
    while (at + headerBytes <= bytes.length) {
      const end = at + headerBytes + bytes.readUInt32BE(at);
      if (end > bytes.length) {
        this.#wanted = end - at;
        break;
      }
      this.#take(bytes.subarray(at + headerBytes, end));
      at = end;
    }
    const rest = bytes.subarray(at);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }
}

/**
 * Makes the two ends of a floor.
 *
 * @param {(socket: import('node:net').Socket) => object} open makes what either end calls by
 * @param {readonly string[]} abilities the methods of that which workloads use
 */
export function openSockets(open, abilities) {
  const endOf = (link) =>
    Object.fromEntries(abilities.map((name) => [name, (one, two) => link()[name](one, two)]));
  const prepare = (socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    return open(socket);
  };
  return {
    /** Serves at a free port. */
    async serve() {
      const sockets = new Set();
      let first;
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        const link = prepare(socket);
        first ??= link;
      });
      await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }, resolve));
      return {
        port: server.address().port,
        ...endOf(() => first),
        close() {
          for (const socket of sockets) socket.destroy();
          server.close();
        },
      };
    },

    /** Connects to a server of this kind. */
    async connect(port) {
      const socket = connectSocket(port, '127.0.0.1');
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      const link = prepare(socket);
      return { ...endOf(() => link), close: () => socket.destroy() };
    },
  };
}
