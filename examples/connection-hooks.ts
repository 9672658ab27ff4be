/**
 * A server that keeps a menu of its clients. Hooks already run on the main thread: nothing has to be handed over to it.
 */
import { filter, firstValueFrom } from 'rxjs';
import { type CloseReason, RPCClient, RPCServer } from 'tandem-rpc';

class Menu {
  readonly #items = new Set<string>();

  addNewMenuItem(item: string) {
    this.#items.add(item);
    this.#show();
  }

  removeMenuItem(item: string) {
    this.#items.delete(item);
    this.#show();
  }

  #show() {
    console.log(`menu: ${[...this.#items].join(', ') || '(empty)'}`);
  }
}

class CustomServer extends RPCServer {
  readonly connectionListMenu = new Menu();

  override connectionMade(connectionID: string) {
    this.connectionListMenu.addNewMenuItem(this.connectionUniqueIdentifier(connectionID));
  }

  override disconnectionMade(connectionID: string, reason: CloseReason) {
    const identifier = this.connectionUniqueIdentifier(connectionID);
    console.log(`${identifier} is gone: ${reason.message}`);
    this.connectionListMenu.removeMenuItem(identifier);
  }
}

await using server = new CustomServer({ port: 0 });
await server.start();
const port = server.address()?.port ?? 0;
const connected = (count: number) =>
  firstValueFrom(server.connections$.pipe(filter((ids) => ids.length === count)));

await using anna = new RPCClient({ port, identifier: 'anna' });
anna.connectToServer();
await connected(1);

await using ben = new RPCClient({ port, identifier: 'ben' });
ben.connectToServer();
await connected(2);

await anna.disconnectFromServer();
await connected(1);
