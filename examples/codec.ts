// Two clients of one server: the one that speaks msgpackr is answered in it, the other one as ever; both to the same effect.
import { RPCClient, RPCServer } from 'tandem-rpc';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';

class Observatory {
  readonly #seen = new Map([['Vega', new Date(Date.UTC(1850, 6, 17))]]);

  photographed(star: string) {
    return { star, on: this.#seen.get(star) };
  }
}

await using server = new RPCServer({
  port: 0,
  localProxyObjects: { observatory: new Observatory() },
  codec: msgpackrCodec(),
});
await server.start();
const port = server.address()?.port ?? 0;

await using quick = new RPCClient({ port, codec: msgpackrCodec() });
await using plain = new RPCClient({ port });

for (const client of [quick, plain]) {
  client.connectToServer();
  const observatory = await client.whenRemoteProxyObject<Observatory>('observatory');
  const { star, on } = await observatory.photographed('Vega');
  console.log(`${client.codec()}: ${star}, ${on?.getUTCFullYear()}`);
}
