// One end of a pair, in a process of its own: `node bench/end.mjs <peer> <server | client>`, ordered about by pairs.mjs.
//
// A peer is `floor`, or the URL of an entry point of this library.
import * as floor from './floor.mjs';
import { openLibrary } from './ours.mjs';
import { drive, driveStream, warmUp } from './workloads.mjs';

const [peer, role] = process.argv.slice(2);
const { serve, connect } = peer === 'floor' ? floor : await openLibrary(peer);
let end;

const orders = {
  async open(port) {
    end = role === 'server' ? await serve() : await connect(port);
    return end.port;
  },
  warmUp: (calls) => warmUp(end.echo, calls),
  drive: (inFlight, ms) => drive(end.echo, inFlight, ms),
  stream: (values) => driveStream(end.stream, values),
  cpu: () => process.cpuUsage(),
  async close() {
    await end.close();
    setImmediate(() => process.disconnect());
  },
};

process.on('message', async ({ order, args }) => {
  try {
    process.send({ result: await orders[order](...args) });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
process.send({ result: 'ready' });
