// @deepkit/rpc over TCP. Controllers of a client serve the calls of its server; a stream is an action that returns an Observable.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { RpcClient, RpcKernel } from '@deepkit/rpc';
import { RpcTcpClientAdapter, RpcTcpServer } from '@deepkit/rpc-tcp';
import { DeepkitLoader } from '@deepkit/type-compiler';
import typescript from 'typescript';
import { findFreePort } from './common/free-port.mjs';

const { BenchController, CallerController } = await importService();

/** Serves at a free port. */
export async function serve() {
  const kernel = new RpcKernel();
  kernel.registerController(BenchController);
  kernel.registerController(CallerController);
  const port = await findFreePort();
  const server = new RpcTcpServer(kernel, `127.0.0.1:${port}`);
  await server.start();
  let known;
  const client = () => (known ??= callsOf(CallerController.connection.controller('bench')));
  return {
    port,
    echo: (value) => client().echo(value),
    stream: (count, take) => client().stream(count, take),
    close: () => server.close(),
  };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const client = new RpcClient(new RpcTcpClientAdapter(`127.0.0.1:${port}`));
  await client.connect();
  const server = client.controller('bench');
  return {
    ...callsOf(server),
    echoBytes: (bytes) => server.echoBytes(bytes),
    async enableCallbacks() {
      client.registerController(BenchController, 'bench');
      await client.controller('caller').listen();
    },
    close: () => client.disconnect(),
  };
}

function callsOf(controller) {
  return {
    echo: (value) => controller.echo(value),
    stream: async (count, take) => (await controller.values(count)).forEach(take),
  };
}

/** Compiles deepkit-service.ts with its types, as its users do when they build. */
async function importService() {
  const source = new URL('deepkit-service.ts', import.meta.url);
  const folder = new URL('../node_modules/.cache/', import.meta.url);
  const compiled = new URL('deepkit-service.mjs', folder);
  const withTypes = new DeepkitLoader().transform(readFileSync(source, 'utf8'), source.pathname);
  const { outputText } = typescript.transpileModule(withTypes, {
    compilerOptions: { target: 'ES2022', module: 'ESNext', experimentalDecorators: true },
  });
  mkdirSync(folder, { recursive: true });
  // Both ends do this at the same time: neither may read what the other has written half of.
  const own = new URL(`deepkit-service-${process.pid}.mjs`, folder);
  writeFileSync(own, outputText.replace('../payload.mjs', '../../payload.mjs'));
  renameSync(own, compiled);
  return import(compiled);
}
