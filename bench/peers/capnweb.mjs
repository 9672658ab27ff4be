// capnweb over ws. Streams are ReadableStreams; the server calls a function that the client has given it.
import { newWebSocketRpcSession, RpcTarget } from 'capnweb';
import { WebSocket } from 'ws';
import { makeValues } from '../payload.mjs';
import { connectWebSocket, listenForWebSockets } from './common/web-sockets.mjs';

// Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket;

const limits = { maxMessageSize: 64 * 2 ** 20 };

class Bench extends RpcTarget {
  #listen;

  constructor(listen) {
    super();
    this.#listen = listen;
  }

  echo(value) {
    return value;
  }

  values(count) {
    return toStream(makeValues(count));
  }

  talk(values) {
    return toStream(values[Symbol.asyncIterator]());
  }

  /** What comes as an argument is given back at the end of the call, unless it is duplicated. */
  listen(client) {
    this.#listen(client.dup());
  }
}

/** Not `ReadableStream.from` or `pipeThrough`: what those make is of another class on Node 20, which is refused. */
function toStream(values) {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await values.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const streamOf = (remote) => async (count, take) => {
  for await (const value of await remote.values(count)) take(value);
};

/** Serves at a free port. */
export async function serve() {
  let client;
  const bench = new Bench((given) => (client ??= given));
  const { port, close } = await listenForWebSockets((socket) => {
    newWebSocketRpcSession(socket, bench, { limits });
  });
  return {
    port,
    echo: (value) => client.echo(value),
    stream: (count, take) => streamOf(client)(count, take),
    close,
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const socket = await connectWebSocket(port);
  const server = newWebSocketRpcSession(socket, undefined, { limits });
  return {
    echo: (value) => server.echo(value),
    echoBytes: (bytes) => server.echo(bytes),
    stream: streamOf(server),
    async talk(count, take) {
      for await (const value of await server.talk(toStream(makeValues(count)))) take(value);
    },
    enableCallbacks: () => server.listen(new Bench()),
    close: () => socket.close(),
  };
}
