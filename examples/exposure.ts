/**
 * What of a registered object the other side can reach: its public methods, as they are at run time, or fewer.
 */
import { RPCClient, RPCServer } from 'tandem-rpc';

class Account {
  #coins = 0;

  deposit(coins: number) {
    this.#coins += coins;
    this._log();
    return this.#coins;
  }

  /** Never reached: the name begins with `_`. */
  _log() {
    this.#check();
  }

  /** Only TypeScript's `private`, which is gone at run time: reached, unless `only` says otherwise. */
  private close() {
    this.#coins = 0;
  }

  /** Never reached: private to JavaScript itself. */
  #check() {
    if (this.#coins < 0) this.close();
  }
}

await using server = new RPCServer({ port: 0 });
server.registerProxyObject('open', new Account());
server.registerProxyObject('narrow', new Account(), { only: ['deposit'] });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();

for (const name of ['open', 'narrow']) {
  const account = await client.whenRemoteProxyObject<Account>(name);
  const reached = ['deposit', '_log', 'close', '#check', 'constructor'].filter((member) => member in account);
  console.log(`${name}: ${reached.join(', ')}`);
}
