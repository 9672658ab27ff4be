/**
 * A server is replaced by another while it is used: it finishes what runs, and its client moves on. Nothing fails.
 */
import { RPCClient, RPCServer, withCallOptions } from 'tandem-rpc';

class Oven {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async bake(bread: string, progress: (percent: number) => Promise<void>) {
    for (const percent of [50, 100]) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await progress(percent);
    }
    return `${bread} from the ${this.#name} oven`;
  }
}

const serverOf = (name: string) => new RPCServer({ port: 0, localProxyObjects: { oven: new Oven(name) } });

const old = serverOf('old');
await using next = serverOf('new');
await old.start();
await next.start();

// The first signal lets everything end, the second one ends it: both are calls of `stop`.
let signals = 0;
process.on('SIGTERM', () => {
  signals += 1;
  void old.stop(signals === 1 ? { drainInSeconds: 30 } : {});
});

await using client = new RPCClient({
  urls: [old, next].map((server) => `tcp://127.0.0.1:${server.address()?.port}`),
});
client.connectToServer();
const found = await client.whenRemoteProxyObject<Oven>('oven');
const oven = withCallOptions(found, { whenDisconnected: 'wait', timeoutInSeconds: 10 });

const rye = oven.bake('rye', async (percent) => {
  console.log(`rye: ${percent} %`);
});
await new Promise((resolve) => setTimeout(resolve, 20));
process.emit('SIGTERM');
// Made on the old server or on the next: wherever it is surely made once.
const spelt = oven.bake('spelt', async () => undefined);
console.log(await Promise.all([rye, spelt]));

await old.stop({ drainInSeconds: 30 });
console.log(`the old server: ${old.status()}, the new one has ${next.connections().length} client`);
await client.disconnectFromServer({ drainInSeconds: 5 });
process.removeAllListeners('SIGTERM');
