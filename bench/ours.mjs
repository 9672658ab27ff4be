// This library, used as its users do: a server and a client that each register an object `bench`, the server's with a method
// `echo`; what the server calls is a function that the client has given it. Both have a method that gives a stream.
import { makeValues } from './payload.mjs';

/** Makes the same two functions as floor.mjs has, for one build of the library. */
export async function openLibrary(entry) {
  const { RPCClient, RPCServer } = await import(entry);
  const echo = (value) => value;
  const streamOf = (proxy) => (count, take) => proxy.values$(count).forEach(take);

  return {
    /** Serves at a free port. */
    async serve() {
      let callback;
      const listen = (given) => void (callback = given);
      const localProxyObjects = { bench: { echo, listen, values$: makeValues } };
      const server = new RPCServer({ port: 0, localProxyObjects });
      await server.start();
      let known;
      const client = () => (known ??= server.remoteProxyObject(server.connections()[0], 'bench'));
      return {
        port: server.address().port,
        /** Calls the client that has connected. */
        echo: (value) => callback(value),
        /** Takes a stream of it. */
        stream: (count, take) => streamOf(client())(count, take),
        close: () => server.dispose(),
      };
    },

    /** Connects to a server of this kind. */
    async connect(port) {
      const client = new RPCClient({ port, localProxyObjects: { bench: { values$: makeValues } } });
      client.connectToServer();
      const server = await client.whenRemoteProxyObject('bench');
      await server.listen(echo);
      return { echo: (value) => server.echo(value), stream: streamOf(server), close: () => client.dispose() };
    },
  };
}
