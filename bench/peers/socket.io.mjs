// socket.io, over WebSockets at once. Calls are events with an acknowledgement, values of a stream events without one.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { giveValues, Inbox } from './common/inbox.mjs';

/** Both ends listen to the same events. */
function openEnd(socket) {
  const inbox = new Inbox();
  socket.on('echo', (value, reply) => reply(value));
  socket.on('give', (count) => giveValues(count, (value) => socket.emit('value', value)));
  socket.on('value', inbox.put);
  socket.on('talk', (value) => socket.emit('value', value));
  const echo = (value) => socket.emitWithAck('echo', value);
  return {
    echo,
    echoBytes: echo,
    stream: (count, take) => inbox.collect(count, take, () => socket.emit('give', count)),
    talk: (count, take) =>
      inbox.collect(count, take, () => giveValues(count, (value) => socket.emit('talk', value))),
    close: () => socket.disconnect(),
  };
}

/** Serves at a free port. */
export async function serve() {
  const http = createServer();
  const options = { transports: ['websocket'], perMessageDeflate: false, maxHttpBufferSize: 64 * 2 ** 20 };
  const server = new Server(http, options);
  let first;
  server.on('connection', (socket) => {
    const end = openEnd(socket);
    first ??= end;
  });
  http.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(http, 'listening');
  return {
    port: http.address().port,
    echo: (value) => first.echo(value),
    stream: (count, take) => first.stream(count, take),
    close: () => server.close(),
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject));
  return openEnd(socket);
}
