/**
 * A live price feed: a slow reader is shown the latest price, and can tell how many it has missed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Subject } from 'rxjs';
import { droppedCount, eachValueFrom, RPCClient, RPCServer } from 'tandem-rpc';

class Market {
  readonly #prices = new Subject<number>();
  readonly price$ = this.#prices.asObservable();

  /** Prices come as they come: nobody can ask the market to wait. */
  async open(count: number) {
    for (let price = 1; price <= count; price += 1) {
      this.#prices.next(price);
      if (price % 100 === 0) await sleep(1);
    }
    this.#prices.complete();
  }
}

await using server = new RPCServer({ port: 0 });
const market = new Market();
// What has not been sent gives way to what is new.
server.registerProxyObject('market', market, { streams: { price$: { overflow: 'latest' } } });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const { price$ } = await client.whenRemoteProxyObject<Market>('market');

// The loop's pace reaches the producer. A subscriber would be handed prices as fast as it returns.
const prices = eachValueFrom(price$);
const first = prices.next();
await sleep(50); // the subscription has arrived by now
const opened = market.open(10_000);
await first;

let shown = 1;
let last = 0;
for await (const price of prices) {
  shown += 1;
  if (price < last) console.log(`${price} came after ${last}`);
  last = price;
  if (shown < 10) await sleep(20);
}
await opened;

const missed = droppedCount(price$);
console.log(`last ${last}`);
console.log(missed > 1_000 ? 'missed more than 1000' : `missed ${missed}`);
console.log(`shown + missed = ${shown + missed}`);
