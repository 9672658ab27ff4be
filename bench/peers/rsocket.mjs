// RSocket over TCP: JSON in frames of bytes, bytes as they are, the name of what is meant in the metadata. `noDelay`, as its frames of
// credit would wait for acknowledgements. Both ends answer requests.
import { createServer } from 'node:net';
import { BufferEncoders, RSocketClient, RSocketServer } from 'rsocket-core';
import { Flowable, Single } from 'rsocket-flowable';
import rsocketTcpClient from 'rsocket-tcp-client';
import rsocketTcpServer from 'rsocket-tcp-server';
import { makeValues } from '../payload.mjs';

const { default: RSocketTCPClient } = rsocketTcpClient;
const { default: RSocketTCPServer } = rsocketTcpServer;

/** Values that a consumer asks for at once, and half of them again when half of them have come. */
const window = 1_024;
/** The length of a frame has three bytes, and this version sends each message in one frame. */
const maxFrameBytes = 2 ** 24 - 1;

const bytesRoute = Buffer.from('bytes');
const jsonRoute = Buffer.from('json');
const encode = (value) => Buffer.from(JSON.stringify(value));
const decode = ({ data }) => JSON.parse(data.toString());

const responder = {
  requestResponse({ data, metadata }) {
    if (metadata.equals(bytesRoute)) return Single.of({ data });
    return Single.of({ data: encode(decode({ data })) });
  },
  requestStream: (payload) => toFlowable(makeValues(decode(payload))),
  requestChannel: (payloads) => payloads.map((payload) => ({ data: encode(decode(payload)) })),
};

/** Serves at a free port. */
export async function serve() {
  let first;
  const net = createServerOnce();
  const server = new RSocketServer({
    getRequestHandler(socket) {
      first ??= socket;
      return responder;
    },
    transport: new RSocketTCPServer(
      { host: '127.0.0.1', port: 0, serverFactory: net.create },
      BufferEncoders,
    ),
  });
  server.start();
  return {
    port: await net.port,
    echo: (value) => callsOf(first).echo(value),
    stream: (count, take) => callsOf(first).stream(count, take),
    close: () => server.stop(),
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const client = new RSocketClient({
    setup: {
      keepAlive: 60_000,
      lifetime: 180_000,
      dataMimeType: 'application/json',
      metadataMimeType: 'text/plain',
    },
    responder,
    transport: new RSocketTCPClient({ host: '127.0.0.1', port, noDelay: true }, BufferEncoders),
  });
  const socket = await client.connect();
  return { ...callsOf(socket), close: () => client.close() };
}

function callsOf(socket) {
  const request = async (metadata, data) => {
    if (data.length + metadata.length + 32 > maxFrameBytes) {
      throw new Error(`${data.length} bytes do not fit into a frame`);
    }
    return socket.requestResponse({ data, metadata });
  };
  return {
    echo: async (value) => decode(await request(jsonRoute, encode(value))),
    echoBytes: async (bytes) => (await request(bytesRoute, bytes)).data,
    stream: (count, take) =>
      takeAll(socket.requestStream({ data: encode(count), metadata: jsonRoute }), take),
    talk: (count, take) => takeAll(socket.requestChannel(toFlowable(makeValues(count))), take),
  };
}

/** The transport tells nobody where it listens. */
function createServerOnce() {
  let tellPort;
  const port = new Promise((resolve) => (tellPort = resolve));
  return {
    port,
    create(onConnection) {
      const server = createServer({ noDelay: true }, onConnection);
      server.once('listening', () => tellPort(server.address().port));
      return server;
    },
  };
}

function toFlowable(values) {
  return new Flowable((subscriber) => {
    let isOver = false;
    subscriber.onSubscribe({
      cancel: () => (isOver = true),
      request(count) {
        for (let left = count; left > 0 && !isOver; left--) {
          const { done, value } = values.next();
          isOver = done;
          if (done) subscriber.onComplete();
          else subscriber.onNext({ data: encode(value), metadata: jsonRoute });
        }
      },
    });
  });
}

function takeAll(flowable, take) {
  return new Promise((resolve, reject) => {
    let subscription;
    let unreturned = 0;
    flowable.subscribe({
      onSubscribe(given) {
        subscription = given;
        subscription.request(window);
      },
      onNext(payload) {
        take(decode(payload));
        if (++unreturned < window / 2) return;
        unreturned = 0;
        subscription.request(window / 2);
      },
      onComplete: resolve,
      onError: reject,
    });
  });
}
