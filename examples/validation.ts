/**
 * What a peer sends is whatever it likes: schemas check arguments before a method sees them.
 */
import { InvalidArgumentsError, RPCClient, RPCServer } from 'tandem-rpc';
import { z } from 'zod';

class Account {
  balance = 0;

  deposit(amount: number, note = '') {
    this.balance += amount;
    return `${this.balance} ${note}`.trimEnd();
  }
}

await using server = new RPCServer({ port: 0 });
server.registerProxyObject('account', new Account(), {
  // One schema for each argument; any library that speaks Standard Schema will do.
  schemas: { deposit: [z.number().positive(), z.string().max(20).trim().optional()] },
});
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const account = await client.whenRemoteProxyObject<Account>('account');

console.log(await account.deposit(10, '  for the journey '));
await account.deposit(-10).catch((error: unknown) => {
  if (!(error instanceof InvalidArgumentsError)) throw error;
  const [issue] = error.issues;
  console.log(`${error.name}, executed: ${error.executed}`);
  console.log(`arguments[${issue?.path.join('.')}]: ${issue?.message}`);
});
