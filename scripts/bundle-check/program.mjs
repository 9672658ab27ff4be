// What is bundled: a server and a client whose sockets are on the I/O thread, and a call.
import { RPCClient, RPCServer } from 'tandem-rpc';

const greeter = { greet: (name) => `Hello, ${name}!` };
const server = new RPCServer({ port: 0, thread: true, localProxyObjects: { greeter } });
await server.start();
const client = new RPCClient({ port: server.address().port, thread: true, timeoutInSeconds: 0.3 });
client.connectToServer();
const remote = await client.whenRemoteProxyObject('greeter');
await new Promise((resolve) => client.heartbeat$.subscribe(resolve));
console.log(await remote.greet('bundle'));
await client.dispose();
await server.dispose();
