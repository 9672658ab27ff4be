// One end of a pair, in a process of its own: `node bench/end.mjs <peer> <server | client>`, ordered about by pairs.mjs.
//
// A peer is the URL of a module with `serve` and `connect`, or `library:` and the URL of an entry point of this library.
import { setTimeout as sleep } from 'node:timers/promises';
import { openLibrary } from './ours.mjs';
import { connectOnce, drive, driveSpread, warmUp } from './workloads.mjs';

const libraryPrefix = 'library:';
const [peer, role] = process.argv.slice(2);
const { serve, connect } = await (peer.startsWith(libraryPrefix)
  ? openLibrary(peer.slice(libraryPrefix.length))
  : import(peer));
let connectMore;
let end;
const held = [];

const orders = {
  /** @returns the port of a server, and what this end can do */
  async open(port) {
    connectMore = () => connect(port);
    end = role === 'server' ? await serve() : await connectMore();
    await end.enableCallbacks?.();
    return { port: end.port, abilities: Object.keys(end) };
  },
  warmUp: (calls, maxMs) => warmUp(end.echo, calls, maxMs),
  drive: (workload, ms) => drive(end, workload, ms, connectMore),
  /** Makes more connections, and keeps them. */
  async hold(count) {
    const wanted = held.length + count;
    let begun = held.length;
    const connectSome = async () => {
      while (begun++ < wanted) held.push(await connectOnce(connectMore));
    };
    await Promise.all(Array.from({ length: 16 }, connectSome));
  },
  async release() {
    await Promise.all(held.splice(0).map((each) => each.close()));
  },
  /** What the process has in memory, garbage excluded as far as can be. */
  async residentBytes() {
    for (let pass = 0; pass < 3; pass++) {
      globalThis.gc();
      await sleep(100);
    }
    return process.memoryUsage.rss();
  },
  driveHeld: (inFlight, ms) => driveSpread(held, inFlight, ms),
  grow: (what, count) => end.grow(what, count),
  cpu: () => process.cpuUsage(),
  async close() {
    await end.close();
    setImmediate(() => process.disconnect());
  },
};

// Also when the process that gives the orders is gone.
process.on('disconnect', () => process.exit());
process.on('message', async ({ order, args }) => {
  try {
    process.send({ result: await orders[order](...args) });
  } catch (error) {
    process.send({ error: error.stack ?? String(error) });
  }
});
process.send({ result: 'ready' });
