// gRPC by @grpc/grpc-js, with the messages of grpc-js.proto. Its server calls nobody.
import { finished, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { checkValue, makeValues } from '../payload.mjs';

const options = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // A client has a connection of its own, not one that it shares with others of the same address.
  'grpc.use_local_subchannel_pool': 1,
};

const file = fileURLToPath(new URL('grpc-js.proto', import.meta.url));
const { Bench } = loadPackageDefinition(loadSync(file, { defaults: true }));

const methods = {
  echo: ({ request }, answer) => answer(null, request),
  echoBytes: ({ request }, answer) => answer(null, request),
  values: (call) => Readable.from(makeValues(call.request.count)).pipe(call),
  upload(call, answer) {
    let count = 0;
    call.on('data', (value) => checkValue(value, count++));
    call.on('end', () => answer(null, { count }));
  },
  talk: (call) => call.pipe(call),
};

/** Serves at a free port. */
export async function serve() {
  const server = new Server(options);
  server.addService(Bench.service, methods);
  const port = await promisify(server.bindAsync.bind(server))(
    '127.0.0.1:0',
    ServerCredentials.createInsecure(),
  );
  return { port, close: () => server.forceShutdown() };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const client = new Bench(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  const call = (method) => promisify(client[method].bind(client));
  const takeAll = (stream, take) =>
    new Promise((resolve, reject) => {
      stream.on('data', take);
      finished(stream, { writable: false }, (error) => (error ? reject(error) : resolve()));
    });
  const callBytes = call('echoBytes');
  return {
    echo: call('echo'),
    echoBytes: async (bytes) => (await callBytes({ bytes })).bytes,
    stream: (count, take) => takeAll(client.values({ count }), take),
    async talk(count, take) {
      const stream = client.talk();
      Readable.from(makeValues(count)).pipe(stream);
      await takeAll(stream, take);
    },
    upload: (count) =>
      new Promise((resolve, reject) => {
        const stream = client.upload((error, answer) => (error ? reject(error) : resolve(answer.count)));
        pipeline(Readable.from(makeValues(count)), stream).catch(reject);
      }),
    close: () => client.close(),
  };
}
