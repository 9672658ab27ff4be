/**
 * Streams between two connected sides as marbles: 1 ms from one side to the other, and everything set up by 20 ms.
 */
import { expect } from '@jest/globals';
import { defer, switchMap, type Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { RPCClient, RPCServer, type RegistrationOptions, type RemoteProxy } from 'tandem-rpc';
import { TestNetwork } from 'tandem-rpc/testing';
import type { ServingSide } from './served.js';

/** What a marble spec works with. */
export interface StreamMarbles<Service> extends RunHelpers {
  readonly network: TestNetwork;
  readonly scheduler: TestScheduler;
  /** Uses the service from 20 ms on. */
  readonly at20: <T>(use: (proxy: RemoteProxy<Service>) => Observable<T>) => Observable<T>;
  /** How many streams are open at both sides together. */
  readonly openStreams: () => number;
}

/**
 * Runs a marble spec; the two sides live for a second.
 *
 * @param side - which of the two serves
 * @param make - makes what it serves, on the spec's own time
 * @param spec - expects
 */
export function streamMarbles<Service extends object>(
  side: ServingSide,
  make: (helpers: RunHelpers, scheduler: TestScheduler) => Service,
  spec: (marbles: StreamMarbles<Service>) => void,
  registration?: RegistrationOptions,
): void {
  const scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
  scheduler.run((helpers) => {
    const network = new TestNetwork({ scheduler, latencyInSeconds: 0.001 });
    const server = new RPCServer(network.options);
    const client = new RPCClient(network.options);
    const serving = side === 'server' ? server : client;
    serving.registerProxyObject('service', make(helpers, scheduler), registration);
    void server.start();
    client.connectToServer();
    const proxy = (): RemoteProxy<Service> =>
      (side === 'server'
        ? client.remoteProxyObject<Service>('service')
        : server.remoteProxyObject<Service>(server.connections()[0]!, 'service'))!;
    const at20: StreamMarbles<Service>['at20'] = (use) =>
      helpers.cold('20ms a').pipe(switchMap(() => defer(() => use(proxy()))));
    spec({
      ...helpers,
      network,
      scheduler,
      at20,
      openStreams: () => server.counts().streams + client.counts().streams,
    });
    helpers.cold('999ms e').subscribe(() => {
      void client.dispose();
      void server.dispose();
    });
  });
}
