/**
 * Each client is handed over to a port of its own, picked by the system; the server's port is only for knocking.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type Socket } from 'node:net';
import { RPCClient, RPCServer } from 'tandem-rpc';

class Echo {
  repeat(text: string) {
    return text;
  }
}

await using server = new RPCServer({
  port: 0,
  dedicatedPorts: true,
  localProxyObjects: { echo: new Echo() },
});
await server.start();
const port = server.address()?.port ?? 0;

// Node tells of each socket that somebody has opened to this process.
subscribe('net.server.socket', (message) => {
  const { socket } = message as { readonly socket: Socket };
  console.log(`the client comes to ${socket.localPort === port ? "the server's port" : 'a port of its own'}`);
});

await using client = new RPCClient({ port });
client.connectToServer();
const echo = await client.whenRemoteProxyObject<Echo>('echo');
console.log(await echo.repeat('and all calls go through the latter'));
