/**
 * How a call is made: with a deadline that travels, while the server is away, without an answer, and cold.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, retry } from 'rxjs';
import { currentCall, notify, RPCClient, RPCServer, rx, withCallOptions } from 'tandem-rpc';

class Shop {
  #attempts = 0;
  readonly #letters: string[] = [];

  /** Asks back, and so the customer's time is that of both calls. */
  async buy(confirm: () => Promise<string>) {
    const seconds = currentCall().remainingTimeInSeconds ?? Infinity;
    return `${seconds > 4 ? 'about 5 s' : `${seconds} s`} to go: ${await confirm()}`;
  }

  restock() {
    this.#attempts += 1;
    if (this.#attempts % 3 !== 0) throw new Error('the lorry is late');
    return `restocked at attempt ${this.#attempts}`;
  }

  write(letter: string) {
    this.#letters.push(letter);
  }

  letters() {
    return this.#letters.join(', ');
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { shop: new Shop() } });
await server.start();
const port = server.address()?.port ?? 0;
await using client = new RPCClient({ port, reconnect: { initialDelayInSeconds: 0.01 } });
client.connectToServer();
const shop = await client.whenRemoteProxyObject<Shop>('shop');

// The time of a call is known over there, and bounds the calls made meanwhile.
const bought = await withCallOptions(shop, { timeoutInSeconds: 5 }).buy(() => {
  const seconds = currentCall().remainingTimeInSeconds ?? Infinity;
  return seconds <= 5 ? 'yes' : `no, not with ${seconds} s`;
});
console.log(bought);

// A cold call is made at each subscription.
console.log(await lastValueFrom(rx(shop).restock().pipe(retry(2))));

// Nobody waits for these; they arrive in their order all the same.
notify(shop).write('one');
notify(shop).write('two');
console.log(await shop.letters());

// The server goes away; a patient call waits for it.
await server.stop();
while (client.isConnected()) await sleep(1);
const patient = withCallOptions(shop, { whenDisconnected: 'wait', timeoutInSeconds: 10 });
const letters = patient.letters();
await shop.letters().catch((error: unknown) => {
  console.log((error as Error).name);
});
await using restarted = new RPCServer({ port, localProxyObjects: { shop: new Shop() } });
await restarted.start();
console.log(`after a restart: ${(await letters) || 'no letters'}`);
