// What a user writes first. The package check compiles and runs it twice: as an ES module, and as CommonJS.
import { RPCClient, RPCServer } from 'tandem-rpc';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import * as testing from 'tandem-rpc/testing';

class Greeter {
  greet(name: string): string {
    return `Hello, ${name}`;
  }
}

/** A server and a client that call, and part; with `thread`, their sockets are on the I/O thread. */
async function converse(thread: boolean): Promise<void> {
  const server = new RPCServer({
    port: 0,
    thread,
    localProxyObjects: { greeter: new Greeter() },
    codec: msgpackrCodec(),
  });
  await server.start();
  const address = server.address();
  if (!address) throw new Error('the server does not listen');

  const client = new RPCClient({ host: address.host, port: address.port, thread, codec: msgpackrCodec() });
  client.connectToServer();
  const greeter = await client.whenRemoteProxyObject<Greeter>('greeter');
  const greeting: string = await greeter.greet('Tandem');
  if (greeting !== 'Hello, Tandem') throw new Error(`answered ${greeting}`);

  if (client.codec() !== 'msgpackr') throw new Error(`the codec is ${client.codec()}`);

  await client.disconnectFromServer();
  await server.stop();
}

async function main(): Promise<void> {
  await converse(false);
  await converse(true);
  if (Object.keys(testing).length === 0) throw new Error('tandem-rpc/testing exports nothing');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
