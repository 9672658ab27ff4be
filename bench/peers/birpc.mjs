// birpc over ws, with JSON, as its README shows it. Values of a stream are events (calls without an answer).
import { createBirpc } from 'birpc';
import { base64EchoOf, echoBase64 } from './common/base64.mjs';
import { giveValues, Inbox } from './common/inbox.mjs';
import { connectWebSocket, listenForWebSockets } from './common/web-sockets.mjs';

/** Both ends have the same functions. */
function openEnd(socket) {
  const inbox = new Inbox();
  const functions = {
    echo: (value) => value,
    echoBytes: echoBase64,
    give: (count) => giveValues(count, (value) => void remote.take.asEvent(value)),
    take: inbox.put,
    talk: (value) => void remote.take.asEvent(value),
  };
  const remote = createBirpc(functions, {
    post: (message) => socket.send(message),
    on: (take) => socket.on('message', take),
    serialize: JSON.stringify,
    deserialize: JSON.parse,
  });
  return {
    echo: (value) => remote.echo(value),
    echoBytes: base64EchoOf((text) => remote.echoBytes(text)),
    stream: (count, take) => inbox.collect(count, take, () => remote.give(count)),
    talk: (count, take) =>
      inbox.collect(count, take, () => giveValues(count, (value) => void remote.talk.asEvent(value))),
    close: () => socket.close(),
  };
}

/** Serves at a free port. */
export async function serve() {
  let first;
  const { port, close } = await listenForWebSockets((socket) => {
    const end = openEnd(socket);
    first ??= end;
  });
  return {
    port,
    echo: (value) => first.echo(value),
    stream: (count, take) => first.stream(count, take),
    close,
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  return openEnd(await connectWebSocket(port));
}
