/**
 * Who may connect, and what they may call: credentials, a shared token, and a program that has taken the server's port.
 */
import { firstValueFrom } from 'rxjs';
import {
  AuthenticationError,
  currentCall,
  isSameSecret,
  PermissionDeniedError,
  RPCClient,
  RPCServer,
  sharedToken,
} from 'tandem-rpc';

class Safe {
  look() {
    return `${String(currentCall().identity)} sees gold`;
  }

  empty() {
    return 'empty';
  }
}

const pins = new Map([
  ['ada', 'p1n-of-ada'],
  ['ben', 'p1n-of-ben'],
]);

/** Prints what is reported; `errors$` itself never fails. */
function printer(whose: string) {
  return {
    next: ({ name }: Error) => {
      console.log(`errors$ of the ${whose}:`, name);
    },
    error: console.error,
  };
}

// Credentials: whatever the client shows; what `authenticate` makes of them is its identity.
await using server = new RPCServer({
  port: 0,
  localProxyObjects: { safe: new Safe() },
  authenticate: (credentials) => {
    const { name, pin } = credentials as { name: string; pin: string };
    return isSameSecret(pin, pins.get(name) ?? '') ? name : undefined;
  },
  authorize: ({ identity, member }) => identity === 'ada' || member === 'look',
});
const atServer = server.errors$.subscribe(printer('server'));
await server.start();
const port = server.address()?.port ?? 0;

await using client = new RPCClient({ port, credentials: { name: 'ben', pin: 'guessed' } });
const atClient = client.errors$.subscribe(printer('client'));
client.connectToServer();
await client.whenConnected().catch((error: unknown) => {
  if (error instanceof AuthenticationError) console.log('ben is refused, and', client.status());
});
client.setCredentials({ name: 'ben', pin: 'p1n-of-ben' }); // dials again
const safe = await client.whenRemoteProxyObject<Safe>('safe');
console.log(await safe.look());
await safe.empty().catch((error: unknown) => {
  if (error instanceof PermissionDeniedError)
    console.log(`${error.message}, executed: ${String(error.executed)}`);
});

// A shared token: both sides prove that they have it, and it never crosses.
const secret = 'of 32 random bytes, from a file or the environment';
await using vault = new RPCServer({
  port: 0,
  localProxyObjects: { safe: new Safe() },
  authenticate: sharedToken(secret),
});
await vault.start();
await using friend = new RPCClient({ port: vault.address()?.port ?? 0, credentials: sharedToken(secret) });
friend.connectToServer();
console.log(await (await friend.whenRemoteProxyObject<Safe>('safe')).look());

// To a server that cannot prove it, the client says nothing more; it goes on looking for the right one.
await using deceived = new RPCClient({ port, credentials: sharedToken(secret) });
const report = firstValueFrom(deceived.errors$);
deceived.connectToServer();
console.log((await report).name, 'at an impostor;', deceived.canStop() ? 'still trying' : 'stopped');
atServer.unsubscribe();
atClient.unsubscribe();
