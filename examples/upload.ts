/**
 * An upload with back pressure: whoever sends is asked for a chunk when there is room for one, however slow the other is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RPCClient, RPCServer, transferred } from 'tandem-rpc';

class Archive {
  stored = 0;

  async store(name: string, chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      await sleep(1); // a slow disk
      this.stored += chunk.byteLength;
    }
    return `${name}: ${this.stored / 1_024} KiB`;
  }
}

const archive = new Archive();
await using server = new RPCServer({ port: 0, localProxyObjects: { archive } });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const remote = await client.whenRemoteProxyObject<Archive>('archive');

const chunkBytes = 64 * 1_024;
let farthestAhead = 0;

async function* film() {
  for (let sent = 0; sent < 500; sent += 1) {
    farthestAhead = Math.max(farthestAhead, sent - archive.stored / chunkBytes);
    // A chunk of its own each time, which nobody writes to any more: it need not be copied.
    yield transferred(new Uint8Array(chunkBytes));
  }
}

console.log(await remote.store('metropolis.mkv', film()));
console.log(farthestAhead < 100 ? 'never 100 chunks ahead' : `${farthestAhead} chunks ahead`);
