/**
 * How a call fails or is given up, and what its method learns of that. `executed` says whether the method ran.
 */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import {
  currentCall,
  notify,
  RemoteError,
  RPCClient,
  RPCError,
  RPCServer,
  withCallOptions,
} from 'tandem-rpc';

class Kitchen {
  order(dish: string) {
    if (dish === 'unicorn')
      throw Object.assign(new RangeError('sold out'), { code: 'SOLD_OUT', data: { dish } });
    return `${dish} for ${String(currentCall().metadata)}`;
  }

  async simmer(dish: string) {
    const { signal } = currentCall();
    signal.addEventListener('abort', () => {
      console.log(`kitchen: nobody waits for ${dish} any more`);
    });
    await once(signal, 'abort');
    // Whoever answered at once might still be in time.
    await setTimeout(10);
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { kitchen: new Kitchen() } });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const kitchen = await client.whenRemoteProxyObject<Kitchen>('kitchen');
const show = (error: unknown) => {
  if (error instanceof RemoteError)
    console.log(error.remoteName, error.remoteCode, error.message, error.data);
  if (error instanceof RPCError) console.log(`${error.name}, executed: ${error.executed}`);
  else console.log(error);
};

// Metadata go along with a call, beside its arguments.
console.log(await withCallOptions(kitchen, { metadata: 'table 7' }).order('soup'));

// What the method throws arrives as a RemoteError.
await kitchen.order('unicorn').catch(show);

// A call that takes too long: its method is told, but how far it got nobody knows.
await withCallOptions(kitchen, { timeoutInSeconds: 0.1 }).simmer('stew').catch(show);
// Messages keep their order: when this is answered, the kitchen has heard of it.
await kitchen.order('tea');

// A call that is given up rejects with the reason of the signal.
const controller = new AbortController();
const simmering = withCallOptions(kitchen, { signal: controller.signal }).simmer('goulash');
controller.abort('not hungry any more');
await simmering.catch(show);
await kitchen.order('tea');

// Nobody waits for the answer of a notification: what its method throws is reported where it ran.
const report = firstValueFrom(server.errors$);
notify(kitchen).order('unicorn');
console.log(`errors$ of the server: ${(await report).message}`);
