// tRPC over ws. A stream down is a subscription; there is nothing the other way, and no calls of the server.
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { WebSocket } from 'ws';
import { makeValues } from '../payload.mjs';
import { base64EchoOf, echoBase64 } from './common/base64.mjs';
import { listenForWebSockets } from './common/web-sockets.mjs';

const t = initTRPC.create();
const input = t.procedure.input((value) => value);
const router = t.router({
  echo: input.query(({ input: value }) => value),
  echoBytes: input.mutation(({ input: text }) => echoBase64(text)),
  values: input.subscription(async function* ({ input: count }) {
    yield* makeValues(count);
  }),
});

/** Serves at a free port. */
export async function serve() {
  const { server, port, close } = await listenForWebSockets(() => {});
  applyWSSHandler({ wss: server, router });
  return { port, close };
}

/** Connects to a server of this kind. */
export async function connect(port) {
  const client = createWSClient({ url: `ws://127.0.0.1:${port}`, WebSocket });
  const { echo, echoBytes, values } = createTRPCClient({ links: [wsLink({ client })] });
  return {
    echo: (value) => echo.query(value),
    echoBytes: base64EchoOf((text) => echoBytes.mutate(text)),
    stream: (count, take) =>
      new Promise((resolve, reject) => {
        values.subscribe(count, { onData: take, onComplete: resolve, onError: reject });
      }),
    close: () => client.close(),
  };
}
