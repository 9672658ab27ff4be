// This library, used as its users do: a server and a client that each register an object `bench`, the server's with a method
// `echo`; what the server calls is a function that the client has given it. Both have a method that gives a stream.
import { NEVER } from 'rxjs';
import { makeValues } from './payload.mjs';

/** Enough for the largest value of a workload, which is a little more than what is allowed unless said. */
const limits = {
  maxMessageBytes: 32 * 2 ** 20,
  maxBinaryBytes: 32 * 2 ** 20,
  maxQueuedBytes: 128 * 2 ** 20,
  highWaterBytes: 128 * 2 ** 20,
  maxWaitingBytes: 128 * 2 ** 20,
};

const echo = (value) => value;

/** Makes the same two functions as floor.mjs has, for one build of the library; with `#msgpackr` behind it, by that codec, with `#thread`, by the I/O thread, with `#client-thread`, by that at the client alone, with `#resume`, with sessions that outlive connections. */
export async function openLibrary(entry) {
  const [index, variant] = entry.split('#');
  const { RPCClient, RPCServer } = await import(index);
  const options = variant === 'resume' ? { limits, resume: { windowInSeconds: 60 } } : { limits };
  const threadOf = (role) => (variant === 'thread' || variant === `${role}-thread` ? { thread: true } : {});
  if (variant === 'msgpackr') {
    const { msgpackrCodec } = await import(new URL('msgpackr.mjs', index).href);
    options.codec = msgpackrCodec();
  }
  const streamOf = (proxy) => (count, take) => proxy.values$(count).forEach(take);

  return {
    /** Serves at a free port. */
    async serve() {
      let callback;
      const listen = (given) => void (callback ??= given);
      const bench = { echo, listen, values$: makeValues, talk$: sayBack };
      const server = new RPCServer({
        port: 0,
        localProxyObjects: { bench },
        ...options,
        ...threadOf('server'),
      });
      server.registerProxyObject('grower', makeGrower(server));
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
      const client = new RPCClient({ port, ...options, ...threadOf('client') });
      client.connectToServer();
      const server = await client.whenRemoteProxyObject('bench');
      const grown = {};
      return {
        echo: (value) => server.echo(value),
        echoBytes: (bytes) => server.echo(bytes),
        stream: streamOf(server),
        talk: (count, take) => server.talk$(asyncValues(count)).forEach(take),
        /** Lets the server call back. */
        async enableCallbacks() {
          client.registerProxyObject('bench', { values$: makeValues });
          await server.listen(echo);
        },
        /** Makes there be so many of something. */
        async grow(what, count) {
          const grower = client.remoteProxyObject('grower');
          grown[what] ??= 0;
          while (grown[what] < count) await growths[what](grower, grown[what]++);
        },
        close: () => client.dispose(),
      };
    },
  };
}

/** What a server has for growths. */
function makeGrower(server) {
  const kept = [];
  return {
    register: (name) => server.registerProxyObject(name, { echo }),
    silence$: () => NEVER,
    wait: () => new Promise(() => {}),
    keep: (reference) => void kept.push(reference),
  };
}

/**
 * What there may be much of on a connection while calls are measured: for each, how a client comes to have another one.
 *
 * @type {Record<string, (grower: object, number: number) => unknown>}
 */
const growths = {
  'registered objects': (grower, number) => grower.register(`object-${number}`),
  'open streams': (grower) => grower.silence$().subscribe(),
  'pending calls': (grower) => void grower.wait().catch(() => {}),
  references: (grower, number) => grower.keep(() => number),
};

async function* sayBack(values) {
  yield* values;
}

/** An argument is a stream if it is asynchronous. */
async function* asyncValues(count) {
  yield* makeValues(count);
}
