/**
 * Calls over a network that is cut, held and silenced by chance, for two virtual minutes: how does a program of yours bear it? The
 * seed makes it the same in each run, so that what has failed once can be looked at again.
 */
import { VirtualTimeScheduler } from 'rxjs';
import { RPCClient, RPCError, RPCServer } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';

class Till {
  sold = 0;

  sell(): void {
    this.sold += 1;
  }
}

const scheduler = new VirtualTimeScheduler();
const network = new TestNetwork({ scheduler, latencyInSeconds: 0.02, jitterInSeconds: 0.03 });
const till = new Till();
const server = new RPCServer({ ...network.options, timeoutInSeconds: 2, localProxyObjects: { till } });
const client = new RPCClient({ ...network.options, timeoutInSeconds: 2 });
void server.start();
client.connectToServer();

const faults: string[] = [];
const disturbed = network.disturbAtRandom({
  seed: 7,
  meanPauseInSeconds: 2,
  onFault: (fault) => faults.push(`${scheduler.now().toFixed(0)} ms: ${fault}`),
});

const outcomes = { sold: 0, notSold: 0, unknown: 0 };
for (let second = 1; second <= 120; second += 1) {
  scheduler.schedule(() => void sell(), second * 1_000);
}
await passUntil(120_500);
disturbed.stop();
await passUntil(135_000);

console.log(`faults: ${faults.length}, the first at ${faults[0] ?? ''}`);
console.log(`calls accounted for: ${outcomes.sold + outcomes.notSold + outcomes.unknown}`);
const [least, most] = [outcomes.sold, outcomes.sold + outcomes.unknown];
console.log(`the till has what it must have: ${least <= till.sold && till.sold <= most}`);
console.log(`connected again: ${client.isConnected()}`);

async function sell(): Promise<void> {
  try {
    const remoteTill = await client.whenRemoteProxyObject<Till>('till');
    await remoteTill.sell();
    outcomes.sold += 1;
  } catch (error) {
    // What is certain not to have run could be called again; of the others only the till knows.
    if (error instanceof RPCError && error.executed === 'no') outcomes.notSold += 1;
    else outcomes.unknown += 1;
  }
}

/** Lets virtual time pass; after each instant the promises that it settled go on. */
async function passUntil(ms: number): Promise<void> {
  for (let [next] = scheduler.actions; next !== undefined && next.delay <= ms; [next] = scheduler.actions) {
    scheduler.maxFrames = next.delay;
    scheduler.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
