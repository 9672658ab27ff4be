import { RPCClient, RPCServer } from 'tandem-rpc';

class Greeter {
  greet(name: string) {
    return `Hello, ${name}!`;
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { greeter: new Greeter() } });
await server.start();

await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const greeter = await client.whenRemoteProxyObject<Greeter>('greeter');
console.log(await greeter.greet('Tandem'));
