/**
 * Interceptors: what happens around every call, on either side.
 */
import { retry, tap } from 'rxjs';
import { RPCClient, type RPCInterceptor, RPCServer, withCallOptions } from 'tandem-rpc';

class Safe {
  #attempts = 0;

  open() {
    this.#attempts += 1;
    if (this.#attempts < 3) throw new Error('the lock is stuck');
    return `gold, at attempt ${this.#attempts}`;
  }
}

/** Says what is called, and what comes of it. */
const log: RPCInterceptor = (call, next) =>
  next(call).pipe(
    tap({
      next: (result) => {
        console.log(`${call.direction} ${call.object}.${call.member}: ${String(result)}`);
      },
      error: (error: unknown) => {
        console.log(`${call.direction} ${call.object}.${call.member}: ${(error as Error).message}`);
      },
    }),
  );

/** Lets in who knows the word. */
const authorise: RPCInterceptor = (call, next) => {
  if (call.metadata !== 'sesame') throw new Error('you may not');
  return next(call);
};

/** Tries again. What is further in sees each attempt. */
const again: RPCInterceptor = (call, next) => next(call).pipe(retry(2));

await using server = new RPCServer({
  port: 0,
  localProxyObjects: { safe: new Safe() },
  interceptors: [log, authorise],
});
await server.start();
await using client = new RPCClient({ port: server.address()?.port ?? 0, interceptors: [again, log] });
client.connectToServer();
const safe = await client.whenRemoteProxyObject<Safe>('safe');

console.log(await withCallOptions(safe, { metadata: 'sesame' }).open());
