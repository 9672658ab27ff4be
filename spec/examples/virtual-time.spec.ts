import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { RPCClient } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';
import { Register } from '../../examples/virtual-time.js';

describe('Register', () => {
  let scheduler: TestScheduler;
  let network: TestNetwork;
  let register: Register;
  let client: RPCClient;

  beforeEach(() => {
    scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    network = new TestNetwork({ scheduler, latencyInSeconds: 0.01 });
    register = new Register({ ...network.options, timeoutInSeconds: 3 });
    client = new RPCClient({ ...network.options, timeoutInSeconds: 3, identifier: 'anna' });
  });

  /** Connects, does something to the network after five seconds, and compares what is seen in the first eight. */
  function expectAfter(disturb: () => void, away: string, status: string) {
    scheduler.run(({ cold, expectObservable }) => {
      void register.start();
      client.connectToServer();
      cold('5s d').subscribe(disturb);
      cold('9s e').subscribe(() => {
        void client.dispose();
        void register.dispose();
      });
      const eightSeconds = '^ 7999ms !';
      expectObservable(register.away$, eightSeconds).toBe(away, {
        t: 'anna: timeout',
        l: 'anna: connection-lost',
      });
      expectObservable(client.status$, eightSeconds).toBe(status, {
        a: RPCClient.STATUS_AUTO_CONNECTING,
        b: RPCClient.STATUS_CONNECTING,
        c: RPCClient.STATUS_CONNECTED,
      });
    });
  }

  it('names a client as away three seconds after its last heartbeat, when the cable is held', () => {
    expectAfter(() => network.freeze(), '7040ms t', 'a 9ms b 19ms c 7019ms a');
  });

  it('names it when only the way to the server has gone silent', () => {
    expectAfter(() => network.halfOpen('toServer'), '7040ms t', 'a 9ms b 19ms c 7019ms a');
  });

  it('names it at once when the connection breaks, and the client comes back', () => {
    expectAfter(() => network.cut(), '5s l', 'a 9ms b 19ms c 4969ms a 34ms b 19ms c');
  });
});
