/**
 * A session that survives: the connection is cut while a call and a stream are open, and again and again after that. Nothing is
 * lost, nothing is done twice.
 */
import { filter, firstValueFrom, interval, map, take, toArray } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';
import { FaultProxy } from 'tandem-rpc/testing';

class Press {
  printed = 0;

  async print(pages: number) {
    for (let page = 0; page < pages; page += 1) {
      this.printed += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return `${pages} pages`;
  }

  readonly strokes$ = interval(5).pipe(map((at) => at + 1));
}

const resume = { windowInSeconds: 30 };
const press = new Press();
await using server = new RPCServer({ port: 0, localProxyObjects: { press }, resume });
await server.start();
// Between the two stands a proxy, by which the example pulls the plug.
await using proxy = new FaultProxy({ target: { port: server.address()?.port ?? 0 } });
await using client = new RPCClient({ port: (await proxy.listen()).port, resume });
let ended = 0;
const ends = client.disconnectionMade$.subscribe({
  next: () => {
    ended += 1;
  },
  error: console.error,
});
client.connectToServer();
const remote = await client.whenRemoteProxyObject<Press>('press');
const id = client.connectionID();

const printing = remote.print(20);
const strokes = firstValueFrom(remote.strokes$.pipe(take(100), toArray()));
for (let cut = 1; cut <= 3; cut += 1) {
  const resumed = firstValueFrom(client.resumed$);
  proxy.cut();
  await firstValueFrom(client.status$.pipe(filter((status) => status !== RPCClient.STATUS_CONNECTED)));
  console.log(`cut ${cut}: connected: ${client.isConnected()}, resumed: ${(await resumed) === id}`);
}
console.log(await printing, 'in', press.printed, 'turns of the press');
console.log(
  'strokes in order, none missing:',
  (await strokes).every((stroke, at) => stroke === at + 1),
);
console.log('sessions that ended:', ended);
ends.unsubscribe();
