/**
 * A server that keeps a register of who is away, made to be tested in virtual time: a heartbeat that is lost after three
 * seconds takes no time at all. `spec/examples/virtual-time.spec.ts` shows the same as marbles.
 */
import { fileURLToPath } from 'node:url';
import { Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { type CloseReason, RPCClient, RPCServer } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';

/** What is tested: a class of the user, with a hook. */
export class Register extends RPCServer {
  readonly away$ = new Subject<string>();

  override disconnectionMade(connectionID: string, reason: CloseReason) {
    this.away$.next(`${this.connectionUniqueIdentifier(connectionID)}: ${reason.code}`);
  }
}

function rehearse() {
  const scheduler = new TestScheduler(() => {
    throw new Error('nothing is asserted here');
  });
  scheduler.run(() => {
    const network = new TestNetwork({ scheduler, latencyInSeconds: 0.01 });
    const register = new Register({ ...network.options, timeoutInSeconds: 3 });
    const client = new RPCClient({ ...network.options, timeoutInSeconds: 3, identifier: 'anna' });
    const say = (text: string) => {
      console.log(`${String(scheduler.now()).padStart(6)} ms  ${text}`);
    };
    void register.away$.forEach(say);
    void client.status$.forEach(say);

    void register.start();
    client.connectToServer();
    scheduler.schedule(() => {
      say('the cable is held');
      network.freeze();
    }, 5_000);
    scheduler.schedule(() => {
      say('the cable is let go');
      network.thaw();
    }, 10_000);
    scheduler.schedule(() => {
      void client.dispose();
      void register.dispose();
      register.away$.complete();
    }, 12_000);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) rehearse();
