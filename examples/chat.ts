/**
 * A chat by Observables in both directions: what one says goes in as an argument, what all say comes out as the result.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  filter,
  firstValueFrom,
  ignoreElements,
  merge,
  type Observable,
  of,
  ReplaySubject,
  skip,
  Subject,
  tap,
} from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';

class Room {
  readonly #said = new Subject<string>();

  /** All that is said in the room, as long as somebody listens; what comes from `words$` is said by `name`. */
  talk$(name: string, words$: Observable<string>): Observable<string> {
    const saying$ = words$.pipe(
      tap((words) => {
        this.#said.next(`${name}: ${words}`);
      }),
      ignoreElements(),
    );
    return merge(of(`welcome, ${name}`), this.#said, saying$);
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { room: new Room() } });
await server.start();
const port = server.address()?.port ?? 0;

/** Somebody who comes into the room. */
async function enter(name: string) {
  const client = new RPCClient({ port });
  client.connectToServer();
  const room = await client.whenRemoteProxyObject<Room>('room');
  const words$ = new Subject<string>();
  const heard$ = new ReplaySubject<string>(10);
  const listening = room
    .talk$(name, words$)
    .pipe(filter((text) => !text.startsWith(name)))
    .subscribe(heard$);
  console.log(await firstValueFrom(heard$));
  return { client, words$, heard$, listening };
}

const anna = await enter('anna');
const ben = await enter('ben');
anna.words$.next('hello ben');
console.log(`ben hears ${await firstValueFrom(ben.heard$.pipe(skip(1)))}`);
ben.words$.next('hello anna');
console.log(`anna hears ${await firstValueFrom(anna.heard$.pipe(skip(1)))}`);

console.log(`streams of the server: ${server.counts().streams}`);
// Whoever stops listening is not listened to any more: both directions end.
anna.listening.unsubscribe();
ben.listening.unsubscribe();
while (server.counts().streams > 0) await sleep(1);
console.log(`streams of the server: ${server.counts().streams}`);
await anna.client.dispose();
await ben.client.dispose();
