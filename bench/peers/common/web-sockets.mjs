// WebSockets for the peers that run over them, with the package ws: no compression, room for the largest message.
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

const options = { perMessageDeflate: false, maxPayload: 64 * 2 ** 20 };

/** Listens at a free port. */
export async function listenForWebSockets(onConnection) {
  const server = new WebSocketServer({ ...options, host: '127.0.0.1', port: 0, backlog: 1_024 });
  server.on('connection', onConnection);
  await once(server, 'listening');
  return {
    server,
    port: server.address().port,
    close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** Connects to a server of this machine. */
export async function connectWebSocket(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, options);
  await once(socket, 'open');
  return socket;
}
