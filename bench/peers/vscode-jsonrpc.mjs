// vscode-jsonrpc over TCP. Values of a stream are notifications. Without `noDelay` each of its calls, written in two pieces,
// would wait 40 ms for an acknowledgement.
import { once } from 'node:events';
import { connect as connectSocket, createServer } from 'node:net';
import {
  createMessageConnection,
  NotificationType,
  RequestType,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node';
import { base64EchoOf, echoBase64 } from './common/base64.mjs';
import { giveValues, Inbox } from './common/inbox.mjs';

const echo = new RequestType('echo');
const echoBytes = new RequestType('echoBytes');
const give = new RequestType('give');
const value = new NotificationType('value');
const talk = new NotificationType('talk');

/** Both ends have the same methods. */
function openEnd(socket) {
  socket.setNoDelay(true);
  const inbox = new Inbox();
  const connection = createMessageConnection(
    new SocketMessageReader(socket),
    new SocketMessageWriter(socket),
  );
  const send = (type) => (each) => void connection.sendNotification(type, each);
  connection.onRequest(echo, (given) => given);
  connection.onRequest(echoBytes, echoBase64);
  connection.onRequest(give, (count) => giveValues(count, send(value)));
  connection.onNotification(value, inbox.put);
  connection.onNotification(talk, send(value));
  connection.listen();
  return {
    echo: (given) => connection.sendRequest(echo, given),
    echoBytes: base64EchoOf((text) => connection.sendRequest(echoBytes, text)),
    stream: (count, take) => inbox.collect(count, take, () => connection.sendRequest(give, count)),
    talk: (count, take) => inbox.collect(count, take, () => giveValues(count, send(talk))),
    close() {
      connection.dispose();
      socket.destroy();
    },
  };
}

/** Serves at a free port. */
export async function serve() {
  const ends = new Set();
  let first;
  const server = createServer((socket) => {
    const end = openEnd(socket);
    ends.add(end);
    socket.once('close', () => ends.delete(end));
    socket.on('error', () => socket.destroy());
    first ??= end;
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(server, 'listening');
  return {
    port: server.address().port,
    echo: (given) => first.echo(given),
    stream: (count, take) => first.stream(count, take),
    close() {
      for (const end of ends) end.close();
      server.close();
    },
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const socket = connectSocket(port, '127.0.0.1');
  await once(socket, 'connect');
  return openEnd(socket);
}
