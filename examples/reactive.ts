/**
 * The same facts as observables: whoever subscribes later hears the present state first, and `dispose()` completes them.
 */
import { filter, firstValueFrom, from, map, of, switchMap } from 'rxjs';
import { RPCClient, RPCServer } from 'tandem-rpc';

class Weather {
  readonly #celsius: number;

  constructor(celsius: number) {
    this.#celsius = celsius;
  }

  temperature() {
    return this.#celsius;
  }
}

const server = new RPCServer({ port: 0 });
const serverStory = server.connections$.forEach((ids) => {
  console.log(`server: ${ids.length} connected`);
});
await server.start();

const client = new RPCClient({ port: server.address()?.port ?? 0 });
const clientStory = client.status$.forEach((status) => {
  console.log(`client: ${status}`);
});

// As long as there is an object of this name, its answer; each time it goes or comes, a new one.
const temperature$ = client.remoteProxyObject$<Weather>('weather').pipe(
  switchMap((weather) => (weather === undefined ? of(undefined) : from(weather.temperature()))),
  map((celsius) => (celsius === undefined ? 'unknown' : `${celsius} degrees`)),
);
const temperatureStory = temperature$.forEach((text) => {
  console.log(`temperature: ${text}`);
});
const reads = (expected: string) => firstValueFrom(temperature$.pipe(filter((text) => text === expected)));

client.connectToServer();
await client.whenConnected();
server.registerProxyObject('weather', new Weather(21));
await reads('21 degrees');
server.unregisterProxyObject('weather');
await reads('unknown');
server.registerProxyObject('weather', new Weather(22));
await reads('22 degrees');

await client.dispose();
await server.dispose();
await Promise.all([serverStory, clientStory, temperatureStory]);
console.log('every stream has completed');
