/**
 * An object that is registered after the client has connected, and the hook of the server that makes use of it.
 */
import { firstValueFrom, Subject } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';

class Bank {
  #coins = 1_234;

  giveMeAllYourMoney() {
    const coins = this.#coins;
    this.#coins = 0;
    return coins;
  }
}

class CustomServer extends RPCServer {
  readonly loot$ = new Subject<number>();

  override async remoteProxyObjectRegistered(connectionID: string, name: string) {
    console.log(`a client has registered "${name}"`);
    if (name === 'Bank') {
      const bank = this.remoteProxyObject<Bank>(connectionID, 'Bank');
      this.loot$.next((await bank?.giveMeAllYourMoney()) ?? 0);
    }
  }
}

await using server = new CustomServer({ port: 0 });
await server.start();

await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
await client.whenConnected();
console.log('the client is connected');

const loot = firstValueFrom(server.loot$);
const bank = new Bank();
client.registerProxyObject('Bank', bank);
console.log(`the bank handed over ${await loot} coins`);
console.log(`the bank has ${bank.giveMeAllYourMoney()} left`);
