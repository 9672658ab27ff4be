/**
 * What becomes of a server and of a client, told by the hook `statusChanged`.
 */
import { type ClientStatus, RPCClient, RPCServer, type ServerStatus } from 'tandem-rpc';

class CustomServer extends RPCServer {
  override statusChanged(newStatus: ServerStatus) {
    console.log(`Server status changed to: ${newStatus}`);
    if (newStatus === RPCServer.STATE_NOT_RUNNING) console.log('Server is not running');
  }
}

class CustomClient extends RPCClient {
  override statusChanged(newStatus: ClientStatus) {
    console.log(`Client status changed to: ${newStatus}`);
    if (newStatus === RPCClient.STATUS_DISCONNECTED) console.log('Client is not running');
  }
}

await using server = new CustomServer({ port: 0 });
await server.start();

await using client = new CustomClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
await client.whenConnected();

await client.disconnectFromServer();
await server.stop();
