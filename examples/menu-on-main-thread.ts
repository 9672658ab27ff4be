/**
 * A menu on the main thread that a server in a worker thread adds its clients to, and removes them from.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { filter, firstValueFrom } from 'rxjs';
import { RPCClient } from 'tandem-rpc';
import { connectionListMenu } from './menu/menu.js';

const showing = connectionListMenu.items$.forEach((items) => {
  console.log(`menu: ${items.length} items`);
});
const shown = (count: number) =>
  firstValueFrom(connectionListMenu.items$.pipe(filter((items) => items.length === count)));

const worker = new Worker(new URL('menu/server-thread.mjs', import.meta.url));
const [port] = (await once(worker, 'message')) as [number];

await using anna = new RPCClient({ port });
anna.connectToServer();
await shown(1);

await using ben = new RPCClient({ port });
ben.connectToServer();
await shown(2);

await anna.disconnectFromServer();
await shown(1);

worker.postMessage('stop');
await once(worker, 'exit');
connectionListMenu.items$.complete();
await showing;
