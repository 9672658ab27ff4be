/**
 * Streams, references and callbacks that come and go by the hundred thousand, and leave nothing behind.
 */
import { openCounts } from '../helpers/open-counts.js';
import { Observable } from 'rxjs';
import { byReference, dispose, type Lent, RPCClient, type RemoteProxy, RPCServer } from 'tandem-rpc';
import { aliveBytesAtRest } from './heap.js';

/** What it came to. */
export interface LeakReport {
  readonly rounds: number;
  /** What is alive afterwards and was not before. */
  readonly grownBytes: number;
  readonly faults: readonly string[];
}

/** The kinds of what comes and goes, and how often in the long form. */
export const leakKinds = {
  'subscriptions made and left': 100_000,
  'references lent and given back': 100_000,
  'callbacks lent, called and given back': 10_000,
} as const;
export type LeakKind = keyof typeof leakKinds;

/** What may differ by chance: caches of the engine, its compiled code. */
const maxGrownBytes = 2 * 1024 * 1024;
const together = 500;

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type -- marked below
interface Item extends Lent<Item> {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as documented
class Item {
  name(): string {
    return 'item';
  }
}
byReference(Item.prototype);

class Service {
  teardowns = 0;
  readonly values$ = new Observable<number>((subscriber) => {
    subscriber.next(1);
    return () => {
      this.teardowns += 1;
    };
  });
  item(): Item {
    return new Item();
  }
  async use(callback: (value: number) => Promise<number>): Promise<number> {
    const sum = (await callback(1)) + (await callback(2));
    dispose(callback);
    return sum;
  }
}

const acts: Readonly<Record<LeakKind, (proxy: RemoteProxy<Service>) => Promise<unknown>>> = {
  'subscriptions made and left': (proxy) =>
    new Promise<void>((resolve) => {
      const subscription = proxy.values$.subscribe(() => {
        subscription.unsubscribe();
        resolve();
      });
    }),
  'references lent and given back': async (proxy) => {
    using item = await proxy.item();
    return item;
  },
  'callbacks lent, called and given back': (proxy) => proxy.use(async (value) => value + 1),
};

/** Does so many rounds of a kind over TCP, perhaps with I/O threads, and looks at what is left. */
export async function leak(kind: LeakKind, rounds: number, thread = false): Promise<LeakReport> {
  const service = new Service();
  const server = new RPCServer({ port: 0, thread, localProxyObjects: { service } });
  await server.start();
  const client = new RPCClient({ port: server.address()?.port ?? 0, thread });
  client.connectToServer();
  const proxy = await client.whenRemoteProxyObject<Service>('service');
  const faults: string[] = [];
  const run = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= together) {
      await Promise.all(Array.from({ length: Math.min(together, left) }, () => acts[kind](proxy)));
    }
  };
  // What is made once is made by now.
  await run(2 * together);
  await settled(server, client);
  const startBytes = await aliveBytesAtRest();
  await run(rounds);
  await settled(server, client);
  const grownBytes = (await aliveBytesAtRest()) - startBytes;
  for (const [name, side] of [
    ['server', server],
    ['client', client],
  ] as const) {
    for (const [what, count] of openCounts(side.counts())) {
      faults.push(`the ${name} has ${String(count)} ${what} left`);
    }
  }
  if (kind === 'subscriptions made and left' && service.teardowns !== rounds + 2 * together) {
    faults.push(`${service.teardowns} teardowns ran`);
  }
  if (grownBytes > maxGrownBytes) faults.push(`${grownBytes} bytes are left`);
  await Promise.all([client.dispose(), server.dispose()]);
  return { rounds, grownBytes, faults };
}

/** Waits until both sides have told each other everything, some seconds at most. */
async function settled(server: RPCServer, client: RPCClient): Promise<void> {
  const isBusy = (): boolean => [server, client].some((side) => openCounts(side.counts()).length > 0);
  for (let turns = 0; turns < 500 && isBusy(); turns += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
