/**
 * Both directions: the client prints a message at the server, and the server prints one at the client.
 */
import { RPCClient, RPCServer } from 'tandem-rpc';

class Commands {
  readonly #place: string;

  constructor(place: string) {
    this.#place = place;
  }

  printMessage(message: string) {
    console.log(`at the ${this.#place}: ${message}`);
  }
}

await using server = new RPCServer({
  port: 0,
  localProxyObjects: { serverCommands: new Commands('server') },
});
await server.start();
const port = server.address()?.port ?? 0;

await using client = new RPCClient({ port, localProxyObjects: { clientCommands: new Commands('client') } });
client.connectToServer();

// From the client to the server.
const serverCommands = await client.whenRemoteProxyObject<Commands>('serverCommands');
await serverCommands.printMessage('Hello World!');

// From the server to its first client.
const [connectionID = ''] = server.connections();
const clientCommands = server.remoteProxyObject<Commands>(connectionID, 'clientCommands');
await clientCommands?.printMessage('Hello World!');
