// rpc-websockets: JSON-RPC of clients to a server, notifications up, and published events down. Its server calls nobody.
import { once } from 'node:events';
import { Client, Server } from 'rpc-websockets';
import { checkValue } from '../payload.mjs';
import { base64EchoOf, echoBase64 } from './common/base64.mjs';
import { giveValues, Inbox } from './common/inbox.mjs';

/** Serves at a free port. */
export async function serve() {
  const options = { perMessageDeflate: false, maxPayload: 64 * 2 ** 20, backlog: 1_024 };
  const server = new Server({ ...options, host: '127.0.0.1', port: 0 });
  let received = 0;
  server.event('value');
  server.register('echo', ([value]) => value);
  server.register('echoBytes', ([text]) => echoBase64(text));
  server.register('give', ([count]) => giveValues(count, (value) => server.emit('value', value)));
  server.register('talk', ([value]) => server.emit('value', value));
  server.register('take', ([value]) => checkValue(value, received++));
  server.register('taken', () => {
    const count = received;
    received = 0;
    return count;
  });
  await once(server, 'listening');
  return { port: server.wss.address().port, close: () => server.close() };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const inbox = new Inbox();
  const client = new Client(`ws://127.0.0.1:${port}`, { perMessageDeflate: false, reconnect: false });
  await once(client, 'open');
  client.on('value', inbox.put);
  let subscribed;
  const collect = async (count, take, begin) => {
    await (subscribed ??= client.subscribe('value'));
    await inbox.collect(count, take, begin);
  };
  const notify = (method) => (value) => void client.notify(method, [value]);
  return {
    echo: (value) => client.call('echo', [value]),
    echoBytes: base64EchoOf((text) => client.call('echoBytes', [text])),
    stream: (count, take) => collect(count, take, () => client.call('give', [count])),
    talk: (count, take) => collect(count, take, () => giveValues(count, notify('talk'))),
    upload(count) {
      giveValues(count, notify('take'));
      return client.call('taken');
    },
    close: () => client.close(),
  };
}
