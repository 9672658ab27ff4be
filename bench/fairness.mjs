// `node bench/fairness.mjs [dist folder …]`: what a client that sends without end costs another one. For each build: the latency of
// an honest client that makes one call at a time, alone, then beside a busy client with 1,024 calls in flight, then beside one that
// notifies without end. The bounds on a turn (`maxTurnMessages`, `maxTurnMs`) are what keeps the last near the busy one.
import { fork } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { join, resolve } from 'node:path';

const [, self = '', role, dist = '', port = '0'] = process.argv;
const measureMs = 3_000;
const load = async (folder) => import(pathToFileURL(join(resolve(folder), 'index.mjs')).href);

if (role === 'server') {
  const { RPCServer } = await load(dist);
  const server = new RPCServer({ port: 0, localProxyObjects: { service: { echo: (value) => value, work } } });
  await server.start();
  process.send?.(server.address()?.port);
} else if (role === 'busy' || role === 'flood') {
  const { RPCClient, notify } = await load(dist);
  const client = new RPCClient({ port: Number(port) });
  client.connectToServer();
  const service = await client.whenRemoteProxyObject('service');
  process.send?.('ready');
  if (role === 'flood') {
    // As many as the socket takes: what the server does for them costs it more than it costs us.
    for (;;) {
      while (client.counts().queuedBytes < 1024 * 1024)
        for (let at = 0; at < 1_000; at += 1) notify(service).work();
      await new Promise((done) => setImmediate(done));
    }
  }
  for (let at = 0; at < 1_024; at += 1) void again(service);
} else {
  for (const folder of process.argv.length > 2 ? process.argv.slice(2) : ['dist']) {
    for (const beside of ['nobody', 'busy', 'flood']) await measure(folder, beside);
  }
}

async function again(service) {
  for (;;) await service.work();
}

/** What a method of some use takes. */
function work() {
  const endMs = performance.now() + 0.1;
  while (performance.now() < endMs);
}

async function measure(folder, beside) {
  const server = fork(self, ['server', folder]);
  const listens = await told(server);
  const other = beside === 'nobody' ? undefined : fork(self, [beside, folder, String(listens)]);
  if (other !== undefined) await told(other);
  const { RPCClient } = await load(folder);
  const client = new RPCClient({ port: listens });
  client.connectToServer();
  const service = await client.whenRemoteProxyObject('service');
  for (let at = 0; at < 200; at += 1) await service.echo(at);
  const tookMs = [];
  const endMs = performance.now() + measureMs;
  for (let fromMs = performance.now(); fromMs < endMs; fromMs = performance.now()) {
    await service.echo(1);
    tookMs.push(performance.now() - fromMs);
  }
  tookMs.sort((left, right) => left - right);
  const at = (share) => (tookMs[Math.floor(tookMs.length * share)] ?? NaN).toFixed(2);
  console.log(`${folder}: beside ${beside}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${tookMs.length} calls`);
  await client.dispose();
  other?.kill();
  server.kill();
}

function told(child) {
  return new Promise((done) => child.once('message', done));
}
