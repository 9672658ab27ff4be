/** What the compiler says of proxies, options and hooks. Checked by `npm run types`; nothing here runs. */
import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';
import {
  type CloseReason,
  type ClientStatus,
  type NotifyProxy,
  notify,
  type RemoteMethodName,
  type RemoteProxy,
  type RemoteStream,
  type RemoteStreamName,
  RPCClient,
  RPCServer,
  type ServerStatus,
  withCallOptions,
} from 'tandem-rpc';

const secretKey = Symbol('secret');

class Bank {
  readonly owner = 'somebody';
  balance$: Observable<number> | undefined;
  optional?: (flag: boolean) => string;
  readonly [secretKey] = (): void => undefined;
  readonly #hidden = 0;
  protected audit(): number {
    return this.#hidden;
  }
  deposit(amount: number, note?: string): number {
    return amount + (note?.length ?? 0);
  }
  async find(id: string): Promise<{ id: string } | undefined> {
    return { id };
  }
  history$(): Observable<number> | undefined {
    return this.balance$;
  }
  _internal(): void {}
  toString(): string {
    return 'bank';
  }
  then(): void {}
}

declare function ignore(value: unknown): void;
declare const proxy: RemoteProxy<Bank>;
declare const client: RPCClient;
declare const server: RPCServer;

// A method keeps its parameters, and gives a promise of its result, flattened.
expectTypeOf(proxy.deposit).toEqualTypeOf<(amount: number, note?: string) => Promise<number>>();
expectTypeOf(proxy.find).toEqualTypeOf<(id: string) => Promise<{ id: string } | undefined>>();
expectTypeOf(proxy.optional).toEqualTypeOf<(flag: boolean) => Promise<string>>();
expectTypeOf<RemoteMethodName<Bank>>().toEqualTypeOf<'deposit' | 'find' | 'optional'>();
expectTypeOf<RemoteStreamName<Bank>>().toEqualTypeOf<'balance$' | 'history$'>();
expectTypeOf(proxy.balance$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(proxy.history$()).toEqualTypeOf<RemoteStream<number>>();
// @ts-expect-error -- wrong argument
void proxy.deposit('much');
// @ts-expect-error -- a value is no method
ignore(proxy.owner);
// @ts-expect-error -- private by its name
ignore(proxy._internal);
// @ts-expect-error -- protected
ignore(proxy.audit);
// @ts-expect-error -- a symbol
ignore(proxy[secretKey]);
// @ts-expect-error -- asked for by `await`
ignore(proxy.then);
// @ts-expect-error -- a proxy is not written to
proxy.deposit = proxy.deposit;
// What every object has is answered here.
expectTypeOf<ReturnType<(typeof proxy)['toString']>>().toEqualTypeOf<string>();

// notify() takes the answer away, withCallOptions() changes no type.
expectTypeOf(notify(proxy)).toEqualTypeOf<NotifyProxy<Bank>>();
expectTypeOf(notify(proxy).deposit).toEqualTypeOf<(amount: number, note?: string) => void>();
expectTypeOf(withCallOptions(proxy, { timeoutInSeconds: null })).toEqualTypeOf<RemoteProxy<Bank>>();
expectTypeOf(withCallOptions(notify(proxy), { metadata: 1 })).toEqualTypeOf<NotifyProxy<Bank>>();
// @ts-expect-error -- unknown option
withCallOptions(proxy, { timeout: 1 });
// @ts-expect-error -- seconds are a number
withCallOptions(proxy, { timeoutInSeconds: '1' });
withCallOptions(proxy, { whenDisconnected: 'wait' });
// @ts-expect-error -- there are two ways
withCallOptions(proxy, { whenDisconnected: 'retry' });

// Where proxies come from.
expectTypeOf(client.remoteProxyObject<Bank>('bank')).toEqualTypeOf<RemoteProxy<Bank> | undefined>();
expectTypeOf(client.whenRemoteProxyObject<Bank>('bank')).toEqualTypeOf<Promise<RemoteProxy<Bank>>>();
expectTypeOf(client.remoteProxyObject$<Bank>('bank')).toEqualTypeOf<
  Observable<RemoteProxy<Bank> | undefined>
>();
expectTypeOf(server.remoteProxyObject<Bank>('id', 'bank')).toEqualTypeOf<RemoteProxy<Bank> | undefined>();

// Options.
expectTypeOf<ConstructorParameters<typeof RPCServer>[0]['maxConnectionsAllowed']>().toEqualTypeOf<
  number | null | undefined
>();
// @ts-expect-error -- a port is needed
new RPCServer({});
// @ts-expect-error -- of a server only
new RPCClient({ port: 1, maxConnectionsAllowed: 1 });
// @ts-expect-error -- of a client only
new RPCServer({ port: 1, identifier: '' });
new RPCClient({ port: 1, localProxyObjects: { bank: new Bank() }, reconnect: { maxDelayInSeconds: 1 } });

// Hooks and what they are given; the same facts as streams.
export class Hooked extends RPCServer {
  override async connectionMade(connectionID: string): Promise<void> {
    expectTypeOf(connectionID).toEqualTypeOf<string>();
  }
  override disconnectionMade(connectionID: string, reason: CloseReason): void {
    expectTypeOf(reason.code).toEqualTypeOf<CloseReason['code']>();
    expectTypeOf(connectionID).toBeString();
  }
  override statusChanged(newStatus: ServerStatus): void {
    expectTypeOf(newStatus).toEqualTypeOf<'not running' | 'starting' | 'running' | 'stopping'>();
  }
  // @ts-expect-error -- no hook has this shape
  override remoteProxyObjectRegistered(connectionID: number): void {
    ignore(connectionID);
  }
}
expectTypeOf(server.connectionMade$).toEqualTypeOf<Observable<string>>();
expectTypeOf(server.connections$).toEqualTypeOf<Observable<readonly string[]>>();
expectTypeOf(server.errors$).toEqualTypeOf<Observable<Error>>();
expectTypeOf(server.status$).toEqualTypeOf<Observable<ServerStatus>>();
expectTypeOf(client.status$).toEqualTypeOf<Observable<ClientStatus>>();
expectTypeOf(client.disconnectionMade$).toEqualTypeOf<
  Observable<{ readonly connectionID: string; readonly reason: CloseReason }>
>();

// Of `any` nothing is known, so anything may be tried.
expectTypeOf<RemoteProxy<ReturnType<typeof JSON.parse>>>().toBeAny();
expectTypeOf<NotifyProxy<ReturnType<typeof JSON.parse>>>().toBeAny();
