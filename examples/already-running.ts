/**
 * One server to a port: the second one learns whether a Tandem server is there already, or another program.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { PortInUseError, RPCServer, ServerAlreadyRunningException } from 'tandem-rpc';

async function tryToStart(port: number) {
  await using server = new RPCServer({ port });
  try {
    await server.start();
  } catch (error) {
    if (error instanceof ServerAlreadyRunningException) console.log('a Tandem server runs there already');
    else if (error instanceof PortInUseError) console.log(`another program has the port: ${error.occupant}`);
    else throw error;
  }
}

await using server = new RPCServer({ port: 0 });
await server.start();
await tryToStart(server.address()?.port ?? 0);

const website = createServer().listen(0, '127.0.0.1');
await once(website, 'listening');
await tryToStart((website.address() as AddressInfo).port);
website.close();
