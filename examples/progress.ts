/**
 * A long job that reports its progress to a callback, and stops when the caller's signal says so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RPCClient, RPCServer } from 'tandem-rpc';

class Renderer {
  /** What the caller passes as a function is one that answers with a promise here. */
  async render(film: string, progress: (percent: number) => Promise<void>, signal?: AbortSignal) {
    for (const percent of [25, 50, 75, 100]) {
      signal?.throwIfAborted();
      await sleep(1);
      // Awaited: the next step begins when the caller has heard of this one.
      await progress(percent);
    }
    return `${film} is done`;
  }
}

await using server = new RPCServer({ port: 0, localProxyObjects: { renderer: new Renderer() } });
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
const renderer = await client.whenRemoteProxyObject<Renderer>('renderer');

const film = await renderer.render('Metropolis', (percent) => {
  console.log(`Metropolis: ${percent} %`);
});
console.log(film);

// The signal is mirrored: the renderer sees one of its own, aborted when this one is.
const controller = new AbortController();
await renderer
  .render(
    'Nosferatu',
    (percent) => {
      console.log(`Nosferatu: ${percent} %`);
      if (percent === 50) controller.abort(new Error('the audience has left'));
    },
    controller.signal,
  )
  .catch((error: unknown) => {
    console.log(`Nosferatu: ${(error as Error).message}`);
  });
