/**
 * Objects by reference: a bank hands out its accounts, and knows them again when they come back.
 */
import { type ByReference, byReference, RPCClient, RPCServer } from 'tandem-rpc';

class Account {
  balance = 0;

  deposit(amount: number) {
    this.balance += amount;
    return this.balance;
  }
}

class Bank {
  readonly #accounts = new Map<string, ByReference<Account>>();

  account(owner: string) {
    const account = this.#accounts.get(owner) ?? byReference(new Account());
    this.#accounts.set(owner, account);
    return account;
  }

  /** What comes back is the very object that was given out. */
  transfer(from: Account, to: Account, amount: number) {
    const isOurs = [...this.#accounts.values()].some((account) => account === from);
    from.balance -= amount;
    to.balance += amount;
    return `our own account: ${isOurs}; balances: ${from.balance}, ${to.balance}`;
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { bank: new Bank() } });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const bank = await client.whenRemoteProxyObject<Bank>('bank');

{
  using anna = await bank.account('anna');
  using ben = await bank.account('ben');
  console.log(`anna has ${await anna.deposit(100)}`);
  console.log(await bank.transfer(anna, ben, 30));
  console.log(`references held: ${client.counts().references}`);
}
// At the end of the block they were given back.
console.log(`references held: ${client.counts().references}`);
